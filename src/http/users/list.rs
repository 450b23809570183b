//! `GET /users`: searched, filtered, page by page; or all, streamed.

use axum::{
    extract::{RawQuery, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use rollcall_projections::users::{
    list::{ListRequest, Visibility, page, stream},
    search,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::UserView;
use crate::{
    app::AppState,
    http::{
        answer::{Json, Refusal},
        caller::Caller,
        query::{Invalid, Parameters},
        streamed::{Frame, LARGEST_PAGE, streamed},
    },
    permissions::{Action, Object},
};

/// A search longer than this is no search.
const MOST_QUERY_BYTES: usize = 4096;
/// A page of the list, or all of it.
#[derive(Serialize, ToSchema)]
#[schema(as = UserList)]
struct Answer {
    users: Vec<UserView>,
    /// How many there are from `after_id` on; 0 if the page is empty.
    #[schema(example = 1)]
    count: i64,
}

/// The users whom the caller may see: a page, or everybody. In the order of their usernames.
#[utoipa::path(get, path = "/api/v2/users", tag = "users", operation_id = "list_users",
    params(
        ("q" = Option<String>, Query, max_length = 4096, example = "status:active",
            description = "What to look for: words, and filters such as `status:active` or `role:owner`."),
        ("after_id" = Option<Uuid>, Query, description = "Begin behind this user."),
        ("limit" = Option<i32>, Query, minimum = 0, example = 25, description = "At most so many. 0: no limit."),
        ("offset" = Option<i32>, Query, minimum = 0, example = 0, description = "Leave out so many at the beginning."),
    ),
    responses((status = 200, body = Answer)))]
pub async fn list(
    State(app): State<AppState>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let request = read(&caller, query.as_deref())?;
    if request.limit == 0 || request.limit > LARGEST_PAGE {
        let users = stream(&app.streams, &request)
            .map(|listed| listed.map(|listed| (UserView::from(listed.user), listed.count)));
        let frame = Frame::Counted {
            name: "users",
            offset: request.offset,
        };
        return Ok(streamed(users.boxed(), frame).await?);
    }
    let page = page(&app.pool, &request).await?;
    let users = page.users.into_iter().map(UserView::from).collect();
    let count = page.count;
    Ok(Json(StatusCode::OK, Answer { users, count }).into_response())
}

fn read(caller: &Caller, query: Option<&str>) -> Result<ListRequest, Refusal> {
    let mut parameters = Parameters::parse(query);
    let q = parameters.text("q");
    if q.len() > MOST_QUERY_BYTES {
        let detail = format!("Query param \"q\" must have at most {MOST_QUERY_BYTES} bytes");
        return Err(vec![Invalid {
            field: "q".to_owned(),
            detail,
        }]
        .into());
    }
    // Only this is told when it is bad: the other parameters may be right, or not, for another search.
    let filter = search::parse(&q).map_err(|problems| {
        let problem = |problem: search::InvalidQuery| Invalid {
            field: problem.field,
            detail: problem.detail,
        };
        Refusal::from(problems.into_iter().map(problem).collect::<Vec<_>>())
    })?;
    let after = parameters.uuid("after_id");
    let limit = parameters.non_negative("limit");
    let offset = parameters.non_negative("offset");
    parameters.finish()?;
    let visible_to = if caller.may(Action::Read, &Object::any_user()) {
        Visibility::All
    } else {
        Visibility::Only(caller.user().row.id)
    };
    Ok(ListRequest {
        filter,
        visible_to,
        after,
        limit,
        offset,
    })
}
