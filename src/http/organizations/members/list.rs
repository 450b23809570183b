//! `GET /organizations/{organization}/members`: all of them, streamed.

use axum::{extract::State, response::Response};
use futures_util::{StreamExt, TryStreamExt, stream::BoxStream};
use rollcall_projections::{
    members::{
        ListedMember,
        list::{ListRequest, MemberList},
    },
    users::{Cursor, list::Visibility},
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
        after: Cursor::Start,
        limit: 0,
        offset: 0,
    };
    let members = MemberList::now(&app.pool, request).await?;
    let members = views(members.stream(&app.pool));
    streamed(&app.long_lists, caller.user().row.id, members, Frame::List).await
}

/// Who may not see all members sees themselves, if they are one.
pub fn visibility(caller: &Caller, organization: Uuid) -> Visibility {
    if caller.may(Action::Read, &Object::any_member_of(organization)) {
        Visibility::All
    } else {
        Visibility::Only(caller.user().row.id)
    }
}

/// A member, with how many there are.
pub type Listed = (ListedMember, i64);

/// The members as clients see them.
pub fn views(members: BoxStream<'static, sqlx::Result<Listed>>) -> Items<MemberWithUserView> {
    members
        .map_ok(|(member, count)| (member.into(), count))
        .boxed()
}
