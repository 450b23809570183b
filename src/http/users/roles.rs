//! `GET /users/{user}/roles` and `PUT /users/{user}/roles`: a user's roles in the whole service.

use std::collections::{BTreeMap, BTreeSet};

use axum::{
    extract::{FromRequest, State},
    http::StatusCode,
    response::Response,
};
use rollcall_events::user::{Role, UserCommand, UserError};
use rollcall_projections::users::{FoundUser, find};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{UserView, changed::changed, refused::refused, target::target};
use crate::{
    app::{App, AppState},
    command_bus::{CommandError, Done},
    http::{
        answer::{Json, Refusal, Validation},
        body::JsonBody,
        caller::Caller,
        openapi::schemas,
        path::Path,
    },
    permissions::{Action, Object},
};

/// How often the caller's right is judged again because somebody else changed the roles meanwhile.
const TRIES: u32 = 3;

/// A user's roles.
#[derive(Serialize, ToSchema)]
pub struct UserRoles {
    #[schema(value_type = Vec<schemas::SiteRole>)]
    roles: Vec<&'static str>,
    /// By organization, each as `organization-admin:<id of the organization>`. Whoever belongs to one is a member.
    #[schema(value_type = BTreeMap<String, Vec<schemas::OrganizationRoleThere>>)]
    organization_roles: BTreeMap<Uuid, Vec<String>>,
}

/// The roles that a user is to have, and no others.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = UpdateRoles)]
pub struct Request {
    #[schema(value_type = Vec<schemas::SiteRole>)]
    roles: Vec<String>,
}

/// A user's roles.
#[utoipa::path(get, path = "/api/v2/users/{user}/roles", tag = "users", operation_id = "user_roles",
    responses((status = 200, body = UserRoles)))]
pub async fn get_roles(
    State(app): State<AppState>,
    caller: Caller,
    Path(user): Path<String>,
) -> Result<Json<UserRoles>, Refusal> {
    let found = target(&app, &caller, &user).await?;
    caller.require_or_hide(Action::ReadPersonal, &Object::user(found.row.id))?;
    Ok(Json(StatusCode::OK, found.into()))
}

/// Replaces a user's roles in the whole service.
#[utoipa::path(put, path = "/api/v2/users/{user}/roles", tag = "users", operation_id = "update_user_roles",
    request_body = Request, responses(
        (status = 200, body = UserView),
        (status = 400, description = "A role does not exist, or it is the caller, or the last active owner."),
        (status = 409, description = "Others were changing the roles at the same moment."),
    ))]
pub async fn put_roles(
    State(app): State<AppState>,
    caller: Caller,
    Path(user): Path<String>,
    body: axum::extract::Request,
) -> Result<Response, Refusal> {
    let found = target(&app, &caller, &user).await?;
    let id = found.row.id;
    if id == caller.user().row.id {
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "You cannot change your own roles.",
        ));
    }
    let JsonBody(request) = JsonBody::<Request>::from_request(body, &app).await?;
    let roles = read(&request)?;
    let done = assign(&app, &caller, found, roles).await?;
    changed(&app, id, &done).await
}

fn read(request: &Request) -> Result<BTreeSet<Role>, Refusal> {
    let mut roles = BTreeSet::new();
    let mut unknown = Vec::new();
    for name in &request.roles {
        match Role::parse(name) {
            Some(role) => drop(roles.insert(role)),
            None => unknown.push(Validation::new(
                "roles",
                format!("{name:?} is no site role"),
            )),
        }
    }
    if unknown.is_empty() {
        Ok(roles)
    } else {
        Err(Refusal::validation(unknown))
    }
}

/// The caller's right depends on the roles that are replaced: if these change meanwhile, it is judged anew.
async fn assign(
    app: &App,
    caller: &Caller,
    mut found: FoundUser,
    roles: BTreeSet<Role>,
) -> Result<Done, Refusal> {
    let mut tries = 0;
    loop {
        let from: BTreeSet<Role> = found.row.roles.iter().copied().collect();
        if !caller.subject().may_change_roles(&from, &roles) {
            return Err(Refusal::forbidden());
        }
        let command = UserCommand::AssignRoles {
            roles: roles.clone(),
            from: Some(from),
        };
        let id = found.row.id;
        let metadata = caller.metadata(app);
        match app.users.execute(id, command, metadata, Vec::new()).await {
            Ok(done) => return Ok(done),
            Err(CommandError::Refused(UserError::RolesChanged)) if tries < TRIES => tries += 1,
            Err(error) => return Err(refused(&error)),
        }
        found = find::by_id(&app.pool, id)
            .await?
            .ok_or_else(Refusal::not_found)?;
    }
}

impl From<FoundUser> for UserRoles {
    fn from(FoundUser { row, .. }: FoundUser) -> Self {
        let mut organization_roles: BTreeMap<Uuid, Vec<String>> = row
            .organization_ids
            .iter()
            .map(|id| (*id, vec![format!("organization-member:{id}")]))
            .collect();
        for held in &row.organization_roles {
            let there = organization_roles.entry(held.organization_id).or_default();
            there.push(held.to_string());
        }
        Self {
            roles: row.roles.into_iter().map(Role::name).collect(),
            organization_roles,
        }
    }
}
