//! `PUT /users/{user}/status/suspend`: keeps a user out, from their very next request on. Their sessions and tokens
//! stay, and are of no use until the user is activated.

use axum::{extract::State, http::StatusCode, response::Response};
use rollcall_events::user::UserCommand;

use super::{
    UserView, activate::changing_status, changed::changed, refused::refused, target::target,
};
use crate::{
    app::AppState,
    http::{answer::Refusal, caller::Caller, path::Path},
};

/// Suspends a user. Who is suspended already stays so.
#[utoipa::path(put, path = "/api/v2/users/{user}/status/suspend", tag = "users", operation_id = "suspend_user",
    responses(
        (status = 200, body = UserView),
        (status = 400, description = "It is the caller, or an owner."),
    ))]
pub async fn suspend(
    State(app): State<AppState>,
    caller: Caller,
    Path(user): Path<String>,
) -> Result<Response, Refusal> {
    let found = target(&app, &caller, &user).await?;
    if found.row.id == caller.user().row.id {
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "You cannot suspend yourself.",
        ));
    }
    let required = changing_status(&caller, &found);
    caller.meets(&app, &required, Some(&found))?;
    let command = UserCommand::SuspendUser;
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
