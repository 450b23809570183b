//! Who is that, at the provider?

use rollcall_events::user::Identity;
use sqlx::PgExecutor;
use uuid::Uuid;

/// The user who is linked to this account. Who is gone is linked to none.
pub async fn user(
    executor: impl PgExecutor<'_>,
    identity: &Identity,
) -> sqlx::Result<Option<Uuid>> {
    sqlx::query_scalar("SELECT user_id FROM read.identities WHERE key = $1")
        .bind(identity.key())
        .fetch_optional(executor)
        .await
}

/// The account that a user is linked to.
pub async fn identity(
    executor: impl PgExecutor<'_>,
    user_id: Uuid,
) -> sqlx::Result<Option<Identity>> {
    let found: Option<(String, String)> =
        sqlx::query_as("SELECT issuer, subject FROM read.identities WHERE user_id = $1")
            .bind(user_id)
            .fetch_optional(executor)
            .await?;
    Ok(found.map(|(issuer, subject)| Identity { issuer, subject }))
}
