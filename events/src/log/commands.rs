//! The commands of the last day.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;

/// Forgets the commands that were recorded before a moment: sent again, they would be done again.
pub async fn forget_commands(
    executor: impl PgExecutor<'_>,
    before: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM live.commands WHERE recorded_at < $1")
        .bind(before)
        .execute(executor)
        .await?;
    Ok(())
}
