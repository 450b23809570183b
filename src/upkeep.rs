//! Tidying up what is kept for a while only.

use std::time::Duration;

use chrono::TimeDelta;
use rollcall_events::log::forget_commands;
use rollcall_projections::tidy_up_activity;

use crate::app::AppState;

const EVERY: Duration = Duration::from_hours(1);
/// How long the ids of commands are kept, by which one that is sent again is known.
const COMMANDS_KEPT: TimeDelta = TimeDelta::days(1);

/// Tidies up for as long as the service runs.
pub async fn run(app: AppState) {
    loop {
        let before = app.clock.now() - COMMANDS_KEPT;
        let tidied = async {
            forget_commands(&app.pool, before).await?;
            tidy_up_activity(&app.pool).await
        };
        if let Err(error) = tidied.await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "tidying up failed; it is tried again in an hour"
            );
        }
        tokio::time::sleep(EVERY).await;
    }
}
