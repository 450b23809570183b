//! What happened to a user, page by page: their events, each with the user before and after it, and the sign-ins that were
//! refused, which are of no stream of theirs.

use chrono::{DateTime, Utc};
use rollcall_events::{
    Actor, Recorded,
    attempt::{Action, ResourceType},
    log::{LogError, LogReader, RawEvent, ReadEvent, position_of},
};
use sqlx::{FromRow, PgExecutor};
use uuid::Uuid;

use super::moment::rows_up_to;
use crate::{audit::Kind, users::UserRow};

/// Which part of a user's history to read.
#[derive(Debug, Clone, PartialEq)]
pub struct PageRequest {
    /// Whose.
    pub user: Uuid,
    /// In which order.
    pub order: Order,
    /// Only what comes after this position, in that order.
    pub after: Option<i64>,
    /// Events of these types; of any, if there are none.
    pub kinds: Vec<String>,
    /// By this actor.
    pub actor: Option<Actor>,
    /// From then on.
    pub from: Option<DateTime<Utc>>,
    /// Before then.
    pub until: Option<DateTime<Utc>>,
    /// At most so many.
    pub limit: u32,
}

/// The order of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As it happened.
    OldestFirst,
    /// The other way round.
    NewestFirst,
}

/// The actor as the log names them: `anonymous`, `operator`, `system`, `user:<id>`, or the bare id.
#[must_use]
pub fn actor_named(text: &str) -> Option<Actor> {
    match Uuid::parse_str(text) {
        Ok(id) => Some(Actor::User(id)),
        Err(_) => text.parse().ok(),
    }
}

/// A part of a user's history.
#[derive(Debug)]
pub struct Page {
    /// The events of the part.
    pub entries: Vec<Entry>,
    /// How many there are on all pages; 0 if this one is empty.
    pub count: i64,
}

/// An event of a user, or a refused sign-in.
#[derive(Debug)]
pub struct Entry {
    /// The event, opened as far as there are keys; or why it cannot be read.
    pub recorded: ReadEvent,
    /// The user before it, if they were there.
    pub before: Option<UserRow>,
    /// The user after it, if it changed their row.
    pub after: Option<UserRow>,
}

impl Entry {
    /// The event, or what of it can be read.
    #[must_use]
    pub fn legible(&self) -> Option<&Recorded> {
        match &self.recorded {
            Ok(recorded) => Some(recorded),
            Err(unreadable) => unreadable.legible.as_ref(),
        }
    }

    /// The position of the event.
    #[must_use]
    pub fn position(&self) -> i64 {
        position_of(&self.recorded)
    }
}

#[derive(FromRow)]
struct Counted {
    #[sqlx(flatten)]
    event: RawEvent,
    count: i64,
}

/// Reads a part of a user's history.
///
/// # Errors
/// The database fails.
pub async fn page(log: &LogReader, request: &PageRequest) -> Result<Page, LogError> {
    let found = events(log.pool(), request).await?;
    let count = found.first().map_or(0, |first| first.count);
    let events = found.into_iter().map(|counted| counted.event).collect();
    let events = log.open(events).await?;
    let own = events.iter().map(in_stream);
    let own = own.filter(|(stream, _)| *stream == request.user);
    let rows = match own.map(|(_, version)| version).max() {
        Some(last) => rows_up_to(log, request.user, last).await?,
        None => Vec::new(),
    };
    let entries = events.into_iter().map(|event| {
        let is_own = in_stream(&event).0 == request.user;
        let rows = if is_own { &rows[..] } else { &[] };
        entry(event, rows)
    });
    Ok(Page {
        entries: entries.collect(),
        count,
    })
}

/// The stream of an event, and its version there.
fn in_stream(event: &ReadEvent) -> (Uuid, i64) {
    match event {
        Ok(recorded) => (recorded.stream, recorded.version),
        Err(unreadable) => (unreadable.stream, unreadable.version),
    }
}

/// The rows are in the order of their versions.
fn entry(recorded: ReadEvent, rows: &[UserRow]) -> Entry {
    let (_, version) = in_stream(&recorded);
    let next = rows.partition_point(|row| row.version < version);
    let after = rows.get(next);
    Entry {
        before: next.checked_sub(1).and_then(|at| rows.get(at)).cloned(),
        after: after.filter(|row| row.version == version).cloned(),
        recorded,
    }
}

async fn events(
    executor: impl PgExecutor<'_>,
    request: &PageRequest,
) -> sqlx::Result<Vec<Counted>> {
    sqlx::query_as(
        "WITH theirs AS NOT MATERIALIZED (
             SELECT *
               FROM log.events
              WHERE aggregate_id = $1
              UNION ALL
             SELECT events.*
               FROM read.audit
               JOIN log.events ON events.position = audit.position
              WHERE audit.user_id = $1 AND audit.kind = $9
         )
         , matching AS NOT MATERIALIZED (
             SELECT *
               FROM theirs
              WHERE ($2::text[] IS NULL OR event_type = ANY ($2))
                AND ($3::text IS NULL OR log.json_or_null(metadata) ->> 'actor' = $3)
                AND ($4::timestamptz IS NULL OR recorded_at >= $4)
                AND ($5::timestamptz IS NULL OR recorded_at < $5)
         )
         SELECT position
              , aggregate_type
              , aggregate_id
              , version
              , event_type
              , schema_version
              , payload
              , metadata
              , recorded_at
              , (SELECT count(*) FROM matching) AS count
           FROM matching
          WHERE $7::bigint IS NULL
             OR CASE WHEN $6::boolean THEN position < $7 ELSE position > $7 END
          ORDER BY CASE WHEN $6::boolean THEN -position ELSE position END
          LIMIT $8::bigint",
    )
    .bind(request.user)
    .bind(Some(&request.kinds).filter(|kinds| !kinds.is_empty()))
    .bind(request.actor.map(|actor| actor.to_string()))
    .bind(request.from)
    .bind(request.until)
    .bind(request.order == Order::NewestFirst)
    .bind(request.after)
    .bind(i64::from(request.limit))
    .bind(Kind::refused(Action::Login, ResourceType::ApiKey).number())
    .fetch_all(executor)
    .await
}
