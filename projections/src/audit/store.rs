//! The rows of `read.audit` and `read.audit_counts`, written.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::{AuditRow, Kind, apply::AuditRows};
use crate::columns::column;

/// One statement, because it is made under the lock on the head of the log.
pub(super) async fn write(conn: &mut PgConnection, rows: &AuditRows) -> sqlx::Result<()> {
    if rows.entries.is_empty() {
        return Ok(());
    }
    let entries: Vec<&AuditRow> = rows.entries.iter().collect();
    let counted: Vec<_> = rows.counts.iter().collect();
    let counts: Vec<_> = counted.iter().collect();
    sqlx::query(
        "WITH entries AS (
             INSERT INTO read.audit (at, position, kind, user_id, resource_id, organization_id, request_id)
             SELECT *
               FROM UNNEST
                  ( $1::timestamptz[], $2::bigint[], $3::smallint[]
                  , $4::uuid[], $5::uuid[], $6::uuid[], $7::uuid[]))
         INSERT INTO read.audit_counts AS known (kind, day, count)
         SELECT * FROM UNNEST ($8::smallint[], $9::date[], $10::bigint[])
             ON CONFLICT (kind, day) DO UPDATE
            SET count = known.count + excluded.count",
    )
    .bind(column(&entries, |row| row.at))
    .bind(column(&entries, |row| row.position))
    .bind(column(&entries, |row| row.kind.number()))
    .bind(column(&entries, |row| row.user_id))
    .bind(column(&entries, |row| row.resource_id))
    .bind(column(&entries, |row| row.organization_id))
    .bind(column(&entries, |row| row.request_id))
    .bind(column(&counts, |((kind, _), _)| kind.number()))
    .bind(column(&counts, |((_, day), _)| *day))
    .bind(column(&counts, |(_, count)| count.entries))
    .execute(conn)
    .await?;
    Ok(())
}

/// The rows of the entries at these positions, for events that cannot be read.
pub(super) async fn rows(
    executor: impl PgExecutor<'_>,
    positions: &[i64],
) -> sqlx::Result<Vec<AuditRow>> {
    if positions.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<StoredRow> = sqlx::query_as(
        "SELECT at, position, kind, user_id, resource_id, organization_id, request_id
           FROM read.audit
          WHERE position = ANY ($1)",
    )
    .bind(positions)
    .fetch_all(executor)
    .await?;
    let rows = rows.into_iter().filter_map(|row| {
        let (at, position, kind, user_id, resource_id, organization_id, request_id) = row;
        Some(AuditRow {
            at,
            position,
            kind: Kind::of_number(kind)?,
            user_id,
            resource_id,
            organization_id,
            request_id,
        })
    });
    Ok(rows.collect())
}

/// The columns, in the order of [`AuditRow`].
type StoredRow = (
    DateTime<Utc>,
    i64,
    i16,
    Option<Uuid>,
    Option<Uuid>,
    Option<Uuid>,
    Uuid,
);
