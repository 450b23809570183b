//! Where the entries of a page are: found in the indexes.

use sqlx::PgExecutor;
use uuid::Uuid;

use super::{AuditFilter, PageRequest, Place, Side};

/// The places of a page's entries, the newest first.
pub(crate) async fn places(
    executor: impl PgExecutor<'_>,
    request: &PageRequest,
) -> sqlx::Result<Vec<Place>> {
    let filter = &request.filter;
    if filter.is_in_vain {
        return Ok(Vec::new());
    }
    let (start, end) = (filter.start(), filter.end());
    let (is_downwards, between) = match request.side {
        Side::Newest => (true, (start, end)),
        Side::After(place) => (true, (start, place.min(end))),
        Side::Before(place) => (false, (place.max(start), end)),
    };
    let mut places = match (driver(filter), is_downwards) {
        (Some(driver), true) => merged_downwards(executor, request, driver, between).await,
        (Some(driver), false) => merged_upwards(executor, request, driver, between).await,
        (None, true) => downwards(executor, request, between).await,
        (None, false) => upwards(executor, request, between).await,
    }?;
    if !is_downwards {
        places.reverse();
    }
    Ok(places)
}

/// One thing, which does not matter.
const WHATEVER: &[Uuid] = &[Uuid::nil()];

/// What is driven through an index, and which of it: whatever narrows the list down most, as far as one can know. The other
/// conditions are then tried on each entry that it finds. Nothing, if the list itself is the way, or a request's few entries.
fn driver(filter: &AuditFilter) -> Option<(&'static str, &[Uuid])> {
    if filter.request.is_some() {
        None
    } else if let Some(resources) = &filter.resources {
        Some(("resource", resources))
    } else if let Some(users) = &filter.users {
        Some(("user", users))
    } else if let Some(organizations) = &filter.organizations {
        Some(("organization", organizations))
    } else if filter.is_by_kind {
        Some(("kind", WHATEVER))
    } else {
        None
    }
}

/// The newest entries between two places. [`merged_upwards`] is the same in the other direction.
///
/// Each kind of each thing that is asked for is a stretch of an index, or of two, as an entry about oneself is in another than
/// what was done to others, already in order; from each the first entries are taken, and merged. Of the kinds that can be, few
/// are: those that are counted. Left to itself, the planner would at times look through all entries for those of somebody who
/// has not been here for years. The statement is planned anew each time, with the values in sight, so that of its parts only
/// those remain that are asked for.
async fn merged_downwards(
    executor: impl PgExecutor<'_>,
    request: &PageRequest,
    (driver, things): (&str, &[Uuid]),
    (start, end): (Place, Place),
) -> sqlx::Result<Vec<Place>> {
    let filter = &request.filter;
    sqlx::query_as(
        "WITH RECURSIVE kinds (kind) AS (
             SELECT min(kind) FROM read.audit_counts
              UNION ALL
             SELECT (SELECT min(kind) FROM read.audit_counts WHERE kind > kinds.kind) FROM kinds WHERE kind IS NOT NULL
         )
         SELECT entry.at, entry.position
           FROM UNNEST($2::uuid[]) AS things (id)
          CROSS JOIN kinds
          CROSS JOIN LATERAL (
               (SELECT at, position
                  FROM read.audit
                 WHERE $1 IN ('user', 'resource') AND user_id = things.id AND (user_id = resource_id) IS TRUE
                   AND kind = kinds.kind
                   AND ($1 = 'user' OR $3::uuid[] IS NULL OR user_id = ANY ($3))
                   AND ($4::uuid[] IS NULL OR organization_id = ANY ($4))
                   AND (at, position) > ($6, $7) AND (at, position) < ($8, $9)
                 ORDER BY at DESC, position DESC
                 LIMIT $10::bigint + $11::bigint)
                UNION ALL
               (SELECT at, position
                  FROM read.audit
                 WHERE $1 = 'user' AND user_id = things.id AND (user_id = resource_id) IS NOT TRUE
                   AND kind = kinds.kind
                   AND ($4::uuid[] IS NULL OR organization_id = ANY ($4))
                   AND (at, position) > ($6, $7) AND (at, position) < ($8, $9)
                 ORDER BY at DESC, position DESC
                 LIMIT $10::bigint + $11::bigint)
                UNION ALL
               (SELECT at, position
                  FROM read.audit
                 WHERE $1 = 'resource' AND resource_id = things.id AND (user_id = resource_id) IS NOT TRUE
                   AND kind = kinds.kind
                   AND ($3::uuid[] IS NULL OR user_id = ANY ($3))
                   AND ($4::uuid[] IS NULL OR organization_id = ANY ($4))
                   AND (at, position) > ($6, $7) AND (at, position) < ($8, $9)
                 ORDER BY at DESC, position DESC
                 LIMIT $10::bigint + $11::bigint)
                UNION ALL
               (SELECT at, position
                  FROM read.audit
                 WHERE $1 = 'organization' AND organization_id = things.id
                   AND kind = kinds.kind
                   AND (at, position) > ($6, $7) AND (at, position) < ($8, $9)
                 ORDER BY at DESC, position DESC
                 LIMIT $10::bigint + $11::bigint)
                UNION ALL
               (SELECT at, position
                  FROM read.audit
                 WHERE $1 = 'kind'
                   AND kind = kinds.kind
                   AND (at, position) > ($6, $7) AND (at, position) < ($8, $9)
                 ORDER BY at DESC, position DESC
                 LIMIT $10::bigint + $11::bigint)
             ) AS entry
          WHERE kinds.kind = ANY ($5)
          ORDER BY at DESC, position DESC
          LIMIT $10::bigint OFFSET $11::bigint",
    )
    .bind(driver)
    .bind(things)
    .bind(filter.users.as_deref())
    .bind(filter.organizations.as_deref())
    .bind(&filter.kinds[..])
    .bind(start.at)
    .bind(start.position)
    .bind(end.at)
    .bind(end.position)
    .bind(i64::from(request.limit))
    .bind(i64::from(request.offset))
    .persistent(false)
    .fetch_all(executor)
    .await
}

/// The oldest entries between two places, the oldest first.
async fn merged_upwards(
    executor: impl PgExecutor<'_>,
    request: &PageRequest,
    (driver, things): (&str, &[Uuid]),
    (start, end): (Place, Place),
) -> sqlx::Result<Vec<Place>> {
    let filter = &request.filter;
    sqlx::query_as(
        "WITH RECURSIVE kinds (kind) AS (
             SELECT min(kind) FROM read.audit_counts
              UNION ALL
             SELECT (SELECT min(kind) FROM read.audit_counts WHERE kind > kinds.kind) FROM kinds WHERE kind IS NOT NULL
         )
         SELECT entry.at, entry.position
           FROM UNNEST($2::uuid[]) AS things (id)
          CROSS JOIN kinds
          CROSS JOIN LATERAL (
               (SELECT at, position
                  FROM read.audit
                 WHERE $1 IN ('user', 'resource') AND user_id = things.id AND (user_id = resource_id) IS TRUE
                   AND kind = kinds.kind
                   AND ($1 = 'user' OR $3::uuid[] IS NULL OR user_id = ANY ($3))
                   AND ($4::uuid[] IS NULL OR organization_id = ANY ($4))
                   AND (at, position) > ($6, $7) AND (at, position) < ($8, $9)
                 ORDER BY at, position
                 LIMIT $10::bigint + $11::bigint)
                UNION ALL
               (SELECT at, position
                  FROM read.audit
                 WHERE $1 = 'user' AND user_id = things.id AND (user_id = resource_id) IS NOT TRUE
                   AND kind = kinds.kind
                   AND ($4::uuid[] IS NULL OR organization_id = ANY ($4))
                   AND (at, position) > ($6, $7) AND (at, position) < ($8, $9)
                 ORDER BY at, position
                 LIMIT $10::bigint + $11::bigint)
                UNION ALL
               (SELECT at, position
                  FROM read.audit
                 WHERE $1 = 'resource' AND resource_id = things.id AND (user_id = resource_id) IS NOT TRUE
                   AND kind = kinds.kind
                   AND ($3::uuid[] IS NULL OR user_id = ANY ($3))
                   AND ($4::uuid[] IS NULL OR organization_id = ANY ($4))
                   AND (at, position) > ($6, $7) AND (at, position) < ($8, $9)
                 ORDER BY at, position
                 LIMIT $10::bigint + $11::bigint)
                UNION ALL
               (SELECT at, position
                  FROM read.audit
                 WHERE $1 = 'organization' AND organization_id = things.id
                   AND kind = kinds.kind
                   AND (at, position) > ($6, $7) AND (at, position) < ($8, $9)
                 ORDER BY at, position
                 LIMIT $10::bigint + $11::bigint)
                UNION ALL
               (SELECT at, position
                  FROM read.audit
                 WHERE $1 = 'kind'
                   AND kind = kinds.kind
                   AND (at, position) > ($6, $7) AND (at, position) < ($8, $9)
                 ORDER BY at, position
                 LIMIT $10::bigint + $11::bigint)
             ) AS entry
          WHERE kinds.kind = ANY ($5)
          ORDER BY at, position
          LIMIT $10::bigint OFFSET $11::bigint",
    )
    .bind(driver)
    .bind(things)
    .bind(filter.users.as_deref())
    .bind(filter.organizations.as_deref())
    .bind(&filter.kinds[..])
    .bind(start.at)
    .bind(start.position)
    .bind(end.at)
    .bind(end.position)
    .bind(i64::from(request.limit))
    .bind(i64::from(request.offset))
    .persistent(false)
    .fetch_all(executor)
    .await
}

/// The newest entries between two places, along the list or by their request. [`upwards`] is the same in the other
/// direction.
async fn downwards(
    executor: impl PgExecutor<'_>,
    request: &PageRequest,
    (start, end): (Place, Place),
) -> sqlx::Result<Vec<Place>> {
    let filter = &request.filter;
    sqlx::query_as(
        "SELECT at, position
           FROM read.audit
          WHERE ($1::uuid IS NULL OR request_id = $1)
            AND ($2::uuid[] IS NULL OR resource_id = ANY ($2))
            AND ($3::uuid[] IS NULL OR user_id = ANY ($3))
            AND ($4::uuid[] IS NULL OR organization_id = ANY ($4))
            AND ($5::smallint[] IS NULL OR kind = ANY ($5))
            AND (at, position) > ($6, $7) AND (at, position) < ($8, $9)
          ORDER BY at DESC, position DESC
          LIMIT $10 OFFSET $11",
    )
    .bind(filter.request)
    .bind(filter.resources.as_deref())
    .bind(filter.users.as_deref())
    .bind(filter.organizations.as_deref())
    .bind(filter.kinds_asked_for())
    .bind(start.at)
    .bind(start.position)
    .bind(end.at)
    .bind(end.position)
    .bind(i64::from(request.limit))
    .bind(i64::from(request.offset))
    .persistent(false)
    .fetch_all(executor)
    .await
}

/// The oldest entries between two places, the oldest first, along the list or by their request.
async fn upwards(
    executor: impl PgExecutor<'_>,
    request: &PageRequest,
    (start, end): (Place, Place),
) -> sqlx::Result<Vec<Place>> {
    let filter = &request.filter;
    sqlx::query_as(
        "SELECT at, position
           FROM read.audit
          WHERE ($1::uuid IS NULL OR request_id = $1)
            AND ($2::uuid[] IS NULL OR resource_id = ANY ($2))
            AND ($3::uuid[] IS NULL OR user_id = ANY ($3))
            AND ($4::uuid[] IS NULL OR organization_id = ANY ($4))
            AND ($5::smallint[] IS NULL OR kind = ANY ($5))
            AND (at, position) > ($6, $7) AND (at, position) < ($8, $9)
          ORDER BY at, position
          LIMIT $10 OFFSET $11",
    )
    .bind(filter.request)
    .bind(filter.resources.as_deref())
    .bind(filter.users.as_deref())
    .bind(filter.organizations.as_deref())
    .bind(filter.kinds_asked_for())
    .bind(start.at)
    .bind(start.position)
    .bind(end.at)
    .bind(end.position)
    .bind(i64::from(request.limit))
    .bind(i64::from(request.offset))
    .persistent(false)
    .fetch_all(executor)
    .await
}
