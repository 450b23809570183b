//! `GET /events`: the log as it grows, for other services and for those who watch over this one. As pages, or, to whoever
//! asks for `text/event-stream`, as a stream that goes on. Positions are dense and in the order of commits, so that
//! "after the last one that I have" is all that a reader has to remember: nothing is left out, and nothing comes twice.

mod follow;
mod view;

use axum::{
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use rollcall_events::{
    Event,
    log::{LogError, ReadEvent, head, position_of},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    answer::{Json, Refusal, Validation},
    caller::Caller,
    query::Parameters,
};
use crate::{
    app::{App, AppState},
    command_bus::CommandError,
    permissions::{Action, Object},
};
use view::EventView;

pub use follow::Followers;

/// Events on a page, unless the request says otherwise.
const USUAL_PAGE: u32 = 100;
/// Events on a page, at most.
const LARGEST_PAGE: u32 = 1_000;
/// What a stream is resumed from, by the standard of server-sent events.
const LAST_EVENT_ID: &str = "last-event-id";

/// A part of the log.
#[derive(Serialize, ToSchema)]
#[schema(as = Events)]
pub struct Page {
    events: Vec<EventView>,
    /// Where to go on: the position of the last event that was looked at.
    #[schema(example = 7)]
    position: i64,
    /// How many of the events cannot be read, or not in full. Each has `unreadable`.
    #[schema(example = 0)]
    unreadable: usize,
}

/// Which events somebody wants.
#[derive(Debug, Clone, Default)]
struct Wanted {
    /// Of this type of aggregate; any, if it is empty.
    aggregate_type: String,
    /// Of this type; any, if it is empty.
    kind: String,
}

/// The log after a position.
///
/// Personal data is open, as far as nobody was erased. With `Accept: text/event-stream` the answer goes on: each event's
/// `id` is its position, by which a broken stream is resumed with `Last-Event-ID`.
#[utoipa::path(get, path = "/api/v2/events", tag = "audit", operation_id = "events",
    params(
        ("after" = Option<i64>, Query, minimum = 0, example = 0, description = "What comes after this position. 0: everything."),
        ("limit" = Option<i32>, Query, minimum = 0, maximum = 1000, example = 25, description = "At most so many. 0: 100."),
        ("aggregate_type" = Option<String>, Query, example = "user", description = "Only of this type of aggregate."),
        ("kind" = Option<String>, Query, example = "UserCreated", description = "Only events of this type."),
        ("Last-Event-ID" = Option<i64>, Header, minimum = 0, example = 7, description = "The same as `after`, and stronger."),
    ),
    responses(
        (status = 200, content(
            (Page = "application/json"),
            (String = "text/event-stream", example = "id: 7\ndata: {\"position\":7,\"type\":\"UserCreated\"}\n\n"),
        )),
        (status = 409, description = "The log ends before that position: it is another one, or was restored from a backup."),
    ))]
pub async fn events(
    State(app): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    caller.require(Action::Read, &Object::audit_log())?;
    let (start, limit, wanted) = read(query.as_deref(), &headers)?;
    let head = head(&app.pool).await?.position;
    start.must_not_be_beyond(head)?;
    let after = start.position;
    if wants_stream(&headers) {
        return follow::follow(app, caller, after, head, wanted);
    }
    let page = page(&app, after, limit, &wanted).await?;
    Ok(Json(StatusCode::OK, page).into_response())
}

/// Where a reader begins.
struct Start {
    position: i64,
    /// The parameter or header that says so.
    said_by: &'static str,
}

impl Start {
    /// A reader that has seen more than there is has read another log, or this one before it was restored from a backup.
    /// It would miss what is recorded until the log is as long again.
    fn must_not_be_beyond(&self, head: i64) -> Result<(), Refusal> {
        if self.position <= head {
            return Ok(());
        }
        let message = format!(
            "The log ends at position {head}, and you ask for what comes after position {}.",
            self.position
        );
        let detail = format!("must be at most {head}, the position of the last event");
        let refusal = Refusal::new(StatusCode::CONFLICT, message)
            .with_detail("The log is another one, or was restored from a backup. Read it again from its beginning.")
            .with_validations(vec![Validation::new(self.said_by, detail)]);
        Err(refusal)
    }
}

/// Where to begin, how many events to read, and which.
fn read(query: Option<&str>, headers: &HeaderMap) -> Result<(Start, u32, Wanted), Refusal> {
    let mut parameters = Parameters::parse(query);
    let after = parameters.position("after");
    let limit = parameters.non_negative("limit");
    if limit > LARGEST_PAGE {
        let detail = format!("Query param \"limit\" must be at most {LARGEST_PAGE}");
        parameters.refuse("limit", detail);
    }
    let wanted = Wanted::read(&mut parameters);
    parameters.finish()?;
    let start = match resumed_from(headers)? {
        Some(position) => Start {
            position,
            said_by: "Last-Event-ID",
        },
        None => Start {
            position: after,
            said_by: "after",
        },
    };
    let limit = if limit == 0 { USUAL_PAGE } else { limit };
    Ok((start, limit, wanted))
}

async fn page(app: &App, after: i64, limit: u32, wanted: &Wanted) -> Result<Page, Refusal> {
    let found = app.log.after(after, i64::from(limit)).await;
    let found = found.map_err(log_error)?;
    let position = found.last().map_or(after, position_of);
    let mut events = Vec::with_capacity(found.len());
    for event in found.into_iter().filter(|event| wanted.is(event)) {
        events.push(EventView::new(event).map_err(|error| Refusal::internal(&error))?);
    }
    let unreadable = events.iter().filter(|event| event.is_unreadable()).count();
    Ok(Page {
        events,
        position,
        unreadable,
    })
}

fn log_error(error: LogError) -> Refusal {
    Refusal::from_command(&CommandError::<std::convert::Infallible>::Log(error))
}

fn wants_stream(headers: &HeaderMap) -> bool {
    let accepts = headers.get(header::ACCEPT);
    accepts
        .and_then(|accepts| accepts.to_str().ok())
        .is_some_and(|accepts| accepts.contains("text/event-stream"))
}

/// A stream that cannot be resumed where its reader wants must not begin elsewhere. By the standard an empty id is none.
fn resumed_from(headers: &HeaderMap) -> Result<Option<i64>, Refusal> {
    let id = headers.get(LAST_EVENT_ID);
    let Some(id) = id.filter(|id| !id.as_bytes().trim_ascii().is_empty()) else {
        return Ok(None);
    };
    let position = id.to_str().ok().and_then(|id| id.parse::<i64>().ok());
    match position.filter(|position| *position >= 0) {
        Some(position) => Ok(Some(position)),
        None => Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "Last-Event-ID must be the position of an event.",
        )),
    }
}

impl Wanted {
    /// A type that no event has is a typing error, and not a question for nothing.
    fn read(parameters: &mut Parameters) -> Self {
        let aggregate_type = parameters.text("aggregate_type");
        if !aggregate_type.is_empty() && !Event::AGGREGATE_TYPES.contains(&&*aggregate_type) {
            let known = Event::AGGREGATE_TYPES.join(", ");
            let detail = format!("Query param \"aggregate_type\" must be one of {known}");
            parameters.refuse("aggregate_type", detail);
        }
        let kind = parameters.text("kind");
        if !kind.is_empty() && !Event::types().any(|known| known == kind) {
            let detail = "Query param \"kind\" must be a type of events, such as UserCreated";
            parameters.refuse("kind", detail.to_owned());
        }
        Self {
            aggregate_type,
            kind,
        }
    }

    fn is(&self, event: &ReadEvent) -> bool {
        let (aggregate_type, kind) = match event {
            Ok(recorded) => (recorded.event.aggregate_type(), recorded.event.event_type()),
            Err(unreadable) => (
                unreadable.aggregate_type.as_str(),
                unreadable.event_type.as_str(),
            ),
        };
        let matches = |wish: &str, is: &str| wish.is_empty() || wish == is;
        matches(&self.aggregate_type, aggregate_type) && matches(&self.kind, kind)
    }
}
