//! The user whom an operator names.

use std::error::Error;

use rollcall_projections::users::{FoundUser, find};
use uuid::Uuid;

use crate::app::App;

/// By id, deleted users too; by username or e-mail address, the living.
///
/// # Errors
/// There is none, or the database fails.
pub async fn find(app: &App, user: &str) -> Result<FoundUser, Box<dyn Error>> {
    let found = if let Some(id) = Uuid::parse_str(user).ok().filter(|_| user.len() == 36) {
        find::by_id(&app.pool, id).await?
    } else if user.contains('@') {
        find::by_email(&app.pool, user).await?
    } else {
        find::by_username(&app.pool, &user.to_ascii_lowercase()).await?
    };
    found.ok_or_else(|| format!("there is no user {user:?}").into())
}
