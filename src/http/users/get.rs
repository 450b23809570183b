//! `GET /users/{user}`: one user, by id, by username, or oneself by `me`.

use axum::{
    extract::{Path, State, rejection::PathRejection},
    http::StatusCode,
};
use rollcall_projections::users::{FoundUser, find};
use uuid::Uuid;

use super::UserView;
use crate::{
    app::{App, AppState},
    http::{
        answer::{Json, Refusal},
        caller::Caller,
    },
};

/// The user, if the caller may see them.
pub async fn get(
    State(app): State<AppState>,
    caller: Caller,
    user: Result<Path<String>, PathRejection>,
) -> Result<Json<UserView>, Refusal> {
    // What is no text, percent-decoded, is nobody's name.
    let Path(user) = user.map_err(|_| Refusal::not_found())?;
    let found = find(&app, &caller, &user)
        .await?
        .ok_or_else(Refusal::not_found)?;
    if found.row.id != caller.user().row.id && !caller.may_see_everybody() {
        return Err(Refusal::not_found());
    }
    Ok(Json(StatusCode::OK, found.into()))
}

/// By id, deleted users too; by name, the living.
async fn find(app: &App, caller: &Caller, user: &str) -> Result<Option<FoundUser>, Refusal> {
    if user == "me" {
        return Ok(Some(caller.user().clone()));
    }
    // Only the hyphenated form is an id: 32 hexadecimal digits are a good username.
    if user.len() == 36
        && let Ok(id) = Uuid::parse_str(user)
    {
        return Ok(find::by_id(&app.pool, id).await?);
    }
    if user.contains('\0') {
        return Ok(None);
    }
    Ok(find::by_username(&app.pool, &user.to_ascii_lowercase()).await?)
}
