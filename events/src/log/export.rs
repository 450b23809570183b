//! The log written out as an export, as of one moment.

use std::{
    io::{self, Write},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use serde_json::{
    json,
    value::{RawValue, to_raw_value},
};
use sqlx::{Connection, Executor, PgConnection};
use tokio::{sync::mpsc, task::spawn_blocking};

use super::{
    Frontier, Hash, Head, LogReader, Part, ProofError, RawEvent, Upcasters, head, proofs, scan,
    settle,
};
use crate::{
    copy::RowReader,
    evidence::export::{FORMAT, Header, VERSION, WriteError, Writer},
    vault::{KeyRing, VaultError, known_master_keys, vault_rows},
};

/// Pieces of the log that were read and wait to be written, at most.
const AHEAD: usize = 8;
/// Rows of the vault that are written at once.
const ROWS: usize = 1000;

/// What is to be exported, and how.
#[derive(Debug, Clone, Copy)]
pub struct Export {
    /// Now.
    pub made_at: DateTime<Utc>,
    /// What had been recorded by then; all, if none is given.
    pub as_of: Option<DateTime<Utc>>,
    /// Whether personal data is written beside the events, for everybody to read.
    pub open: bool,
    /// Whether the vault comes along.
    pub with_vault: bool,
}

/// Why an export is not written to its end.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The moment has not come.
    #[error("{0} has not come")]
    Future(DateTime<Utc>),
    /// The database does not answer, or refuses.
    #[error("the log cannot be read")]
    Database(#[from] sqlx::Error),
    /// The vault cannot be read.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The file cannot be written, or the log is not in order.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// What would be exported is not what happened.
    #[error(
        "the events do not make the tree of the head: one was altered. `rollcall verify` says more"
    )]
    Altered,
}

impl From<std::io::Error> for ExportError {
    fn from(error: std::io::Error) -> Self {
        Self::Write(error.into())
    }
}

impl From<ProofError> for ExportError {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::Database(error) => Self::Database(error),
            ProofError::NoSuch { .. } | ProofError::Altered(_) => Self::Altered,
        }
    }
}

/// How an event is opened, if it is.
type Opening = Option<Arc<(Upcasters, KeyRing)>>;

/// Writes the log, all of it as of one moment, whatever is appended meanwhile. `advanced` hears how many events were
/// written. Gives back what was written to, and the number of events.
///
/// # Errors
/// See [`ExportError`]. What was written by then has no end, and is taken for an export by nobody.
pub async fn export<W: Write + Send + 'static>(
    conn: &mut PgConnection,
    log: &LogReader,
    wish: Export,
    out: W,
    advanced: impl Fn(u64) + Send + 'static,
) -> Result<(W, u64), ExportError> {
    if let Some(moment) = wish.as_of {
        if moment > wish.made_at {
            return Err(ExportError::Future(moment));
        }
        settle(&mut *conn, moment).await?;
    }
    let mut tx = conn.begin().await?;
    tx.execute(
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;
         SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0",
    )
    .await?;
    let head = head(&mut *tx).await?;
    let up_to = match wish.as_of {
        Some(moment) => position_at(&mut tx, moment).await?,
        None => head.position,
    };
    let vault = if wish.with_vault {
        Some(known_master_keys(&mut *tx).await?)
    } else {
        None
    };
    let opening: Opening = if wish.open {
        let keys = log.vault().all_keys(&mut tx).await?;
        Some(Arc::new((log.upcasters().clone(), keys)))
    } else {
        None
    };
    let header = Header {
        format: FORMAT.to_owned(),
        version: VERSION,
        made_at: wish.made_at,
        as_of: wish.as_of,
        events: up_to.unsigned_abs(),
        opened: wish.open,
        vault,
    };
    let mut writer = events(&mut tx, up_to, opening, header, out, advanced).await?;
    if writer.frontier().root() != true_root(log, up_to, &head).await? {
        return Err(ExportError::Altered);
    }
    if wish.with_vault {
        writer = vault_after(&mut tx, writer).await?;
    }
    tx.commit().await?;
    Ok((writer.end()?, up_to.unsigned_abs()))
}

/// What the tree of the events up to a position must be.
async fn true_root(log: &LogReader, up_to: i64, head: &Head) -> Result<Hash, ExportError> {
    if up_to == head.position {
        return Ok(head.frontier.root());
    }
    if up_to == 0 {
        return Ok(Frontier::default().root());
    }
    let (from, to) = (up_to.unsigned_abs(), head.frontier.size());
    let grown = proofs::consistency(log.pool(), from, to).await?;
    Ok(grown.from_root)
}

/// The last position by a moment. Times never run backwards in the log: what had been recorded by then is its beginning.
async fn position_at(conn: &mut PgConnection, moment: DateTime<Utc>) -> sqlx::Result<i64> {
    let position: Option<i64> = sqlx::query_scalar(
        "SELECT position FROM log.events WHERE recorded_at <= $1 ORDER BY position DESC LIMIT 1",
    )
    .bind(moment)
    .fetch_optional(conn)
    .await?;
    Ok(position.unwrap_or_default())
}

async fn events<W: Write + Send + 'static>(
    conn: &mut PgConnection,
    up_to: i64,
    opening: Opening,
    header: Header,
    out: W,
    advanced: impl Fn(u64) + Send + 'static,
) -> Result<Writer<W>, ExportError> {
    let (sender, mut pieces) = mpsc::channel(AHEAD);
    let writing = spawn_blocking(move || {
        let mut writer = Writer::begin(out, header)?;
        let mut reader = RowReader::default();
        while let Some(piece) = pieces.blocking_recv() {
            reader.push(piece);
            let mut count = 0;
            while let Some(row) = reader.next_row()? {
                let event = RawEvent::from_row(row)?;
                let opened = match opening.as_deref() {
                    Some((upcasters, keys)) => Some(opened(&event, upcasters, keys)?),
                    None => None,
                };
                writer.event(event, opened)?;
                count += 1;
            }
            advanced(count);
        }
        Ok::<_, ExportError>(writer)
    });
    let whole = Part {
        up_to,
        stream: None,
    };
    let read = scan(conn, whole, sender).await;
    // What went wrong with the writing ended the reading too.
    let writer = joined(writing.await)?;
    read?;
    Ok(writer)
}

/// What an event says. Of one that cannot be read the reason is written, and the export goes on.
fn opened(event: &RawEvent, upcasters: &Upcasters, keys: &KeyRing) -> io::Result<Box<RawValue>> {
    event
        .opened(upcasters, keys)
        .or_else(|unreadable| Ok(to_raw_value(&json!({ "unreadable": unreadable.reason() }))?))
}

async fn vault_after<W: Write + Send + 'static>(
    conn: &mut PgConnection,
    mut writer: Writer<W>,
) -> Result<Writer<W>, ExportError> {
    let mut rows = vault_rows(conn).chunks(ROWS).boxed();
    while let Some(rows) = rows.next().await {
        let writing = spawn_blocking(move || {
            for row in rows {
                writer.vault(row?)?;
            }
            Ok::<_, ExportError>(writer)
        });
        writer = joined(writing.await)?;
    }
    Ok(writer)
}

/// What a thread came to; its panic is ours.
fn joined<T>(done: Result<T, tokio::task::JoinError>) -> T {
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}
