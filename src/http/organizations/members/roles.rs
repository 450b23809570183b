//! `GET /organizations/{organization}/members/roles`: the roles that there are in an organisation, and whether they are
//! the caller's to give.

use axum::{extract::State, http::StatusCode};
use rollcall_events::user::OrganizationRole;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    app::AppState,
    http::{
        answer::{Json, Refusal},
        caller::Caller,
        openapi::schemas,
        organizations::target::target,
        path::Path,
    },
    permissions::{Action, Object},
};

/// A role in an organization, as clients offer it for choice.
#[derive(Serialize, ToSchema)]
pub struct AssignableOrganizationRole {
    #[schema(value_type = schemas::OrganizationRole)]
    name: &'static str,
    #[schema(example = "Organization Admin")]
    display_name: &'static str,
    #[schema(example = "0199a5c0-0000-7000-8000-000000000001")]
    organization_id: Uuid,
    /// Whether the caller may give it.
    #[schema(example = true)]
    assignable: bool,
    #[schema(example = true)]
    built_in: bool,
    #[schema(value_type = Vec<String>, example = json!([]))]
    site_permissions: [(); 0],
    #[schema(value_type = Vec<String>, example = json!([]))]
    user_permissions: [(); 0],
    #[schema(value_type = Vec<String>, example = json!([]))]
    organization_permissions: [(); 0],
    #[schema(value_type = Vec<String>, example = json!([]))]
    organization_member_permissions: [(); 0],
}

/// The roles that can be given in an organization. That everybody in it is a member need not be chosen.
#[utoipa::path(get, path = "/api/v2/organizations/{organization}/members/roles", tag = "organizations",
    operation_id = "organization_roles", responses((status = 200, body = Vec<AssignableOrganizationRole>)))]
pub async fn roles(
    State(app): State<AppState>,
    caller: Caller,
    Path(organization): Path<String>,
) -> Result<Json<Vec<AssignableOrganizationRole>>, Refusal> {
    let organization = target(&app, &caller, &organization).await?;
    let object = Object::roles_in(organization.id);
    caller.require_or_hide(Action::Read, &object)?;
    let assignable = caller.may(Action::Assign, &object);
    let roles = OrganizationRole::ALL.map(|role| AssignableOrganizationRole {
        name: role.name(),
        display_name: role.display_name(),
        organization_id: organization.id,
        assignable,
        built_in: true,
        site_permissions: [],
        user_permissions: [],
        organization_permissions: [],
        organization_member_permissions: [],
    });
    Ok(Json(StatusCode::OK, roles.into()))
}
