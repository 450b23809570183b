//! The answer to a change of a user: the user, as they are after it.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use rollcall_projections::users::find;
use uuid::Uuid;

use super::UserView;
use crate::{
    app::App,
    command_bus::Done,
    http::{
        answer::{Json, Refusal},
        position::position_header,
    },
};

/// Reads the user again: what was written is seen by every later read.
pub async fn changed(app: &App, user: Uuid, done: &Done) -> Result<Response, Refusal> {
    let found = find::by_id(&app.pool, user)
        .await?
        .ok_or_else(Refusal::not_found)?;
    let user = Json(StatusCode::OK, UserView::from(found));
    Ok((position_header(done.position), user).into_response())
}
