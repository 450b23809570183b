//! An event as the log holds it, and the way there and back: sealing and JSON; JSON, upcasting and opening.

use chrono::{DateTime, Utc};
use sqlx::FromRow;
use uuid::Uuid;

use super::{Unreadable, Upcasters, merkle, unreadable::Cause};
use crate::{
    Event, Metadata, Personal, Recorded,
    ids::Ids,
    personal::PersonalField,
    vault::{self, KeyRing, Place},
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

/// An event as it was read: in full, or with the reason why not.
pub type ReadEvent = Result<Recorded, Box<Unreadable>>;

/// An event that cannot be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum EncodeError {
    #[error("there is no key to seal the personal data of subject {0} with")]
    NoKey(Uuid),
    #[error("the event cannot be written as JSON")]
    Json(#[from] serde_json::Error),
    #[error("the event could not be read again")]
    Unreadable(#[from] Box<Unreadable>),
}

/// Encodes an event and reads it back, so that nothing is committed that no reader could decode. Takes a few microseconds.
pub(super) fn encode_readable(
    recorded: &Recorded,
    keys: &KeyRing,
) -> Result<RawEvent, EncodeError> {
    let raw = encode(recorded, keys)?;
    raw.columns().read(&Upcasters::default())?.open(keys)?;
    Ok(raw)
}

/// Seals and writes an event. The origin is sealed for the user who asked, or else for the person of the stream; without
/// a key of theirs, or with one that is damaged, it is left out. So is the e-mail address of an attempt whose day has a
/// damaged key: attempts are recorded all the same.
fn encode(recorded: &Recorded, keys: &KeyRing) -> Result<RawEvent, EncodeError> {
    let mut event = recorded.event.clone();
    let is_attempt = matches!(event, Event::Attempt(_));
    let (event_type, schema_version) = (event.event_type(), event.schema_version());
    let place = |field| Place {
        stream: recorded.stream,
        version: recorded.version,
        event_type,
        schema_version,
        field,
    };
    if let Some(field) = event.personal() {
        match keys.get(recorded.stream) {
            Some(key) => vault::seal(field, recorded.stream, key, &place("payload"), Ids)?,
            None if is_attempt && keys.is_damaged(recorded.stream) => field.erase(),
            None => return Err(EncodeError::NoKey(recorded.stream)),
        }
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
    columns: Columns<'a>,
}

impl<'a> Sealed<'a> {
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
        user.is_some_and(|user| keys.is_gone(user))
    }

    /// What is sealed: of the payload, and of the origin.
    pub(super) fn texts(&mut self) -> (Option<String>, Option<String>) {
        let text = |field: &dyn PersonalField| field.sealed().map(str::to_owned);
        let payload = self.recorded.event.personal().and_then(|field| text(field));
        (payload, text(&self.recorded.metadata.origin))
    }

    /// Opens what there are keys for; what has no key any more is erased.
    pub(super) fn open(mut self, keys: &KeyRing) -> ReadEvent {
        let mut origin = std::mem::replace(&mut self.recorded.metadata.origin, Personal::Erased);
        let mut failure = None;
        if !self.hides_origin(keys) {
            match vault::open(&mut origin, keys, &self.place("origin")) {
                Ok(()) => self.recorded.metadata.origin = origin,
                Err(error) => failure = Some(Cause::Origin(error)),
            }
        }
        self.open_rest(keys, failure)
    }

    /// The same, but for the origin.
    pub(super) fn open_payload(self, keys: &KeyRing) -> ReadEvent {
        self.open_rest(keys, None)
    }

    fn open_rest(mut self, keys: &KeyRing, mut failure: Option<Cause>) -> ReadEvent {
        let place = self.place("payload");
        if let Some(sealed) = self.recorded.event.personal()
            && let Err(error) = vault::open(sealed, keys, &place)
        {
            sealed.erase();
            failure = Some(Cause::Personal(error));
        }
        match failure {
            None => Ok(self.recorded),
            Some(cause) => Err(self.columns.unreadable(cause, Some(self.recorded))),
        }
    }

    fn place(&self, field: &'a str) -> Place<'a> {
        Place {
            stream: self.columns.aggregate_id,
            version: self.columns.version,
            event_type: self.columns.event_type,
            schema_version: self.columns.schema_version,
            field,
        }
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
    pub(super) fn read(self, upcasters: &Upcasters) -> Result<Sealed<'a>, Box<Unreadable>> {
        self.read_with(upcasters, |json| serde_json::from_slice(json))
    }

    /// The same, but for the origin, which is as if it were erased.
    pub(super) fn read_payload(self, upcasters: &Upcasters) -> Result<Sealed<'a>, Box<Unreadable>> {
        self.read_with(upcasters, Metadata::without_origin)
    }

    fn read_with(
        self,
        upcasters: &Upcasters,
        metadata: impl FnOnce(&[u8]) -> serde_json::Result<Metadata>,
    ) -> Result<Sealed<'a>, Box<Unreadable>> {
        let read = || -> Result<Recorded, Cause> {
            Ok(Recorded {
                position: self.position,
                stream: self.aggregate_id,
                version: self.version,
                event: self.event(upcasters)?,
                metadata: metadata(self.metadata).map_err(Cause::Metadata)?,
                recorded_at: self.recorded_at,
            })
        };
        match read() {
            Ok(recorded) => Ok(Sealed {
                recorded,
                columns: self,
            }),
            Err(cause) => Err(self.unreadable(cause, None)),
        }
    }

    fn event(self, upcasters: &Upcasters) -> Result<Event, Cause> {
        let payload = upcasters
            .apply(self.event_type, self.schema_version, self.payload)
            .map_err(Cause::Json)?;
        let event = Event::from_json(self.aggregate_type, &payload)?;
        if event.event_type() != self.event_type {
            return Err(Cause::EventType {
                column: self.event_type.to_owned(),
                payload: event.event_type(),
            });
        }
        if upcasters.latest(self.event_type, self.schema_version) != event.schema_version() {
            return Err(Cause::SchemaVersion(self.schema_version));
        }
        Ok(event)
    }

    /// Whether the event is one that this program understands. What is sealed in it is not opened.
    ///
    /// # Errors
    /// It is not.
    pub fn check_shape(self, upcasters: &Upcasters) -> Result<(), Box<Unreadable>> {
        self.read(upcasters).map(|_| ())
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
