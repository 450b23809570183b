//! `GET /users/{user}/keys/{id}`: one key, without its secret.

use axum::{extract::State, http::StatusCode};

use super::{KeyView, holder, key_of};
use crate::{
    app::AppState,
    http::{
        answer::{Json, Refusal},
        caller::Caller,
        path::Path,
    },
    permissions::Action,
};

/// One key.
///
/// A session or an API token, be it past its end or not.
#[utoipa::path(get, path = "/api/v2/users/{user}/keys/{id}", tag = "keys", operation_id = "get_key",
    responses((status = 200, body = KeyView)))]
pub async fn get(
    State(app): State<AppState>,
    caller: Caller,
    Path((user, id)): Path<(String, String)>,
) -> Result<Json<KeyView>, Refusal> {
    let (holder, _) = holder(&app, &caller, &user, Action::Read).await?;
    let key = key_of(&app, &holder, id).await?;
    Ok(Json(StatusCode::OK, key.into()))
}
