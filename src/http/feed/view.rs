//! An event, as readers of the feed see it.

use rollcall_events::{
    Recorded,
    log::{ReadEvent, Unreadable},
};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::{openapi::schemas, timestamp::Timestamp};

/// A fact, with who brought it about.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event)]
pub struct EventView {
    /// Its place in the log.
    #[schema(example = 7)]
    pub position: i64,
    #[schema(example = "user")]
    aggregate_type: String,
    aggregate_id: Uuid,
    /// Its place in the stream of its aggregate.
    #[schema(example = 1)]
    version: i64,
    /// What kind of fact.
    #[serde(rename = "type")]
    #[schema(example = "UserCreated")]
    kind: String,
    /// The shape of `data`.
    #[schema(example = 1)]
    schema_version: i32,
    time: Timestamp,
    /// `user:<id>`, `anonymous`, `operator` or `system`.
    #[schema(example = "operator")]
    actor: String,
    /// How they had proven who they are; empty for those who need not.
    #[schema(example = "password")]
    authentication: String,
    /// The request that it came of.
    request_id: Uuid,
    /// What directly caused it: the request, or an earlier command.
    causation_id: Uuid,
    /// Empty if it is unknown, or of a person who was erased.
    #[schema(example = "192.0.2.7")]
    ip: String,
    #[schema(example = "coder-cli/v2.35.0")]
    user_agent: String,
    /// What happened, without what belongs to a person.
    #[schema(value_type = Object)]
    data: Value,
    /// What of it belongs to a person; null if there is nothing, or the person was erased.
    #[schema(value_type = schemas::AnyValue)]
    personal: Value,
    /// Why the event cannot be read. What can be read of it is here, and everything else is empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "its payload is not JSON")]
    unreadable: Option<String>,
}

impl EventView {
    /// The event with its personal data beside it, or why it cannot be read. What a session's secret is recognised by is left
    /// out.
    ///
    /// # Errors
    /// Something cannot be written as JSON.
    pub fn new(event: ReadEvent) -> serde_json::Result<Self> {
        match event {
            Ok(recorded) => Self::of(recorded),
            Err(unreadable) => {
                let reason = unreadable.reason();
                let view = match *unreadable {
                    Unreadable {
                        legible: Some(recorded),
                        ..
                    } => Self::of(recorded)?,
                    unreadable => Self::without_content(unreadable),
                };
                Ok(Self {
                    unreadable: Some(reason),
                    ..view
                })
            }
        }
    }

    /// Whether the event cannot be read, or not in full.
    pub fn is_unreadable(&self) -> bool {
        self.unreadable.is_some()
    }

    fn without_content(unreadable: Unreadable) -> Self {
        Self {
            position: unreadable.position,
            aggregate_type: unreadable.aggregate_type,
            aggregate_id: unreadable.stream,
            version: unreadable.version,
            kind: unreadable.event_type,
            schema_version: unreadable.schema_version,
            time: Timestamp(unreadable.recorded_at),
            actor: String::new(),
            authentication: String::new(),
            request_id: Uuid::nil(),
            causation_id: Uuid::nil(),
            ip: String::new(),
            user_agent: String::new(),
            data: Value::Object(Map::new()),
            personal: Value::Null,
            unreadable: None,
        }
    }

    fn of(recorded: Recorded) -> serde_json::Result<Self> {
        let Recorded {
            position,
            stream,
            version,
            mut event,
            metadata,
            recorded_at,
        } = recorded;
        let mut personal = Value::Null;
        if let Some(field) = event.personal() {
            if let Some(known) = field.reveal()? {
                personal = serde_json::from_slice(&known)?;
            }
            field.erase();
        }
        let mut data = within(serde_json::to_value(&event)?);
        if let Some(session) = data.get_mut("session").and_then(Value::as_object_mut) {
            session.remove("secret_sha256");
        }
        let origin = metadata.origin.known();
        Ok(Self {
            position,
            aggregate_type: event.aggregate_type().to_owned(),
            aggregate_id: stream,
            version,
            kind: event.event_type().to_owned(),
            schema_version: event.schema_version(),
            time: Timestamp(recorded_at),
            actor: metadata.actor.to_string(),
            authentication: metadata.authentication.clone().unwrap_or_default(),
            request_id: metadata.correlation_id,
            causation_id: metadata.causation_id,
            ip: origin
                .and_then(|origin| origin.ip)
                .map_or_else(String::new, |ip| ip.to_string()),
            user_agent: origin.map_or_else(String::new, |origin| origin.user_agent.clone()),
            data,
            personal,
            unreadable: None,
        })
    }
}

/// The log writes an event under its type; readers have that beside it.
fn within(event: Value) -> Value {
    match event {
        Value::Object(fields) if fields.len() == 1 => fields
            .into_iter()
            .next()
            .map_or(Value::Null, |(_, data)| data),
        other => other,
    }
}
