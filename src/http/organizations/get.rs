//! `GET /organizations/{organization}`: one organisation, by id, by name, or the default one by `default`.

use axum::{extract::State, http::StatusCode};

use super::{OrganizationView, target::target};
use crate::{
    app::AppState,
    http::{
        answer::{Json, Refusal},
        caller::Caller,
        path::Path,
    },
};

/// One organization.
#[utoipa::path(get, path = "/api/v2/organizations/{organization}", tag = "organizations",
    operation_id = "get_organization", responses((status = 200, body = OrganizationView)))]
pub async fn get(
    State(app): State<AppState>,
    caller: Caller,
    Path(organization): Path<String>,
) -> Result<Json<OrganizationView>, Refusal> {
    let found = target(&app, &caller, &organization).await?;
    Ok(Json(StatusCode::OK, found.into()))
}
