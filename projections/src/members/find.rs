//! Finding one member, and the organisations of one user.

use sqlx::PgExecutor;
use uuid::Uuid;

use super::MemberRow;
use crate::organizations::OrganizationRow;

/// The user's place in the organisation.
pub async fn one(
    executor: impl PgExecutor<'_>,
    organization_id: Uuid,
    user_id: Uuid,
) -> sqlx::Result<Option<MemberRow>> {
    sqlx::query_as(
        "SELECT organization_id
              , user_id
              , roles AS member_roles
              , created_at AS member_created_at
              , updated_at AS member_updated_at
           FROM read.members
          WHERE organization_id = $1 AND user_id = $2",
    )
    .bind(organization_id)
    .bind(user_id)
    .fetch_optional(executor)
    .await
}

/// The organisations that the user belongs to, in the order of joining: clients take the first for the user's own.
pub async fn organizations_of(
    executor: impl PgExecutor<'_>,
    user_id: Uuid,
) -> sqlx::Result<Vec<OrganizationRow>> {
    sqlx::query_as(
        "SELECT organizations.id
              , organizations.version
              , organizations.name
              , organizations.name_key
              , organizations.display_name
              , organizations.description
              , organizations.icon
              , organizations.is_default
              , organizations.created_at
              , organizations.updated_at
           FROM read.members
           JOIN read.organizations ON organizations.id = members.organization_id
           JOIN read.users ON users.id = members.user_id
          WHERE members.user_id = $1
          ORDER BY array_position(users.organization_ids, organizations.id)",
    )
    .bind(user_id)
    .fetch_all(executor)
    .await
}
