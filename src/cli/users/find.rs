//! The user whom an operator names: in every command by id, by username or by e-mail address.

use std::error::Error;

use rollcall_projections::users::{FoundUser, find};
use sqlx::PgPool;
use uuid::Uuid;

/// By id, deleted users too; by username or e-mail address, the living.
///
/// # Errors
/// There is none, or the database fails.
pub async fn find(pool: &PgPool, user: &str) -> Result<FoundUser, Box<dyn Error>> {
    let user = user.trim();
    let found = if let Some(id) = id(user) {
        find::by_id(pool, id).await?
    } else if user.contains('@') {
        find::by_email(pool, user).await?
    } else {
        find::by_username(pool, &user.to_ascii_lowercase()).await?
    };
    found.ok_or_else(|| format!("there is no user {user:?}").into())
}

/// Their id. One that is named by an id need not be known: of the damaged rows of a user there may be none.
///
/// # Errors
/// There is none of that name or address, or the database fails.
pub async fn find_id(pool: &PgPool, user: &str) -> Result<Uuid, Box<dyn Error>> {
    match id(user.trim()) {
        Some(id) => Ok(id),
        None => Ok(find(pool, user).await?.row.id),
    }
}

/// Only the hyphenated form is an id: 32 hexadecimal digits are a good username.
fn id(user: &str) -> Option<Uuid> {
    Uuid::parse_str(user).ok().filter(|_| user.len() == 36)
}
