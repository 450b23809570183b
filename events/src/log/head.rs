//! The head of the log: its last position and its tree.

use chrono::{DateTime, Utc};
use sqlx::{Executor, PgConnection, PgExecutor, Row, postgres::PgRow};

use super::Frontier;

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

/// Begins a transaction and locks the head, in one round trip. Time-outs bound a node that is stuck: it holds up the
/// others no longer than they say, and less long than those wait for the lock.
///
/// What is then asked and written is planned once for a connection: left to itself, Postgres plans it anew for each
/// small batch, which takes longer than doing it.
pub(super) async fn begin_and_lock(conn: &mut PgConnection) -> sqlx::Result<Head> {
    // A text without arguments goes by the simple protocol: all of it in one message.
    let row = conn
        .fetch_one(
            "BEGIN ISOLATION LEVEL READ COMMITTED;
         SET LOCAL lock_timeout = '10s';
         SET LOCAL statement_timeout = '30s';
         SET LOCAL idle_in_transaction_session_timeout = '5s';
         SET LOCAL plan_cache_mode = force_generic_plan;
         SELECT position, frontier, (extract(epoch FROM recorded_at) * 1000000)::bigint FROM log.head FOR UPDATE",
        )
        .await?;
    from_row(&row)
}

fn from_row(row: &PgRow) -> sqlx::Result<Head> {
    let position: i64 = row.try_get(0)?;
    let frontier: Vec<u8> = row.try_get(1)?;
    let micros: i64 = row.try_get(2)?;
    let decode = |error| sqlx::Error::Decode(Box::new(error));
    Ok(Head {
        position,
        frontier: Frontier::from_bytes(position.unsigned_abs(), &frontier).map_err(decode)?,
        recorded_at: DateTime::from_timestamp_micros(micros).unwrap_or_default(),
    })
}
