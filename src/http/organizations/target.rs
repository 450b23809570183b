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
    match Name::parse(organization) {
        Name::Id(id) => find::by_id(&app.pool, id).await,
        Name::Key(key) if key == DEFAULT => find::by_id(&app.pool, app.default_organization).await,
        Name::Key(key) if key.contains('\0') => Ok(None),
        Name::Key(key) => find::by_name(&app.pool, &key).await,
    }
}

/// What a path calls an organization: the same for every spelling that means the same one.
#[derive(Debug, PartialEq, Eq)]
pub enum Name {
    /// An identifier, in any case.
    Id(Uuid),
    /// A name, by its key.
    Key(String),
}

impl Name {
    /// Reads a part of a path that is percent-decoded.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        // An identifier is longer than a name can be.
        match Uuid::parse_str(text) {
            Ok(id) if text.len() == 36 => Self::Id(id),
            _ => Self::Key(text.to_ascii_lowercase()),
        }
    }
}
