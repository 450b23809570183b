//! An event as the log holds it, and the way there and back: sealing and JSON; JSON, upcasting and opening.

use chrono::{DateTime, Utc};
use sqlx::FromRow;
use uuid::Uuid;

use super::{Upcasters, merkle};
use crate::{
    Event, Metadata, Personal, Recorded,
    event::UnknownEvent,
    ids::Ids,
    personal::PersonalField,
    vault::{self, KeyRing, OpenError, Place},
};

/// A row of `log.events`.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct RawEvent {
    /// Place in the log.
    pub position: i64,
    /// The aggregate's type.
    pub aggregate_type: String,
    /// The stream.
    pub aggregate_id: Uuid,
    /// Place in the stream.
    pub version: i64,
    /// The event's type.
    pub event_type: String,
    /// The payload's shape.
    pub schema_version: i32,
    /// JSON.
    pub payload: Vec<u8>,
    /// JSON.
    pub metadata: Vec<u8>,
    /// When.
    pub recorded_at: DateTime<Utc>,
}

/// The same columns, wherever they are kept: whoever reads the whole log copies nothing.
#[derive(Debug, Clone, Copy)]
pub struct Columns<'a> {
    /// Place in the log.
    pub position: i64,
    /// The aggregate's type.
    pub aggregate_type: &'a str,
    /// The stream.
    pub aggregate_id: Uuid,
    /// Place in the stream.
    pub version: i64,
    /// The event's type.
    pub event_type: &'a str,
    /// The payload's shape.
    pub schema_version: i32,
    /// JSON.
    pub payload: &'a [u8],
    /// JSON.
    pub metadata: &'a [u8],
    /// When.
    pub recorded_at: DateTime<Utc>,
}

/// An event that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the event at position {position} cannot be read")]
pub struct DecodeError {
    position: i64,
    source: Cause,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Cause {
    #[error("it is of no known kind")]
    Unknown(#[from] UnknownEvent),
    #[error("it is not the JSON that it should be")]
    Json(#[from] serde_json::Error),
    #[error("its personal data does not open")]
    Open(#[from] OpenError),
}

/// An event that cannot be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum EncodeError {
    #[error("there is no key to seal the personal data of subject {0} with")]
    NoKey(Uuid),
    #[error("the event cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

/// Seals and writes an event. The origin is sealed for the user who asked, or else for the person of the stream; without
/// a key of theirs it is left out.
pub(super) fn encode(recorded: &Recorded, keys: &KeyRing) -> Result<RawEvent, EncodeError> {
    let mut event = recorded.event.clone();
    let (event_type, schema_version) = (event.event_type(), event.schema_version());
    let place = |field| Place {
        stream: recorded.stream,
        version: recorded.version,
        event_type,
        schema_version,
        field,
    };
    if let Some(field) = event.personal() {
        let key = keys
            .get(recorded.stream)
            .ok_or(EncodeError::NoKey(recorded.stream))?;
        vault::seal(field, recorded.stream, key, &place("payload"), Ids)?;
    }
    let mut metadata = recorded.metadata.clone();
    let subject = metadata.actor.user().unwrap_or(recorded.stream);
    match keys.get(subject) {
        Some(key) => vault::seal(&mut metadata.origin, subject, key, &place("origin"), Ids)?,
        None => metadata.origin.erase(),
    }
    Ok(RawEvent {
        position: recorded.position,
        aggregate_type: event.aggregate_type().to_owned(),
        aggregate_id: recorded.stream,
        version: recorded.version,
        event_type: event_type.to_owned(),
        schema_version,
        payload: serde_json::to_vec(&event)?,
        metadata: serde_json::to_vec(&metadata)?,
        recorded_at: recorded.recorded_at,
    })
}

/// An event read and upcast, its personal data still sealed.
pub(super) struct Sealed<'a> {
    recorded: Recorded,
    event_type: &'a str,
    schema_version: i32,
}

impl Sealed<'_> {
    /// Whose keys it takes to open the event.
    pub(super) fn subjects(&mut self) -> impl Iterator<Item = Uuid> {
        let payload = self
            .recorded
            .event
            .personal()
            .and_then(|field| vault::subject_of(field));
        let origin = vault::subject_of(&self.recorded.metadata.origin);
        payload.into_iter().chain(origin).chain(self.tried_as())
    }

    /// As whom somebody tried to sign in: whoever it was, where they came from is told as long as that user is known.
    fn tried_as(&self) -> Option<Uuid> {
        match &self.recorded.event {
            Event::Attempt(attempt) => attempt.user(),
            Event::User(_) | Event::Organization(_) => None,
        }
    }

    /// Whether where it was asked is told to nobody, though the key of its day may still be there.
    pub(super) fn hides_origin(&self, keys: &KeyRing) -> bool {
        let user = self.tried_as();
        user.is_some_and(|user| keys.get(user).is_none())
    }

    /// What is sealed: of the payload, and of the origin.
    pub(super) fn texts(&mut self) -> (Option<String>, Option<String>) {
        let text = |field: &dyn PersonalField| field.sealed().map(str::to_owned);
        let payload = self.recorded.event.personal().and_then(|field| text(field));
        (payload, text(&self.recorded.metadata.origin))
    }

    /// Opens what there are keys for; the rest is erased.
    pub(super) fn open(mut self, keys: &KeyRing) -> Result<Recorded, DecodeError> {
        let mut origin = std::mem::replace(&mut self.recorded.metadata.origin, Personal::Erased);
        if self.hides_origin(keys) {
            return self.open_payload(keys);
        }
        vault::open(&mut origin, keys, &self.place("origin"))
            .map_err(|error| Self::flaw(self.recorded.position, error))?;
        self.recorded.metadata.origin = origin;
        self.open_payload(keys)
    }

    /// The same, but for the origin.
    pub(super) fn open_payload(mut self, keys: &KeyRing) -> Result<Recorded, DecodeError> {
        let Some(sealed) = self.recorded.event.personal() else {
            return Ok(self.recorded);
        };
        let place = Place {
            stream: self.recorded.stream,
            version: self.recorded.version,
            event_type: self.event_type,
            schema_version: self.schema_version,
            field: "payload",
        };
        match vault::open(sealed, keys, &place) {
            Ok(()) => Ok(self.recorded),
            Err(error) => Err(Self::flaw(self.recorded.position, error)),
        }
    }

    fn place<'a>(&'a self, field: &'a str) -> Place<'a> {
        Place {
            stream: self.recorded.stream,
            version: self.recorded.version,
            event_type: self.event_type,
            schema_version: self.schema_version,
            field,
        }
    }

    pub(super) fn flaw(position: i64, cause: impl Into<Cause>) -> DecodeError {
        let source = cause.into();
        DecodeError { position, source }
    }
}

impl RawEvent {
    /// The event's columns.
    #[must_use]
    pub fn columns(&self) -> Columns<'_> {
        Columns {
            position: self.position,
            aggregate_type: &self.aggregate_type,
            aggregate_id: self.aggregate_id,
            version: self.version,
            event_type: &self.event_type,
            schema_version: self.schema_version,
            payload: &self.payload,
            metadata: &self.metadata,
            recorded_at: self.recorded_at,
        }
    }

    /// The event's leaf in the Merkle tree.
    #[must_use]
    pub fn leaf(&self) -> [u8; 32] {
        self.columns().leaf()
    }
}

impl<'a> Columns<'a> {
    /// Reads the JSON, in whatever shape it is.
    pub(super) fn read(self, upcasters: &Upcasters) -> Result<Sealed<'a>, DecodeError> {
        self.read_with(upcasters, |json| serde_json::from_slice(json))
    }

    /// The same, but for the origin, which is as if it were erased.
    pub(super) fn read_payload(self, upcasters: &Upcasters) -> Result<Sealed<'a>, DecodeError> {
        self.read_with(upcasters, Metadata::without_origin)
    }

    fn read_with(
        self,
        upcasters: &Upcasters,
        metadata: impl FnOnce(&[u8]) -> serde_json::Result<Metadata>,
    ) -> Result<Sealed<'a>, DecodeError> {
        let read = || -> Result<Recorded, Cause> {
            let payload = upcasters.apply(self.event_type, self.schema_version, self.payload)?;
            Ok(Recorded {
                position: self.position,
                stream: self.aggregate_id,
                version: self.version,
                event: Event::from_json(self.aggregate_type, &payload)?,
                metadata: metadata(self.metadata)?,
                recorded_at: self.recorded_at,
            })
        };
        Ok(Sealed {
            recorded: read().map_err(|cause| Sealed::flaw(self.position, cause))?,
            event_type: self.event_type,
            schema_version: self.schema_version,
        })
    }

    /// The event's leaf in the Merkle tree: the hash of all its columns. Numbers are big-endian, times are
    /// microseconds since 1970; texts and bytes are preceded by their length (32 bits).
    #[must_use]
    pub fn leaf(self) -> [u8; 32] {
        let mut content = Vec::with_capacity(96 + self.payload.len() + self.metadata.len());
        content.extend(self.position.to_be_bytes());
        content.extend(self.aggregate_id.as_bytes());
        content.extend(self.version.to_be_bytes());
        content.extend(self.schema_version.to_be_bytes());
        content.extend(self.recorded_at.timestamp_micros().to_be_bytes());
        let texts = [
            self.aggregate_type.as_bytes(),
            self.event_type.as_bytes(),
            self.payload,
            self.metadata,
        ];
        for text in texts {
            content.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
            content.extend(text);
        }
        merkle::leaf(&content)
    }
}
