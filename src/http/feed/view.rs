//! An event, as readers of the feed see it.

use rollcall_events::Recorded;
use serde::Serialize;
use serde_json::Value;
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
    aggregate_type: &'static str,
    aggregate_id: Uuid,
    /// Its place in the stream of its aggregate.
    #[schema(example = 1)]
    version: i64,
    /// What kind of fact.
    #[serde(rename = "type")]
    #[schema(example = "UserCreated")]
    kind: &'static str,
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
}

impl EventView {
    /// The event with its personal data beside it. What a session's secret is recognised by is left out.
    ///
    /// # Errors
    /// Something cannot be written as JSON.
    pub fn new(recorded: Recorded) -> serde_json::Result<Self> {
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
            aggregate_type: event.aggregate_type(),
            aggregate_id: stream,
            version,
            kind: event.event_type(),
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
