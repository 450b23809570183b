//! The users whom entries name, as they are now.

use std::collections::HashMap;

use sqlx::PgExecutor;
use uuid::Uuid;

use crate::users::FoundUser;

/// The users of these identifiers, be they here or gone.
pub async fn by_ids(
    executor: impl PgExecutor<'_>,
    ids: &[Uuid],
) -> sqlx::Result<HashMap<Uuid, FoundUser>> {
    let users: Vec<FoundUser> = sqlx::query_as(
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
          WHERE users.id = ANY ($1)",
    )
    .bind(ids)
    .fetch_all(executor)
    .await?;
    Ok(users.into_iter().map(|user| (user.row.id, user)).collect())
}
