//! `DELETE /users/{user}/keys/{id}`: a key that is good no more, from the next request on, on every node.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use rollcall_events::user::{EndReason, UserCommand};

use super::{holder, key_of};
use crate::{
    app::AppState,
    http::{
        answer::Refusal, caller::Caller, path::Path, position::position_header,
        users::refused::refused,
    },
    permissions::Action,
};

/// Deletes a key.
///
/// A session or an API token; also the one that the request comes with.
#[utoipa::path(delete, path = "/api/v2/users/{user}/keys/{id}", tag = "keys", operation_id = "delete_key",
    responses((status = 204)))]
pub async fn delete(
    State(app): State<AppState>,
    caller: Caller,
    Path((user, id)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let (holder, required) = holder(&app, &caller, &user, Action::Delete).await?;
    let key = key_of(&app, &holder, id).await?;
    let command = UserCommand::EndSession {
        session_id: key.session.id,
        reason: EndReason::Revoked,
    };
    let authority = caller.authority(&app, required);
    let executed = app
        .users
        .execute(holder.row.id, command, authority, Vec::new())
        .await;
    let done = executed.map_err(|error| refused(&error))?;
    // Somebody else was faster.
    if done.events.is_empty() {
        return Err(Refusal::not_found());
    }
    Ok((StatusCode::NO_CONTENT, position_header(done.position)).into_response())
}
