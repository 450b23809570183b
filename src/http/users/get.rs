//! `GET /users/{user}`: one user, by id, by username, or oneself by `me`; as they are, or as they were at a moment.

use axum::{
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use rollcall_projections::{
    history::{Moment, user_at},
    users::FoundUser,
};

use super::{
    UserView,
    moment::{moment, require_past},
    target::target,
};
use crate::{
    app::{App, AppState},
    http::{
        answer::{Json, Refusal},
        caller::Caller,
        path::Path,
        position::must_read_log,
        query::Parameters,
    },
    permissions::{Action, Object},
};

/// One user.
///
/// As they are; or, for whoever may read their history, as they were at a moment. A username is always today's. When
/// somebody was last seen is told of the past only if it is certain. If events of the user cannot be read, the header
/// `rollcall-unreadable` says how many.
#[utoipa::path(get, path = "/api/v2/users/{user}", tag = "users", operation_id = "get_user",
    params(
        ("at" = Option<String>, Query, format = DateTime, example = "2026-01-31T12:00:00Z", description = "As of this time."),
        ("version" = Option<i64>, Query, minimum = 0, example = 1, description = "As of the user's event of this number."),
        ("position" = Option<i64>, Query, minimum = 0, example = 7, description = "As of the event at this position in the log. For callers who may read the audit log."),
    ),
    responses((status = 200, body = UserView), (status = 400)))]
pub async fn get(
    State(app): State<AppState>,
    caller: Caller,
    Path(user): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let found = target(&app, &caller, &user).await?;
    let mut parameters = Parameters::parse(query.as_deref());
    let moment = moment(&mut parameters);
    parameters.finish()?;
    let (found, unreadable) = match moment {
        None => (found, 0),
        Some(moment) => {
            caller.require_or_hide(Action::ReadHistory, &Object::user(found.row.id))?;
            must_read_log(&caller, Some(moment))?;
            as_of(&app, found, moment).await?
        }
    };
    let answer = Json(StatusCode::OK, UserView::from(found));
    Ok((unreadable_header(unreadable), answer).into_response())
}

/// Says how many of the events that the answer was made of cannot be read: it may lack what they say.
fn unreadable_header(unreadable: usize) -> HeaderMap {
    let name = HeaderName::from_static("rollcall-unreadable");
    let header = (unreadable > 0).then(|| (name, HeaderValue::from(unreadable)));
    header.into_iter().collect()
}

/// Visits are no events: of the latest it is known when it was, so that, if it was before the moment, it was the latest
/// then too.
async fn as_of(app: &App, now: FoundUser, moment: Moment) -> Result<(FoundUser, usize), Refusal> {
    require_past(app, now.row.id, moment).await?;
    let then = user_at(&app.log, now.row.id, moment).await?;
    let then = then.ok_or_else(Refusal::not_found)?;
    let found = FoundUser {
        last_seen_at: now.last_seen_at.filter(|seen| *seen <= then.at),
        row: then.row,
    };
    Ok((found, then.unreadable))
}
