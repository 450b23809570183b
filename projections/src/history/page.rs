//! What happened to a user, page by page: their events, each with the user before and after it, and the sign-ins that were
//! refused, which are of no stream of theirs.

use chrono::{DateTime, Utc};
use rollcall_events::{
    Actor, Recorded,
    attempt::{Action, ResourceType},
    log::{LogError, LogReader, RawEvent, ReadEvent, position_of},
    user::UserEvent,
};
use sqlx::PgPool;
use uuid::Uuid;

use super::{
    moment::{Bound, version_at},
    rows,
};
use crate::{audit::Kind, users::UserRow};

/// The kind of those entries of the audit log.
const REFUSED_SIGN_IN: Kind = Kind::refused(Action::Login, ResourceType::ApiKey);

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

/// The types of refused sign-ins, which are of no stream of the user's.
const REFUSED: [&str; 2] = ["AttemptRefused", "AttemptsNotListed"];

/// Whether a history may have events of this type.
#[must_use]
pub fn is_kind(name: &str) -> bool {
    UserEvent::NAMES.contains(&name) || REFUSED.contains(&name)
}

/// Whether a stretch of time ends before it begins.
#[must_use]
pub fn is_reversed(from: Option<DateTime<Utc>>, until: Option<DateTime<Utc>>) -> bool {
    from.zip(until).is_some_and(|(from, until)| until < from)
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
    /// The user before it, if it changed the row of one who was there.
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

/// Reads a part of a user's history.
///
/// # Errors
/// The database fails.
pub async fn page(log: &LogReader, request: &PageRequest) -> Result<Page, LogError> {
    let pool = log.pool();
    let stretch = Stretch::find(pool, request).await?;
    let mut found = own(pool, request, stretch).await?;
    if request.may_have_refused() {
        found.extend(refused(pool, request).await?);
        found.sort_by_key(|event| event.position);
        if request.order == Order::NewestFirst {
            found.reverse();
        }
        found.truncate(usize::try_from(request.limit).unwrap_or(usize::MAX));
    }
    if found.is_empty() {
        return Ok(Page {
            entries: Vec::new(),
            count: 0,
        });
    }
    let count = count(pool, request, stretch).await?;
    let events = log.open(found).await?;
    let mut changes = rows::changes(pool, &events).await?;
    let entries = events.into_iter().map(|recorded| {
        let change = changes.remove(&position_of(&recorded)).unwrap_or_default();
        Entry {
            before: change.before,
            after: change.after,
            recorded,
        }
    });
    Ok(Page {
        entries: entries.collect(),
        count,
    })
}

impl PageRequest {
    fn kinds(&self) -> Option<&[String]> {
        Some(&self.kinds[..]).filter(|kinds| !kinds.is_empty())
    }

    fn actor(&self) -> Option<String> {
        self.actor.map(|actor| actor.to_string())
    }

    /// Whether refused sign-ins are asked for, too.
    fn may_have_refused(&self) -> bool {
        self.kinds.is_empty() || self.kinds.iter().any(|kind| REFUSED.contains(&&**kind))
    }
}

/// Versions of a user's events: those of the stretch of time that is asked for, and of those the page's.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    /// Before the first that counts.
    after: i64,
    /// The last one that counts.
    last: i64,
    page_after: i64,
    page_last: i64,
}

impl Stretch {
    async fn find(pool: &PgPool, request: &PageRequest) -> sqlx::Result<Self> {
        let version = async |bound| version_at(pool, request.user, bound).await;
        let after = match request.from {
            Some(from) => version(Bound::Before(from)).await?,
            None => 0,
        };
        let last = match request.until {
            Some(until) => version(Bound::Before(until)).await?,
            None => version(Bound::Version(i64::MAX)).await?,
        };
        let (page_after, page_last) = match (request.after, request.order) {
            (None, _) => (after, last),
            (Some(position), Order::NewestFirst) => {
                let up_to = version(Bound::Position(position.saturating_sub(1))).await?;
                (after, last.min(up_to))
            }
            (Some(position), Order::OldestFirst) => {
                (after.max(version(Bound::Position(position)).await?), last)
            }
        };
        Ok(Self {
            after,
            last,
            page_after,
            page_last,
        })
    }
}

/// The user's own events of a page. Without conditions on them they are a stretch of an index; with some, others are
/// passed over on the way.
async fn own(
    pool: &PgPool,
    request: &PageRequest,
    stretch: Stretch,
) -> sqlx::Result<Vec<RawEvent>> {
    let statement = match request.order {
        Order::NewestFirst => sqlx::query_as(
            "SELECT position
                  , aggregate_type
                  , aggregate_id
                  , version
                  , event_type
                  , schema_version
                  , payload
                  , metadata
                  , recorded_at
               FROM log.events
              WHERE aggregate_id = $1 AND version > $2 AND version <= $3
                AND ($4::text[] IS NULL OR event_type = ANY ($4))
                AND ($5::text IS NULL OR log.json_or_null(metadata) ->> 'actor' = $5)
              ORDER BY version DESC LIMIT $6",
        ),
        Order::OldestFirst => sqlx::query_as(
            "SELECT position
                  , aggregate_type
                  , aggregate_id
                  , version
                  , event_type
                  , schema_version
                  , payload
                  , metadata
                  , recorded_at
               FROM log.events
              WHERE aggregate_id = $1 AND version > $2 AND version <= $3
                AND ($4::text[] IS NULL OR event_type = ANY ($4))
                AND ($5::text IS NULL OR log.json_or_null(metadata) ->> 'actor' = $5)
              ORDER BY version ASC LIMIT $6",
        ),
    };
    statement
        .bind(request.user)
        .bind(stretch.page_after)
        .bind(stretch.page_last)
        .bind(request.kinds())
        .bind(request.actor())
        .bind(i64::from(request.limit))
        .persistent(false)
        .fetch_all(pool)
        .await
}

/// The refused sign-ins of a page, as if it had nothing else: those that are about the user are in two indexes.
async fn refused(pool: &PgPool, request: &PageRequest) -> sqlx::Result<Vec<RawEvent>> {
    let statement = match request.order {
        Order::NewestFirst => sqlx::query_as(
            "(SELECT events.position
                   , events.aggregate_type
                   , events.aggregate_id
                   , events.version
                   , events.event_type
                   , events.schema_version
                   , events.payload
                   , events.metadata
                   , events.recorded_at
                FROM read.audit
                JOIN log.events ON events.position = audit.position
               WHERE audit.user_id = $1 AND audit.kind = $2 AND (audit.user_id = audit.resource_id) IS TRUE
                 AND ($3::timestamptz IS NULL OR audit.at >= $3)
                 AND ($4::timestamptz IS NULL OR audit.at < $4)
                 AND ($5::bigint IS NULL OR (audit.at, audit.position) < (coalesce((SELECT recorded_at FROM log.events WHERE position = $5)
                        , CASE WHEN $5 > 0 THEN 'infinity' ELSE '-infinity' END::timestamptz), $5))
                 AND ($6::text[] IS NULL OR events.event_type = ANY ($6))
                 AND ($7::text IS NULL OR log.json_or_null(events.metadata) ->> 'actor' = $7)
               ORDER BY audit.at DESC, audit.position DESC LIMIT $8)
              UNION ALL
             (SELECT events.position
                   , events.aggregate_type
                   , events.aggregate_id
                   , events.version
                   , events.event_type
                   , events.schema_version
                   , events.payload
                   , events.metadata
                   , events.recorded_at
                FROM read.audit
                JOIN log.events ON events.position = audit.position
               WHERE audit.user_id = $1 AND audit.kind = $2 AND (audit.user_id = audit.resource_id) IS NOT TRUE
                 AND ($3::timestamptz IS NULL OR audit.at >= $3)
                 AND ($4::timestamptz IS NULL OR audit.at < $4)
                 AND ($5::bigint IS NULL OR (audit.at, audit.position) < (coalesce((SELECT recorded_at FROM log.events WHERE position = $5)
                        , CASE WHEN $5 > 0 THEN 'infinity' ELSE '-infinity' END::timestamptz), $5))
                 AND ($6::text[] IS NULL OR events.event_type = ANY ($6))
                 AND ($7::text IS NULL OR log.json_or_null(events.metadata) ->> 'actor' = $7)
               ORDER BY audit.at DESC, audit.position DESC LIMIT $8)",
        ),
        Order::OldestFirst => sqlx::query_as(
            "(SELECT events.position
                   , events.aggregate_type
                   , events.aggregate_id
                   , events.version
                   , events.event_type
                   , events.schema_version
                   , events.payload
                   , events.metadata
                   , events.recorded_at
                FROM read.audit
                JOIN log.events ON events.position = audit.position
               WHERE audit.user_id = $1 AND audit.kind = $2 AND (audit.user_id = audit.resource_id) IS TRUE
                 AND ($3::timestamptz IS NULL OR audit.at >= $3)
                 AND ($4::timestamptz IS NULL OR audit.at < $4)
                 AND ($5::bigint IS NULL OR (audit.at, audit.position) > (coalesce((SELECT recorded_at FROM log.events WHERE position = $5)
                        , CASE WHEN $5 > 0 THEN 'infinity' ELSE '-infinity' END::timestamptz), $5))
                 AND ($6::text[] IS NULL OR events.event_type = ANY ($6))
                 AND ($7::text IS NULL OR log.json_or_null(events.metadata) ->> 'actor' = $7)
               ORDER BY audit.at ASC, audit.position ASC LIMIT $8)
              UNION ALL
             (SELECT events.position
                   , events.aggregate_type
                   , events.aggregate_id
                   , events.version
                   , events.event_type
                   , events.schema_version
                   , events.payload
                   , events.metadata
                   , events.recorded_at
                FROM read.audit
                JOIN log.events ON events.position = audit.position
               WHERE audit.user_id = $1 AND audit.kind = $2 AND (audit.user_id = audit.resource_id) IS NOT TRUE
                 AND ($3::timestamptz IS NULL OR audit.at >= $3)
                 AND ($4::timestamptz IS NULL OR audit.at < $4)
                 AND ($5::bigint IS NULL OR (audit.at, audit.position) > (coalesce((SELECT recorded_at FROM log.events WHERE position = $5)
                        , CASE WHEN $5 > 0 THEN 'infinity' ELSE '-infinity' END::timestamptz), $5))
                 AND ($6::text[] IS NULL OR events.event_type = ANY ($6))
                 AND ($7::text IS NULL OR log.json_or_null(events.metadata) ->> 'actor' = $7)
               ORDER BY audit.at ASC, audit.position ASC LIMIT $8)",
        ),
    };
    statement
        .bind(request.user)
        .bind(REFUSED_SIGN_IN.number())
        .bind(request.from)
        .bind(request.until)
        .bind(request.after)
        .bind(request.kinds())
        .bind(request.actor())
        .bind(i64::from(request.limit))
        .persistent(false)
        .fetch_all(pool)
        .await
}

/// How many events there are on all pages. Versions have no gaps: without conditions they need not be counted.
async fn count(pool: &PgPool, request: &PageRequest, stretch: Stretch) -> sqlx::Result<i64> {
    let is_any = request.kinds.is_empty() && request.actor.is_none();
    let own = if is_any {
        stretch.last.saturating_sub(stretch.after).max(0)
    } else {
        count_own(pool, request, stretch).await?
    };
    if request.may_have_refused() {
        return Ok(own + count_refused(pool, request).await?);
    }
    Ok(own)
}

async fn count_own(pool: &PgPool, request: &PageRequest, stretch: Stretch) -> sqlx::Result<i64> {
    sqlx::query_scalar(
        "SELECT count(*)
           FROM log.events
          WHERE aggregate_id = $1 AND version > $2 AND version <= $3
            AND ($4::text[] IS NULL OR event_type = ANY ($4))
            AND ($5::text IS NULL OR log.json_or_null(metadata) ->> 'actor' = $5)",
    )
    .bind(request.user)
    .bind(stretch.after)
    .bind(stretch.last)
    .bind(request.kinds())
    .bind(request.actor())
    .persistent(false)
    .fetch_one(pool)
    .await
}

async fn count_refused(pool: &PgPool, request: &PageRequest) -> sqlx::Result<i64> {
    sqlx::query_scalar(
        "WITH refused AS NOT MATERIALIZED (
             SELECT position
               FROM read.audit
              WHERE user_id = $1 AND kind = $2 AND (user_id = resource_id) IS TRUE
                AND ($3::timestamptz IS NULL OR at >= $3) AND ($4::timestamptz IS NULL OR at < $4)
              UNION ALL
             SELECT position
               FROM read.audit
              WHERE user_id = $1 AND kind = $2 AND (user_id = resource_id) IS NOT TRUE
                AND ($3::timestamptz IS NULL OR at >= $3) AND ($4::timestamptz IS NULL OR at < $4)
         )
         SELECT count(*)
           FROM refused
          WHERE ($5::text[] IS NULL AND $6::text IS NULL) OR EXISTS (
                    SELECT
                      FROM log.events
                     WHERE events.position = refused.position
                       AND ($5 IS NULL OR events.event_type = ANY ($5))
                       AND ($6 IS NULL OR log.json_or_null(events.metadata) ->> 'actor' = $6))",
    )
    .bind(request.user)
    .bind(REFUSED_SIGN_IN.number())
    .bind(request.from)
    .bind(request.until)
    .bind(request.kinds())
    .bind(request.actor())
    .persistent(false)
    .fetch_one(pool)
    .await
}
