//! Checkpoints of the log while the service runs: made on a schedule, and sent where the operator wants them. Any number of
//! nodes may do it: one of them makes each.

mod send;

use std::{error::Error, time::Duration};

use chrono::TimeDelta;
use rollcall_events::{
    clock::Clock,
    log::{
        LogReader,
        checkpoints::{self, Made, MakeError},
    },
};
use tokio_util::sync::CancellationToken;

use crate::{
    app::{App, AppState},
    config::Config,
    draft::Existing,
};

pub use send::{SendError, send};

/// The shortest time between two looks at the log: clocks may differ a little.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);

/// Makes a checkpoint of the configured name, unless there is a young one: see [`checkpoints::make`].
///
/// # Errors
/// See [`MakeError`].
pub async fn make(
    config: &Config,
    log: &LogReader,
    clock: &dyn Clock,
    youth: Option<TimeDelta>,
) -> Result<Made, MakeError> {
    let since = youth.and_then(|youth| clock.now().checked_sub_signed(youth));
    let origin = config.checkpoint_origin.as_str();
    checkpoints::make(log.pool(), log.vault(), origin, clock, since).await
}

/// Makes checkpoints as often as configured until told to stop; then a last one, if anything is new.
pub async fn run(app: AppState, stopping: CancellationToken) {
    let Some(every) = app.config.checkpoint_every.map(Duration::from) else {
        return;
    };
    let every = TimeDelta::from_std(every).unwrap_or(TimeDelta::MAX);
    let mut turns = Turns {
        is_owing: true,
        is_told: false,
    };
    loop {
        let pause = turns.turn(&app, every).await;
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stopping.cancelled() => break,
        }
    }
    turns.turn(&app, TimeDelta::zero()).await;
}

/// What one turn leaves to the next.
struct Turns {
    /// The newest checkpoint has perhaps not reached its destination: when a node begins, nobody knows.
    is_owing: bool,
    /// That one did not is said already.
    is_told: bool,
}

impl Turns {
    /// Makes a checkpoint if one is due, and sends it; how long until the next turn.
    async fn turn(&mut self, app: &App, every: TimeDelta) -> Duration {
        let usual = every.to_std().unwrap_or(Duration::MAX);
        let made = match make(&app.config, &app.log, app.clock.as_ref(), Some(every)).await {
            Ok(made) => made,
            Err(MakeError::Database(error)) => {
                let error = &error as &dyn Error;
                tracing::warn!(
                    error,
                    "no checkpoint was made; it is tried again at the next turn"
                );
                return usual;
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn Error, "no checkpoint was made");
                return usual;
            }
        };
        self.send(app, &made).await;
        let age = app.clock.now() - made.made_at;
        match (every - age).to_std() {
            Ok(rest) if !rest.is_zero() => rest.max(SHORTEST_PAUSE),
            // Nothing has happened for so long.
            _ => usual,
        }
    }

    /// Sends what is new, or the newest in place of one that did not arrive.
    async fn send(&mut self, app: &App, made: &Made) {
        let Some(to) = app.config.checkpoint_to.as_ref() else {
            return;
        };
        if !(made.is_new || self.is_owing) {
            return;
        }
        match send(made, to, Existing::Replace).await {
            Ok(place) => {
                tracing::info!(position = made.size, %place, "a checkpoint was sent");
                self.is_owing = false;
                self.is_told = false;
            }
            Err(error) => {
                let error = &error as &dyn Error;
                if self.is_told {
                    tracing::debug!(error, "a checkpoint still cannot be sent");
                } else {
                    tracing::warn!(
                        error,
                        "a checkpoint was not sent; it is tried again at each turn"
                    );
                }
                self.is_owing = true;
                self.is_told = true;
            }
        }
    }
}
