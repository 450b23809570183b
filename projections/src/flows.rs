//! Flows by way of a provider, each of which ends once.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;

/// Notes that a flow is finished, by the SHA-256 of its state. Says whether it is the first time.
pub async fn finish_once(
    executor: impl PgExecutor<'_>,
    state_sha256: &[u8; 32],
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let noted = sqlx::query(
        "INSERT INTO live.oauth_flows (state_sha256, finished_at) VALUES ($1, $2)
             ON CONFLICT (state_sha256) DO NOTHING",
    )
    .bind(state_sha256.as_slice())
    .bind(now)
    .execute(executor)
    .await?;
    Ok(noted.rows_affected() > 0)
}

/// Forgets the flows that were finished before then: they have ended anyway.
pub async fn forget_finished(
    executor: impl PgExecutor<'_>,
    before: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM live.oauth_flows WHERE finished_at < $1")
        .bind(before)
        .execute(executor)
        .await?;
    Ok(())
}
