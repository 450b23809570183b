//! The new tables catch up with the log and take the place of the old ones.
//!
//! Statements say `read.users`, and mean the table that has this name when they begin. So the projections write the new
//! tables when the schemas change names around them, in a transaction: nobody else sees that before it commits. Renaming a
//! schema locks no table: who reads an old one goes on reading it, as of a moment before any later write.

use std::{sync::Arc, time::Duration};

use rollcall_events::{
    Recorded,
    database_error::is_unavailable,
    log::{LogReader, ReadEvent, position_of},
};
use sqlx::{Connection, Executor, PgConnection};

use super::{Progress, RebuildError, Stage, shape::Shape, skipping::Skipping};
use crate::replay::Rule;

/// Events that are written in one transaction beside the service.
const BATCH: i64 = 2000;
/// Events that are written while writers wait, at most.
const TAIL: i64 = 200;
/// How often what stands in the way is tried to be waited out.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);

/// What a swap works with.
pub(super) struct Swapping<'a> {
    pub log: &'a LogReader,
    pub rules: &'a [&'static Rule],
    pub shape: &'a Shape,
    pub progress: &'a Arc<Progress>,
}

impl Swapping<'_> {
    /// Writes what was appended after `position`, and swaps. Says at which position that was.
    pub async fn swap(
        &self,
        conn: &mut PgConnection,
        mut position: i64,
        skipping: &mut Skipping,
    ) -> Result<i64, RebuildError> {
        for _ in 0..TRIES {
            self.progress.begin(Stage::CatchingUp, 0);
            position = self.catch_up(conn, position, skipping).await?;
            self.progress.begin(Stage::Swapping, 0);
            match self.try_swap(conn, position, skipping).await {
                Ok(Some(swapped)) => return Ok(swapped),
                Ok(None) => {}
                // Somebody reads or writes what only a part of the rebuild would move.
                Err(RebuildError::Database(error)) if is_unavailable(&error) => {
                    conn.execute("ROLLBACK").await?;
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
        Err(RebuildError::InUse)
    }

    /// Until few events are left for the time in which writers wait.
    async fn catch_up(
        &self,
        conn: &mut PgConnection,
        mut position: i64,
        skipping: &mut Skipping,
    ) -> Result<i64, RebuildError> {
        loop {
            let batch = self.log.after(position, BATCH).await?;
            if batch.len() < usize::try_from(TAIL).unwrap_or_default() {
                return Ok(position);
            }
            let last = batch.last().map_or(position, position_of);
            let batch = taken(batch, skipping)?;
            let mut tx = conn.begin().await?;
            tx.execute(
                "ALTER SCHEMA read RENAME TO read_old; ALTER SCHEMA read_next RENAME TO read",
            )
            .await?;
            project(&mut tx, self.rules, &batch).await?;
            tx.execute(
                "ALTER SCHEMA read RENAME TO read_next; ALTER SCHEMA read_old RENAME TO read",
            )
            .await?;
            tx.commit().await?;
            position = last;
        }
    }

    /// Nothing, if too much was appended meanwhile.
    async fn try_swap(
        &self,
        conn: &mut PgConnection,
        position: i64,
        skipping: &mut Skipping,
    ) -> Result<Option<i64>, RebuildError> {
        let mut tx = conn.begin().await?;
        tx.execute("SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '5s'")
            .await?;
        // Before the lock: it takes its time.
        if Shape::of(&mut tx, self.rules).await? != *self.shape {
            return Err(RebuildError::SchemaChanged);
        }
        let views = views(&mut tx).await?;
        let others = others(&mut tx, self.shape).await?;
        let head: i64 = sqlx::query_scalar("SELECT position FROM log.head FOR UPDATE")
            .fetch_one(&mut *tx)
            .await?;
        if head - position > TAIL * 4 {
            tx.rollback().await?;
            return Ok(None);
        }
        let mut found = Skipping::new(skipping.is_allowed());
        let tail = taken(self.log.after(position, TAIL * 4).await?, &mut found)?;
        // What is not rebuilt moves along, at the cost of a lock on it.
        let moves = others
            .iter()
            .map(|table| format!("ALTER TABLE read_old.{table} SET SCHEMA read; "));
        let renames =
            "ALTER SCHEMA read RENAME TO read_old; ALTER SCHEMA read_next RENAME TO read; ";
        let statements: String = std::iter::once(renames.to_owned()).chain(moves).collect();
        tx.execute(statements.as_str()).await?;
        project(&mut tx, self.rules, &tail).await?;
        note_versions(&mut tx, self.rules).await?;
        for view in &views {
            tx.execute(view.as_str()).await?;
        }
        tx.commit().await?;
        skipping.merge(found);
        Ok(Some(head))
    }
}

/// What of these events can be read.
fn taken(events: Vec<ReadEvent>, skipping: &mut Skipping) -> Result<Vec<Recorded>, RebuildError> {
    let events = events.into_iter();
    let readable = events.filter_map(|event| skipping.take(event)).collect();
    skipping.check()?;
    Ok(readable)
}

async fn project(
    conn: &mut PgConnection,
    rules: &[&'static Rule],
    batch: &[Recorded],
) -> sqlx::Result<()> {
    for rule in rules {
        (rule.project)(conn, batch).await?;
    }
    Ok(())
}

/// The tables of `read` that are not rebuilt, as identifiers.
async fn others(conn: &mut PgConnection, shape: &Shape) -> sqlx::Result<Vec<String>> {
    let rebuilt: Vec<&str> = shape.tables.iter().map(|shape| shape.table.name).collect();
    sqlx::query_scalar(
        "SELECT quote_ident(relname)
           FROM pg_class
          WHERE relnamespace = to_regnamespace('read') AND relkind IN ('r', 'p') AND relname <> ALL ($1)
          ORDER BY relname",
    )
    .bind(rebuilt)
    .fetch_all(conn)
    .await
}

/// The statements that let the views of `read` see the tables of that name anew: they know them by number.
async fn views(conn: &mut PgConnection) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar(
        "SELECT DISTINCT format('CREATE OR REPLACE VIEW %I.%I AS %s', schema.nspname, view.relname, pg_get_viewdef(view.oid))
           FROM pg_depend
           JOIN pg_rewrite AS rule ON rule.oid = pg_depend.objid
           JOIN pg_class AS view ON view.oid = rule.ev_class AND view.relkind = 'v'
           JOIN pg_namespace AS schema ON schema.oid = view.relnamespace
           JOIN pg_class AS seen ON seen.oid = pg_depend.refobjid AND seen.oid <> view.oid
          WHERE pg_depend.classid = 'pg_rewrite'::regclass
            AND pg_depend.refclassid = 'pg_class'::regclass
            AND seen.relnamespace = to_regnamespace('read')",
    )
    .fetch_all(conn)
    .await
}

async fn note_versions(conn: &mut PgConnection, rules: &[&'static Rule]) -> sqlx::Result<()> {
    let (names, versions): (Vec<&str>, Vec<i32>) =
        rules.iter().map(|rule| (rule.name, rule.version)).unzip();
    sqlx::query(
        "INSERT INTO read.projections (name, version)
         SELECT * FROM UNNEST($1::text[], $2::int[])
             ON CONFLICT (name) DO UPDATE
            SET version = excluded.version",
    )
    .bind(names)
    .bind(versions)
    .execute(conn)
    .await?;
    Ok(())
}
