//! A page of the audit log.

use rollcall_events::log::{LogError, LogReader};
use sqlx::PgExecutor;

use super::{AuditFilter, Entry, Place, entry};

/// Which entries to list, and which part of the list.
#[derive(Debug, Clone, PartialEq)]
pub struct PageRequest {
    /// What an entry must satisfy.
    pub filter: AuditFilter,
    /// Where in the list.
    pub side: Side,
    /// How many entries at the most.
    pub limit: u32,
    /// How many entries to leave out at the beginning, on that side.
    pub offset: u32,
}

/// A part of the list, which begins with the newest entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// From its beginning.
    Newest,
    /// From after this place: older entries.
    After(Place),
    /// Up to before this place: newer entries, those that are next to it.
    Before(Place),
}

/// A part of the list.
#[derive(Debug)]
pub struct Page {
    /// The entries of the part, the newest first.
    pub entries: Vec<Entry>,
    /// How many entries the filter leaves, on all pages; but 0 when the page is empty, as clients expect.
    pub count: i64,
}

/// Lists entries: found in the index, read from the log.
///
/// # Errors
/// The database fails, or an event cannot be read.
pub async fn page(log: &LogReader, request: &PageRequest) -> Result<Page, LogError> {
    let places = places(log.pool(), request).await?;
    let count = count(log.pool(), request, places.len()).await?;
    let entries = entry::read(log, &places).await?;
    Ok(Page { entries, count })
}

async fn places(executor: impl PgExecutor<'_>, request: &PageRequest) -> sqlx::Result<Vec<Place>> {
    if request.filter.is_in_vain {
        return Ok(Vec::new());
    }
    match request.side {
        Side::Newest => downwards(executor, request, request.filter.end()).await,
        Side::After(place) => {
            let end = place.min(request.filter.end());
            downwards(executor, request, end).await
        }
        Side::Before(place) => {
            let start = place.max(request.filter.start());
            let mut places = upwards(executor, request, start).await?;
            places.reverse();
            Ok(places)
        }
    }
}

/// What is driven through an index: whatever narrows the list down most, as far as one can know. The other conditions are
/// then tried on each entry that it finds.
fn driver(filter: &AuditFilter) -> &'static str {
    if filter.request.is_some() {
        "request"
    } else if filter.resources.is_some() {
        "resource"
    } else if filter.users.is_some() {
        "user"
    } else if filter.organizations.is_some() {
        "organization"
    } else if filter.is_by_kind {
        "kind"
    } else {
        "everything"
    }
}

/// The newest entries before a place. [`upwards`] is the same in the other direction.
///
/// Each kind of each thing that is asked for is a stretch of an index, already in order; from each the first entries are
/// taken, and merged. Left to itself, the planner would at times look through all entries for those of somebody who has
/// not been here for years. The statement is planned anew each time, with the values in sight, so that of its parts only
/// the one remains that is asked for.
async fn downwards(
    executor: impl PgExecutor<'_>,
    request: &PageRequest,
    end: Place,
) -> sqlx::Result<Vec<Place>> {
    let filter = &request.filter;
    let start = filter.start();
    sqlx::query_as(
        "SELECT at, position
           FROM (
             SELECT at, position
               FROM read.audit
              WHERE $1 = 'request' AND request_id = $2
                AND ($3::uuid[] IS NULL OR resource_id = ANY ($3))
                AND ($4::uuid[] IS NULL OR user_id = ANY ($4))
                AND ($5::uuid[] IS NULL OR organization_id = ANY ($5))
                AND kind = ANY ($6)
                AND (at, position) > ($7, $8) AND (at, position) < ($9, $10)
              UNION ALL
             SELECT entry.at, entry.position
               FROM UNNEST($3::uuid[]) AS things (id)
              CROSS JOIN UNNEST($6::smallint[]) AS kinds (kind)
              CROSS JOIN LATERAL (
                    SELECT at, position
                      FROM read.audit
                     WHERE resource_id = things.id AND audit.kind = kinds.kind
                       AND ($4::uuid[] IS NULL OR user_id = ANY ($4))
                       AND ($5::uuid[] IS NULL OR organization_id = ANY ($5))
                       AND (at, position) > ($7, $8) AND (at, position) < ($9, $10)
                     ORDER BY at DESC, position DESC
                     LIMIT $11::bigint + $12::bigint) AS entry
              WHERE $1 = 'resource'
              UNION ALL
             SELECT entry.at, entry.position
               FROM UNNEST($4::uuid[]) AS users (id)
              CROSS JOIN UNNEST($6::smallint[]) AS kinds (kind)
              CROSS JOIN LATERAL (
                    SELECT at, position
                      FROM read.audit
                     WHERE user_id = users.id AND audit.kind = kinds.kind
                       AND ($5::uuid[] IS NULL OR organization_id = ANY ($5))
                       AND (at, position) > ($7, $8) AND (at, position) < ($9, $10)
                     ORDER BY at DESC, position DESC
                     LIMIT $11::bigint + $12::bigint) AS entry
              WHERE $1 = 'user'
              UNION ALL
             SELECT entry.at, entry.position
               FROM UNNEST($5::uuid[]) AS organizations (id)
              CROSS JOIN UNNEST($6::smallint[]) AS kinds (kind)
              CROSS JOIN LATERAL (
                    SELECT at, position
                      FROM read.audit
                     WHERE organization_id = organizations.id AND audit.kind = kinds.kind
                       AND (at, position) > ($7, $8) AND (at, position) < ($9, $10)
                     ORDER BY at DESC, position DESC
                     LIMIT $11::bigint + $12::bigint) AS entry
              WHERE $1 = 'organization'
              UNION ALL
             SELECT entry.at, entry.position
               FROM UNNEST($6::smallint[]) AS kinds (kind)
              CROSS JOIN LATERAL (
                    SELECT at, position
                      FROM read.audit
                     WHERE audit.kind = kinds.kind
                       AND (at, position) > ($7, $8) AND (at, position) < ($9, $10)
                     ORDER BY at DESC, position DESC
                     LIMIT $11::bigint + $12::bigint) AS entry
              WHERE $1 = 'kind'
              UNION ALL
             (SELECT at, position
                FROM read.audit
               WHERE $1 = 'everything'
                 AND (at, position) > ($7, $8) AND (at, position) < ($9, $10)
               ORDER BY at DESC, position DESC
               LIMIT $11::bigint + $12::bigint)
           ) AS found
          ORDER BY at DESC, position DESC
          LIMIT $11::bigint OFFSET $12::bigint",
    )
    .bind(driver(filter))
    .bind(filter.request)
    .bind(filter.resources.as_deref())
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

/// The oldest entries after a place, the oldest first.
async fn upwards(
    executor: impl PgExecutor<'_>,
    request: &PageRequest,
    start: Place,
) -> sqlx::Result<Vec<Place>> {
    let filter = &request.filter;
    let end = filter.end();
    sqlx::query_as(
        "SELECT at, position
           FROM (
             SELECT at, position
               FROM read.audit
              WHERE $1 = 'request' AND request_id = $2
                AND ($3::uuid[] IS NULL OR resource_id = ANY ($3))
                AND ($4::uuid[] IS NULL OR user_id = ANY ($4))
                AND ($5::uuid[] IS NULL OR organization_id = ANY ($5))
                AND kind = ANY ($6)
                AND (at, position) > ($7, $8) AND (at, position) < ($9, $10)
              UNION ALL
             SELECT entry.at, entry.position
               FROM UNNEST($3::uuid[]) AS things (id)
              CROSS JOIN UNNEST($6::smallint[]) AS kinds (kind)
              CROSS JOIN LATERAL (
                    SELECT at, position
                      FROM read.audit
                     WHERE resource_id = things.id AND audit.kind = kinds.kind
                       AND ($4::uuid[] IS NULL OR user_id = ANY ($4))
                       AND ($5::uuid[] IS NULL OR organization_id = ANY ($5))
                       AND (at, position) > ($7, $8) AND (at, position) < ($9, $10)
                     ORDER BY at, position
                     LIMIT $11::bigint + $12::bigint) AS entry
              WHERE $1 = 'resource'
              UNION ALL
             SELECT entry.at, entry.position
               FROM UNNEST($4::uuid[]) AS users (id)
              CROSS JOIN UNNEST($6::smallint[]) AS kinds (kind)
              CROSS JOIN LATERAL (
                    SELECT at, position
                      FROM read.audit
                     WHERE user_id = users.id AND audit.kind = kinds.kind
                       AND ($5::uuid[] IS NULL OR organization_id = ANY ($5))
                       AND (at, position) > ($7, $8) AND (at, position) < ($9, $10)
                     ORDER BY at, position
                     LIMIT $11::bigint + $12::bigint) AS entry
              WHERE $1 = 'user'
              UNION ALL
             SELECT entry.at, entry.position
               FROM UNNEST($5::uuid[]) AS organizations (id)
              CROSS JOIN UNNEST($6::smallint[]) AS kinds (kind)
              CROSS JOIN LATERAL (
                    SELECT at, position
                      FROM read.audit
                     WHERE organization_id = organizations.id AND audit.kind = kinds.kind
                       AND (at, position) > ($7, $8) AND (at, position) < ($9, $10)
                     ORDER BY at, position
                     LIMIT $11::bigint + $12::bigint) AS entry
              WHERE $1 = 'organization'
              UNION ALL
             SELECT entry.at, entry.position
               FROM UNNEST($6::smallint[]) AS kinds (kind)
              CROSS JOIN LATERAL (
                    SELECT at, position
                      FROM read.audit
                     WHERE audit.kind = kinds.kind
                       AND (at, position) > ($7, $8) AND (at, position) < ($9, $10)
                     ORDER BY at, position
                     LIMIT $11::bigint + $12::bigint) AS entry
              WHERE $1 = 'kind'
              UNION ALL
             (SELECT at, position
                FROM read.audit
               WHERE $1 = 'everything'
                 AND (at, position) > ($7, $8) AND (at, position) < ($9, $10)
               ORDER BY at, position
               LIMIT $11::bigint + $12::bigint)
           ) AS found
          ORDER BY at, position
          LIMIT $11::bigint OFFSET $12::bigint",
    )
    .bind(driver(filter))
    .bind(filter.request)
    .bind(filter.resources.as_deref())
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

/// How many entries there are, if there is a page of them. By kind and day it is a sum of counts; else the entries are
/// counted in an index.
async fn count(
    executor: impl PgExecutor<'_>,
    request: &PageRequest,
    on_page: usize,
) -> sqlx::Result<i64> {
    let filter = &request.filter;
    let on_page_alone = request.side == Side::Newest && request.offset == 0;
    let on_page = u32::try_from(on_page).unwrap_or(u32::MAX);
    if on_page == 0 || (on_page_alone && on_page < request.limit) {
        return Ok(on_page.into());
    }
    let kinds = Some(&filter.kinds[..]).filter(|_| filter.is_by_kind);
    if filter.is_counted() {
        return sqlx::query_scalar(
            "SELECT coalesce(sum(count), 0)::bigint
               FROM read.audit_counts
              WHERE ($1::smallint[] IS NULL OR kind = ANY ($1))
                AND day >= $2 AND day < $3",
        )
        .bind(kinds)
        .bind(filter.first_day)
        .bind(filter.end_day)
        .persistent(false)
        .fetch_one(executor)
        .await;
    }
    sqlx::query_scalar(
        "SELECT count(*)
           FROM read.audit
          WHERE ($1::uuid IS NULL OR request_id = $1)
            AND ($2::uuid[] IS NULL OR resource_id = ANY ($2))
            AND ($3::uuid[] IS NULL OR user_id = ANY ($3))
            AND ($4::uuid[] IS NULL OR organization_id = ANY ($4))
            AND ($5::smallint[] IS NULL OR kind = ANY ($5))
            AND at >= $6 AND at < $7",
    )
    .bind(filter.request)
    .bind(filter.resources.as_deref())
    .bind(filter.users.as_deref())
    .bind(filter.organizations.as_deref())
    .bind(kinds)
    .bind(filter.start().at)
    .bind(filter.end().at)
    .persistent(false)
    .fetch_one(executor)
    .await
}
