//! `GET /users/roles`: the site roles that there are, and whether they are the caller's to give.

use axum::http::StatusCode;
use rollcall_events::user::Role;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::{answer::Json, caller::Caller, openapi::schemas};

/// A role, as clients offer it for choice. What it permits stands in our own table, and in no form that they know.
#[derive(Serialize, ToSchema)]
pub struct AssignableRole {
    #[schema(value_type = schemas::SiteRole)]
    name: &'static str,
    #[schema(example = "User Admin")]
    display_name: &'static str,
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

/// The site roles that can be given. That everybody is a member need not be chosen.
#[utoipa::path(get, path = "/api/v2/users/roles", tag = "users", operation_id = "site_roles",
    responses((status = 200, body = Vec<AssignableRole>)))]
pub async fn site_roles(caller: Caller) -> Json<Vec<AssignableRole>> {
    let subject = caller.subject();
    let roles = Role::ALL.into_iter().filter(|role| *role != Role::Member);
    let roles = roles.map(|role| AssignableRole {
        name: role.name(),
        display_name: role.display_name(),
        assignable: subject.may_assign(role),
        built_in: true,
        site_permissions: [],
        user_permissions: [],
        organization_permissions: [],
        organization_member_permissions: [],
    });
    Json(StatusCode::OK, roles.collect())
}
