//! Verify: is what is served what happened?
//!
//! The log is folded as a rebuild folds it, and compared with every read model, row by row, all as of one snapshot: so it
//! works beside a service that goes on. The log itself is looked at too: places without gaps, times that never run backwards,
//! a tree that is the head's and its checkpoints', events that can be read and opened, or whose person was erased.

mod chain;
mod compare;
mod credentials;
mod decide;
mod events;
mod repair;

use std::{fmt, sync::Arc};

use chrono::TimeDelta;
use chrono::{DateTime, Utc};
use rollcall_events::{
    clock::SystemClock,
    log::{LogError, LogReader, Part, checkpoints, left_behind},
    session,
    vault::VaultError,
};
use sqlx::{Connection, Executor, PgConnection, postgres::PgConnectOptions};
use tokio::{sync::mpsc, task::JoinSet};
use uuid::Uuid;

use crate::{
    rebuild::{Progress, Stage, joined},
    replay::{DecidedBy, RULES, Reading, Rule, Share, TableRows, fold_part, lock_out_others},
};
use chain::{Ends, follow};
use compare::{Differing, compare};
use decide::Deciding;
use events::{Incomplete, Seen, Watched};

/// Pieces of the chain of events that wait to be looked at, at most.
const AHEAD: usize = 64;

/// What is to be verified, and how.
#[derive(Debug, Clone, Copy)]
pub struct Wish {
    /// This user alone.
    pub user: Option<Uuid>,
    /// How many read and fold side by side.
    pub workers: u32,
    /// Whether rows that differ are mended.
    pub repair: bool,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Verified {
    /// How many events were folded.
    pub events: u64,
    /// How many rows they make.
    pub rows: u64,
    /// How many events cannot be read, or not in full.
    pub unreadable: u64,
    /// How many rows differ that cannot be judged, because an event that decides about them cannot be read.
    pub unjudged: usize,
    /// What is wrong with the log.
    pub flaws: Vec<Flaw>,
    /// What is wrong with the password hashes in the vault.
    pub credentials: Vec<String>,
    /// How far the last event was recorded ahead of the database's clock, if that is more than clocks may differ.
    pub head_ahead: Option<TimeDelta>,
    /// What is wrong with the read models.
    pub differences: Vec<Difference>,
    /// How many rows were mended.
    pub repaired: usize,
}

/// Something wrong with the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Where.
    pub position: i64,
    /// What.
    pub says: String,
}

/// A row that is served and not what happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The table.
    pub table: &'static str,
    /// The row: the columns of its primary key.
    pub row: Vec<(&'static str, String)>,
    /// The column; none if the whole row is missing, or should not be there.
    pub field: Option<&'static str>,
    /// What is served; none for null, and for a row that is not there.
    pub served: Option<String>,
    /// What it should be; none for null, and for a row that should not be there.
    pub truth: Option<String>,
    /// The event that made it so; none if no event ever spoke of the row.
    pub position: Option<i64>,
}

/// Why nothing was verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It would be compared with what is about to go.
    #[error("a rebuild of this database is running: wait for it to end")]
    Busy,
    /// The database does not answer, or refuses.
    #[error("the read models cannot be read")]
    Database(#[from] sqlx::Error),
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The vault cannot be read.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl Verified {
    /// Whether everything is as it should be.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.flaws.is_empty() && self.credentials.is_empty() && self.differences.is_empty()
    }
}

/// Verifies the read models and the log. `owner` owns them; `log` reads the log of the same database.
///
/// # Errors
/// See [`VerifyError`]. What is found wrong is no error.
pub async fn verify(
    owner: &PgConnectOptions,
    log: &LogReader,
    wish: &Wish,
    progress: &Arc<Progress>,
) -> Result<Verified, VerifyError> {
    progress.begin(Stage::Preparing, 0);
    let mut guard = session::connect(owner).await?;
    if !lock_out_others(&mut guard, false).await? {
        return Err(VerifyError::Busy);
    }
    let mut leader = session::connect(owner).await?;
    let snapshot = Snapshot::take(owner, &mut leader).await?;
    let observed = rollcall_events::log::observe(&mut leader).await?;
    let head_ahead = observed.head_ahead(&SystemClock);
    let head = observed.head;
    let reading = Reading {
        upcasters: log.upcasters().clone(),
        keys: Arc::new(log.vault().all_keys(&mut leader).await?),
    };
    progress.begin(Stage::Folding, head.position.unsigned_abs());
    let (mut verified, rows, seen) = fold(&snapshot, wish, &reading, &head, progress).await?;
    verified.head_ahead = head_ahead;
    verified.credentials = credentials::check(&mut leader, log.vault(), wish.user, &seen).await?;
    let incomplete = seen.incomplete;
    progress.begin(Stage::Comparing, 0);
    let mut differing = compare_all(&snapshot, wish, head.recorded_at, rows, &mut verified).await?;
    let found = differing.len();
    differing.retain(|row| can_be_judged(row, &incomplete));
    verified.unjudged = found - differing.len();
    let deciding = Deciding {
        reading: reading.clone(),
    };
    for row in &differing {
        let named = deciding.name(&mut leader, row).await?;
        verified.differences.extend(named);
    }
    // Beside what follows, the snapshot would only keep old rows alive.
    leader.close().await?;
    // By a log that is not in order nothing can be mended.
    if wish.repair && verified.flaws.is_empty() && !differing.is_empty() {
        progress.begin(Stage::Repairing, 0);
        verified.repaired =
            repair::repair(owner, log, &deciding, &differing, head.position).await?;
    }
    guard.close().await?;
    progress.end();
    Ok(verified)
}

/// What the database was at a moment, for many connections.
#[derive(Clone)]
struct Snapshot {
    owner: PgConnectOptions,
    id: String,
}

impl Snapshot {
    /// It is there as long as this connection is.
    async fn take(owner: &PgConnectOptions, leader: &mut PgConnection) -> sqlx::Result<Self> {
        begin(leader).await?;
        let id = sqlx::query_scalar("SELECT pg_export_snapshot()")
            .fetch_one(leader)
            .await?;
        Ok(Self {
            owner: owner.clone(),
            id,
        })
    }

    async fn connect(&self) -> sqlx::Result<PgConnection> {
        let mut conn = session::connect(&self.owner).await?;
        begin(&mut conn).await?;
        conn.execute(format!("SET TRANSACTION SNAPSHOT '{}'", self.id).as_str())
            .await?;
        Ok(conn)
    }
}

async fn begin(conn: &mut PgConnection) -> sqlx::Result<()> {
    conn.execute(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
         SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0",
    )
    .await?;
    Ok(())
}

/// The rows that the log makes, by table, and what is wrong with the log.
async fn fold(
    snapshot: &Snapshot,
    wish: &Wish,
    reading: &Reading,
    head: &rollcall_events::log::Head,
    progress: &Arc<Progress>,
) -> Result<(Verified, Vec<TableRows>, Seen), VerifyError> {
    let workers = if wish.user.is_some() {
        1
    } else {
        wish.workers.max(1)
    };
    let mut links = Vec::new();
    let mut shares = Vec::new();
    for share in Share::all(workers) {
        let (sender, receiver) = mpsc::channel(AHEAD);
        links.push(receiver);
        shares.push((share, Watched::new(sender, Arc::clone(progress))));
    }
    let mut conn = snapshot.connect().await?;
    let ends = Ends {
        head: head.clone(),
        checkpoints: checkpoints::roots(&mut conn).await?.into(),
        is_whole: wish.user.is_none(),
    };
    let left_behind = left_behind(&mut conn).await?;
    let following = tokio::task::spawn_blocking(move || follow(links, ends));
    let mut rows: Vec<TableRows> = Vec::new();
    let mut watched = Vec::new();
    let part = Part {
        up_to: i64::MAX,
        stream: wish.user,
    };
    let rules: Vec<&'static Rule> = RULES.iter().collect();
    for (part, mut seen) in fold_part(&mut conn, part, &rules, reading, shares).await? {
        seen.end_chain();
        rows.resize_with(part.len(), TableRows::default);
        for (all, part) in rows.iter_mut().zip(part) {
            all.merge(part);
        }
        watched.push(seen);
    }
    let (events, mut flaws) = joined(following.await);
    let mut seen = events::together(watched, wish.user, left_behind);
    flaws.append(&mut seen.flaws);
    flaws.sort_by_key(|flaw| flaw.position);
    let verified = Verified {
        events,
        unreadable: seen.unreadable,
        flaws,
        ..Verified::default()
    };
    Ok((verified, rows, seen))
}

/// Whether all events that decide about the row can be read.
fn can_be_judged(row: &Differing, incomplete: &Incomplete) -> bool {
    match row.table.decided_by {
        DecidedBy::Stream(_) => {
            decide::stream_of(row).is_none_or(|stream| !incomplete.streams.contains(&stream))
        }
        DecidedBy::Event(_) => {
            let position = decide::key_shown(row)
                .iter()
                .find_map(|field| field.parse().ok());
            position.is_none_or(|position| !incomplete.positions.contains(&position))
        }
        DecidedBy::Many => incomplete.positions.is_empty(),
    }
}

async fn compare_all(
    snapshot: &Snapshot,
    wish: &Wish,
    now: DateTime<Utc>,
    rows: Vec<TableRows>,
    verified: &mut Verified,
) -> Result<Vec<Differing>, VerifyError> {
    let tables = RULES.iter().flat_map(|rule| {
        let numbered = rule.tables.iter().enumerate();
        numbered.map(move |(nth, table)| (rule, nth, table))
    });
    let mut comparing = JoinSet::new();
    for ((rule, nth, table), rows) in tables.zip(rows) {
        if wish.user.is_some() && table.decided_by == DecidedBy::Many {
            continue;
        }
        let (snapshot, user) = (snapshot.clone(), wish.user);
        comparing.spawn(async move {
            let mut conn = snapshot.connect().await?;
            compare(&mut conn, rule, nth, table, rows, user, now).await
        });
    }
    let mut differing = Vec::new();
    while let Some(done) = comparing.join_next().await {
        let (count, found) = joined(done)?;
        verified.rows += count;
        differing.extend(found);
    }
    differing.sort_by(|one, other| (one.table.name, &one.key).cmp(&(other.table.name, &other.key)));
    Ok(differing)
}

impl fmt::Display for Flaw {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "log: event {}: {}", self.position, self.says)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.table)?;
        for (column, value) in &self.row {
            write!(formatter, " {column}={value}")?;
        }
        let value = |value: &Option<String>| {
            value
                .as_ref()
                .map_or_else(|| "null".to_owned(), |text| format!("{text:?}"))
        };
        match self.field {
            Some(field) => write!(
                formatter,
                ": {field} is {} and should be {}",
                value(&self.served),
                value(&self.truth)
            )?,
            None if self.served.is_none() => formatter.write_str(": is missing")?,
            None => formatter.write_str(": should not be there")?,
        }
        match self.position {
            Some(position) => write!(formatter, " (event {position} decides)"),
            None => formatter.write_str(" (no event speaks of it)"),
        }
    }
}
