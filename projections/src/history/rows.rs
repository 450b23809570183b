//! Users' rows as they were, from `read.users` and `read.past_users`: of any number of events only those that are asked
//! for are looked at.

use std::collections::HashMap;

use rollcall_events::{
    Event, Recorded,
    log::{RawEvent, ReadEvent},
};
use sqlx::{FromRow, PgExecutor};
use uuid::Uuid;

use crate::users::{self, UserRow};

/// A user before and after an event that changed their row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Change {
    /// The user before it, if they were there.
    pub before: Option<UserRow>,
    /// The user after it.
    pub after: Option<UserRow>,
}

#[derive(FromRow)]
struct Before {
    asked_position: i64,
    #[sqlx(flatten)]
    row: UserRow,
}

/// What these events changed, by their positions. Events that change no user's row are left out, and those of which
/// nothing can be read.
pub(crate) async fn changes(
    executor: impl PgExecutor<'_>,
    events: &[ReadEvent],
) -> sqlx::Result<HashMap<i64, Change>> {
    let legible = events.iter().filter_map(|event| match event {
        Ok(recorded) => Some(recorded),
        Err(unreadable) => unreadable.legible.as_ref(),
    });
    let changing: Vec<&Recorded> = legible.filter(|event| changes_row(event)).collect();
    let asked: Vec<(Uuid, i64)> = changing
        .iter()
        .map(|event| (event.stream, event.position))
        .collect();
    let mut before = before(executor, &asked).await?;
    let changes = changing.into_iter().map(|event| {
        let before = before.remove(&event.position);
        let after = users::after(before.as_ref(), event);
        (event.position, Change { before, after })
    });
    Ok(changes.collect())
}

fn changes_row(recorded: &Recorded) -> bool {
    matches!(&recorded.event, Event::User(event) if users::changes_row(event))
}

/// The rows of users just before these positions, by position.
///
/// There is no row of the time between a user's deletion and the erasure of the person: it is the one before the
/// deletion, with what that event made of it.
pub(super) async fn before(
    executor: impl PgExecutor<'_>,
    asked: &[(Uuid, i64)],
) -> sqlx::Result<HashMap<i64, UserRow>> {
    if asked.is_empty() {
        return Ok(HashMap::new());
    }
    let (ids, positions): (Vec<Uuid>, Vec<i64>) = asked.iter().copied().unzip();
    let rows: Vec<Before> = sqlx::query_as(
        "SELECT asked.position AS asked_position
              , earlier.*
           FROM UNNEST($1::uuid[], $2::bigint[]) AS asked (id, position)
          CROSS JOIN LATERAL (
              (SELECT id
                    , version
                    , username
                    , email
                    , name
                    , avatar_url
                    , status
                    , login_type
                    , roles
                    , organization_ids
                    , organization_roles
                    , created_at
                    , updated_at
                    , deleted_at
                    , position
                 FROM read.users
                WHERE users.id = asked.id AND users.position < asked.position)
               UNION ALL
              (SELECT past.id
                    , coalesce(deletion.version, past.version)
                    , past.username
                    , past.email
                    , past.name
                    , past.avatar_url
                    , past.status
                    , past.login_type
                    , past.roles
                    , past.organization_ids
                    , past.organization_roles
                    , past.created_at
                    , coalesce(deletion.recorded_at, past.updated_at)
                    , deletion.recorded_at
                    , coalesce(deletion.position, past.since)
                 FROM (SELECT *
                         FROM read.past_users
                        WHERE past_users.id = asked.id AND past_users.since < asked.position
                        ORDER BY since DESC
                        LIMIT 1) AS past
                 LEFT JOIN log.events AS deletion
                        ON deletion.position = past.until AND past.until < asked.position)
                ORDER BY position DESC
                LIMIT 1
              ) AS earlier",
    )
    .bind(ids)
    .bind(positions)
    .fetch_all(executor)
    .await?;
    let rows = rows.into_iter();
    Ok(rows.map(|row| (row.asked_position, row.row)).collect())
}

/// The latest events that changed a user's row, up to a position, as the log holds them: a hundred at most.
pub(super) async fn latest_changes(
    executor: impl PgExecutor<'_>,
    user: Uuid,
    position: i64,
) -> sqlx::Result<Vec<RawEvent>> {
    sqlx::query_as(
        "SELECT events.position
              , events.aggregate_type
              , events.aggregate_id
              , events.version
              , events.event_type
              , events.schema_version
              , events.payload
              , events.metadata
              , events.recorded_at
           FROM ((SELECT position
                    FROM read.users
                   WHERE id = $1 AND position <= $2)
                  UNION ALL
                 (SELECT since
                    FROM read.past_users
                   WHERE id = $1 AND since <= $2
                   ORDER BY since DESC
                   LIMIT 100)) AS changes
           JOIN log.events ON events.position = changes.position",
    )
    .bind(user)
    .bind(position)
    .fetch_all(executor)
    .await
}
