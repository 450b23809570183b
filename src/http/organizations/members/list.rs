//! `GET /organizations/{organization}/members`: all of them, streamed.

use axum::{extract::State, response::Response};
use futures_util::StreamExt;
use rollcall_projections::{
    members::list::{ListRequest, stream},
    users::list::Visibility,
};
use uuid::Uuid;

use super::MemberWithUserView;
use crate::{
    app::AppState,
    http::{
        answer::Refusal,
        caller::Caller,
        organizations::target::target,
        path::Path,
        streamed::{Frame, Items, streamed},
    },
    permissions::{Action, Object},
};

/// The members of an organization whom the caller may see, in the order of their usernames.
#[utoipa::path(get, path = "/api/v2/organizations/{organization}/members", tag = "organizations",
    operation_id = "list_organization_members", responses((status = 200, body = Vec<MemberWithUserView>)))]
pub async fn list(
    State(app): State<AppState>,
    caller: Caller,
    Path(organization): Path<String>,
) -> Result<Response, Refusal> {
    let organization = target(&app, &caller, &organization).await?;
    let request = ListRequest {
        organization_id: organization.id,
        visible_to: visibility(&caller, organization.id),
        after: None,
        limit: 0,
        offset: 0,
    };
    Ok(streamed(items(&app, &request), Frame::List).await?)
}

/// Who may not see all members sees themselves, if they are one.
pub fn visibility(caller: &Caller, organization: Uuid) -> Visibility {
    if caller.may(Action::Read, &Object::any_member_of(organization)) {
        Visibility::All
    } else {
        Visibility::Only(caller.user().row.id)
    }
}

/// The members as they come from the database.
pub fn items(app: &AppState, request: &ListRequest) -> Items<MemberWithUserView> {
    stream(&app.streams, request)
        .map(|listed| {
            let listed = listed?;
            let count = listed.count;
            Ok((listed.into(), count))
        })
        .boxed()
}
