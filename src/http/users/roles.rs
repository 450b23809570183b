//! `GET /users/{user}/roles` and `PUT /users/{user}/roles`: a user's roles in the whole service.

use std::collections::{BTreeMap, BTreeSet};

use axum::{
    extract::{FromRequest, State},
    http::StatusCode,
    response::Response,
};
use rollcall_events::user::Role;
use rollcall_projections::users::FoundUser;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{UserView, changed::changed, refused::refused, target::target};
use crate::{
    app::AppState,
    http::{
        answer::{Json, Refusal, Validation},
        body::JsonBody,
        caller::Caller,
        openapi::schemas,
        path::Path,
    },
    permissions::{Action, Object},
    roles,
};

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
        (status = 409, description = "Others were changing the user at the same moment."),
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
    let required = caller
        .requirement()
        .sees(id)
        .changes_roles(id, roles.clone())
        .outranks(id);
    caller.meets(&app, &required, Some(&found))?;
    let command = roles::replace(&app.config, roles, app.clock.now());
    let done = app
        .users
        .execute(id, command, caller.authority(&app, required), Vec::new())
        .await
        .map_err(|error| refused(&error))?;
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
