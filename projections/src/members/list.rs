//! Listing the members of an organisation, in order of their names, by cursor and offset.

use futures_util::{StreamExt, stream::BoxStream};
use sqlx::{
    Executor, FromRow, PgExecutor, PgPool, Postgres, postgres::PgArguments, query::QueryAs,
};
use uuid::Uuid;

use super::ListedMember;
use crate::users::list::Visibility;

/// Which members to list, and which part of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListRequest {
    /// Of which organisation.
    pub organization_id: Uuid,
    /// Whom the caller may see.
    pub visible_to: Visibility,
    /// Only who comes after this user in the order.
    pub after: Option<Uuid>,
    /// How many members at the most; 0 for no limit.
    pub limit: u32,
    /// How many members to leave out at the beginning.
    pub offset: u32,
}

/// Lists at most `request.limit` members. Without a limit, or with a large one, use [`stream`].
pub async fn page(
    executor: impl PgExecutor<'_>,
    request: &ListRequest,
) -> sqlx::Result<Vec<ListedMember>> {
    select(request).fetch_all(executor).await
}

/// Lists members one by one, so that however many there are they are never all in memory. Keeps a connection for as
/// long as it is read.
pub fn stream(
    pool: &PgPool,
    request: &ListRequest,
) -> BoxStream<'static, sqlx::Result<ListedMember>> {
    // Asked the executor itself, and not the query, the rows do not borrow the pool.
    pool.fetch(select(request))
        .map(|row| ListedMember::from_row(&row?))
        .boxed()
}

/// The one statement behind every list. Planned anew for each, with the values in sight: of an organisation with
/// everybody in it, the first page comes from the users in order of their names; of a small one, from its members.
fn select(request: &ListRequest) -> QueryAs<'static, Postgres, ListedMember, PgArguments> {
    sqlx::query_as(
        "WITH matching AS NOT MATERIALIZED (
             SELECT users.*
                  , members.organization_id
                  , members.user_id
                  , members.roles AS member_roles
                  , members.created_at AS member_created_at
                  , members.updated_at AS member_updated_at
                  , activity.last_seen_at
               FROM read.members
               JOIN read.users ON users.id = members.user_id
               LEFT JOIN live.user_activity AS activity ON activity.user_id = users.id
              WHERE members.organization_id = $1
                AND users.deleted_at IS NULL
                AND ($2::uuid IS NULL OR members.user_id = $2)
                AND ($3::uuid IS NULL OR users.username_key > (
                        SELECT cursor.username_key FROM read.users AS cursor
                         WHERE cursor.id = $3 AND ($2::uuid IS NULL OR cursor.id = $2)))
         )
         SELECT organization_id
              , user_id
              , member_roles
              , member_created_at
              , member_updated_at
              , id
              , version
              , username
              , email
              , name
              , avatar_url
              , status
              , login_type
              , roles
              , organization_ids
              , organization_roles
              , created_at
              , updated_at
              , deleted_at
              , position
              , last_seen_at
              , CASE WHEN $4::bigint > 0 THEN (SELECT count(*) FROM matching) ELSE 0 END AS count
           FROM matching
          ORDER BY username_key
          LIMIT nullif($4::bigint, 0)
         OFFSET $5::bigint",
    )
    .bind(request.organization_id)
    .bind(request.visible_to.only())
    .bind(request.after)
    .bind(i64::from(request.limit))
    .bind(i64::from(request.offset))
    .persistent(false)
}
