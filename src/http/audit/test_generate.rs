//! `POST /audit/testgenerate`: an entry that is made up, to test who reads the audit log. Only where the operator has
//! allowed it; anywhere else there is no such route. What is made up is its own kind of event, and says so for ever.

use axum::{
    extract::{FromRequest, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use rollcall_events::attempt::{Action, ResourceType, TestEntry};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    app::{App, AppState},
    http::{
        answer::{Refusal, Validation},
        body::JsonBody,
        caller::Caller,
        openapi::schemas,
        position::position_header,
        unknown_route,
    },
    permissions::{self, Object},
};

/// The entry. What is absent has a usual value.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = CreateTestAuditLog)]
#[expect(clippy::struct_field_names, reason = "the names are the API's")]
pub struct Request {
    /// Usually `write`.
    #[schema(value_type = schemas::AuditAction)]
    action: String,
    /// Usually `user`.
    #[schema(value_type = schemas::AuditResourceType)]
    resource_type: String,
    /// Usually a new one.
    resource_id: Uuid,
    /// Usually now; from 1970 on.
    #[schema(value_type = String, format = DateTime, pattern = "^(19[7-9]|[2-9][0-9]{2})[0-9]-", example = "2026-01-01T12:00:00Z")]
    time: Option<DateTime<Utc>>,
    #[schema(value_type = Object, example = json!({}))]
    additional_fields: Map<String, Value>,
    /// Accepted, and of no effect.
    #[schema(example = "")]
    build_reason: String,
    organization_id: Uuid,
    /// Usually that of this request.
    request_id: Uuid,
}

/// Makes up an entry of the audit log, for tests.
#[utoipa::path(post, path = "/api/v2/audit/testgenerate", tag = "audit", operation_id = "create_test_audit_log",
    request_body = Request, responses(
        (status = 204),
        (status = 404, description = "The operator has not allowed this."),
    ))]
pub async fn test_generate(
    State(app): State<AppState>,
    caller: Caller,
    body: axum::extract::Request,
) -> Result<Response, Refusal> {
    if !app.config.audit_test_entries {
        return Err(unknown_route().await);
    }
    let required = caller
        .requirement()
        .allows(permissions::Action::Create, Object::audit_log());
    caller.meets(&app, &required, None)?;
    let JsonBody(request) = JsonBody::<Request>::from_request(body, &app).await?;
    let entry = read(&app, &caller, request)?;
    let made_up = app
        .attempts
        .make_up(entry, caller.authority(&app, required))
        .await;
    let done = made_up.map_err(|error| Refusal::from_command(&error))?;
    Ok((StatusCode::NO_CONTENT, position_header(done.position)).into_response())
}

fn read(app: &App, caller: &Caller, request: Request) -> Result<TestEntry, Refusal> {
    let mut problems = Vec::new();
    let action = known(&request.action, "write", Action::parse);
    if action.is_none() {
        problems.push(Validation::new("action", "must be an action"));
    }
    let resource_type = known(&request.resource_type, "user", ResourceType::parse);
    if resource_type.is_none() {
        problems.push(Validation::new(
            "resource_type",
            "must be a type of resource",
        ));
    }
    if request
        .additional_fields
        .values()
        .any(|field| is_deeper(field, MOST_LEVELS - 1))
    {
        problems.push(Validation::new(
            "additional_fields",
            format!("must be nested at most {MOST_LEVELS} levels deep"),
        ));
    }
    let now = app.clock.now();
    // Go's zero time, too, means that none is given.
    let given = request.time.filter(|time| time.timestamp() != GO_ZERO);
    let time = given.unwrap_or(now);
    if !(TIMES.contains(&time.timestamp())) {
        problems.push(Validation::new("time", "must be from 1970 to 9999"));
    }
    let (Some(action), Some(resource_type), true) = (action, resource_type, problems.is_empty())
    else {
        return Err(Refusal::validation(problems));
    };
    let given = |id: Uuid| Some(id).filter(|id| !id.is_nil());
    Ok(TestEntry {
        action,
        resource_type,
        resource_id: given(request.resource_id).unwrap_or_else(|| app.ids.uuid()),
        organization_id: given(request.organization_id),
        request_id: given(request.request_id).unwrap_or(caller.request.request_id),
        time,
        additional_fields: Value::Object(request.additional_fields),
    })
}

/// In seconds since 1970.
const TIMES: std::ops::Range<i64> = 0..253_402_300_800;
const GO_ZERO: i64 = -62_135_596_800;

/// Levels of JSON in `additional_fields`, itself the first. Readers of the audit log, whose parsers have limits of their own,
/// get it some levels deeper.
const MOST_LEVELS: usize = 32;

/// Whether more than `levels` arrays and objects are nested in the value.
fn is_deeper(value: &Value, levels: usize) -> bool {
    let mut children: Box<dyn Iterator<Item = &Value>> = match value {
        Value::Array(values) => Box::new(values.iter()),
        Value::Object(fields) => Box::new(fields.values()),
        _ => return false,
    };
    levels == 0 || children.any(|child| is_deeper(child, levels - 1))
}

fn known<T>(given: &str, usual: &str, parse: fn(&str) -> Option<T>) -> Option<T> {
    parse(if given.is_empty() { usual } else { given })
}
