//! `GET /users/{user}/keys/tokens/{name}`: one API token, by its name.

use axum::{extract::State, http::StatusCode};
use rollcall_projections::sessions;

use super::{KeyView, can_be_asked_for, holder};
use crate::{
    app::AppState,
    http::{
        answer::{Json, Refusal},
        caller::Caller,
        path::Path,
    },
    permissions::Action,
};

/// One API token, by its name.
///
/// Be it past its end or not.
#[utoipa::path(get, path = "/api/v2/users/{user}/keys/tokens/{token_name}", tag = "keys", operation_id = "get_token",
    responses((status = 200, body = KeyView)))]
pub async fn get_token(
    State(app): State<AppState>,
    caller: Caller,
    Path((user, name)): Path<(String, String)>,
) -> Result<Json<KeyView>, Refusal> {
    let (holder, _) = holder(&app, &caller, &user, Action::Read).await?;
    let found = if can_be_asked_for(&name) {
        sessions::token_named(&app.pool, holder.row.id, &name).await?
    } else {
        None
    };
    let token = found.ok_or_else(Refusal::not_found)?;
    Ok(Json(StatusCode::OK, token.into()))
}
