//! `PUT /users/{user}/keys/{id}/expire`: a key that is good no more, and can still be looked at for a while.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use rollcall_events::user::UserCommand;

use super::{holder, key_of};
use crate::{
    app::AppState,
    http::{
        answer::Refusal, caller::Caller, path::Path, position::position_header,
        users::refused::refused,
    },
    permissions::Action,
};

/// Ends a key now.
///
/// It can still be looked at for a while. One that is past its end already stays as it is.
#[utoipa::path(put, path = "/api/v2/users/{user}/keys/{id}/expire", tag = "keys", operation_id = "expire_key",
    responses((status = 204)))]
pub async fn expire(
    State(app): State<AppState>,
    caller: Caller,
    Path((user, id)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let (holder, required) = holder(&app, &caller, &user, Action::Update).await?;
    let key = key_of(&app, &holder, id).await?;
    let command = UserCommand::ExpireSession {
        session_id: key.session.id,
        at: app.clock.now(),
    };
    let authority = caller.authority(&app, required);
    let executed = app
        .users
        .execute(holder.row.id, command, authority, Vec::new())
        .await;
    let done = executed.map_err(|error| refused(&error))?;
    Ok((StatusCode::NO_CONTENT, position_header(done.position)).into_response())
}
