//! What surrounds an event: its place in the log, and who asked for it, how, and from where.

use std::{collections::BTreeMap, fmt, net::IpAddr, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Visitor};
use uuid::Uuid;

use crate::{Event, Personal};

/// An event with its place in the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// Place in the whole log, from 1, dense, in order of commit.
    pub position: i64,
    /// The stream that it belongs to.
    pub stream: Uuid,
    /// Place in the stream, from 1.
    pub version: i64,
    /// What happened.
    pub event: Event,
    /// Who asked, how, from where, and why.
    pub metadata: Metadata,
    /// When it was recorded; never earlier than the event before it.
    pub recorded_at: DateTime<Utc>,
}

/// Who asked for an event, how, from where, and why.
///
/// In the log it is a flat object of strings, because that is what readers by way of `cqrs-es` expect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// Who asked.
    pub actor: Actor,
    /// How they proved who they are: `password`, `session:<id>`, ...; absent for those who need not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication: Option<String>,
    /// The command's identifier: one command, one decision, however often it is sent.
    pub command_id: Uuid,
    /// One request from outside, with all that follows from it.
    pub correlation_id: Uuid,
    /// What directly caused the command: the request, or an earlier command.
    pub causation_id: Uuid,
    /// Where the request came from.
    #[serde(default = "nowhere", skip_serializing_if = "is_nowhere")]
    pub origin: Personal<Origin>,
}

/// Where a request came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The client's address.
    pub ip: Option<IpAddr>,
    /// What the client says it is.
    pub user_agent: String,
}

/// Whose wish a command is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Actor {
    /// A user.
    User(Uuid),
    /// Somebody who has not signed in.
    Anonymous,
    /// A person with access to the database, by the command line.
    Operator,
    /// Rollcall itself.
    System,
}

impl Metadata {
    /// The metadata of something that Rollcall does by itself.
    #[must_use]
    pub fn system(command_id: Uuid) -> Self {
        Self {
            actor: Actor::System,
            authentication: None,
            command_id,
            correlation_id: command_id,
            causation_id: command_id,
            origin: Personal::Erased,
        }
    }

    /// Reads the JSON of the log, but for the origin, as if that were erased. To skip it takes less than to keep it.
    ///
    /// # Errors
    /// It is not that JSON.
    pub(crate) fn without_origin(json: &[u8]) -> serde_json::Result<Self> {
        let asked: Asked = serde_json::from_slice(json)?;
        Ok(Self {
            actor: asked.actor,
            authentication: asked.authentication,
            command_id: asked.command_id,
            correlation_id: asked.correlation_id,
            causation_id: asked.causation_id,
            origin: Personal::Erased,
        })
    }

    /// As a flat map, for readers by way of `cqrs-es`.
    #[must_use]
    pub fn to_map(&self) -> BTreeMap<String, String> {
        let mut map = BTreeMap::from([
            ("actor".to_owned(), self.actor.to_string()),
            ("command_id".to_owned(), self.command_id.to_string()),
            ("correlation_id".to_owned(), self.correlation_id.to_string()),
            ("causation_id".to_owned(), self.causation_id.to_string()),
        ]);
        if let Some(authentication) = &self.authentication {
            map.insert("authentication".to_owned(), authentication.clone());
        }
        map
    }
}

/// [`Metadata`] without the origin.
#[derive(Deserialize)]
struct Asked {
    actor: Actor,
    #[serde(default)]
    authentication: Option<String>,
    command_id: Uuid,
    correlation_id: Uuid,
    causation_id: Uuid,
}

fn nowhere() -> Personal<Origin> {
    Personal::Erased
}

fn is_nowhere(origin: &Personal<Origin>) -> bool {
    *origin == Personal::Erased
}

impl Actor {
    /// The user who asked, if it was one.
    #[must_use]
    pub fn user(self) -> Option<Uuid> {
        match self {
            Self::User(id) => Some(id),
            Self::Anonymous | Self::Operator | Self::System => None,
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(formatter, "user:{id}"),
            Self::Anonymous => formatter.write_str("anonymous"),
            Self::Operator => formatter.write_str("operator"),
            Self::System => formatter.write_str("system"),
        }
    }
}

impl Serialize for Actor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Actor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(ActorVisitor)
    }
}

/// Reads an actor where its text is: every event of the log has one.
struct ActorVisitor;

impl Visitor<'_> for ActorVisitor {
    type Value = Actor;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the name of an actor")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Actor, E> {
        text.parse().map_err(E::custom)
    }
}

impl FromStr for Actor {
    type Err = UnknownActor;

    fn from_str(text: &str) -> Result<Self, UnknownActor> {
        match text {
            "anonymous" => Ok(Self::Anonymous),
            "operator" => Ok(Self::Operator),
            "system" => Ok(Self::System),
            _ => text
                .strip_prefix("user:")
                .and_then(|id| id.parse().ok())
                .map(Self::User)
                .ok_or_else(|| UnknownActor(text.to_owned())),
        }
    }
}

/// A text that names no actor.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} names no actor")]
pub struct UnknownActor(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_a_flat_object_of_strings() {
        let metadata = Metadata {
            actor: Actor::User(Uuid::from_u128(7)),
            authentication: Some("password".into()),
            origin: Personal::Sealed("c2VhbGVk".into()),
            ..Metadata::system(Uuid::from_u128(1))
        };
        let json = serde_json::to_string(&metadata).unwrap();
        let flat: BTreeMap<String, String> = serde_json::from_str(&json).unwrap();
        assert_eq!(flat["actor"], "user:00000000-0000-0000-0000-000000000007");
        assert_eq!(serde_json::from_str::<Metadata>(&json).unwrap(), metadata);
    }
}
