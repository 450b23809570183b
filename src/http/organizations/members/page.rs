//! `GET /organizations/{organization}/paginated-members`: page by page, with how many there are.

use axum::{
    extract::{RawQuery, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, TryStreamExt};
use rollcall_projections::{
    members::list::{ListRequest, MemberList, page as members},
    users::Cursor,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    MemberWithUserView,
    list::{Listed, views, visibility},
};
use crate::{
    app::AppState,
    http::{
        answer::{Json, Refusal},
        caller::Caller,
        organizations::target::target,
        page_ends::cursor,
        path::Path,
        query::Parameters,
        streamed::{Frame, LARGEST_PAGE, streamed},
    },
};

/// A page of the members, or all of them.
#[derive(Serialize, ToSchema)]
#[schema(as = OrganizationMemberList)]
struct Answer {
    members: Vec<MemberWithUserView>,
    /// How many there are from `after_id` on; 0 if the page is empty.
    #[schema(example = 1)]
    count: i64,
}

/// The members of an organization whom the caller may see, page by page, in the order of their usernames.
#[utoipa::path(get, path = "/api/v2/organizations/{organization}/paginated-members", tag = "organizations",
    operation_id = "paginated_organization_members",
    params(
        ("after_id" = Option<Uuid>, Query, example = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff", description = "Begin behind this user."),
        ("limit" = Option<i32>, Query, minimum = 0, example = 25, description = "At most so many. 0: no limit."),
        ("offset" = Option<i32>, Query, minimum = 0, example = 0, description = "Leave out so many at the beginning."),
    ),
    responses((status = 200, body = Answer)))]
pub async fn page(
    State(app): State<AppState>,
    caller: Caller,
    Path(organization): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let organization = target(&app, &caller, &organization).await?;
    let mut parameters = Parameters::parse(query.as_deref());
    let after = parameters.uuid("after_id");
    let mut request = ListRequest {
        organization_id: organization.id,
        visible_to: visibility(&caller, organization.id),
        after: Cursor::Start,
        limit: parameters.non_negative("limit"),
        offset: parameters.non_negative("offset"),
    };
    parameters.finish()?;
    request.after = cursor(&app, &caller, after, request.visible_to).await?;
    let session = &caller.session.session.id;
    if request.limit == 0 || request.limit > LARGEST_PAGE {
        let frame = Frame::Counted {
            name: "members",
            offset: request.offset,
        };
        let last = app
            .page_ends
            .last_of(session, request.limit, |(member, _): &Listed| {
                &member.user.row
            });
        let members = MemberList::now(&app.pool, request).await?;
        let members = members.stream(&app.pool).inspect_ok(last).boxed();
        return streamed(&app.long_lists, caller.user().row.id, views(members), frame).await;
    }
    let listed = members(&app.pool, &request).await?;
    if let Some(last) = listed.last() {
        app.page_ends.remember(session, &last.user.row);
    }
    let answer = Answer {
        count: listed.first().map_or(0, |first| first.count),
        members: listed.into_iter().map(MemberWithUserView::from).collect(),
    };
    Ok(Json(StatusCode::OK, answer).into_response())
}
