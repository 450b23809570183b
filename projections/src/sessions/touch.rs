//! Somebody was here.

use chrono::{DateTime, Utc};
use rollcall_events::user::SessionId;
use sqlx::PgExecutor;
use uuid::Uuid;

/// Notes that the session was used, and its user seen, at `now`. A later note stays, whichever comes first.
pub async fn touch(
    executor: impl PgExecutor<'_>,
    session_id: &SessionId,
    user_id: Uuid,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query(
        "WITH session AS (
             INSERT INTO live.session_activity AS known (session_id, last_used)
             VALUES ($1, $3)
                 ON CONFLICT (session_id) DO UPDATE
                SET last_used = greatest(known.last_used, excluded.last_used)
         )
         INSERT INTO live.user_activity AS known (user_id, last_seen_at)
         VALUES ($2, $3)
             ON CONFLICT (user_id) DO UPDATE
            SET last_seen_at = greatest(known.last_seen_at, excluded.last_seen_at)",
    )
    .bind(&session_id.0)
    .bind(user_id)
    .bind(now)
    .execute(executor)
    .await?;
    Ok(())
}
