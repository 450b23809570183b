//! A line of an export. There is one way alone to write each, and it ends with a hash of the rest of it: what is not what
//! we would write was altered.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    log::{Hash, RawEvent},
    text::{as_base64, as_micros, as_micros_or_null},
    vault::VaultRow,
};

/// The name of the format, by which an export is known.
pub const FORMAT: &str = "rollcall-export";
/// Of the format: raised when a line means something else.
pub const VERSION: u32 = 1;

/// What stands before the hash of a line.
const SUM: &str = r#","sha256":""#;

/// A line.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// The first.
    Header(Header),
    /// An event.
    Event(Box<Exported>),
    /// A row of the vault.
    Vault(VaultRow),
    /// The last.
    End(End),
}

/// What an export is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u32,
    /// When it was made.
    #[serde(with = "as_micros")]
    pub made_at: DateTime<Utc>,
    /// As of which moment, if not of all that had happened.
    #[serde(with = "as_micros_or_null")]
    pub as_of: Option<DateTime<Utc>>,
    /// How many events there are: they have the positions from 1 to this.
    pub events: u64,
    /// Whether personal data stands beside the events, readable by everybody.
    pub opened: bool,
    /// The fingerprints of the master keys that the vault's keys are wrapped by, if the vault comes along.
    pub vault: Option<Vec<String>>,
}

/// An event as it was exported.
#[derive(Clone, Serialize, Deserialize)]
#[serde(into = "Columns", try_from = "Columns")]
pub struct Exported {
    /// The event: all that is in the log.
    pub event: RawEvent,
    /// Its leaf in the tree, as the file says.
    pub leaf: Hash,
    /// Payload and metadata, readable. For people alone: nothing depends on it.
    pub opened: Option<Box<RawValue>>,
}

/// What all before it comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// How many events there are.
    pub events: u64,
    /// The root of their tree.
    #[serde(with = "as_base64")]
    pub root: Hash,
    /// How many rows of the vault there are.
    pub vault: u64,
    /// The SHA-256 of all bytes before this line.
    #[serde(with = "as_base64")]
    pub sha256_of_all_before: Hash,
}

impl Line {
    /// The line, with its hash and without its end.
    ///
    /// # Errors
    /// Never, but the serializer cannot know.
    pub fn to_text(&self) -> serde_json::Result<String> {
        let mut text = serde_json::to_string(self)?;
        // The last brace comes again after the hash.
        text.pop();
        let sum = STANDARD.encode(Sha256::digest(text.as_bytes()));
        Ok(format!("{text}{SUM}{sum}\"}}"))
    }

    /// Reads a line, if it is as we would write it.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (content, _) = text.rsplit_once(SUM)?;
        let line: Self = serde_json::from_str(&format!("{content}}}")).ok()?;
        (line.to_text().ok()? == text).then_some(line)
    }
}

/// An event's line, by the names of the log's columns. What is no UTF-8 is in base64, under another name.
#[derive(Serialize, Deserialize)]
struct Columns {
    position: i64,
    aggregate_type: String,
    aggregate_id: Uuid,
    version: i64,
    event_type: String,
    schema_version: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata_base64: Option<String>,
    #[serde(with = "as_micros")]
    recorded_at: DateTime<Utc>,
    #[serde(with = "as_base64")]
    leaf: Hash,
    #[serde(skip_serializing_if = "Option::is_none")]
    opened: Option<Box<RawValue>>,
}

impl From<Exported> for Columns {
    fn from(exported: Exported) -> Self {
        let Exported {
            event,
            leaf,
            opened,
        } = exported;
        let (payload, payload_base64) = text_or_base64(event.payload);
        let (metadata, metadata_base64) = text_or_base64(event.metadata);
        Self {
            position: event.position,
            aggregate_type: event.aggregate_type,
            aggregate_id: event.aggregate_id,
            version: event.version,
            event_type: event.event_type,
            schema_version: event.schema_version,
            payload,
            payload_base64,
            metadata,
            metadata_base64,
            recorded_at: event.recorded_at,
            leaf,
            opened,
        }
    }
}

impl TryFrom<Columns> for Exported {
    type Error = &'static str;

    fn try_from(columns: Columns) -> Result<Self, Self::Error> {
        let event = RawEvent {
            position: columns.position,
            aggregate_type: columns.aggregate_type,
            aggregate_id: columns.aggregate_id,
            version: columns.version,
            event_type: columns.event_type,
            schema_version: columns.schema_version,
            payload: bytes(columns.payload, columns.payload_base64)?,
            metadata: bytes(columns.metadata, columns.metadata_base64)?,
            recorded_at: columns.recorded_at,
        };
        Ok(Self {
            event,
            leaf: columns.leaf,
            opened: columns.opened,
        })
    }
}

fn text_or_base64(bytes: Vec<u8>) -> (Option<String>, Option<String>) {
    match String::from_utf8(bytes) {
        Ok(text) => (Some(text), None),
        Err(error) => (None, Some(STANDARD.encode(error.as_bytes()))),
    }
}

fn bytes(text: Option<String>, base64: Option<String>) -> Result<Vec<u8>, &'static str> {
    match (text, base64) {
        (Some(text), None) => Ok(text.into_bytes()),
        (None, Some(base64)) => STANDARD.decode(base64).map_err(|_| "this is no base64"),
        _ => Err("a column is there twice, or not at all"),
    }
}

/// What is readable in it stays out of what we say.
impl fmt::Debug for Exported {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Exported({})", self.event.position)
    }
}
