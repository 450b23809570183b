//! Do log and read models belong together? Not after a part of a backup was put into a database that had been migrated.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use rollcall_events::{
    Event, log::legible_after, organization::OrganizationEvent, user::UserEvent,
};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::audit;

/// Events at either end of the log that are looked for in the read models.
const LOOKED_AT: i64 = 100;

/// Says in a sentence what does not fit; none if all that was looked at does. The first and the last events of the log must be
/// in the read models, and these must not go further than the log.
///
/// # Errors
/// The database fails.
pub async fn misfit(conn: &mut PgConnection) -> sqlx::Result<Option<String>> {
    let mut tx = conn
        .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        .await?;
    let misfit = find_misfit(&mut tx).await?;
    tx.rollback().await?;
    Ok(misfit)
}

async fn find_misfit(conn: &mut PgConnection) -> sqlx::Result<Option<String>> {
    let head = rollcall_events::log::head(&mut *conn).await?.position;
    // By the order of the primary key: to look for the highest position would be to read the whole table.
    let last: Option<i64> = sqlx::query_scalar(
        "SELECT position FROM read.audit ORDER BY at DESC, position DESC LIMIT 1",
    )
    .fetch_optional(&mut *conn)
    .await?;
    let last = last.unwrap_or_default();
    if last > head {
        return Ok(Some(format!(
            "the read models are of another log: they go up to event {last}, and the log up to {head}"
        )));
    }
    let mut events = legible_after(conn, 0, LOOKED_AT).await?;
    events.extend(legible_after(conn, (head - LOOKED_AT).max(LOOKED_AT), LOOKED_AT).await?);
    let mut streams = HashSet::new();
    let mut expected: HashMap<i64, DateTime<Utc>> = HashMap::new();
    for event in &events {
        expected.extend(audit::apply::row(event).map(|row| (row.position, row.at)));
        if matches!(
            event.event,
            Event::User(UserEvent::UserCreated { .. })
                | Event::Organization(OrganizationEvent::OrganizationCreated { .. })
        ) {
            streams.insert(event.stream);
        }
    }
    if let Some(position) = missing_entry(conn, &expected).await? {
        return Ok(Some(format!(
            "the read models do not know event {position} of the log"
        )));
    }
    let missing = missing_streams(conn, &streams.into_iter().collect::<Vec<_>>()).await?;
    Ok(missing.map(|id| format!("the read models do not know {id}, who is in the log")))
}

async fn missing_entry(
    conn: &mut PgConnection,
    expected: &HashMap<i64, DateTime<Utc>>,
) -> sqlx::Result<Option<i64>> {
    let (positions, times): (Vec<i64>, Vec<DateTime<Utc>>) = expected
        .iter()
        .map(|(position, at)| (*position, *at))
        .unzip();
    sqlx::query_scalar(
        "SELECT min(expected.position)
           FROM UNNEST($1::bigint[], $2::timestamptz[]) AS expected (position, at)
          WHERE NOT EXISTS (SELECT FROM read.audit WHERE audit.position = expected.position AND audit.at = expected.at)",
    )
    .bind(positions)
    .bind(times)
    .fetch_one(conn)
    .await
}

async fn missing_streams(conn: &mut PgConnection, streams: &[Uuid]) -> sqlx::Result<Option<Uuid>> {
    sqlx::query_scalar(
        "SELECT id
           FROM UNNEST($1::uuid[]) AS created (id)
          WHERE NOT EXISTS (SELECT FROM read.users WHERE users.id = created.id)
            AND NOT EXISTS (SELECT FROM read.organizations WHERE organizations.id = created.id)
          LIMIT 1",
    )
    .bind(streams)
    .fetch_optional(conn)
    .await
}
