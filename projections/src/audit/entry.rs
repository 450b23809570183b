//! Entries in full: their events, and what those made of users.

use std::collections::{HashMap, HashSet};

use rollcall_events::{
    Event, Recorded,
    attempt::{Action, ResourceType},
    log::{LogError, LogReader, RawEvent, ReadEvent, legible, position_of},
};
use sqlx::PgExecutor;
use uuid::Uuid;

use super::{AuditRow, Kind, Place, apply, store};
use crate::users::{self, UserRow};

/// An entry of the audit log.
#[derive(Debug)]
pub struct Entry {
    /// What it is found by.
    pub row: AuditRow,
    /// The event that it tells of, opened as far as there are keys; or why it cannot be read.
    pub recorded: ReadEvent,
    /// The user before the event, if it is about one who was there.
    pub before: Option<UserRow>,
    /// The user after the event, if it changed the user's row.
    pub after: Option<UserRow>,
}

impl Entry {
    /// The event, or what of it can be read.
    #[must_use]
    pub fn legible(&self) -> Option<&Recorded> {
        match &self.recorded {
            Ok(recorded) => Some(recorded),
            Err(unreadable) => unreadable.legible.as_ref(),
        }
    }
}

/// Reads the entries at these places, in their order.
///
/// # Errors
/// The database fails.
pub(super) async fn read(log: &LogReader, places: &[Place]) -> Result<Vec<Entry>, LogError> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let positions: Vec<i64> = places.iter().map(|place| place.position).collect();
    let events = log.open(events(log.pool(), &positions).await?).await?;
    let histories = histories(log, &events).await?;
    let rows = store::rows(log.pool(), &unreadable(&events)).await?;
    let mut rows: HashMap<i64, AuditRow> =
        rows.into_iter().map(|row| (row.position, row)).collect();
    let mut events: HashMap<i64, ReadEvent> = events
        .into_iter()
        .map(|event| (position_of(&event), event))
        .collect();
    let entries = positions.iter().filter_map(|position| {
        let recorded = events.remove(position)?;
        let (row, stream, version) = match &recorded {
            Ok(recorded) => (apply::row(recorded)?, recorded.stream, recorded.version),
            Err(unreadable) => (
                rows.remove(position)?,
                unreadable.stream,
                unreadable.version,
            ),
        };
        let history = histories.get(&stream).map_or(&[][..], Vec::as_slice);
        let is_before = |row: &&UserRow| row.version < version;
        Some(Entry {
            row,
            before: history.iter().rev().find(is_before).cloned(),
            after: history.iter().find(|row| row.version == version).cloned(),
            recorded,
        })
    });
    Ok(entries.collect())
}

fn unreadable(events: &[ReadEvent]) -> Vec<i64> {
    let unreadable = events.iter().filter(|event| event.is_err());
    unreadable.map(position_of).collect()
}

/// How the users whom these events change were after each of their changes, up to the last of these.
async fn histories(
    log: &LogReader,
    events: &[ReadEvent],
) -> Result<HashMap<Uuid, Vec<UserRow>>, LogError> {
    let readable = events.iter().filter_map(|event| event.as_ref().ok());
    let changing = readable.filter(|recorded| is_change_of_user(recorded));
    let last = changing.clone().map(|recorded| recorded.position).max();
    let users: HashSet<Uuid> = changing.map(|recorded| recorded.stream).collect();
    let Some(last) = last else {
        return Ok(HashMap::new());
    };
    let users: Vec<Uuid> = users.into_iter().collect();
    let changes = changes(log.pool(), &users, last).await?;
    let mut of_each: HashMap<Uuid, Vec<Recorded>> = HashMap::new();
    for change in legible(log.open_payloads(changes).await?) {
        of_each.entry(change.stream).or_default().push(change);
    }
    let histories = of_each.into_iter();
    Ok(histories
        .map(|(user, changes)| (user, users::history(&changes)))
        .collect())
}

fn is_change_of_user(recorded: &Recorded) -> bool {
    let is_of_user = matches!(recorded.event, Event::User(_));
    is_of_user && apply::row(recorded).is_some_and(|row| CHANGES.contains(&row.kind))
}

/// The kinds of all events that change a user's fields.
const CHANGES: [Kind; 6] = [
    Kind::done(Action::Create, ResourceType::User),
    Kind::done(Action::Write, ResourceType::User),
    Kind::done(Action::Delete, ResourceType::User),
    Kind::done(Action::Create, ResourceType::OrganizationMember),
    Kind::done(Action::Write, ResourceType::OrganizationMember),
    Kind::done(Action::Delete, ResourceType::OrganizationMember),
];

/// The events at these positions.
async fn events(executor: impl PgExecutor<'_>, positions: &[i64]) -> sqlx::Result<Vec<RawEvent>> {
    sqlx::query_as(
        "SELECT position
              , aggregate_type
              , aggregate_id
              , version
              , event_type
              , schema_version
              , payload
              , metadata
              , recorded_at
           FROM log.events
          WHERE position = ANY ($1)",
    )
    .bind(positions)
    .fetch_all(executor)
    .await
}

/// All events up to a position that changed these users, in order: the index knows which they are, among many more that
/// only say when the users came and went. Made-up entries claim to be among them and are of another stream.
async fn changes(
    executor: impl PgExecutor<'_>,
    users: &[Uuid],
    last: i64,
) -> sqlx::Result<Vec<RawEvent>> {
    let kinds = CHANGES.map(Kind::number);
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
           FROM read.audit
           JOIN log.events ON events.position = audit.position AND events.aggregate_id = audit.resource_id
          WHERE audit.resource_id = ANY ($1) AND audit.kind = ANY ($2) AND audit.position <= $3
          ORDER BY events.position",
    )
    .bind(users)
    .bind(&kinds[..])
    .bind(last)
    .fetch_all(executor)
    .await
}
