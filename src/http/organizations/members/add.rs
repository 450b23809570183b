//! `POST /organizations/{organization}/members/{user}`: a user joins an organisation, at the wish of who runs it. Whoever
//! cannot see the user cannot add them.

use axum::{extract::State, response::Response};
use rollcall_events::user::UserCommand;

use super::{MemberView, target::target};
use crate::{
    app::AppState,
    http::{answer::Refusal, caller::Caller, path::Path},
    permissions::{Action, Object},
};

/// Adds a user to an organization, without roles there.
#[utoipa::path(post, path = "/api/v2/organizations/{organization}/members/{user}", tag = "organizations",
    operation_id = "add_organization_member", responses(
        (status = 200, body = MemberView),
        (status = 400, description = "The user belongs to the organization already."),
    ))]
pub async fn add(
    State(app): State<AppState>,
    caller: Caller,
    Path((organization, user)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let place = target(&app, &caller, &organization, &user).await?;
    let object = Object::member_of(place.organization_id, place.user_id());
    let required = place.managing(&caller, Action::Create, object);
    caller.meets(&app, &required, Some(&place.user))?;
    let command = UserCommand::JoinOrganization(place.organization_id);
    let done = place
        .execute(&app, caller.authority(&app, required), command)
        .await?;
    place.changed(&app, &done).await
}
