//! One part of the log, from the database to rows: read, opened and folded, each while the others go on.

use std::sync::Arc;

use rollcall_events::{
    Recorded,
    copy::RowReader,
    log::{LogError, Part, RawEvent, Upcasters, scan},
    vault::KeyRing,
};
use sqlx::PgConnection;
use tokio::{sync::mpsc, task::spawn_blocking};

use super::{Fold, Rule, TableRows};

/// Pieces of the log that were read and wait to be folded, at most.
const AHEAD: usize = 8;

/// How the log is read.
#[derive(Clone)]
pub(crate) struct Reading {
    pub upcasters: Upcasters,
    pub keys: Arc<KeyRing>,
}

/// What is wanted of a part of the log, beside the rows that come last.
pub(crate) trait Wanted: Send + 'static {
    /// Reads and opens an event, and looks at it as closely as it needs to; nothing to go on without it.
    fn open(&mut self, raw: RawEvent, reading: &Reading) -> Result<Option<Recorded>, LogError>;

    /// Takes rows of the table, by its place among all tables of the rules. False: nobody wants more.
    fn settled(&mut self, table: usize, rows: Vec<u8>) -> bool;

    /// Hears that so many events have been folded.
    fn advanced(&mut self, events: u64);
}

/// Folds a part of the log; the rows that are left, by table, and whoever wanted them.
pub(crate) async fn fold_part<W: Wanted>(
    conn: &mut PgConnection,
    part: Part,
    rules: Vec<&'static Rule>,
    reading: Reading,
    wanted: W,
) -> Result<(Vec<TableRows>, W), LogError> {
    let (sender, pieces) = mpsc::channel(AHEAD);
    let folding = spawn_blocking(move || fold_pieces(pieces, &rules, &reading, wanted));
    let read = scan(conn, part, sender).await;
    let folded = folding
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
    // What went wrong with the folding ended the reading too.
    let folded = folded?;
    read?;
    Ok(folded)
}

fn fold_pieces<W: Wanted>(
    mut pieces: mpsc::Receiver<Vec<u8>>,
    rules: &[&'static Rule],
    reading: &Reading,
    mut wanted: W,
) -> Result<(Vec<TableRows>, W), LogError> {
    let mut fold = Fold::new(rules.iter().copied());
    let mut reader = RowReader::default();
    while let Some(piece) = pieces.blocking_recv() {
        reader.push(piece);
        let mut events = 0;
        while let Some(row) = reader.next_row()? {
            if let Some(event) = wanted.open(RawEvent::from_row(row)?, reading)? {
                fold.apply(&event);
            }
            events += 1;
        }
        for (table, rows) in fold.settled().enumerate() {
            if !rows.is_empty() && !wanted.settled(table, rows) {
                return Ok((Vec::new(), wanted));
            }
        }
        wanted.advanced(events);
    }
    Ok((fold.finish(), wanted))
}
