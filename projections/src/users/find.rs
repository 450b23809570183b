//! Finding one user.

use rollcall_events::user::EmailAddress;
use sqlx::PgExecutor;
use uuid::Uuid;

use super::FoundUser;

/// The user of that identifier, be they here or gone.
pub async fn by_id(executor: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<Option<FoundUser>> {
    sqlx::query_as(
        "SELECT users.id
              , users.version
              , users.username
              , users.email
              , users.name
              , users.avatar_url
              , users.status
              , users.login_type
              , users.roles
              , users.organization_ids
              , users.organization_roles
              , users.created_at
              , users.updated_at
              , users.deleted_at
              , users.position
              , activity.last_seen_at
           FROM read.users
           LEFT JOIN live.user_activity AS activity ON activity.user_id = users.id
          WHERE users.id = $1",
    )
    .bind(id)
    .fetch_optional(executor)
    .await
}

/// The live user of that name, by its key.
pub async fn by_username(
    executor: impl PgExecutor<'_>,
    username_key: &str,
) -> sqlx::Result<Option<FoundUser>> {
    sqlx::query_as(
        "SELECT users.id
              , users.version
              , users.username
              , users.email
              , users.name
              , users.avatar_url
              , users.status
              , users.login_type
              , users.roles
              , users.organization_ids
              , users.organization_roles
              , users.created_at
              , users.updated_at
              , users.deleted_at
              , users.position
              , activity.last_seen_at
           FROM read.users
           LEFT JOIN live.user_activity AS activity ON activity.user_id = users.id
          WHERE users.username_key = $1 AND users.deleted_at IS NULL",
    )
    .bind(username_key)
    .fetch_optional(executor)
    .await
}

/// The live user of that e-mail address, in any of its forms.
///
/// Addresses that were accepted when the rule was another may be the same by today's: of their users it is the one who
/// spells it like this, or else the one who had it first.
pub async fn by_email(
    executor: impl PgExecutor<'_>,
    address: &str,
) -> sqlx::Result<Option<FoundUser>> {
    sqlx::query_as(
        "SELECT users.id
              , users.version
              , users.username
              , users.email
              , users.name
              , users.avatar_url
              , users.status
              , users.login_type
              , users.roles
              , users.organization_ids
              , users.organization_roles
              , users.created_at
              , users.updated_at
              , users.deleted_at
              , users.position
              , activity.last_seen_at
           FROM read.users
           LEFT JOIN live.user_activity AS activity ON activity.user_id = users.id
          WHERE users.email_key = $1 AND users.deleted_at IS NULL
          ORDER BY users.email = $2 DESC, users.created_at, users.id
          LIMIT 1",
    )
    .bind(EmailAddress::key_of(address))
    .bind(address)
    .fetch_optional(executor)
    .await
}

/// Whether anybody lives here.
pub async fn any_live(executor: impl PgExecutor<'_>) -> sqlx::Result<bool> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM read.users WHERE deleted_at IS NULL)")
        .fetch_one(executor)
        .await
}

/// Whether a live user has that name or that e-mail address, by their keys. Only a courtesy, to refuse early: who gets
/// them is decided when the event is appended.
pub async fn taken(
    executor: impl PgExecutor<'_>,
    username_key: &str,
    email_key: &str,
) -> sqlx::Result<bool> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM read.users WHERE username_key = $1 AND deleted_at IS NULL)
             OR EXISTS (SELECT FROM read.users WHERE email_key = $2 AND deleted_at IS NULL)",
    )
    .bind(username_key)
    .bind(email_key)
    .fetch_one(executor)
    .await
}
