//! One table: the rows that are served beside those that the log makes.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use foldhash::fast::RandomState;
use rollcall_events::copy::{HEADER, RowReader, copy_out};
use sqlx::PgConnection;
use tokio::{sync::mpsc, task::spawn_blocking};
use uuid::Uuid;

use super::VerifyError;
use crate::{
    rebuild::joined,
    replay::{DecidedBy, Rule, Table, TableRows},
};

/// Pieces of the table that wait to be compared, at most.
const AHEAD: usize = 4;

/// A row that is not as it should be.
#[derive(Clone)]
pub(super) struct Differing {
    pub rule: &'static Rule,
    /// The table's place among those of the rule.
    pub nth: usize,
    pub table: &'static Table,
    /// The fields of the primary key, as COPY gives them.
    pub key: Vec<u8>,
    /// The row that is served, as COPY gives it; none if there is none.
    pub served: Option<Vec<u8>>,
    /// The row that should be.
    pub truth: Option<Vec<u8>>,
    /// Of a sum: the last event that added to it.
    pub position: Option<i64>,
}

/// Compares a table with the rows that the log makes, of those that are kept at `now`; how many those are, and the rows
/// that differ.
pub(super) async fn compare(
    conn: &mut PgConnection,
    rule: &'static Rule,
    nth: usize,
    table: &'static Table,
    rows: TableRows,
    user: Option<Uuid>,
    now: DateTime<Utc>,
) -> Result<(u64, Vec<Differing>), VerifyError> {
    let only = match (user, table.decided_by) {
        (None, _) | (_, DecidedBy::Many) => String::new(),
        (Some(user), DecidedBy::Stream(column)) => format!("WHERE {column} = '{user}'"),
        (Some(user), DecidedBy::Event(column)) => format!(
            "WHERE {column} IN (SELECT position FROM log.events WHERE aggregate_id = '{user}')"
        ),
    };
    let (name, columns) = (table.name, table.column_list());
    let statement =
        format!("COPY (SELECT {columns} FROM read.{name} {only}) TO STDOUT (FORMAT binary)");
    let (sender, pieces) = mpsc::channel(AHEAD);
    let comparing = spawn_blocking(move || compare_pieces(pieces, rule, nth, table, rows, now));
    copy_out(conn, &statement, sender).await?;
    Ok(joined(comparing.await)?)
}

fn compare_pieces(
    mut pieces: mpsc::Receiver<Vec<u8>>,
    rule: &'static Rule,
    nth: usize,
    table: &'static Table,
    mut rows: TableRows,
    now: DateTime<Utc>,
) -> sqlx::Result<(u64, Vec<Differing>)> {
    let positions: HashMap<Vec<u8>, i64> = rows
        .sums
        .iter()
        .map(|(key, sum)| (key[2..].to_vec(), sum.position))
        .collect();
    rows.sum_up();
    // Most rows have about this many bytes.
    let mut truth: HashMap<&[u8], &[u8], RandomState> =
        HashMap::with_capacity_and_hasher(rows.bytes() / 128, RandomState::default());
    for row in rows.rows().filter(|row| table.is_kept(*row, now)) {
        truth.insert(row.start(table.key), row.0);
    }
    let count = u64::try_from(truth.len()).unwrap_or(u64::MAX);
    let mut differing = Vec::new();
    let mut add = |key: &[u8], served: Option<&[u8]>, truth: Option<&[u8]>| {
        differing.push(Differing {
            rule,
            nth,
            table,
            key: key.to_vec(),
            served: served.map(<[u8]>::to_vec),
            truth: truth.map(<[u8]>::to_vec),
            position: positions.get(key).copied(),
        });
    };
    let mut reader = RowReader::default();
    while let Some(piece) = pieces.blocking_recv() {
        reader.push(piece);
        while let Some(served) = reader.next_row()? {
            let key = served.start(table.key);
            // A row that may be deleted any time is as good as deleted, unless the log knows better.
            if !table.is_kept(served, now) && !truth.contains_key(key) {
                continue;
            }
            match truth.remove(key) {
                Some(row) if row == served.0 => {}
                other => add(key, Some(served.0), other),
            }
        }
    }
    for (key, row) in truth {
        add(key, None, Some(row));
    }
    Ok((count, differing))
}

/// A stream that COPY takes, of these rows.
pub(super) fn stream_of(rows: &[Vec<u8>]) -> Vec<u8> {
    let mut stream = HEADER.to_vec();
    for row in rows {
        stream.extend(row);
    }
    stream.extend(rollcall_events::copy::END);
    stream
}
