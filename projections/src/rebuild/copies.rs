//! The new tables, each written on a connection of its own and in a transaction of its own.

use std::{sync::Arc, time::Instant};

use futures_util::future::join_all;
use rollcall_events::{
    copy::{END, HEADER},
    session,
};
use sqlx::{Connection, Executor, PgConnection, postgres::PgConnectOptions};
use tokio::{sync::mpsc, task::JoinSet};

use super::{
    Progress, Work, joined,
    shape::{Shape, TableShape},
};

/// Pieces of rows that wait to be written, for each table, at most.
const AHEAD: usize = 64;

/// All of them, on the way. None is left half done when this is dropped.
pub(super) struct Copies {
    tables: Vec<mpsc::Sender<Vec<u8>>>,
    written: JoinSet<sqlx::Result<u64>>,
}

impl Copies {
    pub fn begin(owner: &PgConnectOptions, shape: &Shape, progress: &Arc<Progress>) -> Self {
        let mut written = JoinSet::new();
        let tables = shape.tables.iter().map(|table| {
            let (rows, pieces) = mpsc::channel(AHEAD);
            let progress = Arc::clone(progress);
            written.spawn(write(owner.clone(), table.clone(), pieces, progress));
            rows
        });
        Self {
            tables: tables.collect(),
            written,
        }
    }

    /// Where the rows of each table go.
    pub fn tables(&self) -> &[mpsc::Sender<Vec<u8>>] {
        &self.tables
    }

    /// Hands rows over. If they cannot be written, the end tells.
    pub async fn send(&self, table: usize, rows: Vec<Vec<u8>>) {
        hand_over(self.tables[table].clone(), rows).await;
    }

    /// Whether a table cannot be written, as the end will tell.
    pub fn have_failed(&self) -> bool {
        self.tables.iter().any(mpsc::Sender::is_closed)
    }

    /// Hands over the rest of each table, all side by side, and waits until all are written and have their indexes; how many
    /// rows there are.
    pub async fn finish(mut self, rest: impl Iterator<Item = Vec<Vec<u8>>>) -> sqlx::Result<u64> {
        let tables = self.tables.drain(..).zip(rest);
        let ends = tables.map(|(table, rows)| hand_over(table, rows));
        join_all(ends).await;
        let mut count = 0;
        while let Some(written) = self.written.join_next().await {
            count += joined(written)?;
        }
        Ok(count)
    }
}

async fn hand_over(table: mpsc::Sender<Vec<u8>>, rows: Vec<Vec<u8>>) {
    for piece in rows {
        // If nobody takes it, the end tells why.
        if table.send(piece).await.is_err() {
            return;
        }
    }
}

/// Rows that are written frozen into a table of the same transaction need no vacuum, and indexes alone answer at once.
async fn write(
    owner: PgConnectOptions,
    shape: TableShape,
    mut pieces: mpsc::Receiver<Vec<u8>>,
    progress: Arc<Progress>,
) -> sqlx::Result<u64> {
    let mut conn = session::connect(&owner).await?;
    conn.execute(
        "BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; SET LOCAL maintenance_work_mem = '256MB'",
    )
    .await?;
    write_plainly(&mut conn).await?;
    for statement in &shape.create {
        conn.execute(statement.as_str()).await?;
    }
    let (name, columns) = (shape.table.name, shape.table.column_list());
    let copy = format!("COPY read_next.{name} ({columns}) FROM STDIN (FORMAT binary, FREEZE)");
    let mut into = conn.copy_in_raw(&copy).await?;
    into.send(HEADER.as_slice()).await?;
    while let Some(piece) = pieces.recv().await {
        let since = Instant::now();
        into.send(piece).await?;
        progress.spend(Work::Writing, since);
    }
    into.send(END.as_slice()).await?;
    let since = Instant::now();
    let count = into.finish().await?;
    let since = progress.spend(Work::Writing, since);
    for statement in &shape.index {
        conn.execute(statement.as_str()).await?;
    }
    // Plans are made from what is known of the rows.
    conn.execute(format!("ANALYZE read_next.{name}").as_str())
        .await?;
    progress.spend(Work::Indexing, since);
    conn.execute("COMMIT").await?;
    conn.close().await?;
    Ok(count)
}

/// Whole pages of indexes go into the server's journal. To compress them takes longer than all else about them, where the server
/// does so, and only a superuser can ask it not to.
async fn write_plainly(conn: &mut PgConnection) -> sqlx::Result<()> {
    conn.execute(
        "SELECT set_config('wal_compression', 'off', true) WHERE current_setting('is_superuser')::boolean",
    )
    .await?;
    Ok(())
}

/// Drops what is not served: the tables that were replaced, and those that an interrupted rebuild left. Readers who still
/// read the former are waited for.
pub(super) async fn leave_nothing(conn: &mut PgConnection) -> sqlx::Result<()> {
    conn.execute("DROP SCHEMA IF EXISTS read_next CASCADE; DROP SCHEMA IF EXISTS read_old CASCADE")
        .await?;
    Ok(())
}
