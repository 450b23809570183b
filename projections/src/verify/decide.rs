//! What a row should be, and which event made it so: its stream folded once more, event by event.

use std::sync::Arc;

use rollcall_events::{
    copy::Row,
    log::{RawEvent, legible},
};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Difference, VerifyError, compare::Differing};
use crate::replay::{DecidedBy, Reading, Table, TableRows, show};

/// Folds single streams.
#[derive(Clone)]
pub(super) struct Deciding {
    pub reading: Reading,
}

/// A row after all events of its stream.
pub(super) struct Decided {
    /// None: there is none.
    pub row: Option<Vec<u8>>,
    /// The event that made the row, or ended it.
    position: Option<i64>,
    /// The events that made the fields what they are.
    positions: Vec<i64>,
}

impl Deciding {
    /// What is wrong with a row, field by field.
    pub async fn name(
        &self,
        conn: &mut PgConnection,
        differing: &Differing,
    ) -> Result<Vec<Difference>, VerifyError> {
        let decided = match stream_of(differing) {
            Some(stream) => Some(self.decide(conn, stream, differing).await?),
            None => None,
        };
        let table = differing.table;
        let fields = |row: &Option<Vec<u8>>| -> Option<Vec<Option<String>>> {
            row.as_ref().map(|row| shown(table, row))
        };
        let row: Vec<(&'static str, String)> = table
            .columns
            .iter()
            .zip(key_fields(differing))
            .take(table.key)
            .map(|((name, kind), field)| (*name, show(*kind, field)))
            .collect();
        let single = || match table.decided_by {
            DecidedBy::Event(column) => row
                .iter()
                .find(|(name, _)| *name == column)
                .filter(|_| differing.truth.is_some())
                .and_then(|(_, position)| position.parse().ok()),
            DecidedBy::Many => differing.position,
            DecidedBy::Stream(_) => decided.as_ref().and_then(|decided| decided.position),
        };
        let whole = |served: Option<String>, truth: Option<String>| Difference {
            table: table.name,
            row: row.clone(),
            field: None,
            served,
            truth,
            position: single(),
        };
        let text = |row: &[Option<String>]| {
            let values: Vec<&str> = row
                .iter()
                .map(|value| value.as_deref().unwrap_or("null"))
                .collect();
            values.join(", ")
        };
        Ok(
            match (fields(&differing.served), fields(&differing.truth)) {
                (None, None) => Vec::new(),
                (None, Some(truth)) => vec![whole(None, Some(text(&truth)))],
                (Some(served), None) => vec![whole(Some(text(&served)), None)],
                (Some(served), Some(truth)) => {
                    let pairs = served.into_iter().zip(truth).enumerate();
                    pairs
                        .filter(|(_, (served, truth))| served != truth)
                        .map(|(nth, (served, truth))| Difference {
                            field: Some(table.columns[nth].0),
                            position: decided
                                .as_ref()
                                .and_then(|decided| decided.positions.get(nth).copied())
                                .or_else(single),
                            ..whole(served, truth)
                        })
                        .collect()
                }
            },
        )
    }

    /// Folds the stream that decides about a row.
    pub async fn decide(
        &self,
        conn: &mut PgConnection,
        stream: Uuid,
        differing: &Differing,
    ) -> Result<Decided, VerifyError> {
        let raw: Vec<RawEvent> = sqlx::query_as(
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
              WHERE aggregate_id = $1
              ORDER BY version",
        )
        .bind(stream)
        .fetch_all(conn)
        .await?;
        let mut fold = (differing.rule.fold)(1);
        let mut decided = Decided {
            row: None,
            position: None,
            positions: Vec::new(),
        };
        for raw in raw {
            let Reading { upcasters, keys } = &self.reading;
            // What cannot be read has been reported.
            let event = raw.columns().open_payload(upcasters, keys);
            let Some(event) = legible([event]).next() else {
                continue;
            };
            fold.apply(0, &event);
            let mut out: Vec<TableRows> = differing
                .rule
                .tables
                .iter()
                .map(|_| TableRows::default())
                .collect();
            fold.put_now(&mut out);
            let key = differing.key.as_slice();
            let row = out[differing.nth]
                .rows()
                .find(|row| row.start(differing.table.key) == key)
                .map(|row| row.0.to_vec());
            decided.follow(row, event.position);
        }
        Ok(decided)
    }

    /// The same, with keys that are there now.
    pub fn with(&self, keys: rollcall_events::vault::KeyRing) -> Self {
        Self {
            reading: Reading {
                keys: Arc::new(keys),
                ..self.reading.clone()
            },
        }
    }
}

impl Decided {
    fn follow(&mut self, row: Option<Vec<u8>>, position: i64) {
        if self.row == row {
            return;
        }
        if self.row.is_some() != row.is_some() {
            self.position = Some(position);
            self.positions.clear();
        }
        if let Some(now) = &row {
            let before = self.row.as_deref().unwrap_or_default();
            let mut before = Row(before).fields();
            let now = Row(now).fields();
            let changed: Vec<bool> = now.map(|field| before.next() != Some(field)).collect();
            self.positions.resize(changed.len(), position);
            for (known, changed) in self.positions.iter_mut().zip(changed) {
                if changed {
                    *known = position;
                }
            }
        }
        self.row = row;
    }
}

/// The stream that decides about the row, if one does: as it should be, or else as it is served.
pub(super) fn stream_of(differing: &Differing) -> Option<Uuid> {
    let DecidedBy::Stream(column) = differing.table.decided_by else {
        return None;
    };
    let row = differing.truth.as_ref().or(differing.served.as_ref())?;
    let columns = differing.table.columns;
    let nth = columns.iter().position(|(name, _)| *name == column)?;
    let field = Row(row).fields().nth(nth)??;
    Uuid::from_slice(field).ok()
}

fn key_fields(differing: &Differing) -> impl Iterator<Item = &[u8]> {
    let row = differing.truth.as_ref().or(differing.served.as_ref());
    let row = row.map(Vec::as_slice).unwrap_or_default();
    Row(row).fields().map(Option::unwrap_or_default)
}

/// The fields of the key in words.
pub(super) fn key_shown(differing: &Differing) -> Vec<String> {
    let columns = differing.table.columns.iter().zip(key_fields(differing));
    columns
        .take(differing.table.key)
        .map(|((_, kind), field)| show(*kind, field))
        .collect()
}

fn shown(table: &Table, row: &[u8]) -> Vec<Option<String>> {
    let fields = table.columns.iter().zip(Row(row).fields());
    fields
        .map(|((_, kind), field)| field.map(|field| show(*kind, field)))
        .collect()
}
