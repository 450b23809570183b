//! `PUT /users/{user}/status/activate`: lets a suspended or dormant user in.

use axum::{extract::State, response::Response};
use rollcall_events::user::{ActivationCause, UserCommand};
use rollcall_projections::users::FoundUser;

use super::{UserView, changed::changed, refused::refused, target::target};
use crate::{
    app::AppState,
    http::{answer::Refusal, caller::Caller, path::Path},
    permissions::{Action, Object, Requirement},
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
    let required = changing_status(&caller, &found);
    caller.meets(&app, &required, Some(&found))?;
    let command = UserCommand::ActivateUser(ActivationCause::Administrator);
    let done = app
        .users
        .execute(
            found.row.id,
            command,
            caller.authority(&app, required),
            Vec::new(),
        )
        .await
        .map_err(|error| refused(&error))?;
    changed(&app, found.row.id, &done).await
}

/// What changing a user's status requires.
pub(super) fn changing_status(caller: &Caller, found: &FoundUser) -> Requirement {
    let id = found.row.id;
    caller
        .requirement()
        .sees(id)
        .allows_or_hides(Action::Update, Object::user(id))
        .outranks(id)
}
