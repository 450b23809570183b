//! `GET /users/{user}`: one user, by id, by username, or oneself by `me`.

use axum::{extract::State, http::StatusCode};

use super::{UserView, target::target};
use crate::{
    app::AppState,
    http::{
        answer::{Json, Refusal},
        caller::Caller,
        path::Path,
    },
};

/// One user.
#[utoipa::path(get, path = "/api/v2/users/{user}", tag = "users", operation_id = "get_user",
    responses((status = 200, body = UserView)))]
pub async fn get(
    State(app): State<AppState>,
    caller: Caller,
    Path(user): Path<String>,
) -> Result<Json<UserView>, Refusal> {
    let found = target(&app, &caller, &user).await?;
    Ok(Json(StatusCode::OK, found.into()))
}
