//! A whole log, put into an empty one: the only other way in. Byte for byte the same events, and so the same tree.

use std::io::{self, BufRead};

use chrono::{DateTime, Utc};
use sqlx::{Connection, Executor, PgConnection};
use tokio::{sync::mpsc, task::spawn_blocking};

use super::Inline;
use crate::{
    copy::{END, HEADER, PIECE_BYTES},
    evidence::export::{Flaw, Line, Reader},
    log::{Head, LogReader, head, legible, read::raw_after},
    vault::{VaultError, VaultRow},
};

/// Pieces that were read and wait to be written, at most.
const AHEAD: usize = 8;
/// Rows of the vault that are written at once.
const ROWS: usize = 1000;
/// Events that the read models are made of at once.
const BATCH: i64 = 2000;

/// Why nothing was imported. The log is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Two logs do not make one.
    #[error(
        "the log is not empty: it has {0} events. A log is imported into a database where nothing has happened"
    )]
    NotEmpty(i64),
    /// There is nothing to import.
    #[error("the export has no events")]
    Nothing,
    /// The export is not as it was written.
    #[error("the export is damaged, and nothing was imported: {0}")]
    Damaged(Flaw),
    /// The file cannot be read.
    #[error("the export cannot be read")]
    Io(#[from] io::Error),
    /// The database does not answer, or refuses.
    #[error("the log cannot be written")]
    Database(#[from] sqlx::Error),
    /// The vault's rows cannot be used here.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Importing {
    /// So many more events were read.
    Read(u64),
    /// So many more events are in the read models.
    Projected(u64),
}

/// Puts an export into the empty log of `log`'s database, with its vault if that came along, and makes the read models: all
/// of it, or nothing. `conn` is of the owner. `advanced` hears how far it is.
///
/// # Errors
/// See [`ImportError`].
pub async fn import<R: BufRead + Send + 'static>(
    conn: &mut PgConnection,
    log: &LogReader,
    export: Reader<R>,
    inline: &dyn Inline,
    now: DateTime<Utc>,
    advanced: impl Fn(Importing) + Clone + Send + 'static,
) -> Result<Head, ImportError> {
    let mut tx = conn.begin().await?;
    // Read models grow from nothing here: a plan that was made for an empty table would be used for a full one.
    tx.execute(
        "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0;
         SET LOCAL plan_cache_mode = force_custom_plan; SELECT FROM log.head FOR UPDATE",
    )
    .await?;
    let empty = head(&mut *tx).await?;
    if empty.position != 0 {
        return Err(ImportError::NotEmpty(empty.position));
    }
    let with_vault = export
        .first_line()
        .is_some_and(|header| header.vault.is_some());
    let head = copy(&mut tx, log, export, advanced.clone()).await?;
    if head.position == 0 {
        return Err(ImportError::Nothing);
    }
    sqlx::query("UPDATE log.head SET position = $1, frontier = $2, recorded_at = $3")
        .bind(head.position)
        .bind(head.frontier.to_bytes())
        .bind(head.recorded_at)
        .execute(&mut *tx)
        .await?;
    sqlx::query("INSERT INTO log.imports (position, imported_at, with_vault) VALUES ($1, $2, $3)")
        .bind(head.position)
        .bind(now)
        .bind(with_vault)
        .execute(&mut *tx)
        .await?;
    project(&mut tx, log, inline, advanced).await?;
    tx.commit().await?;
    Ok(head)
}

/// The last event that came to this log from elsewhere without its vault; 0 if none did. Whose key is missing since then, was
/// not erased here.
///
/// # Errors
/// The database fails.
pub async fn left_behind(conn: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT coalesce(max(position), 0) FROM log.imports WHERE NOT with_vault")
        .fetch_one(conn)
        .await
}

/// What is read of an export at once.
enum Piece {
    /// As COPY takes them.
    Events(Vec<u8>),
    Vault(Vec<VaultRow>),
}

async fn copy<R: BufRead + Send + 'static>(
    conn: &mut PgConnection,
    log: &LogReader,
    export: Reader<R>,
    advanced: impl Fn(Importing) + Send + 'static,
) -> Result<Head, ImportError> {
    let (sender, pieces) = mpsc::channel(AHEAD);
    let reading = spawn_blocking(move || read(export, &sender, advanced));
    let written = write(conn, log, pieces).await;
    let read = reading
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
    // What went wrong with the writing ended the reading too, which then knows of no harm.
    let head = read?;
    written?;
    Ok(head)
}

/// Reads on as long as nothing is wrong.
fn read<R: BufRead>(
    mut export: Reader<R>,
    pieces: &mpsc::Sender<Piece>,
    advanced: impl Fn(Importing),
) -> Result<Head, ImportError> {
    let mut events = Vec::with_capacity(PIECE_BYTES + PIECE_BYTES / 8);
    let mut rows = Vec::new();
    let mut count = 0;
    loop {
        let line = export.next()?;
        if let Some(flaw) = export.flaws().first() {
            return Err(ImportError::Damaged(flaw.clone()));
        }
        let is_over = line.is_none();
        match line {
            Some(Line::Event(exported)) => {
                exported.event.put_row(&mut events);
                count += 1;
            }
            Some(Line::Vault(row)) => rows.push(row),
            Some(Line::Header(_) | Line::End(_)) | None => {}
        }
        // The events come first: when there is a row, they are all there.
        let mut sent = Ok(());
        if events.len() >= PIECE_BYTES || ((is_over || !rows.is_empty()) && !events.is_empty()) {
            advanced(Importing::Read(std::mem::take(&mut count)));
            sent = pieces.blocking_send(Piece::Events(std::mem::take(&mut events)));
        }
        if rows.len() >= ROWS || (is_over && !rows.is_empty()) {
            sent = pieces.blocking_send(Piece::Vault(std::mem::take(&mut rows)));
        }
        if is_over || sent.is_err() {
            break;
        }
    }
    Ok(Head {
        position: i64::try_from(export.frontier().size()).unwrap_or(i64::MAX),
        frontier: export.frontier().clone(),
        recorded_at: export.recorded_at(),
    })
}

async fn write(
    conn: &mut PgConnection,
    log: &LogReader,
    mut pieces: mpsc::Receiver<Piece>,
) -> Result<(), ImportError> {
    let mut into = conn
        .copy_in_raw(
            "COPY log.events (position, aggregate_type, aggregate_id, version, event_type, schema_version, payload
                            , metadata, recorded_at) FROM STDIN (FORMAT binary)",
        )
        .await?;
    into.send(HEADER.as_slice()).await?;
    let mut after = None;
    while let Some(piece) = pieces.recv().await {
        match piece {
            Piece::Events(rows) => drop(into.send(rows).await?),
            Piece::Vault(rows) => {
                after = Some(rows);
                break;
            }
        }
    }
    into.send(END.as_slice()).await?;
    into.finish().await?;
    while let Some(rows) = after {
        log.vault().restore(conn, &rows).await?;
        after = match pieces.recv().await {
            Some(Piece::Vault(rows)) => Some(rows),
            Some(Piece::Events(_)) | None => None,
        };
    }
    Ok(())
}

/// Makes the read models as the appends did that were made elsewhere.
async fn project(
    conn: &mut PgConnection,
    log: &LogReader,
    inline: &dyn Inline,
    advanced: impl Fn(Importing),
) -> Result<(), ImportError> {
    let keys = log.vault().all_keys(conn).await?;
    let mut position = 0;
    loop {
        let events = raw_after(&mut *conn, position, BATCH).await?;
        let Some(last) = events.last() else {
            return Ok(());
        };
        position = last.position;
        let opened = events
            .iter()
            .map(|event| event.columns().open(log.upcasters(), &keys, |_| ()));
        let batch: Vec<_> = legible(opened).collect();
        inline.write(conn, &batch).await?;
        advanced(Importing::Projected(
            u64::try_from(events.len()).unwrap_or_default(),
        ));
    }
}
