//! `GET /organizations`: those that the caller may see.

use axum::{extract::State, http::StatusCode};
use rollcall_projections::organizations::find;

use super::OrganizationView;
use crate::{
    app::AppState,
    http::{
        answer::{Json, Refusal},
        caller::Caller,
    },
    permissions::{Action, Object},
};

/// The organizations that the caller may see, in the order of their names. Who may not see all sees their own.
#[utoipa::path(get, path = "/api/v2/organizations", tag = "organizations", operation_id = "list_organizations",
    responses((status = 200, body = Vec<OrganizationView>)))]
pub async fn list(
    State(app): State<AppState>,
    caller: Caller,
) -> Result<Json<Vec<OrganizationView>>, Refusal> {
    let own = &caller.user().row.organization_ids;
    let sees_all = caller.may(Action::Read, &Object::any_organization());
    let only = (!sees_all).then_some(own.as_slice());
    let found = find::all(&app.pool, only).await?;
    let organizations = found.into_iter().map(OrganizationView::from).collect();
    Ok(Json(StatusCode::OK, organizations))
}
