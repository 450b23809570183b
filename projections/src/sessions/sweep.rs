//! Deletes the sessions that ended long ago. The upkeep of the service calls it.
//!
//! No event says so: when a session ends at the latest follows from the events of the session itself. A sweep is only
//! late or not yet done, so verification compares no row that a sweep may delete.

use chrono::{DateTime, Utc};
use rollcall_events::user::ENDED_SESSIONS_KEPT;
use sqlx::PgExecutor;

/// Deletes at most `limit` sessions that ended [`ENDED_SESSIONS_KEPT`] ago, the oldest first, and returns how many.
///
/// Long ago is measured by `now` and by the time of the last event, whichever is earlier: a node whose clock is ahead
/// deletes nothing early. Rows that the append is changing are left for the next sweep, so neither waits for the other.
///
/// # Errors
/// The database fails.
pub async fn sweep(
    executor: impl PgExecutor<'_>,
    now: DateTime<Utc>,
    limit: i64,
) -> sqlx::Result<u64> {
    let swept = sqlx::query(
        "DELETE FROM read.sessions
          WHERE id IN (SELECT id
                         FROM read.sessions
                        WHERE ends_at < (SELECT least(recorded_at, $1) FROM log.head) - $2::interval
                        ORDER BY ends_at
                        LIMIT $3
                          FOR UPDATE SKIP LOCKED)",
    )
    .bind(now)
    .bind(ENDED_SESSIONS_KEPT)
    .bind(limit)
    .execute(executor)
    .await?;
    Ok(swept.rows_affected())
}
