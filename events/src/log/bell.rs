//! A bell that rings when there may be more in the log: one for all followers of a node, so that they need one
//! connection together.

use std::time::Duration;

use sqlx::{PgPool, postgres::PgListener};
use tokio::sync::watch;

use super::subscribe::CHANNEL;

/// Rings at least this often: notifications are lost across reconnects and poolers.
const PATIENCE: Duration = Duration::from_secs(1);

/// Rings when there may be more. Cheap to clone.
#[derive(Clone)]
pub struct Bell(watch::Receiver<()>);

impl Bell {
    /// Hangs up a bell on the log in `pool`'s database. It rings for as long as somebody can hear it.
    #[must_use]
    pub fn hang(pool: &PgPool) -> Self {
        let (rope, bell) = watch::channel(());
        tokio::spawn(ring(pool.clone(), rope));
        Self(bell)
    }

    /// Waits for the next ring.
    pub async fn heard(&mut self) {
        // Without a ringer there is still the clock.
        if self.0.changed().await.is_err() {
            tokio::time::sleep(PATIENCE).await;
        }
    }
}

async fn ring(pool: PgPool, rope: watch::Sender<()>) {
    let mut listener = None;
    loop {
        if listener.is_none() {
            listener = listen(&pool).await;
        }
        let heard = async {
            match &mut listener {
                Some(listener) => listener.recv().await.is_ok(),
                None => std::future::pending().await,
            }
        };
        let is_lost = tokio::time::timeout(PATIENCE, heard).await == Ok(false);
        if is_lost {
            listener = None;
        }
        if rope.send(()).is_err() {
            return;
        }
    }
}

async fn listen(pool: &PgPool) -> Option<PgListener> {
    let mut listener = PgListener::connect_with(pool).await.ok()?;
    listener.listen(CHANNEL).await.ok()?;
    Some(listener)
}
