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
              , is_default
              , created_at
              , updated_at
           FROM read.organizations
          WHERE is_default",
    )
    .fetch_optional(executor)
    .await
}

/// Those of `ids` that are organisations, in no particular order.
pub async fn by_ids(executor: impl PgExecutor<'_>, ids: &[Uuid]) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar("SELECT id FROM read.organizations WHERE id = ANY ($1)")
        .bind(ids)
        .fetch_all(executor)
        .await
}
