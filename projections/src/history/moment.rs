//! One user as of a moment: however many events they have, only few rows are read.

use chrono::{DateTime, Utc};
use rollcall_events::log::{LogError, LogReader, settle};
use sqlx::{PgExecutor, PgPool};
use uuid::Uuid;

use super::rows;
use crate::users::UserRow;

/// A moment in the past of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// After all that had been recorded by then.
    Time(DateTime<Utc>),
    /// After the user's event of this number.
    Version(i64),
    /// After the event of this position in the log, whosever it was.
    Position(i64),
}

/// A moment has not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotYet;

/// A user as they were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Then {
    /// The user.
    pub row: UserRow,
    /// When the moment was: its time, or that of its event.
    pub at: DateTime<Utc>,
    /// The number of the last event by then.
    pub version: i64,
    /// How many of the events that made the row, of the latest hundred, cannot be read, or not in full.
    pub unreadable: usize,
}

/// Whether the moment has come: what was then never changes again.
///
/// What is being written has had its time already. Where that may be before the moment, it is waited for.
///
/// # Errors
/// The database fails.
pub async fn is_past(
    pool: &PgPool,
    user: Uuid,
    moment: Moment,
    now: DateTime<Utc>,
) -> sqlx::Result<Result<(), NotYet>> {
    let has_come =
        match moment {
            Moment::Time(time) if time <= now => {
                settle(pool, time).await?;
                true
            }
            Moment::Time(_) => false,
            // Before their first event there was nobody, and that stays so.
            Moment::Version(0) => true,
            Moment::Version(version) => sqlx::query_scalar(
                "SELECT EXISTS (SELECT FROM log.events WHERE aggregate_id = $1 AND version = $2)",
            )
            .bind(user)
            .bind(version)
            .fetch_one(pool)
            .await?,
            Moment::Position(position) => {
                sqlx::query_scalar("SELECT position >= $1 FROM log.head")
                    .bind(position)
                    .fetch_one(pool)
                    .await?
            }
        };
    Ok(if has_come { Ok(()) } else { Err(NotYet) })
}

/// The user as of a moment, if they had come to be by then. Users who are gone are found too.
///
/// # Errors
/// The database fails.
pub async fn user_at(
    log: &LogReader,
    user: Uuid,
    moment: Moment,
) -> Result<Option<Then>, LogError> {
    let pool = log.pool();
    let version = version_at(pool, user, moment.into()).await?;
    let Some((position, recorded_at)) = event(pool, user, version).await? else {
        return Ok(None);
    };
    let at = match moment {
        Moment::Time(time) => time,
        Moment::Version(_) | Moment::Position(_) => recorded_at,
    };
    let next = position + 1;
    let row = rows::before(pool, &[(user, next)]).await?.remove(&next);
    let changes = rows::latest_changes(pool, user, position).await?;
    let changes = log.open_payloads(changes).await?;
    let unreadable = changes.iter().filter(|event| event.is_err()).count();
    Ok(row.map(|row| Then {
        row,
        at,
        version,
        unreadable,
    }))
}

/// Up to where a user's events count.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bound {
    /// Those that were recorded by then.
    Until(DateTime<Utc>),
    /// Those that were recorded before.
    Before(DateTime<Utc>),
    /// Those of at most this position.
    Position(i64),
    /// Those of at most this version.
    Version(i64),
}

impl From<Moment> for Bound {
    fn from(moment: Moment) -> Self {
        match moment {
            Moment::Time(time) => Self::Until(time),
            Moment::Version(version) => Self::Version(version),
            Moment::Position(position) => Self::Position(position),
        }
    }
}

/// The version of a user's last event up to a bound; 0 if there is none. Versions have no gaps, and neither times nor
/// positions run backwards: so it is found by halves.
pub(super) async fn version_at(
    executor: impl PgExecutor<'_>,
    user: Uuid,
    bound: Bound,
) -> sqlx::Result<i64> {
    let (mut until, mut before, mut position, mut version) = (None, None, None, None);
    match bound {
        Bound::Until(time) => until = Some(time),
        Bound::Before(time) => before = Some(time),
        Bound::Position(bound) => position = Some(bound),
        Bound::Version(bound) => version = Some(bound),
    }
    let found = sqlx::query_scalar(
        "WITH RECURSIVE halves (low, high) AS (
             SELECT 0::bigint, least(max(version), $5::bigint)
               FROM log.events
              WHERE aggregate_id = $1
              UNION ALL
             SELECT CASE WHEN middle.counts THEN middle.version ELSE low END
                  , CASE WHEN middle.counts THEN high ELSE middle.version - 1 END
               FROM halves
              CROSS JOIN LATERAL (
                   SELECT version
                        , ($2::timestamptz IS NULL OR recorded_at <= $2)
                          AND ($3::timestamptz IS NULL OR recorded_at < $3)
                          AND ($4::bigint IS NULL OR position <= $4) AS counts
                     FROM log.events
                    WHERE aggregate_id = $1 AND version = (low + high + 1) / 2) AS middle
              WHERE low < high
         )
         SELECT low FROM halves WHERE low = high",
    )
    .bind(user)
    .bind(until)
    .bind(before)
    .bind(position)
    .bind(version)
    .fetch_optional(executor)
    .await?;
    Ok(found.unwrap_or(0))
}

/// The last position that had been recorded by then. Positions have no gaps, and times never run backwards: so it is found by
/// halves.
pub(super) async fn position_at(
    executor: impl PgExecutor<'_>,
    time: DateTime<Utc>,
) -> sqlx::Result<i64> {
    sqlx::query_scalar(
        "WITH RECURSIVE halves (low, high) AS (
             SELECT 0::bigint, position
               FROM log.head
              UNION ALL
             SELECT CASE WHEN middle.recorded_at <= $1 THEN middle.position ELSE low END
                  , CASE WHEN middle.recorded_at <= $1 THEN high ELSE middle.position - 1 END
               FROM halves
               JOIN log.events AS middle ON middle.position = (low + high + 1) / 2
              WHERE low < high
         )
         SELECT low FROM halves WHERE low = high",
    )
    .bind(time)
    .fetch_one(executor)
    .await
}

/// When the event at that position was recorded; before everything for none.
pub(super) async fn time_of(
    executor: impl PgExecutor<'_>,
    position: i64,
) -> sqlx::Result<DateTime<Utc>> {
    let time = sqlx::query_scalar("SELECT recorded_at FROM log.events WHERE position = $1")
        .bind(position)
        .fetch_optional(executor)
        .await?;
    Ok(time.unwrap_or(DateTime::UNIX_EPOCH))
}

/// The position and the time of a user's event.
async fn event(
    executor: impl PgExecutor<'_>,
    user: Uuid,
    version: i64,
) -> sqlx::Result<Option<(i64, DateTime<Utc>)>> {
    sqlx::query_as(
        "SELECT position, recorded_at FROM log.events WHERE aggregate_id = $1 AND version = $2",
    )
    .bind(user)
    .bind(version)
    .fetch_optional(executor)
    .await
}
