//! `GET /users`: searched, filtered, page by page; or all, streamed.

use axum::{
    extract::{RawQuery, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, TryStreamExt, stream::BoxStream};
use rollcall_projections::{
    history::{Moment, UserList, unknown_of_the_past},
    users::{
        Cursor, FoundUser,
        list::{ListRequest, Page, Visibility, page},
        search,
    },
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    UserView,
    moment::{moment_of_all, require_past},
};
use crate::{
    app::{App, AppState},
    http::{
        answer::{Json, Refusal},
        caller::Caller,
        page_ends::cursor,
        position::must_read_log,
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
/// With `at` or `position`, as they were then, for whoever may read histories; everybody else finds themselves. Then nothing
/// can be asked about visits and providers' accounts, which are known of the present only. Who was erased since has no name,
/// and comes last.
///
/// Without a limit, or with a large one, the list is as it was when it began, however long it takes to read.
#[utoipa::path(get, path = "/api/v2/users", tag = "users", operation_id = "list_users",
    params(
        ("q" = Option<String>, Query, max_length = 4096, example = "status:active",
            description = "What to look for: words in usernames and addresses, in any case, and filters such as `status:active`, `role:owner`, \
                           `name:lovelace` (a part of the name), `email:ada@example.com` and `username:ada` (the whole of each)."),
        ("after_id" = Option<Uuid>, Query, example = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff", description = "Begin behind this user."),
        ("limit" = Option<i32>, Query, minimum = 0, example = 25, description = "At most so many. 0: no limit."),
        ("offset" = Option<i32>, Query, minimum = 0, example = 0, description = "Leave out so many at the beginning."),
        ("at" = Option<String>, Query, format = DateTime, example = "2026-01-31T12:00:00Z", description = "As of this time."),
        ("position" = Option<i64>, Query, minimum = 0, example = 7, description = "As of the event at this position in the log. For callers who may read the audit log."),
    ),
    responses((status = 200, body = Answer)))]
pub async fn list(
    State(app): State<AppState>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let (mut request, after, moment) = read(&app, &caller, query.as_deref())?;
    must_read_log(&caller, moment)?;
    let is_long = request.limit == 0 || request.limit > LARGEST_PAGE;
    let offset = request.offset;
    if let Some(moment) = moment {
        // That of everybody is nobody's in particular.
        require_past(&app, Uuid::nil(), moment).await?;
        let list = UserList::at(&app.log, request, after, moment).await?;
        return if is_long {
            one_by_one(&app, &caller, list.stream(&app.pool), offset).await
        } else {
            Ok(answer(list.page(&app.pool).await?))
        };
    }
    request.after = cursor(&app, &caller, after, request.visible_to).await?;
    let session = &caller.session.session.id;
    if is_long {
        let note_end =
            app.page_ends
                .last_of(session, request.limit, |(user, _): &(FoundUser, i64)| {
                    &user.row
                });
        let everybody = UserList::now(&app.pool, request).await?;
        let users = everybody.stream(&app.pool).inspect_ok(note_end).boxed();
        return one_by_one(&app, &caller, users, offset).await;
    }
    let page = page(&app.pool, &request).await?;
    if let Some(last) = page.users.last() {
        app.page_ends.remember(session, &last.row);
    }
    Ok(answer(page))
}

async fn one_by_one(
    app: &App,
    caller: &Caller,
    users: BoxStream<'static, sqlx::Result<(FoundUser, i64)>>,
    offset: u32,
) -> Result<Response, Refusal> {
    let frame = Frame::Counted {
        name: "users",
        offset,
    };
    let views = users.map_ok(|(user, count)| (UserView::from(user), count));
    streamed(&app.long_lists, caller.user().row.id, views.boxed(), frame).await
}

fn answer(page: Page) -> Response {
    let users = page.users.into_iter().map(UserView::from).collect();
    let count = page.count;
    Json(StatusCode::OK, Answer { users, count }).into_response()
}

/// What is asked for, after which user, and of when, if not of now.
fn read(
    app: &App,
    caller: &Caller,
    query: Option<&str>,
) -> Result<(ListRequest, Option<Uuid>, Option<Moment>), Refusal> {
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
    let moment = moment_of_all(&mut parameters);
    if moment.is_some() {
        for key in unknown_of_the_past(&filter) {
            parameters.refuse(key, format!("{key:?} is known of the present only"));
        }
    }
    if let Some(Moment::Time(at)) = moment
        && at > app.clock.now()
    {
        let detail = "Query param \"at\" must be in the past, and this has not come";
        parameters.refuse("at", detail.to_owned());
    }
    parameters.finish()?;
    let sees = if moment.is_some() {
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
        after: Cursor::Start,
        limit,
        offset,
    };
    Ok((request, after, moment))
}
