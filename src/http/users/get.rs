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

/// The user, if the caller may see them.
pub async fn get(
    State(app): State<AppState>,
    caller: Caller,
    Path(user): Path<String>,
) -> Result<Json<UserView>, Refusal> {
    let found = target(&app, &caller, &user).await?;
    Ok(Json(StatusCode::OK, found.into()))
}
