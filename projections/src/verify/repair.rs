//! Rows that differ are mended: under the lock on the head, so that nothing happens to them meanwhile.

use rollcall_events::{
    log::{LogReader, legible, position_of},
    session,
};
use sqlx::{Connection, Executor, PgConnection, postgres::PgConnectOptions};

use super::{
    VerifyError,
    compare::{Differing, stream_of as copied},
    decide::{Deciding, key_shown, stream_of},
};
use crate::replay::{DecidedBy, Sum, Table, TableRows};

/// Rows that are mended while writers wait, at most.
const AT_ONCE: usize = 200;
/// Events that are read at once.
const BATCH: i64 = 2000;

/// Mends the rows; how many.
pub(super) async fn repair(
    owner: &PgConnectOptions,
    log: &LogReader,
    deciding: &Deciding,
    differing: &[Differing],
    position: i64,
) -> Result<usize, VerifyError> {
    let mut conn = session::connect(owner).await?;
    for rows in differing.chunks(AT_ONCE) {
        let mut tx = conn.begin().await?;
        tx.execute("SET LOCAL lock_timeout = '10s'; SELECT FROM log.head FOR UPDATE")
            .await?;
        let keys = log.vault().all_keys(&mut tx).await?;
        mend(&mut tx, log, &deciding.with(keys), rows, position).await?;
        tx.commit().await?;
    }
    conn.close().await?;
    Ok(differing.len())
}

/// First all that is wrong goes, then what is right comes: names can have been swapped.
async fn mend(
    conn: &mut PgConnection,
    log: &LogReader,
    deciding: &Deciding,
    differing: &[Differing],
    position: i64,
) -> Result<(), VerifyError> {
    let mut truths: Vec<(&'static Table, Vec<u8>)> = Vec::new();
    for row in differing {
        let truth = match stream_of(row) {
            Some(stream) => deciding.decide(conn, stream, row).await?.row,
            None if row.table.decided_by == DecidedBy::Many => sum_now(log, row, position).await?,
            None => row.truth.clone(),
        };
        truths.extend(truth.map(|truth| (row.table, truth)));
        let (name, columns) = (row.table.name, row.table.key_list());
        let values: Vec<String> = key_shown(row).iter().map(|value| quoted(value)).collect();
        let values = values.join(", ");
        conn.execute(format!("DELETE FROM read.{name} WHERE ({columns}) = ({values})").as_str())
            .await?;
    }
    while let Some((table, _)) = truths.first() {
        let table = *table;
        let (of_table, others) = truths.into_iter().partition(|(other, _)| *other == table);
        truths = others;
        let rows: Vec<(&'static Table, Vec<u8>)> = of_table;
        let rows: Vec<Vec<u8>> = rows.into_iter().map(|(_, row)| row).collect();
        let (name, columns) = (table.name, table.column_list());
        let copy = format!("COPY read.{name} ({columns}) FROM STDIN (FORMAT binary)");
        let mut into = conn.copy_in_raw(&copy).await?;
        into.send(copied(&rows)).await?;
        into.finish().await?;
    }
    Ok(())
}

/// A sum as it was in the snapshot, and what was added since.
async fn sum_now(
    log: &LogReader,
    differing: &Differing,
    mut position: i64,
) -> Result<Option<Vec<u8>>, VerifyError> {
    let mut fold = (differing.rule.fold)(1);
    loop {
        let batch = log.after(position, BATCH).await?;
        let Some(last) = batch.last() else { break };
        position = position_of(last);
        for event in legible(batch) {
            fold.apply(0, &event);
        }
    }
    let mut out: Vec<TableRows> = differing
        .rule
        .tables
        .iter()
        .map(|_| TableRows::default())
        .collect();
    fold.put_all(&mut out);
    let mut key = differing.table.key_count();
    key.extend(&differing.key);
    let before = differing.truth.as_deref().and_then(Sum::number_of);
    let since = out[differing.nth].sums.get(&key).map(|sum| sum.number);
    let number = match (before, since) {
        (None, None) => return Ok(None),
        (before, since) => before.unwrap_or_default() + since.unwrap_or_default(),
    };
    let sum = Sum {
        number,
        position: 0,
    };
    Ok(Some(sum.row(&key)))
}

fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}
