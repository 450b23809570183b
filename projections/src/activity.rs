//! Forgetting when somebody was here who is no more.

use sqlx::PgExecutor;

/// Removes the activity of sessions that have ended and of users who are gone.
pub async fn tidy_up_activity(executor: impl PgExecutor<'_>) -> sqlx::Result<()> {
    sqlx::query(
        "WITH sessions AS (
             DELETE FROM live.session_activity
              WHERE NOT EXISTS (SELECT FROM read.sessions WHERE sessions.id = session_activity.session_id))
         DELETE FROM live.user_activity
          USING read.users
          WHERE users.id = user_activity.user_id AND users.deleted_at IS NOT NULL",
    )
    .execute(executor)
    .await?;
    Ok(())
}
