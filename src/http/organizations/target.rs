//! The organisation that a path names, by id, by name, or the default one by `default`.

use rollcall_projections::organizations::{OrganizationRow, find};
use uuid::Uuid;

use crate::{
    app::App,
    http::{answer::Refusal, caller::Caller},
    permissions::{Action, Object},
};

/// What the default organisation is always called, whatever its name.
pub const DEFAULT: &str = "default";

/// The organisation, unless the caller may not see it: that is a 404 like one that never was.
pub async fn target(
    app: &App,
    caller: &Caller,
    organization: &str,
) -> Result<OrganizationRow, Refusal> {
    let found = find(app, organization)
        .await?
        .ok_or_else(Refusal::not_found)?;
    caller.require_or_hide(Action::Read, &Object::organization(found.id))?;
    Ok(found)
}

/// The organisation, whoever may see it.
pub async fn find(app: &App, organization: &str) -> sqlx::Result<Option<OrganizationRow>> {
    if organization.eq_ignore_ascii_case(DEFAULT) {
        return find::by_id(&app.pool, app.default_organization).await;
    }
    // Longer than a name can be.
    if organization.len() == 36
        && let Ok(id) = Uuid::parse_str(organization)
    {
        return find::by_id(&app.pool, id).await;
    }
    if organization.contains('\0') {
        return Ok(None);
    }
    find::by_name(&app.pool, &organization.to_ascii_lowercase()).await
}
