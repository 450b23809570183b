//! Entries in full: their events, and what those made of users.

use std::collections::HashMap;

use rollcall_events::{
    Recorded,
    log::{LogError, LogReader, RawEvent, ReadEvent, position_of},
};
use sqlx::PgExecutor;

use super::{AuditRow, Place, apply, store};
use crate::{history, users::UserRow};

/// An entry of the audit log.
#[derive(Debug)]
pub struct Entry {
    /// What it is found by.
    pub row: AuditRow,
    /// The event that it tells of, opened as far as there are keys; or why it cannot be read.
    pub recorded: ReadEvent,
    /// The user before the event, if it changed the row of one who was there.
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
    let mut changes = history::changes(log.pool(), &events).await?;
    let rows = store::rows(log.pool(), &unreadable(&events)).await?;
    let mut rows: HashMap<i64, AuditRow> =
        rows.into_iter().map(|row| (row.position, row)).collect();
    let mut events: HashMap<i64, ReadEvent> = events
        .into_iter()
        .map(|event| (position_of(&event), event))
        .collect();
    let entries = positions.iter().filter_map(|position| {
        let recorded = events.remove(position)?;
        let change = changes.remove(position).unwrap_or_default();
        let row = match &recorded {
            Ok(recorded) => apply::row(recorded)?,
            Err(_) => rows.remove(position)?,
        };
        Some(Entry {
            row,
            before: change.before,
            after: change.after,
            recorded,
        })
    });
    Ok(entries.collect())
}

fn unreadable(events: &[ReadEvent]) -> Vec<i64> {
    let unreadable = events.iter().filter(|event| event.is_err());
    unreadable.map(position_of).collect()
}

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
