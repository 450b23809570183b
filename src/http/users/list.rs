//! `GET /users`: searched, filtered, page by page; or all, streamed.

use axum::{
    extract::{RawQuery, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use rollcall_projections::{
    history::{list_at, unknown_of_the_past},
    users::{
        list::{ListRequest, Page, Visibility, page, stream},
        search,
    },
};
use serde::Serialize;
use utoipa::ToSchema;

use super::UserView;
use crate::{
    app::{App, AppState},
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
///
/// With `at`, as they were then, for whoever may read histories; everybody else finds themselves. Then a page has at most
/// 1000 users, and nothing can be asked about visits and providers' accounts, which are known of the present only.
#[utoipa::path(get, path = "/api/v2/users", tag = "users", operation_id = "list_users",
    params(
        ("q" = Option<String>, Query, max_length = 4096, example = "status:active",
            description = "What to look for: words, and filters such as `status:active` or `role:owner`."),
        ("after_id" = Option<Uuid>, Query, description = "Begin behind this user."),
        ("limit" = Option<i32>, Query, minimum = 0, example = 25, description = "At most so many. 0: no limit."),
        ("offset" = Option<i32>, Query, minimum = 0, example = 0, description = "Leave out so many at the beginning."),
        ("at" = Option<String>, Query, format = DateTime, example = "2026-01-31T12:00:00Z", description = "As of this time."),
    ),
    responses((status = 200, body = Answer)))]
pub async fn list(
    State(app): State<AppState>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let (request, at) = read(&app, &caller, query.as_deref())?;
    if let Some(at) = at {
        let page = list_at(&app.log, &app.streams, &request, at).await?;
        return Ok(answer(page));
    }
    if request.limit == 0 || request.limit > LARGEST_PAGE {
        let users = stream(&app.streams, &request)
            .map(|listed| listed.map(|listed| (UserView::from(listed.user), listed.count)));
        let frame = Frame::Counted {
            name: "users",
            offset: request.offset,
        };
        return Ok(streamed(users.boxed(), frame).await?);
    }
    Ok(answer(page(&app.pool, &request).await?))
}

fn answer(page: Page) -> Response {
    let users = page.users.into_iter().map(UserView::from).collect();
    let count = page.count;
    Json(StatusCode::OK, Answer { users, count }).into_response()
}

/// What is asked for, and of when, if not of now.
fn read(
    app: &App,
    caller: &Caller,
    query: Option<&str>,
) -> Result<(ListRequest, Option<DateTime<Utc>>), Refusal> {
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
    let at = parameters.time("at");
    if let Some(at) = at {
        for key in unknown_of_the_past(&filter) {
            parameters.refuse(key, format!("{key:?} is known of the present only"));
        }
        if at > app.clock.now() {
            let detail = "Query param \"at\" must be in the past, and this has not come";
            parameters.refuse("at", detail.to_owned());
        }
    }
    parameters.finish()?;
    let limit = match at {
        Some(_) if limit == 0 || limit > LARGEST_PAGE => LARGEST_PAGE,
        _ => limit,
    };
    let sees = if at.is_some() {
        Action::ReadHistory
    } else {
        Action::Read
    };
    let visible_to = if caller.may(sees, &Object::any_user()) {
        Visibility::All
    } else {
        Visibility::Only(caller.user().row.id)
    };
    let request = ListRequest {
        filter,
        visible_to,
        after,
        limit,
        offset,
    };
    Ok((request, at))
}
