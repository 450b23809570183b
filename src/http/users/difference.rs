//! `GET /users/{user}/difference`: what is other about a user than at a moment.

use axum::{
    extract::{RawQuery, State},
    http::StatusCode,
};
use rollcall_projections::{
    history::{Moment, user_at},
    users::FoundUser,
};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    UserView,
    moment::{NAMES, moment_named, require_past_named},
    target::target,
};
use crate::{
    app::{App, AppState},
    http::{
        answer::{Json, Refusal},
        caller::Caller,
        openapi::schemas,
        path::Path,
        position::must_read_log,
        query::Parameters,
    },
    permissions::{Action, Object},
};

/// What says since when.
const SINCE: [&str; 3] = ["from_at", "from_version", "from_position"];

/// What is other about a user at a moment than at another.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UserDifference)]
pub struct Answer {
    /// How they were; null if they had not come to be.
    before: Option<UserView>,
    /// How they were later; null if they had not come to be.
    after: Option<UserView>,
    /// The fields that differ, but for when the user was last seen.
    changes: Vec<Change>,
}

/// A field that differs, as an operation of JSON Patch that says what was there too.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = UserChange)]
struct Change {
    /// `add`, `remove` or `replace`.
    #[schema(example = "replace")]
    op: &'static str,
    #[schema(example = "/username")]
    path: String,
    /// Absent if there was nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::AnyValue, required = false)]
    old: Option<Value>,
    /// Absent if there is nothing any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::AnyValue, required = false)]
    value: Option<Value>,
}

/// What is other about a user at a moment than at another.
///
/// Without the second moment: now. Without the first: since before the user came to be.
#[utoipa::path(get, path = "/api/v2/users/{user}/difference", tag = "audit", operation_id = "user_difference",
    params(
        ("from_at" = Option<String>, Query, format = DateTime, example = "2026-01-01T12:00:00Z", description = "Since this time."),
        ("from_version" = Option<i64>, Query, minimum = 0, example = 1, description = "Since the user's event of this number."),
        ("from_position" = Option<i64>, Query, minimum = 0, example = 7, description = "Since the event at this position in the log. For callers who may read the audit log."),
        ("at" = Option<String>, Query, format = DateTime, example = "2026-01-31T12:00:00Z", description = "Up to this time."),
        ("version" = Option<i64>, Query, minimum = 0, example = 1, description = "Up to the user's event of this number."),
        ("position" = Option<i64>, Query, minimum = 0, example = 7, description = "Up to the event at this position in the log. For callers who may read the audit log."),
    ),
    responses((status = 200, body = Answer), (status = 400)))]
pub async fn difference(
    State(app): State<AppState>,
    caller: Caller,
    Path(user): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<Answer>, Refusal> {
    let found = target(&app, &caller, &user).await?;
    caller.require_or_hide(Action::ReadHistory, &Object::user(found.row.id))?;
    let mut parameters = Parameters::parse(query.as_deref());
    let from = moment_named(&mut parameters, SINCE);
    let to = moment_named(&mut parameters, NAMES);
    parameters.finish()?;
    must_read_log(&caller, from)?;
    must_read_log(&caller, to)?;
    let before = match from {
        Some(moment) => view_at(&app, &found, moment, SINCE).await?,
        None => None,
    };
    let after = match to {
        Some(moment) => view_at(&app, &found, moment, NAMES).await?,
        None => Some(without_visits(found)),
    };
    let changes =
        changes(before.as_ref(), after.as_ref()).map_err(|error| Refusal::internal(&error))?;
    let answer = Answer {
        before,
        after,
        changes,
    };
    Ok(Json(StatusCode::OK, answer))
}

async fn view_at(
    app: &App,
    now: &FoundUser,
    moment: Moment,
    names: [&str; 3],
) -> Result<Option<UserView>, Refusal> {
    require_past_named(app, now.row.id, moment, names).await?;
    let then = user_at(&app.log, now.row.id, moment).await?;
    Ok(then.map(|then| {
        without_visits(FoundUser {
            row: then.row,
            last_seen_at: None,
        })
    }))
}

fn without_visits(user: FoundUser) -> UserView {
    FoundUser {
        last_seen_at: None,
        ..user
    }
    .into()
}

fn changes(before: Option<&UserView>, after: Option<&UserView>) -> serde_json::Result<Vec<Change>> {
    let (mut old, new) = (fields(before)?, fields(after)?);
    let mut changes = Vec::new();
    for (name, value) in new {
        let old = old.remove(&name);
        if old.as_ref() != Some(&value) {
            let op = if old.is_some() { "replace" } else { "add" };
            changes.push(change(op, &name, old, Some(value)));
        }
    }
    for (name, old) in old {
        changes.push(change("remove", &name, Some(old), None));
    }
    changes.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(changes)
}

fn fields(view: Option<&UserView>) -> serde_json::Result<Map<String, Value>> {
    match serde_json::to_value(view)? {
        Value::Object(mut fields) => {
            fields.remove("last_seen_at");
            Ok(fields)
        }
        _ => Ok(Map::new()),
    }
}

fn change(op: &'static str, name: &str, old: Option<Value>, value: Option<Value>) -> Change {
    Change {
        op,
        path: format!("/{name}"),
        old,
        value,
    }
}
