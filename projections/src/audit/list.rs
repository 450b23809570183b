//! A page of the audit log.

use rollcall_events::log::{LogError, LogReader};
use sqlx::PgExecutor;

use super::{AuditFilter, Entry, Place, entry, finding::places};

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

/// How many entries there are, if there is a page of them. By kind and day it is a sum of counts; else the entries are
/// counted in an index, or in two.
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
    if filter.is_counted() {
        return sqlx::query_scalar(
            "SELECT coalesce(sum(count), 0)::bigint
               FROM read.audit_counts
              WHERE ($1::smallint[] IS NULL OR kind = ANY ($1))
                AND day >= $2 AND day < $3",
        )
        .bind(filter.kinds_asked_for())
        .bind(filter.first_day)
        .bind(filter.end_day)
        .persistent(false)
        .fetch_one(executor)
        .await;
    }
    sqlx::query_scalar(
        "SELECT (SELECT count(*)
                   FROM read.audit
                  WHERE $1 AND (user_id = resource_id) IS TRUE
                    AND ($3::uuid[] IS NULL OR user_id = ANY ($3))
                    AND ($4::uuid[] IS NULL OR user_id = ANY ($4))
                    AND ($5::uuid[] IS NULL OR organization_id = ANY ($5))
                    AND ($6::smallint[] IS NULL OR kind = ANY ($6))
                    AND at >= $7 AND at < $8)
              + (SELECT count(*)
                   FROM read.audit
                  WHERE (NOT $1 OR (user_id = resource_id) IS NOT TRUE)
                    AND ($2::uuid IS NULL OR request_id = $2)
                    AND ($3 IS NULL OR resource_id = ANY ($3))
                    AND ($4 IS NULL OR user_id = ANY ($4))
                    AND ($5 IS NULL OR organization_id = ANY ($5))
                    AND ($6 IS NULL OR kind = ANY ($6))
                    AND at >= $7 AND at < $8)",
    )
    .bind(filter.is_by_user_or_resource())
    .bind(filter.request)
    .bind(filter.resources.as_deref())
    .bind(filter.users.as_deref())
    .bind(filter.organizations.as_deref())
    .bind(filter.kinds_asked_for())
    .bind(filter.start().at)
    .bind(filter.end().at)
    .persistent(false)
    .fetch_one(executor)
    .await
}
