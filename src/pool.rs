//! The connections to Postgres that requests share.
//!
//! A connection is used only if its server is there and can be written to: after a switchover, the address of the
//! database can lead to the former primary for a while, which answers what it has and knows nothing newer. This is
//! asked when a connection is made and when it was idle, so that a busy service does not pay for it. When one
//! connection turns out to be dead or read-only, all that were made before are replaced: whatever befell it befell them.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use rollcall_events::{database_error::is_read_only, session};
use sqlx::{
    PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

/// How long a request waits for a connection before it is told that the database does not answer.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// A statement that takes longer is given up: its request has been given up as well.
pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(20);
/// A connection that was idle for longer is checked before it is used.
const TRUSTED_IDLE: Duration = Duration::from_millis(200);
/// How long the first question of a request may take, which reads a few rows by their keys, before its connection is
/// taken for dead.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// How often idle connections are used, so that firewalls on the way do not forget them, and dead ones are found before
/// a request finds them. Less than the time-outs of the load balancers of the large clouds, which are minutes.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(30);

/// What is known of the database from the connections of a pool. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Connections that were made before are not used any more.
    renewed_at: Option<Instant>,
    /// Whether the last connection that was made led to a read-only server.
    is_read_only: bool,
}

impl Health {
    /// Has every connection replaced that exists now, when it is next used.
    pub fn renew(&self) {
        self.with(|state| state.renewed_at = Some(Instant::now()));
    }

    /// Whether the database can be reached, but not be written to.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.with(|state| state.is_read_only)
    }

    /// Asks the database something that changes nothing, and once more, on another connection, if the first one is dead:
    /// one that has just been used is not checked, and may have died without a word.
    ///
    /// Ask the first question of a request so. The connections that were made before are then replaced for the rest of it.
    ///
    /// # Errors
    /// The database does not answer, or refuses.
    pub async fn ask<T>(
        &self,
        pool: &PgPool,
        question: impl for<'c> Fn(&'c mut PgConnection) -> BoxFuture<'c, sqlx::Result<T>>,
    ) -> sqlx::Result<T> {
        let mut conn = pool.acquire().await?;
        match tokio::time::timeout(ANSWER_TIMEOUT, question(&mut conn)).await {
            Ok(Err(sqlx::Error::Io(error))) => {
                tracing::debug!(%error, "a connection is dead: the question is asked again");
            }
            Ok(answer) => return answer,
            Err(_) => {
                tracing::warn!("a connection to the database does not answer: it is given up");
            }
        }
        // To close it would mean to wait for it.
        drop(conn.detach());
        self.renew();
        question(&mut *pool.acquire().await?).await
    }

    fn is_outdated(&self, age: Duration) -> bool {
        self.with(|state| state.renewed_at)
            .is_some_and(|renewed_at| age > renewed_at.elapsed())
    }

    /// Notes what came of making or checking a connection, and says it in the log when it has changed.
    fn note(&self, result: sqlx::Result<()>) -> sqlx::Result<()> {
        let is_read_only = result.as_ref().is_err_and(is_read_only);
        let was_read_only =
            self.with(|state| std::mem::replace(&mut state.is_read_only, is_read_only));
        match (was_read_only, is_read_only) {
            (false, true) => {
                tracing::warn!("the database is read-only: it is a standby, or in recovery");
            }
            (true, false) if result.is_ok() => {
                tracing::info!("the database can be written to again");
            }
            _ => {}
        }
        result
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A pool of at most so many connections, whose statements may take so long; zero is for ever. No connection is made before
/// it is needed.
///
/// Call this in the runtime that uses the pool.
pub fn open(
    database: PgConnectOptions,
    max_connections: u32,
    statement_timeout: Duration,
    health: &Health,
) -> PgPool {
    let (made, used) = (health.clone(), health.clone());
    let pool = PgPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .after_connect(move |conn, _| {
            let health = made.clone();
            Box::pin(async move { health.note(session::prepare(conn, statement_timeout).await) })
        })
        .before_acquire(move |conn, meta| {
            let health = used.clone();
            Box::pin(async move {
                if health.is_outdated(meta.age) {
                    return Err(sqlx::Error::Io(io::ErrorKind::ConnectionAborted.into()));
                }
                if meta.idle_for > TRUSTED_IDLE
                    && let Err(error) = health.note(session::check(conn).await)
                {
                    health.renew();
                    tracing::info!(
                        error = &error as &dyn std::error::Error,
                        "the connections to the database are renewed"
                    );
                    return Err(error);
                }
                Ok(true)
            })
        })
        .connect_lazy_with(database);
    tokio::spawn(keep_alive(pool.clone(), health.clone()));
    pool
}

/// Uses each idle connection from time to time, until the pool is closed.
async fn keep_alive(pool: PgPool, health: Health) {
    loop {
        tokio::select! {
            () = pool.close_event() => return,
            () = tokio::time::sleep(KEEP_ALIVE_EVERY) => {}
        }
        // The one that was idle longest comes first, and returns as the last.
        for _ in 0..pool.num_idle() {
            let Some(mut conn) = pool.try_acquire() else {
                break;
            };
            if health.note(session::check(&mut conn).await).is_err() {
                health.renew();
                // Nobody is there to be told that it is closed.
                drop(conn.detach());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_that_were_made_before_a_renewal_are_outdated() {
        let health = Health::default();
        assert!(!health.is_outdated(Duration::from_hours(1)));
        health.renew();
        assert!(health.is_outdated(Duration::from_hours(1)));
        assert!(!health.is_outdated(Duration::ZERO));
    }

    #[test]
    fn the_database_is_read_only_until_a_connection_can_be_written_to() {
        let health = Health::default();
        let read_only = io::Error::other(rollcall_events::database_error::ReadOnlyServer);
        assert!(health.note(Err(sqlx::Error::Io(read_only))).is_err());
        assert!(health.is_read_only());
        health.note(Ok(())).unwrap();
        assert!(!health.is_read_only());
    }
}
