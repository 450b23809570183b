//! Tidying up what is kept for a while only.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rollcall_events::{
    attempt::Day,
    log::{forget_commands, observe},
};
use rollcall_projections::{password_failures::tidy_up_failures, sessions, tidy_up_activity};

use crate::app::{App, AppState};

const EVERY: Duration = Duration::from_hours(1);
/// How long the ids of commands are kept, by which one that is sent again is known.
const COMMANDS_KEPT: TimeDelta = TimeDelta::days(1);
/// Ended sessions are deleted in transactions of at most so many, each of a few milliseconds.
const SESSIONS_AT_ONCE: i64 = 1_000;

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
    let observed = observe(&app.pool).await?;
    let now = observed.shared_time(app.clock.as_ref());
    forget_commands(&app.pool, now - COMMANDS_KEPT).await?;
    sweep_sessions(app, now).await?;
    forget_attempts(app, observed.recorded_time(app.clock.as_ref())).await?;
    tidy_up_failures(&app.pool, now, app.guesses.known_since(now)).await?;
    tidy_up_activity(&app.pool).await
}

/// Deletes the sessions that ended long ago.
async fn sweep_sessions(app: &App, now: DateTime<Utc>) -> sqlx::Result<()> {
    while sessions::sweep(&app.pool, now, SESSIONS_AT_ONCE).await?
        == SESSIONS_AT_ONCE.unsigned_abs()
    {}
    Ok(())
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
