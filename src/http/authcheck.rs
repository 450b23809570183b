//! `POST /authcheck`: what the caller may, so that a page shows no button that would be refused.

use std::collections::BTreeMap;

use axum::{extract::State, http::StatusCode};
use rollcall_projections::users::find;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    answer::{Json, Refusal, Validation},
    body::JsonBody,
    caller::Caller,
    openapi::schemas,
};
use crate::{
    app::{App, AppState},
    permissions::{Action, Object, Resource},
};

/// More than any page asks at once.
const MOST_CHECKS: usize = 1000;
/// Each of these is looked up.
const MOST_LOOKUPS: usize = 10;
/// Clients may ask about these by their id as well; there are none here.
const ELSEWHERE: [&str; 3] = ["group", "template", "workspace"];

/// Questions, each under a key of the client's choice.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = Authcheck)]
pub struct Request {
    /// At most 1000, of which at most 10 use `resource_id`.
    #[schema(default = json!({}))]
    checks: BTreeMap<String, Check>,
}

/// One question: may the caller do this to that?
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
struct Check {
    /// `create`, `read`, `update`, `delete`, `read_personal`, `update_personal`, `assign`, `unassign`, or whatever
    /// another service can do: that is allowed to who may do everything there.
    #[schema(example = "read")]
    action: String,
    #[schema(required, default = json!({}))]
    object: CheckedObject,
}

/// What it is about, as far as the client knows.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
struct CheckedObject {
    /// `user`, `api_key`, `audit_log`, `organization`, `organization_member`, `assign_role`, `assign_org_role`, or
    /// whatever another service has: that is its owner's, its organization's administrators', and the owners'.
    #[schema(required, min_length = 1, example = "user")]
    resource_type: String,
    /// Whose it is: a user's id, or `me` for the caller.
    #[schema(example = "me")]
    owner_id: String,
    /// The id of the organization that it is in.
    #[schema(example = "")]
    organization_id: String,
    /// The id of the object itself, of the type `user`, `group`, `template` or `workspace`. It is looked up, and the
    /// other fields do not count. What is not found, nobody may do anything to.
    #[schema(value_type = schemas::Id)]
    resource_id: String,
    /// Whether it may be in any organization, if none is named.
    #[schema(example = false)]
    any_org: bool,
}

/// What a question is about, understood.
enum Asked {
    /// As the client describes it.
    Described(Object),
    /// The user of this id, if there is one.
    User(Uuid),
    /// What cannot be here.
    Unknown,
}

/// What the caller may do.
///
/// Each question is answered under its key. What it says of an object is believed: an answer grants nothing.
#[utoipa::path(post, path = "/api/v2/authcheck", tag = "users", operation_id = "authcheck", request_body = Request,
    responses((status = 200, body = BTreeMap<String, bool>, example = json!({ "readMyself": true }))))]
pub async fn authcheck(
    State(app): State<AppState>,
    caller: Caller,
    JsonBody(request): JsonBody<Request>,
) -> Result<Json<BTreeMap<String, bool>>, Refusal> {
    let subject = caller.subject();
    let mut answers = BTreeMap::new();
    for (key, action, asked) in read(request.checks, subject.user)? {
        let object = look_up(&app, asked).await?;
        let may = object.is_some_and(|object| subject.may(action, &object));
        answers.insert(key, may);
    }
    Ok(Json(StatusCode::OK, answers))
}

fn read(
    checks: BTreeMap<String, Check>,
    caller: Uuid,
) -> Result<Vec<(String, Action, Asked)>, Refusal> {
    if checks.len() > MOST_CHECKS {
        return Err(too_many(format!(
            "At most {MOST_CHECKS} are answered at once."
        )));
    }
    let by_id = |check: &&Check| !check.object.resource_id.is_empty();
    if checks.values().filter(by_id).count() > MOST_LOOKUPS {
        return Err(too_many(format!(
            "At most {MOST_LOOKUPS} may use \"resource_id\"."
        )));
    }
    let mut asked = Vec::new();
    let mut wrong = Vec::new();
    for (key, Check { action, object }) in checks {
        match object.read(caller) {
            Ok(object) => asked.push((key, Action::parse(&action), object)),
            Err((field, detail)) => {
                wrong.push(Validation::new(
                    format!("checks.{key}.object.{field}"),
                    detail,
                ));
            }
        }
    }
    if wrong.is_empty() {
        Ok(asked)
    } else {
        Err(Refusal::validation(wrong))
    }
}

impl CheckedObject {
    /// What it is, or which field is bad, and why.
    fn read(&self, caller: Uuid) -> Result<Asked, (&'static str, String)> {
        let name = self.resource_type.as_str();
        let resource = Resource::parse(name);
        if name.is_empty() {
            return Err(("resource_type", "a type is required".to_owned()));
        }
        if self.resource_id.is_empty() {
            return Ok(Asked::Described(self.described(resource, caller)));
        }
        let id = Uuid::parse_str(&self.resource_id)
            .map_err(|_| ("resource_id", "must be a valid uuid".to_owned()))?;
        match name {
            _ if resource == Resource::User => Ok(Asked::User(id)),
            _ if ELSEWHERE.contains(&name) => Ok(Asked::Unknown),
            _ => Err((
                "resource_id",
                format!("is not supported for the type {name:?}"),
            )),
        }
    }

    /// Whoever and whatever has no id is nobody and nowhere here, like the nil id.
    fn described(&self, resource: Resource, caller: Uuid) -> Object {
        let mut object = Object::any(resource);
        match self.owner_id.as_str() {
            "" => {}
            "me" => object = object.owned_by(caller),
            id => object = object.owned_by(id.parse().unwrap_or_default()),
        }
        match self.organization_id.as_str() {
            "" if self.any_org => object.in_any_organization(),
            "" => object,
            id => object.in_organization(id.parse().unwrap_or_default()),
        }
    }
}

async fn look_up(app: &App, asked: Asked) -> Result<Option<Object>, Refusal> {
    match asked {
        Asked::Described(object) => Ok(Some(object)),
        Asked::User(id) => {
            let found = find::by_id(&app.pool, id).await?;
            Ok(found.map(|found| Object::user(found.row.id)))
        }
        Asked::Unknown => Ok(None),
    }
}

fn too_many(detail: String) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "There are too many checks.").with_detail(detail)
}
