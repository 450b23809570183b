//! Tidying up what is kept for a while only.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rollcall_events::{Metadata, attempt::Day, log::forget_commands, user::UserCommand};
use rollcall_projections::{sessions, tidy_up_activity};

use crate::app::{App, AppState};

const EVERY: Duration = Duration::from_hours(1);
/// How long the ids of commands are kept, by which one that is sent again is known.
const COMMANDS_KEPT: TimeDelta = TimeDelta::days(1);
/// How long sessions and API tokens are kept after their end, so that people see what they were.
const SESSIONS_KEPT: TimeDelta = TimeDelta::days(7);
/// Ended sessions are looked for in portions of this size.
const SESSIONS_AT_ONCE: i64 = 500;

/// Tidies up for as long as the service runs.
pub async fn run(app: AppState) {
    loop {
        if let Err(error) = tidy_up(&app).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "tidying up failed; it is tried again in an hour"
            );
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Tidies up once.
///
/// # Errors
/// The database does not answer.
pub async fn tidy_up(app: &App) -> sqlx::Result<()> {
    let now = app.clock.now();
    forget_commands(&app.pool, now - COMMANDS_KEPT).await?;
    forget_sessions(app, now).await?;
    forget_attempts(app, now).await?;
    tidy_up_activity(&app.pool).await
}

/// Forgets the sessions that ended long ago. Whoever signs in clears away their own: these are of those who do not.
async fn forget_sessions(app: &App, now: DateTime<Utc>) -> sqlx::Result<()> {
    loop {
        let before = now - SESSIONS_KEPT;
        let users = sessions::users_with_ended(&app.pool, before, SESSIONS_AT_ONCE).await?;
        let mut is_progress = false;
        for user in users {
            let command = UserCommand::ForgetSessions { at: now };
            let metadata = Metadata::system(app.ids.uuid());
            match app.users.execute(user, command, metadata, Vec::new()).await {
                Ok(done) => is_progress |= !done.events.is_empty(),
                Err(error) => tracing::warn!(
                    %user,
                    error = &error as &dyn std::error::Error,
                    "ended sessions were not forgotten; it is tried again in an hour"
                ),
            }
        }
        if !is_progress {
            return Ok(());
        }
    }
}

/// Forgets where attempts of long ago came from, and what was tried: the keys of those days are destroyed.
async fn forget_attempts(app: &App, now: DateTime<Utc>) -> sqlx::Result<()> {
    let kept = TimeDelta::from_std(app.config.attempts_kept).unwrap_or(TimeDelta::MAX);
    let Some(before) = now.checked_sub_signed(kept) else {
        return Ok(());
    };
    let days = Day::before_all()..Day::of(before).stream();
    let forgotten = app.log.vault().destroy_keys(days).await?;
    if forgotten > 0 {
        tracing::info!(
            days = forgotten,
            "addresses and e-mails of old attempts are erased"
        );
    }
    Ok(())
}
