//! `POST /users/logout`: ends the session that the request came with. The next request with its token, on any node,
//! is a 401.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use rollcall_events::user::{EndReason, UserCommand};

use crate::{
    app::{App, AppState},
    command_bus::CommandError,
    http::{
        answer::{Json, Notice, Refusal},
        caller::Caller,
        cookies::session_cookie,
        position::position_header,
    },
};

/// Signs out.
#[utoipa::path(post, path = "/api/v2/users/logout", tag = "sessions", operation_id = "logout",
    responses((status = 200, body = Notice, example = json!({ "message": "Logged out!" }))))]
pub async fn logout(State(app): State<AppState>, caller: Caller) -> Result<Response, Refusal> {
    let (headers, position) = end_session(&app, &caller).await?;
    Ok((
        headers,
        position_header(position),
        Json(StatusCode::OK, Notice::new("Logged out!")),
    )
        .into_response())
}

/// Ends the caller's session; the cookies that make a browser forget it, and the position in the log.
///
/// # Errors
/// See [`Refusal::from_command`].
pub async fn end_session(app: &App, caller: &Caller) -> Result<(HeaderMap, i64), Refusal> {
    let command = UserCommand::EndSession {
        session_id: caller.session.session.id.clone(),
        reason: EndReason::SignedOut,
    };
    let user = caller.user().row.id;
    let authority = caller.authority(app, caller.requirement());
    let users = &app.users;
    let mut executed = users
        .execute(user, command.clone(), authority, Vec::new())
        .await;
    // Suspended a moment ago: the session must not come back to life when they are activated.
    if matches!(executed, Err(CommandError::Denied(_))) {
        let authority = caller.authority_of_system(app);
        executed = users.execute(user, command, authority, Vec::new()).await;
    }
    let done = executed.map_err(|error| Refusal::from_command(&error))?;
    let mut cookies = HeaderMap::new();
    if let Some(cookie) = session_cookie("", &app.config) {
        cookies.append(header::SET_COOKIE, cookie);
    }
    Ok((cookies, done.position))
}
