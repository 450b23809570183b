//! An event that cannot be read: which one, why, and what of it can be read all the same.
//!
//! Readers never fail because of one: they name it, count it, and go on. What folds events takes the legible part.

use std::error::Error;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Columns, codec::ReadEvent};
use crate::{Recorded, event::UnknownEvent, vault::OpenError};

/// An event that cannot be read, or not in full.
#[derive(Debug, thiserror::Error)]
#[error("the event at position {position} cannot be read")]
pub struct Unreadable {
    /// Position in the log.
    pub position: i64,
    /// The aggregate's type.
    pub aggregate_type: String,
    /// The stream.
    pub stream: Uuid,
    /// Version in the stream.
    pub version: i64,
    /// The event's type, as its column says.
    pub event_type: String,
    /// The payload's shape, as its column says.
    pub schema_version: i32,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// The event without the sealed data that does not open, if nothing else is wrong with it.
    pub legible: Option<Recorded>,
    #[source]
    pub(super) cause: Cause,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Cause {
    #[error(transparent)]
    Unknown(#[from] UnknownEvent),
    #[error("its payload is not JSON")]
    Json(#[source] serde_json::Error),
    #[error("its type is {column:?}, and its payload is that of {payload}")]
    EventType {
        column: String,
        payload: &'static str,
    },
    #[error("this program does not know the schema version {0} of its payload")]
    SchemaVersion(i32),
    #[error("its metadata cannot be read")]
    Metadata(#[source] serde_json::Error),
    #[error("its personal data does not open")]
    Personal(#[source] OpenError),
    #[error("the origin of its request does not open")]
    Origin(#[source] OpenError),
}

impl Unreadable {
    /// Why, in one line.
    #[must_use]
    pub fn reason(&self) -> String {
        let mut reason = self.cause.to_string();
        let mut source = self.cause.source();
        while let Some(error) = source {
            reason = format!("{reason}: {error}");
            source = error.source();
        }
        reason
    }

    /// Whether the payload can be read in full, and only the origin of the request cannot.
    #[must_use]
    pub fn has_whole_payload(&self) -> bool {
        matches!(self.cause, Cause::Origin(_))
    }

    /// The subject whose damaged key is all that keeps the event from being read.
    #[must_use]
    pub fn damaged_key(&self) -> Option<Uuid> {
        match &self.cause {
            Cause::Personal(OpenError::DamagedKey(subject))
            | Cause::Origin(OpenError::DamagedKey(subject)) => Some(*subject),
            _ => None,
        }
    }
}

impl Columns<'_> {
    pub(super) fn unreadable(self, cause: Cause, legible: Option<Recorded>) -> Box<Unreadable> {
        Box::new(Unreadable {
            position: self.position,
            aggregate_type: self.aggregate_type.to_owned(),
            stream: self.aggregate_id,
            version: self.version,
            event_type: self.event_type.to_owned(),
            schema_version: self.schema_version,
            recorded_at: self.recorded_at,
            legible,
            cause,
        })
    }
}

/// The position of an event, whether or not it can be read.
#[must_use]
pub fn position_of(event: &ReadEvent) -> i64 {
    match event {
        Ok(recorded) => recorded.position,
        Err(unreadable) => unreadable.position,
    }
}

/// What can be folded of these events: those that can be read, and the legible part of the others.
pub fn legible(events: impl IntoIterator<Item = ReadEvent>) -> impl Iterator<Item = Recorded> {
    events.into_iter().filter_map(|event| match event {
        Ok(recorded) => Some(recorded),
        Err(unreadable) => unreadable.legible,
    })
}
