//! Following the log: every event once, in order, without a gap.
//!
//! Positions are dense and equal to commit order, so "after the last one that I saw" is all there is to it. A
//! notification only says "look now": they are lost across reconnects and poolers, so a follower also looks by itself.

use std::time::Duration;

use sqlx::postgres::PgListener;

use super::{LogError, LogReader, ReadEvent, position_of};

/// The channel on which an appender says that there is more.
pub(super) const CHANNEL: &str = "rollcall_log";

/// How long a follower waits at most before it looks by itself.
const PATIENCE: Duration = Duration::from_secs(1);
const BATCH: i64 = 1_000;

/// A place in the log, moving forward.
pub struct Subscription {
    reader: LogReader,
    position: i64,
    listener: Option<PgListener>,
}

impl Subscription {
    pub(super) fn new(reader: LogReader, position: i64) -> Self {
        Self {
            reader,
            position,
            listener: None,
        }
    }

    /// The last position that was handed out.
    #[must_use]
    pub fn position(&self) -> i64 {
        self.position
    }

    /// Waits for the next events; never empty. Safe to cancel: nothing is handed out that was not returned.
    ///
    /// # Errors
    /// The database fails. The place is kept: call again to go on.
    pub async fn next(&mut self) -> Result<Vec<ReadEvent>, LogError> {
        loop {
            let events = self.reader.after(self.position, BATCH).await?;
            if let Some(last) = events.last() {
                self.position = position_of(last);
                return Ok(events);
            }
            self.wait().await;
        }
    }

    async fn wait(&mut self) {
        let hint = async {
            if self.listener.is_none() {
                self.listener = listen(&self.reader).await;
                if self.listener.is_some() {
                    return; // what came before we listened was not heard: look once more
                }
            }
            let heard = match &mut self.listener {
                Some(listener) => listener.recv().await.is_ok(),
                None => false,
            };
            if !heard {
                self.listener = None;
                std::future::pending::<()>().await;
            }
        };
        // A time-out is the backstop, not a failure.
        drop(tokio::time::timeout(PATIENCE, hint).await);
    }
}

async fn listen(reader: &LogReader) -> Option<PgListener> {
    let mut listener = PgListener::connect_with(reader.pool()).await.ok()?;
    listener.listen(CHANNEL).await.ok()?;
    Some(listener)
}
