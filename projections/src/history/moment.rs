//! One user as of a moment, folded from the log: always right, whatever the read models hold.

use chrono::{DateTime, Utc};
use rollcall_events::{
    Recorded,
    log::{LogError, LogReader, RawEvent, legible, settle},
};
use sqlx::{PgExecutor, PgPool};
use uuid::Uuid;

use crate::users::{self, UserRow};

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
    /// How many of the events that made the row cannot be read, or not in full.
    pub unreadable: usize,
}

/// The largest number of either kind.
const ALL: i64 = i64::MAX;

impl Moment {
    /// The time, version and position that no event up to the moment exceeds.
    fn bounds(self) -> (Option<DateTime<Utc>>, i64, i64) {
        match self {
            Self::Time(time) => (Some(time), ALL, ALL),
            Self::Version(version) => (None, version, ALL),
            Self::Position(position) => (None, ALL, position),
        }
    }
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

/// The user as of a moment, if they had come to be by then. Who was gone is still told about, as is who is gone now.
///
/// # Errors
/// The database fails.
pub async fn user_at(
    log: &LogReader,
    user: Uuid,
    moment: Moment,
) -> Result<Option<Then>, LogError> {
    let changes = changes(log.pool(), user, moment).await?;
    let events = log.open_payloads(changes).await?;
    let unreadable = events.iter().filter(|event| event.is_err()).count();
    let events: Vec<Recorded> = legible(events).collect();
    let Some((version, recorded_at)) = last(log.pool(), user, moment).await? else {
        return Ok(None);
    };
    let at = match moment {
        Moment::Time(time) => time,
        Moment::Version(_) | Moment::Position(_) => recorded_at,
    };
    Ok(users::fold(&events).map(|row| Then {
        row,
        at,
        version,
        unreadable,
    }))
}

/// How a user's row was after each change, up to the event of that number.
pub(super) async fn rows_up_to(
    log: &LogReader,
    user: Uuid,
    version: i64,
) -> Result<Vec<UserRow>, LogError> {
    let moment = Moment::Version(version);
    let changes = changes(log.pool(), user, moment).await?;
    let events: Vec<Recorded> = legible(log.open_payloads(changes).await?).collect();
    Ok(users::history(&events))
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

/// A user's events up to a moment that may have changed their row: all but those of sessions, which are by far the most.
async fn changes(
    executor: impl PgExecutor<'_>,
    user: Uuid,
    moment: Moment,
) -> sqlx::Result<Vec<RawEvent>> {
    let (time, version, position) = moment.bounds();
    sqlx::query_as(
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
          WHERE aggregate_id = $1
            AND ($2::timestamptz IS NULL OR recorded_at <= $2)
            AND version <= $3
            AND position <= $4
            AND event_type NOT IN ('SessionStarted', 'SessionEnded', 'SessionShortened', 'SessionsExpired')
          ORDER BY version",
    )
    .bind(user)
    .bind(time)
    .bind(version)
    .bind(position)
    .fetch_all(executor)
    .await
}

/// The number and the time of a user's last event up to a moment.
async fn last(
    executor: impl PgExecutor<'_>,
    user: Uuid,
    moment: Moment,
) -> sqlx::Result<Option<(i64, DateTime<Utc>)>> {
    let (time, version, position) = moment.bounds();
    sqlx::query_as(
        "SELECT version, recorded_at
           FROM log.events
          WHERE aggregate_id = $1
            AND ($2::timestamptz IS NULL OR recorded_at <= $2)
            AND version <= $3
            AND position <= $4
          ORDER BY version DESC
          LIMIT 1",
    )
    .bind(user)
    .bind(time)
    .bind(version)
    .bind(position)
    .fetch_optional(executor)
    .await
}
