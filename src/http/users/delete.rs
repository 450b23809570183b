//! `DELETE /users/{user}`: removes a user. E-mail address and username are free, and every session and token ends, in
//! the same transaction; the history stays.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use rollcall_events::{user::UserCommand, vault::VaultWrite};

use super::{refused::refused, target::target};
use crate::{
    app::AppState,
    erasure,
    http::{
        answer::{Json, Notice, Refusal},
        caller::Caller,
        path::Path,
        position::position_header,
    },
    permissions::{Action, Object},
};

/// Deletes a user. Who is gone already stays so.
#[utoipa::path(delete, path = "/api/v2/users/{user}", tag = "users", operation_id = "delete_user",
    responses(
        (status = 200, body = Notice, example = json!({ "message": "User has been deleted!" })),
        (status = 400, description = "It is the last active owner."),
        (status = 403, description = "It is the caller, or not theirs to delete."),
    ))]
pub async fn delete(
    State(app): State<AppState>,
    caller: Caller,
    Path(user): Path<String>,
) -> Result<Response, Refusal> {
    let found = target(&app, &caller, &user).await?;
    let id = found.row.id;
    if id == caller.user().row.id {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "You cannot delete yourself.",
        ));
    }
    let required = caller
        .requirement()
        .sees(id)
        .allows(Action::Delete, Object::user(id))
        .outranks(id);
    caller.meets(&app, &required, Some(&found))?;
    let secrets = vec![
        VaultWrite::NoPassword { subject: id },
        VaultWrite::NoProviderTokens { subject: id },
    ];
    let done = app
        .users
        .execute(
            id,
            UserCommand::DeleteUser,
            caller.authority(&app, required),
            secrets,
        )
        .await
        .map_err(|error| refused(&error))?;
    erasure::forget_sign_ins(&app, id).await;
    let answer = Json(StatusCode::OK, Notice::new("User has been deleted!"));
    Ok((position_header(done.position), answer).into_response())
}
