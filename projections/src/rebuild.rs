//! Rebuild: the read models made anew from the log, beside a service that goes on serving, and put in place of the old ones.
//!
//! The log is read once, and its streams are folded side by side, in memory. The rows go into new tables, in the schema `read_next`, which
//! get their indexes last. What was appended meanwhile is written there in batches, as an append would. Then, under the lock
//! on the head of the log, the last few events follow and the schemas change their names, in one transaction: writers wait for
//! that alone, and readers for nothing. Whatever interrupts a rebuild before that moment leaves the read models as they were.

mod copies;
mod progress;
mod shape;
mod skipping;
mod swap;

pub use progress::{Progress, Seen, Stage, Work};

use std::sync::Arc;

use rollcall_events::{
    Recorded,
    log::{Columns, LogError, LogReader, Part},
    session,
    vault::VaultError,
};
use sqlx::{Connection, Executor, PgConnection, postgres::PgConnectOptions};
use tokio::sync::mpsc;

use crate::replay::{RULES, Reading, Rule, Share, TableRows, Wanted, fold_part, lock_out_others};
use copies::{Copies, leave_nothing};
use shape::Shape;
use skipping::Skipping;

/// A rebuild of half as many took 325 MiB (benches/README.md).
pub const STREAMS_IN_MEMORY: usize = 400_000;

/// What is to be rebuilt, and how.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The projections by name; none for all.
    pub projections: Vec<String>,
    /// How many read and fold side by side.
    pub workers: u32,
    /// More streams than this are folded in several passes over the log, so that memory is bounded: [`STREAMS_IN_MEMORY`], as a
    /// rule.
    pub streams_in_memory: usize,
    /// Whether events that cannot be read are passed over. What such an event says of a user is then missing from the rows.
    pub skip_unreadable: bool,
}

/// What a rebuild did.
#[derive(Debug, Clone, Copy)]
pub struct Rebuilt {
    /// How many events were folded.
    pub events: i64,
    /// How many rows the new tables have.
    pub rows: u64,
    /// The last position when the new tables took over.
    pub position: i64,
    /// How many of the events cannot be read, or not in full.
    pub unreadable: u64,
}

/// Why nothing was rebuilt. What is served is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// Two would stand in each other's way.
    #[error("another rebuild or verification of this database is running: wait for it to end")]
    Busy,
    /// There is no such projection.
    #[error("there is no projection {0:?}; there are: {known}", known = names().join(", "))]
    Unknown(String),
    /// The tables that were copied are no longer as they were.
    #[error("the schema of the read models was changed meanwhile: rebuild again")]
    SchemaChanged,
    /// The new tables could not take the place of the old ones.
    #[error(
        "the old tables were in use for too long to be replaced: try again when less is going on"
    )]
    InUse,
    /// The new tables would lack what these events say.
    #[error(
        "{count} events cannot be read, and nothing was replaced. The first: {first}. Restore the log and the vault, or pass \
         over such events with --skip-unreadable"
    )]
    Unreadable {
        /// How many.
        count: u64,
        /// The one with the lowest position, and the reason.
        first: String,
    },
    /// The database does not answer, or refuses.
    #[error("the read models cannot be written")]
    Database(#[from] sqlx::Error),
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The vault cannot be read.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// The names of all projections.
#[must_use]
pub fn names() -> Vec<&'static str> {
    RULES.iter().map(|rule| rule.name).collect()
}

/// Rebuilds the read models. `owner` owns them; `log` reads the log of the same database.
///
/// # Errors
/// See [`RebuildError`].
pub async fn rebuild(
    owner: &PgConnectOptions,
    log: &LogReader,
    wish: &Wish,
    progress: &Arc<Progress>,
) -> Result<Rebuilt, RebuildError> {
    let rules = chosen(&wish.projections)?;
    progress.begin(Stage::Preparing, 0);
    let mut guard = session::connect(owner).await?;
    if !lock_out_others(&mut guard, true).await? {
        return Err(RebuildError::Busy);
    }
    let mut conn = session::connect(owner).await?;
    conn.execute("SET statement_timeout = 0; SET lock_timeout = 0")
        .await?;
    leave_nothing(&mut conn).await?;
    let shape = Shape::of(&mut conn, &rules).await?;
    let built = build(owner, &mut conn, log, wish, &rules, &shape, progress).await;
    let (position, rows, mut skipping) = match built {
        Ok(built) => built,
        Err(error) => {
            // Whatever went wrong first is told; what cannot be cleared away now is so by the next rebuild.
            drop(leave_nothing(&mut conn).await);
            return Err(error);
        }
    };
    let swapping = swap::Swapping {
        log,
        rules: &rules,
        shape: &shape,
        progress,
    };
    let position = match swapping.swap(&mut conn, position, &mut skipping).await {
        Ok(position) => position,
        Err(error) => {
            drop(leave_nothing(&mut conn).await);
            return Err(error);
        }
    };
    progress.begin(Stage::ClearingAway, 0);
    leave_nothing(&mut conn).await?;
    conn.close().await?;
    guard.close().await?;
    progress.end();
    Ok(Rebuilt {
        events: position,
        rows,
        position,
        unreadable: skipping.count(),
    })
}

fn chosen(names: &[String]) -> Result<Vec<&'static Rule>, RebuildError> {
    for name in names {
        if !RULES.iter().any(|rule| rule.name == name) {
            return Err(RebuildError::Unknown(name.clone()));
        }
    }
    let rules = RULES.iter();
    Ok(rules
        .filter(|rule| names.is_empty() || names.iter().any(|name| name == rule.name))
        .collect())
}

/// Makes the new tables of the log up to some position. Returns that, the number of rows, and what could not be read.
async fn build(
    owner: &PgConnectOptions,
    conn: &mut PgConnection,
    log: &LogReader,
    wish: &Wish,
    rules: &[&'static Rule],
    shape: &Shape,
    progress: &Arc<Progress>,
) -> Result<(i64, u64, Skipping), RebuildError> {
    for statement in &shape.schema {
        conn.execute(statement.as_str()).await?;
    }
    let up_to = rollcall_events::log::head(&mut *conn).await?.position;
    let reading = Reading {
        upcasters: log.upcasters().clone(),
        keys: Arc::new(log.vault().all_keys(conn).await?),
    };
    progress.begin(Stage::Folding, up_to.unsigned_abs());
    let copies = Copies::begin(owner, shape, progress);
    let workers = wish.workers.max(1);
    let passes =
        u32::try_from(reading.keys.len() / wish.streams_in_memory.max(1) + 1).unwrap_or(u32::MAX);
    let shares: Vec<Share> = Share::all(workers.saturating_mul(passes)).collect();
    let part = Part {
        up_to,
        stream: None,
    };
    let mut rest: Vec<TableRows> = shape.tables.iter().map(|_| TableRows::default()).collect();
    let mut skipping = Skipping::new(wish.skip_unreadable);
    for pass in shares.chunks(usize::try_from(workers).unwrap_or(1)) {
        for (table, rows) in rest.iter_mut().enumerate() {
            copies.send(table, rows.take_pieces()).await;
        }
        let wanted = pass.iter().map(|share| {
            let rows = Rows {
                tables: copies.tables().to_vec(),
                progress: Arc::clone(progress),
                skipping: Skipping::new(wish.skip_unreadable),
            };
            (*share, rows)
        });
        let folded = fold_part(conn, part, rules, &reading, wanted.collect()).await?;
        if copies.have_failed() {
            break;
        }
        for (rows, wanted) in folded {
            skipping.merge(wanted.skipping);
            for (all, rows) in rest.iter_mut().zip(rows) {
                all.merge(rows);
            }
        }
    }
    // Dropped, the copies are rolled back.
    skipping.check()?;
    progress.begin(Stage::Indexing, 0);
    let rest = rest.into_iter().map(|mut rows| {
        rows.sum_up();
        rows.take_pieces()
    });
    let rows = copies.finish(rest).await?;
    Ok((up_to, rows, skipping))
}

/// What a task came to; its panic is ours.
pub(crate) fn joined<T>(done: Result<T, tokio::task::JoinError>) -> T {
    done.unwrap_or_else(|failure| match failure.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => unreachable!("nobody cancels the tasks of a rebuild but by dropping them"),
    })
}

/// Rows are all that a rebuild wants.
struct Rows {
    tables: Vec<mpsc::Sender<Vec<u8>>>,
    progress: Arc<Progress>,
    skipping: Skipping,
}

impl Wanted for Rows {
    fn open(&mut self, raw: Columns<'_>, reading: &Reading) -> Option<Recorded> {
        let event = raw.open_payload(&reading.upcasters, &reading.keys);
        self.skipping.take(event)
    }

    fn settled(&mut self, table: usize, rows: &mut TableRows) -> bool {
        rows.take_full_pieces()
            .all(|piece| self.tables[table].blocking_send(piece).is_ok())
    }

    fn advanced(&mut self, events: u64) {
        self.progress.advance(events);
    }

    fn progress(&self) -> &Progress {
        &self.progress
    }
}
