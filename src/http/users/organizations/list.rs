//! `GET /users/{user}/organizations`: those that a user belongs to, as far as the caller may see them. Clients take the
//! first of their own for the one that they work in.

use axum::{extract::State, http::StatusCode};
use rollcall_projections::members::find;

use crate::{
    app::AppState,
    http::{
        answer::{Json, Refusal},
        caller::Caller,
        organizations::OrganizationView,
        path::Path,
        users::target::target,
    },
    permissions::{Action, Object},
};

/// The organizations that a user belongs to, in the order of joining.
#[utoipa::path(get, path = "/api/v2/users/{user}/organizations", tag = "organizations",
    operation_id = "user_organizations", responses((status = 200, body = Vec<OrganizationView>)))]
pub async fn list(
    State(app): State<AppState>,
    caller: Caller,
    Path(user): Path<String>,
) -> Result<Json<Vec<OrganizationView>>, Refusal> {
    let user = target(&app, &caller, &user).await?;
    let subject = caller.subject();
    let found = find::organizations_of(&app.pool, user.row.id).await?;
    let visible = found
        .into_iter()
        .filter(|row| subject.may(Action::Read, &Object::organization(row.id)));
    let organizations = visible.map(OrganizationView::from).collect();
    Ok(Json(StatusCode::OK, organizations))
}
