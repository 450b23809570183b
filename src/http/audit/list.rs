//! `GET /audit`: who did what, and who tried; searched, page by page.

use axum::{
    extract::{RawQuery, State},
    http::StatusCode,
};
use rollcall_events::log::LogError;
use rollcall_projections::audit::{Entry, PageRequest, Place, Side, page, resolve, search};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::view::{Around, EntryView};
use crate::{
    app::{App, AppState},
    command_bus::CommandError,
    http::{
        answer::{Json, Refusal},
        caller::Caller,
        organizations::target::DEFAULT,
        query::{Invalid, Parameters},
    },
    permissions::{Action, Object},
};

/// Entries on a page, unless the request says otherwise.
const USUAL_PAGE: u32 = 100;
/// Entries on a page, at most.
const LARGEST_PAGE: u32 = 1_000;
/// A search longer than this is no search.
const MOST_QUERY_BYTES: usize = 4096;
/// Clients that know this field count up to one more than it says, and call a count beyond it "more than". Ours is exact,
/// however many there are; this is the largest whole number that every client can read.
const COUNT_CAP: i64 = (1 << 53) - 1;

/// A page of the audit log.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditLogs)]
pub struct Answer {
    audit_logs: Vec<EntryView>,
    /// How many there are on all pages, exactly; 0 if the page is empty.
    #[schema(example = 1)]
    count: i64,
    /// How many of the entries are of events that cannot be read, or not in full: `additional_fields.unreadable` says why.
    #[schema(example = 0)]
    unreadable: usize,
    /// What no count exceeds.
    #[schema(example = 9_007_199_254_740_991_i64)]
    count_cap: i64,
}

/// What was done and what was tried, the newest first.
///
/// Every entry has an `id`, from which the list can be read on: older entries with `after_id`, newer ones with
/// `before_id`. Offsets shift whenever something happens; ids do not.
#[utoipa::path(get, path = "/api/v2/audit", tag = "audit", operation_id = "audit_logs",
    params(
        ("q" = Option<String>, Query, max_length = 4096, example = "user action:create username:me",
            description = "What to look for: a type of resource, and filters: `resource_type`, `resource_id`, \
                `resource_target`, `action`, `username`, `email`, `date_from`, `date_to`, `organization`, `request_id`."),
        ("limit" = Option<i32>, Query, minimum = 0, maximum = 1000, example = 25,
            description = "At most so many. 0: 100."),
        ("offset" = Option<i32>, Query, minimum = 0, example = 0, description = "Leave out so many at the beginning."),
        ("after_id" = Option<Uuid>, Query, example = "00649add-4493-8000-8000-000000000009", description = "Entries older than this one."),
        ("before_id" = Option<Uuid>, Query, example = "00649add-4493-8000-8000-000000000007", description = "Entries newer than this one: those next to it."),
    ),
    responses((status = 200, body = Answer)))]
pub async fn list(
    State(app): State<AppState>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<Answer>, Refusal> {
    caller.require(Action::Read, &Object::audit_log())?;
    let wish = read(&app, query.as_deref())?;
    let me = caller.user().row.id;
    let request = PageRequest {
        filter: resolve(&app.pool, &wish.query, me).await?,
        side: wish.side,
        limit: wish.limit,
        offset: wish.offset,
    };
    let page = page(&app.log, &request).await.map_err(log_error)?;
    let around = around(&app, &page.entries).await?;
    let entries = page.entries.iter();
    Ok(Json(
        StatusCode::OK,
        Answer {
            audit_logs: entries
                .map(|entry| EntryView::new(entry, &around))
                .collect(),
            count: page.count,
            unreadable: page
                .entries
                .iter()
                .filter(|entry| entry.recorded.is_err())
                .count(),
            count_cap: COUNT_CAP,
        },
    ))
}

/// A page that somebody wishes for.
struct Wish {
    query: search::AuditQuery,
    side: Side,
    limit: u32,
    offset: u32,
}

fn read(app: &App, query: Option<&str>) -> Result<Wish, Refusal> {
    let mut parameters = Parameters::parse(query);
    let q = parameters.text("q");
    if q.len() > MOST_QUERY_BYTES {
        let detail = format!("Query param \"q\" must have at most {MOST_QUERY_BYTES} bytes");
        return Err(invalid("q", detail));
    }
    // Only this is told when it is bad: the other parameters may be right, or not, for another search.
    let mut query = search::parse(&q).map_err(|problems| {
        let problem = |problem: search::InvalidQuery| Invalid {
            field: problem.field,
            detail: problem.detail,
        };
        Refusal::from(problems.into_iter().map(problem).collect::<Vec<_>>())
    })?;
    if query.organization.as_deref() == Some(DEFAULT) {
        query.organization = Some(app.default_organization.to_string());
    }
    let after = parameters.uuid("after_id");
    let before = parameters.uuid("before_id");
    let limit = parameters.non_negative("limit");
    let offset = parameters.non_negative("offset");
    parameters.finish()?;
    if limit > LARGEST_PAGE {
        let detail = format!("Query param \"limit\" must be at most {LARGEST_PAGE}");
        return Err(invalid("limit", detail));
    }
    Ok(Wish {
        query,
        side: side(after, before)?,
        limit: if limit == 0 { USUAL_PAGE } else { limit },
        offset,
    })
}

fn side(after: Option<Uuid>, before: Option<Uuid>) -> Result<Side, Refusal> {
    let place = |name: &str, id| {
        Place::of(id).ok_or_else(|| {
            let detail = format!("Query param {name:?} must be the id of an entry");
            invalid(name, detail)
        })
    };
    match (after, before) {
        (None, None) => Ok(Side::Newest),
        (Some(id), None) => Ok(Side::After(place("after_id", id)?)),
        (None, Some(id)) => Ok(Side::Before(place("before_id", id)?)),
        (Some(_), Some(_)) => {
            let detail = "Query param \"before_id\" cannot be given together with \"after_id\"";
            Err(invalid("before_id", detail.to_owned()))
        }
    }
}

fn invalid(field: &str, detail: String) -> Refusal {
    vec![Invalid {
        field: field.to_owned(),
        detail,
    }]
    .into()
}

/// Whom and what the entries name, as it is now.
async fn around(app: &App, entries: &[Entry]) -> Result<Around, sqlx::Error> {
    let rows = || entries.iter().map(|entry| &entry.row);
    let users: Vec<Uuid> = rows()
        .flat_map(|row| [row.user_id, row.resource_id])
        .flatten()
        .collect();
    let organizations: Vec<Uuid> = rows()
        .flat_map(|row| [row.organization_id, row.resource_id])
        .flatten()
        .collect();
    Around::read(&app.pool, &users, &organizations).await
}

fn log_error(error: LogError) -> Refusal {
    Refusal::from_command(&CommandError::<std::convert::Infallible>::Log(error))
}
