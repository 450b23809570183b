//! New passwords: what they must not be made of, wherever they are set.

use rollcall_projections::{organizations, users::UserRow};
use uuid::Uuid;

use super::passwords::{Hashed, PasswordError};
use crate::app::App;

/// The service's own names.
const SERVICE: [&str; 1] = ["rollcall"];
/// Of more organizations than these, the rest is not looked at: the estimate of a password's strength takes longer with
/// each word.
const MOST_ORGANIZATIONS: usize = 20;

/// The person that a new password is for.
#[derive(Debug, Clone, Default)]
pub struct Owner {
    /// Texts that describe the person: username, e-mail address, name.
    pub texts: Vec<String>,
    /// The organizations that the person belongs to.
    pub organizations: Vec<Uuid>,
}

/// Why a new password is not hashed.
#[derive(Debug, thiserror::Error)]
pub enum NewPasswordError {
    /// It is too weak, or hashing failed.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The database fails.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl From<&UserRow> for Owner {
    fn from(row: &UserRow) -> Self {
        let texts = [&row.username, &row.email, &row.name];
        Self {
            texts: texts.into_iter().flatten().cloned().collect(),
            organizations: row.organization_ids.clone(),
        }
    }
}

/// Checks a new password and hashes it. It must not be guessable by somebody who knows its owner, their organizations
/// and the service.
///
/// # Errors
/// It is too weak, or see [`NewPasswordError`].
pub async fn accept(app: &App, password: String, owner: Owner) -> Result<Hashed, NewPasswordError> {
    let mut organizations = owner.organizations;
    organizations.truncate(MOST_ORGANIZATIONS);
    organizations.push(app.default_organization);
    let organizations = organizations::find::all(&app.pool, Some(&organizations)).await?;
    let names = organizations
        .into_iter()
        .flat_map(|organization| [organization.name, organization.display_name]);
    let url = app.config.access_url.as_ref().map(ToString::to_string);
    let context = owner
        .texts
        .into_iter()
        .chain(SERVICE.map(str::to_owned))
        .chain(names)
        .chain(app.config.oidc_email_domains.iter().cloned())
        .chain(url)
        .collect();
    Ok(app.passwords.accept(password, context).await?)
}
