//! Every event of every aggregate, as one type: what projections fold.

use serde::Serialize;

use crate::{
    attempt::{AttemptEvent, AttemptsOfDay},
    organization::OrganizationEvent,
    personal::PersonalField,
    user::{User, UserEvent},
};
use cqrs_es::Aggregate;

/// A fact of some aggregate.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Event {
    /// Of a user's stream.
    User(UserEvent),
    /// Of an organisation's stream.
    Organization(OrganizationEvent),
    /// Of a day's stream of attempts.
    Attempt(AttemptEvent),
}

impl Event {
    /// The types of all aggregates, as the log names them.
    pub const AGGREGATE_TYPES: [&'static str; 3] = [
        User::TYPE,
        crate::organization::Organization::TYPE,
        AttemptsOfDay::TYPE,
    ];

    /// The types of all events, as the log names them.
    pub fn types() -> impl Iterator<Item = &'static str> {
        let of_each: [&[&str]; 3] = [
            &UserEvent::NAMES,
            &OrganizationEvent::NAMES,
            &AttemptEvent::NAMES,
        ];
        of_each.into_iter().flatten().copied()
    }

    /// The aggregate's type, as the log names it.
    #[must_use]
    pub fn aggregate_type(&self) -> &'static str {
        match self {
            Self::User(_) => User::TYPE,
            Self::Organization(_) => crate::organization::Organization::TYPE,
            Self::Attempt(_) => AttemptsOfDay::TYPE,
        }
    }

    /// The event's type, as the log names it.
    #[must_use]
    pub fn event_type(&self) -> &'static str {
        match self {
            Self::User(event) => event.name(),
            Self::Organization(event) => event.name(),
            Self::Attempt(event) => event.name(),
        }
    }

    /// The shape of the event's JSON that this code writes.
    #[must_use]
    pub fn schema_version(&self) -> i32 {
        match self {
            Self::User(_) => UserEvent::SCHEMA_VERSION,
            Self::Organization(_) => OrganizationEvent::SCHEMA_VERSION,
            Self::Attempt(_) => AttemptEvent::SCHEMA_VERSION,
        }
    }

    /// The personal data in the event.
    pub fn personal(&mut self) -> Option<&mut dyn PersonalField> {
        match self {
            Self::User(event) => event.personal(),
            Self::Organization(_) => None,
            Self::Attempt(event) => event.personal(),
        }
    }

    /// Reads an event of `aggregate_type` from its JSON, in the shape that this code writes.
    ///
    /// # Errors
    /// The bytes are not an event of that aggregate.
    pub fn from_json(aggregate_type: &str, payload: &[u8]) -> Result<Self, UnknownEvent> {
        if aggregate_type == User::TYPE {
            Ok(Self::User(serde_json::from_slice(payload)?))
        } else if aggregate_type == crate::organization::Organization::TYPE {
            Ok(Self::Organization(serde_json::from_slice(payload)?))
        } else if aggregate_type == AttemptsOfDay::TYPE {
            Ok(Self::Attempt(serde_json::from_slice(payload)?))
        } else {
            Err(UnknownEvent::AggregateType(aggregate_type.to_owned()))
        }
    }
}

/// Bytes of the log that this code cannot read as an event.
#[derive(Debug, thiserror::Error)]
pub enum UnknownEvent {
    /// No aggregate has this name.
    #[error("the log has an event of the unknown aggregate type {0:?}")]
    AggregateType(String),
    /// The JSON is not that of any known event.
    #[error("an event's payload cannot be read")]
    Payload(#[from] serde_json::Error),
}

impl From<UserEvent> for Event {
    fn from(event: UserEvent) -> Self {
        Self::User(event)
    }
}

impl From<OrganizationEvent> for Event {
    fn from(event: OrganizationEvent) -> Self {
        Self::Organization(event)
    }
}

impl From<AttemptEvent> for Event {
    fn from(event: AttemptEvent) -> Self {
        Self::Attempt(event)
    }
}

impl TryFrom<Event> for UserEvent {
    type Error = Event;

    fn try_from(event: Event) -> Result<Self, Event> {
        match event {
            Event::User(event) => Ok(event),
            Event::Organization(_) | Event::Attempt(_) => Err(event),
        }
    }
}

impl TryFrom<Event> for OrganizationEvent {
    type Error = Event;

    fn try_from(event: Event) -> Result<Self, Event> {
        match event {
            Event::Organization(event) => Ok(event),
            Event::User(_) | Event::Attempt(_) => Err(event),
        }
    }
}

impl TryFrom<Event> for AttemptEvent {
    type Error = Event;

    fn try_from(event: Event) -> Result<Self, Event> {
        match event {
            Event::Attempt(event) => Ok(event),
            Event::User(_) | Event::Organization(_) => Err(event),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;

    use super::*;

    /// The variants that an enum can be read from: what is read wrongly is answered with all of them.
    fn variants<E: DeserializeOwned + std::fmt::Debug>() -> Vec<String> {
        let error = serde_json::from_str::<E>("{\"?\":{}}")
            .unwrap_err()
            .to_string();
        let names = error.split('`').skip(3).step_by(2);
        names.map(str::to_owned).collect()
    }

    #[test]
    fn every_type_of_event_is_listed() {
        assert_eq!(variants::<UserEvent>(), UserEvent::NAMES);
        assert_eq!(variants::<OrganizationEvent>(), OrganizationEvent::NAMES);
        assert_eq!(variants::<AttemptEvent>(), AttemptEvent::NAMES);
    }
}
