//! The log, from the database to rows: read once, and opened and folded in shares, each while the others go on.

use std::{sync::Arc, time::Instant};

use rollcall_events::{
    Recorded,
    copy::RowReader,
    log::{Columns, Part, Upcasters, scan, stream_of},
    vault::KeyRing,
};
use sqlx::PgConnection;
use tokio::{sync::mpsc, task::spawn_blocking};
use uuid::Uuid;

use super::{Fold, Rule, TableRows};
use crate::rebuild::{Progress, Work, joined};

/// Pieces of the log that were read and wait to be folded, at most.
const AHEAD: usize = 64;

/// Rows that no later event changes are looked for after so many events: it takes a look at everything.
const SETTLED_AT_ONCE: u64 = 20_000;

/// How the log is read.
#[derive(Clone)]
pub(crate) struct Reading {
    pub upcasters: Upcasters,
    pub keys: Arc<KeyRing>,
}

/// What is wanted of a part of the log, beside the rows that come last.
pub(crate) trait Wanted: Send + 'static {
    /// Reads and opens an event, and looks at it as closely as it needs to; of one that cannot be read, the legible part.
    fn open(&mut self, raw: Columns<'_>, reading: &Reading) -> Option<Recorded>;

    /// Takes what it wants of the rows that no later event changes; the others come last, too. The table is told by its place
    /// among all tables of the rules. False: nobody wants more.
    fn settled(&mut self, _table: usize, _rows: &mut TableRows) -> bool {
        true
    }

    /// Hears that so many events have been folded.
    fn advanced(&mut self, events: u64);

    /// Where it is told what takes how long.
    fn progress(&self) -> &Progress;
}

/// Some of the streams, for one thread. All shares together are all of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    nth: u32,
    of: u32,
}

impl Share {
    /// All streams, in as many shares.
    pub fn all(of: u32) -> impl Iterator<Item = Self> {
        (0..of).map(move |nth| Self { nth, of })
    }

    /// By the end of their identifiers, which is random.
    fn has(self, stream: Uuid) -> bool {
        let (_, low) = stream.as_u64_pair();
        low % u64::from(self.of) == u64::from(self.nth)
    }
}

/// Folds a part of the log, each share by itself, and gives of each the rows that are left, by table, and whoever wanted them.
pub(crate) async fn fold_part<W: Wanted>(
    conn: &mut PgConnection,
    part: Part,
    rules: &[&'static Rule],
    reading: &Reading,
    shares: Vec<(Share, W)>,
) -> sqlx::Result<Vec<(Vec<TableRows>, W)>> {
    let mut folding = Vec::new();
    let mut readers = Vec::new();
    for (share, wanted) in shares {
        let (sender, pieces) = mpsc::channel(AHEAD);
        let (rules, reading) = (rules.to_vec(), reading.clone());
        readers.push(sender);
        folding.push(spawn_blocking(move || {
            fold_pieces(pieces, share, &rules, &reading, wanted)
        }));
    }
    let (sender, pieces) = mpsc::channel(1);
    let (read, ()) = tokio::join!(scan(conn, part, sender), deal(pieces, readers));
    let mut folded = Vec::new();
    for share in folding {
        // What went wrong with the folding ended the reading too.
        folded.push(joined(share.await)?);
    }
    read?;
    Ok(folded)
}

/// Everybody gets every piece, until somebody has gone.
async fn deal(mut pieces: mpsc::Receiver<Vec<u8>>, readers: Vec<mpsc::Sender<Arc<Vec<u8>>>>) {
    while let Some(piece) = pieces.recv().await {
        let piece = Arc::new(piece);
        for reader in &readers {
            if reader.send(Arc::clone(&piece)).await.is_err() {
                return;
            }
        }
    }
}

fn fold_pieces<W: Wanted>(
    mut pieces: mpsc::Receiver<Arc<Vec<u8>>>,
    share: Share,
    rules: &[&'static Rule],
    reading: &Reading,
    mut wanted: W,
) -> sqlx::Result<(Vec<TableRows>, W)> {
    let mut fold = Fold::new(rules.iter().copied());
    let mut reader = RowReader::default();
    let mut unsettled = 0;
    let mut clock = Instant::now();
    while let Some(piece) = pieces.blocking_recv() {
        clock = wanted.progress().spend(Work::Reading, clock);
        reader.push(piece);
        let mut events = 0;
        let mut opened = Vec::new();
        while let Some(row) = reader.next_row()? {
            if share.has(stream_of(row)?) {
                opened.extend(wanted.open(Columns::from_row(row)?, reading));
                events += 1;
            }
        }
        clock = wanted.progress().spend(Work::Opening, clock);
        for event in opened {
            fold.apply(&event);
        }
        clock = wanted.progress().spend(Work::Folding, clock);
        unsettled += events;
        if unsettled >= SETTLED_AT_ONCE {
            unsettled = 0;
            for (table, rows) in fold.settled().enumerate() {
                if !wanted.settled(table, rows) {
                    return Ok((Vec::new(), wanted));
                }
            }
        }
        wanted.advanced(events);
        clock = wanted.progress().spend(Work::Writing, clock);
    }
    let rows = fold.finish();
    wanted.progress().spend(Work::Folding, clock);
    Ok((rows, wanted))
}
