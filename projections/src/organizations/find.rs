//! Finding organisations.

use sqlx::PgExecutor;
use uuid::Uuid;

use super::OrganizationRow;

/// The organisation that users join who name none. It is made when the service starts for the first time.
pub async fn default(executor: impl PgExecutor<'_>) -> sqlx::Result<Option<OrganizationRow>> {
    sqlx::query_as(
        "SELECT id
              , version
              , name
              , name_key
              , display_name
              , description
              , icon
              , is_default
              , created_at
              , updated_at
           FROM read.organizations
          WHERE is_default",
    )
    .fetch_optional(executor)
    .await
}

/// The organisation of that identifier.
pub async fn by_id(
    executor: impl PgExecutor<'_>,
    id: Uuid,
) -> sqlx::Result<Option<OrganizationRow>> {
    sqlx::query_as(
        "SELECT id
              , version
              , name
              , name_key
              , display_name
              , description
              , icon
              , is_default
              , created_at
              , updated_at
           FROM read.organizations
          WHERE id = $1",
    )
    .bind(id)
    .fetch_optional(executor)
    .await
}

/// The organisation of that name, by its key.
pub async fn by_name(
    executor: impl PgExecutor<'_>,
    name_key: &str,
) -> sqlx::Result<Option<OrganizationRow>> {
    sqlx::query_as(
        "SELECT id
              , version
              , name
              , name_key
              , display_name
              , description
              , icon
              , is_default
              , created_at
              , updated_at
           FROM read.organizations
          WHERE name_key = $1",
    )
    .bind(name_key)
    .fetch_optional(executor)
    .await
}

/// All organisations, or those of `only`, in order of their names.
pub async fn all(
    executor: impl PgExecutor<'_>,
    only: Option<&[Uuid]>,
) -> sqlx::Result<Vec<OrganizationRow>> {
    sqlx::query_as(
        "SELECT id
              , version
              , name
              , name_key
              , display_name
              , description
              , icon
              , is_default
              , created_at
              , updated_at
           FROM read.organizations
          WHERE $1::uuid[] IS NULL OR id = ANY ($1)
          ORDER BY name_key",
    )
    .bind(only)
    .fetch_all(executor)
    .await
}

/// Those of `ids` that are organisations, in no particular order.
pub async fn by_ids(executor: impl PgExecutor<'_>, ids: &[Uuid]) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar("SELECT id FROM read.organizations WHERE id = ANY ($1)")
        .bind(ids)
        .fetch_all(executor)
        .await
}
