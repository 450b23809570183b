//! The head of the log: its last position and its tree.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{Executor, PgConnection, PgExecutor, Row, postgres::PgRow};

use super::{Frontier, Unfit};
use crate::clock::{Clock, MOST_SKEW};

/// Where the log ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The last position; 0 for an empty log.
    pub position: i64,
    /// The tree over all events.
    pub frontier: Frontier,
    /// When the last event was recorded.
    pub recorded_at: DateTime<Utc>,
}

/// Reads the head without locking it.
///
/// # Errors
/// The database fails, or the frontier does not fit the position.
pub async fn head(executor: impl PgExecutor<'_>) -> sqlx::Result<Head> {
    let row = sqlx::query(
        "SELECT position, frontier, (extract(epoch FROM recorded_at) * 1000000)::bigint FROM log.head",
    )
    .fetch_one(executor)
    .await?;
    from_row(&row)
}

/// What the database's clock says, and the head of the log.
#[derive(Debug, Clone)]
pub struct Observed {
    /// The head.
    pub head: Head,
    /// The last position of all events; 0 if there are none.
    pub last_event: i64,
    /// The time by the database's clock.
    pub database_time: DateTime<Utc>,
}

impl Observed {
    /// Why nothing can be appended by a node with this clock.
    #[must_use]
    pub fn unfit(&self, clock: &dyn Clock) -> Option<Unfit> {
        if self.head.position != self.last_event {
            return Some(Unfit::Head {
                head: self.head.position,
                last_event: self.last_event,
            });
        }
        let ahead = clock.ahead_of(self.database_time);
        (ahead.abs() > MOST_SKEW).then_some(Unfit::Clock(ahead))
    }

    /// The time that has come by the clocks of both the node and the database.
    #[must_use]
    pub fn shared_time(&self, clock: &dyn Clock) -> DateTime<Utc> {
        let now = clock.now();
        now.min(now - clock.ahead_of(self.database_time))
    }

    /// The time that has come by both clocks and by the last event. What can never be undone goes by it: no clock alone brings
    /// it about early.
    #[must_use]
    pub fn recorded_time(&self, clock: &dyn Clock) -> DateTime<Utc> {
        self.shared_time(clock).min(self.head.recorded_at)
    }

    /// How far the last event was recorded ahead of the database's clock, if that is more than clocks may differ.
    #[must_use]
    pub fn head_ahead(&self, clock: &dyn Clock) -> Option<TimeDelta> {
        let database_time = clock.now() - clock.ahead_of(self.database_time);
        let ahead = self.head.recorded_at - database_time;
        (ahead > MOST_SKEW).then_some(ahead)
    }
}

/// Reads the head, the last event and the database's clock in one question.
///
/// # Errors
/// The database fails, or the frontier does not fit the position.
pub async fn observe(executor: impl PgExecutor<'_>) -> sqlx::Result<Observed> {
    let row = sqlx::query(
        "SELECT position, frontier, (extract(epoch FROM recorded_at) * 1000000)::bigint
              , (SELECT coalesce(max(position), 0) FROM log.events)
              , (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
           FROM log.head",
    )
    .fetch_one(executor)
    .await?;
    Ok(Observed {
        head: from_row(&row)?,
        last_event: row.try_get(3)?,
        database_time: time(row.try_get(4)?),
    })
}

fn time(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}

/// Waits for what is being appended, if it may have been recorded by this time: an event has its time before it is there.
/// Afterwards, nothing more comes that had been recorded by then.
///
/// # Errors
/// The database fails.
pub async fn settle(executor: impl PgExecutor<'_>, time: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query("SELECT FROM log.head WHERE recorded_at <= $1 FOR SHARE")
        .bind(time)
        .execute(executor)
        .await?;
    Ok(())
}

/// Begins a transaction, locks the head, and asks for the last event and the database's clock, in one round trip. Time-outs bound a node that is stuck: it holds up the
/// others no longer than they say, and less long than those wait for the lock.
///
/// What is then asked and written is planned once for a connection: left to itself, Postgres plans it anew for each
/// small batch, which takes longer than doing it.
pub(super) async fn begin_and_lock(conn: &mut PgConnection) -> sqlx::Result<Observed> {
    // A text without arguments goes by the simple protocol: all of it in one message. The last statement sees what was
    // committed while the lock was waited for.
    let rows = conn
        .fetch_all(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
         SET LOCAL bytea_output = hex;
         SET LOCAL lock_timeout = '10s';
         SET LOCAL statement_timeout = '30s';
         SET LOCAL idle_in_transaction_session_timeout = '5s';
         SET LOCAL plan_cache_mode = force_generic_plan;
         SELECT position, frontier, (extract(epoch FROM recorded_at) * 1000000)::bigint FROM log.head FOR UPDATE;
         SELECT coalesce(max(position), 0), (extract(epoch FROM clock_timestamp()) * 1000000)::bigint FROM log.events",
        )
        .await?;
    let [head, rest] = rows.as_slice() else {
        return Err(sqlx::Error::RowNotFound);
    };
    Ok(Observed {
        head: from_row(head)?,
        last_event: rest.try_get(0)?,
        database_time: time(rest.try_get(1)?),
    })
}

fn from_row(row: &PgRow) -> sqlx::Result<Head> {
    let position: i64 = row.try_get(0)?;
    let frontier: Vec<u8> = row.try_get(1)?;
    let micros: i64 = row.try_get(2)?;
    let decode = |error| sqlx::Error::Decode(Box::new(error));
    Ok(Head {
        position,
        frontier: Frontier::from_bytes(position.unsigned_abs(), &frontier).map_err(decode)?,
        recorded_at: time(micros),
    })
}
