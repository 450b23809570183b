//! What an event tells besides what changed: by whom, how, why, how often.

use rollcall_events::{
    Event, Personal,
    attempt::AttemptEvent,
    user::{EndReason, UserEvent},
};
use rollcall_projections::audit::Entry;
use serde_json::{Map, Value, json};

/// The status of the answer to the request: that of a refused attempt is known; what was done was answered as its endpoint
/// answers when all is well.
pub fn status(event: &Event) -> u16 {
    match event {
        Event::Attempt(
            AttemptEvent::AttemptRefused { status, .. }
            | AttemptEvent::AttemptsNotListed { status, .. },
        ) => *status,
        Event::User(UserEvent::UserCreated { .. } | UserEvent::SessionStarted { .. })
        | Event::Organization(_) => 201,
        Event::User(
            UserEvent::PasswordChanged { .. }
            | UserEvent::SessionShortened { .. }
            | UserEvent::SessionEnded {
                reason: EndReason::Revoked,
                ..
            },
        ) => 204,
        Event::User(_) | Event::Attempt(AttemptEvent::TestEntryMade { .. }) => 200,
    }
}

/// Everything else that is known.
pub fn additional_fields(entry: &Entry) -> Map<String, Value> {
    let mut fields = Map::new();
    if let Err(unreadable) = &entry.recorded {
        fields.insert("unreadable".to_owned(), json!(unreadable.reason()));
        fields.insert("position".to_owned(), json!(unreadable.position));
        fields.insert("event_type".to_owned(), json!(unreadable.event_type));
    }
    let Some(recorded) = entry.legible() else {
        return fields;
    };
    if let Event::Attempt(AttemptEvent::TestEntryMade {
        additional_fields, ..
    }) = &recorded.event
        && entry.recorded.is_ok()
    {
        // As it was made up, and nothing besides.
        let made_up = additional_fields.known().and_then(Value::as_object);
        return made_up.cloned().unwrap_or_default();
    }
    let metadata = &recorded.metadata;
    fields.insert("actor".to_owned(), json!(metadata.actor));
    if let Some(authentication) = &metadata.authentication {
        fields.insert("authentication".to_owned(), json!(authentication));
    }
    // What came of the request by way of something else.
    if metadata.causation_id != metadata.correlation_id {
        fields.insert("causation_id".to_owned(), json!(metadata.causation_id));
    }
    fields.extend(particulars(&recorded.event));
    fields
}

/// What is particular to an event, beside what it changed.
pub fn particulars(event: &Event) -> Map<String, Value> {
    let fields = match event {
        Event::User(event) => of_user(event),
        Event::Attempt(event) => of_attempt(event),
        Event::Organization(_) => Vec::new(),
    };
    let fields = fields.into_iter();
    fields
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

type Fields = Vec<(&'static str, Value)>;

fn of_user(event: &UserEvent) -> Fields {
    match event {
        UserEvent::UserActivated { cause } => vec![("cause", json!(cause))],
        UserEvent::SessionStarted { session, .. } => vec![("session_id", json!(session.id))],
        UserEvent::SessionEnded { session_id, reason } => {
            vec![("session_id", json!(session_id)), ("cause", json!(reason))]
        }
        UserEvent::SessionShortened { session_id, .. } => {
            vec![("session_id", json!(session_id))]
        }
        UserEvent::SessionsExpired { session_ids } => vec![("session_ids", json!(session_ids))],
        _ => Vec::new(),
    }
}

fn of_attempt(event: &AttemptEvent) -> Fields {
    match event {
        AttemptEvent::AttemptRefused {
            reason,
            times,
            email,
            ..
        } => {
            let mut fields = vec![("times", json!(times))];
            fields.extend(reason.map(|reason| ("reason", json!(reason))));
            let email = email.as_ref().and_then(Personal::known);
            fields.extend(email.map(|email| ("email", json!(email))));
            fields
        }
        AttemptEvent::AttemptsNotListed { times, .. } => {
            vec![("times", json!(times)), ("not_listed", json!(true))]
        }
        AttemptEvent::TestEntryMade { .. } => Vec::new(),
    }
}
