//! `DELETE /organizations/{organization}/members/{user}`: a user leaves an organisation, at the wish of who runs it.
//!
//! Nobody is removed from the last organisation that they belong to, the default one or another: clients take the first
//! of a user's organisations for their own, and some fail where there is none. Who is to have none is deleted.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use rollcall_events::user::UserCommand;

use super::target::target;
use crate::{
    app::AppState,
    http::{answer::Refusal, caller::Caller, path::Path, position::position_header},
    permissions::{Action, Object},
};

/// Removes a user from an organization, with their roles there.
#[utoipa::path(delete, path = "/api/v2/organizations/{organization}/members/{user}", tag = "organizations",
    operation_id = "remove_organization_member", responses(
        (status = 204),
        (status = 400, description = "It is the caller, or the user's last organization."),
    ))]
pub async fn remove(
    State(app): State<AppState>,
    caller: Caller,
    Path((organization, user)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let place = target(&app, &caller, &organization, &user).await?;
    place.member(&app).await?;
    place.must_be_anothers(&caller, "You cannot remove yourself from an organization.")?;
    let object = Object::member_of(place.organization_id, place.user_id());
    let required = place.managing(&caller, Action::Delete, object);
    caller.meets(&app, &required, Some(&place.user))?;
    let command = UserCommand::LeaveOrganization(place.organization_id);
    let done = place
        .execute(&app, caller.authority(&app, required), command)
        .await?;
    Ok((StatusCode::NO_CONTENT, position_header(done.position)).into_response())
}
