//! `GET /users/{user}/organizations/{organization}`: one organisation that a user belongs to.

use axum::{extract::State, http::StatusCode};
use rollcall_projections::members::find;

use crate::{
    app::AppState,
    http::{
        answer::{Json, Refusal},
        caller::Caller,
        organizations::{self, OrganizationView},
        path::Path,
        users::target::target,
    },
};

/// One organization that a user belongs to.
#[utoipa::path(get, path = "/api/v2/users/{user}/organizations/{organization}", tag = "organizations",
    operation_id = "user_organization", responses((status = 200, body = OrganizationView)))]
pub async fn get(
    State(app): State<AppState>,
    caller: Caller,
    Path((user, organization)): Path<(String, String)>,
) -> Result<Json<OrganizationView>, Refusal> {
    let user = target(&app, &caller, &user).await?;
    let organization = organizations::target::target(&app, &caller, &organization).await?;
    find::one(&app.pool, organization.id, user.row.id)
        .await?
        .ok_or_else(Refusal::not_found)?;
    Ok(Json(StatusCode::OK, organization.into()))
}
