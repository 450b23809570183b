//! A user's events, page by page, each with the user before and after it.

use chrono::{DateTime, Utc};
use rollcall_events::{
    Recorded,
    log::{LogError, LogReader, RawEvent},
};
use sqlx::{FromRow, PgExecutor};
use uuid::Uuid;

use super::moment::rows_up_to;
use crate::users::UserRow;

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
    /// By this actor, as the log names them.
    pub actor: Option<String>,
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

/// A part of a user's history.
#[derive(Debug)]
pub struct Page {
    /// The events of the part.
    pub entries: Vec<Entry>,
    /// How many there are on all pages; 0 if this one is empty.
    pub count: i64,
}

/// An event of a user.
#[derive(Debug)]
pub struct Entry {
    /// The event, opened as far as there are keys.
    pub recorded: Recorded,
    /// The user before it, if they were there.
    pub before: Option<UserRow>,
    /// The user after it, if it changed their row.
    pub after: Option<UserRow>,
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
/// The database fails, or an event cannot be read.
pub async fn page(log: &LogReader, request: &PageRequest) -> Result<Page, LogError> {
    let found = events(log.pool(), request).await?;
    let count = found.first().map_or(0, |first| first.count);
    let last = found.iter().map(|counted| counted.event.version).max();
    let events = found.into_iter().map(|counted| counted.event).collect();
    let events = log.open(events).await?;
    let rows = match last {
        Some(last) => rows_up_to(log, request.user, last).await?,
        None => Vec::new(),
    };
    let entries = events.into_iter().map(|recorded| entry(recorded, &rows));
    Ok(Page {
        entries: entries.collect(),
        count,
    })
}

/// The rows are in the order of their versions.
fn entry(recorded: Recorded, rows: &[UserRow]) -> Entry {
    let next = rows.partition_point(|row| row.version < recorded.version);
    let after = rows.get(next);
    Entry {
        before: next.checked_sub(1).and_then(|at| rows.get(at)).cloned(),
        after: after.filter(|row| row.version == recorded.version).cloned(),
        recorded,
    }
}

async fn events(
    executor: impl PgExecutor<'_>,
    request: &PageRequest,
) -> sqlx::Result<Vec<Counted>> {
    sqlx::query_as(
        "WITH matching AS NOT MATERIALIZED (
             SELECT *
               FROM log.events
              WHERE aggregate_id = $1
                AND ($2::text[] IS NULL OR event_type = ANY ($2))
                AND ($3::text IS NULL OR convert_from(metadata, 'UTF8')::json ->> 'actor' = $3)
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
          ORDER BY CASE WHEN $6::boolean THEN -version ELSE version END
          LIMIT $8::bigint",
    )
    .bind(request.user)
    .bind(Some(&request.kinds).filter(|kinds| !kinds.is_empty()))
    .bind(request.actor.as_deref())
    .bind(request.from)
    .bind(request.until)
    .bind(request.order == Order::NewestFirst)
    .bind(request.after)
    .bind(i64::from(request.limit))
    .fetch_all(executor)
    .await
}
