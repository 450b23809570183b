//! `PUT /users/{user}/status/activate`: lets a suspended or dormant user in.

use axum::{extract::State, response::Response};
use rollcall_events::user::{ActivationCause, UserCommand};

use super::{UserView, changed::changed, refused::refused, target::target};
use crate::{
    app::AppState,
    http::{answer::Refusal, caller::Caller, path::Path},
    permissions::{Action, Object},
};

/// Activates a user. Who is active already stays so.
#[utoipa::path(put, path = "/api/v2/users/{user}/status/activate", tag = "users", operation_id = "activate_user",
    responses((status = 200, body = UserView)))]
pub async fn activate(
    State(app): State<AppState>,
    caller: Caller,
    Path(user): Path<String>,
) -> Result<Response, Refusal> {
    let found = target(&app, &caller, &user).await?;
    caller.require_or_hide(Action::Update, &Object::user(found.row.id))?;
    let command = UserCommand::ActivateUser(ActivationCause::Administrator);
    let done = app
        .users
        .execute(found.row.id, command, caller.metadata(&app), Vec::new())
        .await
        .map_err(|error| refused(&error))?;
    changed(&app, found.row.id, &done).await
}
