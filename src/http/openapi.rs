//! The description of the API, made from the code: OpenAPI 3.1. Printed by `rollcall openapi` and committed as
//! `openapi/openapi.json`.
//!
//! No route is without its description: `http.rs` lists handlers by `routes!`, which takes method and path from what is
//! written above the handler. To add an endpoint:
//!
//! 1. Above the handler, whose doc comment begins with the operation's title:
//!    `#[utoipa::path(put, path = "/api/v2/users/{user}/profile", tag = "users", operation_id = "update_profile",
//!    request_body = Request, responses((status = 200, body = UserView), (status = 409, description = "..")))]`.
//! 2. Write there only what is particular to it. What many answer alike is added by the rules in `common`: 401 and 403
//!    to whatever is in `signed_in()`, 404 to paths with a parameter, 413 to those with a body, and so on. To say more
//!    about one of these, name it with a description. A refusal's body is a `Notice` unless another is named.
//! 3. Parameters of paths are described in `PATH_PARAMETERS`, those of queries in place: `params(("limit" = Option<i32>,
//!    Query, minimum = 0, example = 25, description = ".."))`.
//! 4. Types of bodies derive `ToSchema` and have a name of their own: `#[schema(as = UpdateProfile)]`. A field with a rule
//!    names it: `#[schema(value_type = schemas::Username, required)]`; the rules are in [`schemas`]. Other fields have an
//!    `example = ".."`. In a request, what is not `required` may be `null` as well: that is added here. What fields say of
//!    each other is said by the operation's extension `x-rules`: see `users/create.rs`.
//! 5. Commit what `cargo run -- openapi > src/http/openapi/openapi.json` prints: a test compares it with the code. Then
//!    `make fuzz-api EXAMPLES=50` tells where the description is not true.

mod common;
mod example;
mod requests;
pub mod schemas;

use std::{collections::BTreeMap, sync::LazyLock};

use axum::http::StatusCode;
use serde_json::{Value, json};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use super::{anybody, signed_in};
use crate::app::AppState;
use common::{COMMON, Common, Operation};
use example::example;

/// The description, as it is served, printed and committed.
pub static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    let document = describe(&anybody().into_openapi(), &signed_in().into_openapi());
    format!("{document:#}\n")
});

/// What the operations are sorted by.
const TAGS: &[(&str, &str)] = &[
    ("users", "People, and what they may."),
    ("sessions", "Signing in and out."),
    (
        "keys",
        "Tokens for programs, and the sessions of command lines.",
    ),
    (
        "organizations",
        "Where people belong, and what they may there.",
    ),
    ("audit", "What happened."),
    ("service", "The service itself."),
];

/// The parameters that paths may have: name, description, example.
const PATH_PARAMETERS: &[(&str, &str, &str)] = &[
    (
        "user",
        "A user's id or username, or `me` for the caller.",
        "me",
    ),
    (
        "organization",
        "An organization's id or name, or `default`.",
        "default",
    ),
    (
        "id",
        "A key's id: what stands before the hyphen in its token.",
        "a1B2c3D4e5",
    ),
    ("token_name", "The name of a token.", "backup"),
];

/// Handlers with their descriptions, as a router.
pub fn described<const N: usize>(
    routes: [UtoipaMethodRouter<AppState>; N],
) -> OpenApiRouter<AppState> {
    let schemas = routes.iter().flat_map(|(schemas, ..)| schemas);
    let mut known = BTreeMap::new();
    for (name, schema) in schemas {
        let first = known.entry(name).or_insert(schema);
        debug_assert!(*first == schema, "two types are called {name}");
    }
    let empty = OpenApiRouter::default();
    routes.into_iter().fold(empty, OpenApiRouter::routes)
}

fn describe(anybody: &OpenApi, signed_in: &OpenApi) -> Value {
    let mut document = frame();
    for (group, wants_token) in [(json!(anybody), false), (json!(signed_in), true)] {
        for (path, operations) in members(&group["paths"]) {
            for (method, operation) in members(operations) {
                document["paths"][path][method] = complete(operation, path, method, wants_token);
            }
        }
        for (name, schema) in members(&group["components"]["schemas"]) {
            let known = &mut document["components"]["schemas"][name];
            debug_assert!(
                known.is_null() || known == schema,
                "two types are called {name}"
            );
            *known = schema.clone();
        }
    }
    requests::accept_absence(&mut document);
    add_examples(&mut document);
    document
}

/// What does not depend on the routes.
fn frame() -> Value {
    let tag = |(name, description): &(_, _)| json!({ "name": name, "description": description });
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Rollcall",
            "version": env!("CARGO_PKG_VERSION"),
            "description": include_str!("openapi/about.md"),
            "license": { "name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE") },
        },
        "tags": TAGS.iter().map(tag).collect::<Vec<_>>(),
        "security": [{ "header": [] }, { "bearer": [] }, { "cookie": [] }],
        "components": { "securitySchemes": {
            "header": {
                "type": "apiKey", "in": "header", "name": "Coder-Session-Token",
                "description": "A session's token.",
            },
            "bearer": {
                "type": "http", "scheme": "bearer",
                "description": "The same, as others send it.",
            },
            "cookie": {
                "type": "apiKey", "in": "cookie", "name": "coder_session_token",
                "description": "The same, as browsers send it. A change then also needs the header `X-CSRF-TOKEN` \
                                with the value of the cookie `csrf_token`. Where the \
                                service is set up with `host_cookies`, both names begin with `__Host-`.",
            },
        } },
    });
    for common in &COMMON {
        document["components"]["responses"][common.name()] = common.answer();
    }
    document
}

/// An operation with what follows from its path, its method and who may call it.
fn complete(written: &Value, path: &str, method: &str, wants_token: bool) -> Value {
    let mut operation = written.clone();
    if !wants_token {
        operation["security"] = json!([]);
    }
    let written_parameters = items(&written["parameters"]).map(full_parameter);
    let parameters: Vec<Value> = path_parameters(path).chain(written_parameters).collect();
    if !parameters.is_empty() {
        operation["parameters"] = json!(parameters);
    }
    if let Some(title) = written["summary"].as_str() {
        operation["summary"] = json!(title.trim_end_matches('.'));
    }
    for (status, answer) in members(&written["responses"]) {
        operation["responses"][status] = full_answer(answer, status);
    }
    let traits = Operation {
        path,
        method,
        has_body: written["requestBody"].is_object(),
        wants_token,
    };
    for common in COMMON.iter().filter(|common| common.applies(&traits)) {
        let answer = &mut operation["responses"][common.status.as_str()];
        if answer.is_null() {
            *answer = common.reference();
        }
    }
    operation
}

fn path_parameters(path: &str) -> impl Iterator<Item = Value> {
    PATH_PARAMETERS
        .iter()
        .filter(move |(name, ..)| path.contains(&format!("{{{name}}}")))
        .map(|(name, description, example)| {
            json!({
                "name": name, "in": "path", "required": true,
                "description": description, "example": example,
                "schema": { "type": "string", "minLength": 1 },
            })
        })
}

/// A parameter is a text, so that it cannot be null; but in a query an empty one is one that is not given, if it need not be.
fn full_parameter(written: &Value) -> Value {
    let mut parameter = written.clone();
    if parameter["in"] == "query" && parameter["required"] != true {
        parameter["allowEmptyValue"] = json!(true);
    }
    let mut kinds = items(&written["schema"]["type"]);
    if let Some(kind) = kinds.find(|kind| *kind != "null") {
        parameter["schema"]["type"] = kind.clone();
    }
    parameter
}

/// An answer with what need not be written: a success is described by its status, and a refusal has the body that all
/// others of its status have, or a notice.
fn full_answer(written: &Value, status: &str) -> Value {
    let mut answer = written.clone();
    let status: StatusCode = status.parse().unwrap_or_default();
    if answer["description"].is_null() {
        answer["description"] = json!(status.canonical_reason());
    }
    let is_refusal = status.is_client_error() || status.is_server_error();
    if is_refusal && answer["content"].is_null() {
        let common = COMMON.iter().find(|common| common.status == status);
        answer["content"] = common.map_or_else(common::notice, Common::content);
        let message = answer["description"].clone();
        answer["content"]["application/json"]["example"] = json!({ "message": message });
    }
    answer
}

/// Gives each body an example, unless it has one.
fn add_examples(document: &mut Value) {
    let whole = document.clone();
    let operations = members_mut(&mut document["paths"]).flat_map(members_mut);
    for operation in operations {
        let mut bodies: Vec<&mut Value> = Vec::new();
        for (name, part) in operation.as_object_mut().into_iter().flatten() {
            match name.as_str() {
                "requestBody" => bodies.push(part),
                "responses" => bodies.extend(members_mut(part)),
                _ => {}
            }
        }
        let contents = bodies
            .into_iter()
            .filter_map(|body| body.get_mut("content"));
        for content in contents.filter_map(|content| content.get_mut("application/json")) {
            if content["example"].is_null() {
                content["example"] = example(&content["schema"], &whole);
            }
        }
    }
}

/// The members of an object; of anything else, none.
fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// The values of an object's members, to be changed.
fn members_mut(value: &mut Value) -> impl Iterator<Item = &mut Value> {
    let members = value.as_object_mut();
    members.into_iter().flatten().map(|(_, value)| value)
}

/// The items of an array; of anything else, none.
fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
