//! `GET /users/{user}/history`: all that ever happened to a user, as a person reads it.

mod entry_ids;
mod view;

use axum::{
    extract::{RawQuery, State},
    http::StatusCode,
};
use rollcall_events::Actor;
use rollcall_projections::{
    audit::{Place, people},
    history::{Entry, Order, PageRequest, actor_named, is_kind, is_reversed, page},
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::target::target;
use crate::{
    app::AppState,
    http::{
        answer::{Json, Refusal},
        caller::Caller,
        path::Path,
        position::reads_log,
        query::Parameters,
    },
    permissions::{Action, Object},
};

use entry_ids::EntryIds;
pub use view::{EntryView, shown_actor, shown_authentication};

/// Events on a page, unless the request says otherwise.
const USUAL_PAGE: u32 = 100;
/// Events on a page, at most.
const LARGEST_PAGE: u32 = 1_000;

/// A page of a user's history.
#[derive(Serialize, ToSchema)]
#[schema(as = History)]
pub struct Answer {
    entries: Vec<EntryView>,
    /// How many there are on all pages; 0 if the page is empty.
    #[schema(example = 1)]
    count: i64,
    /// How many of the entries cannot be read, or not in full. Each has `unreadable`.
    #[schema(example = 0)]
    unreadable: usize,
}

/// All that ever happened to a user, and the sign-ins that were refused.
///
/// One's own, or with the right to see anybody's; of a deleted user by the id. Of an erased person it tells what happened,
/// and nothing that belonged to them. Who else acted, and from where, and the positions of
/// the log are for callers who may read the audit log.
#[utoipa::path(get, path = "/api/v2/users/{user}/history", tag = "audit", operation_id = "user_history",
    params(
        ("order" = Option<String>, Query, pattern = "^(newest|oldest)$", example = "newest", description = "`newest` first, as without it, or `oldest`."),
        ("after_id" = Option<Uuid>, Query, example = "00649add-4493-8000-8000-000000000007", description = "What comes after this entry, in that order."),
        ("limit" = Option<i32>, Query, minimum = 0, maximum = 1000, example = 25, description = "At most so many. 0: 100."),
        ("kind" = Option<String>, Query, example = "UserCreated,RolesAssigned", description = "Only events of these types."),
        ("actor" = Option<String>, Query,
            pattern = "^(anonymous|operator|system|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})$",
            example = "operator",
            description = "Only what this actor did: a user's id, `anonymous`, `operator` or `system`."),
        ("from" = Option<String>, Query, format = DateTime, example = "2026-01-01T00:00:00Z", description = "From then on."),
        ("until" = Option<String>, Query, format = DateTime, example = "2026-02-01T00:00:00Z", description = "Before then."),
    ),
    responses((status = 200, body = Answer), (status = 400)))]
pub async fn history(
    State(app): State<AppState>,
    caller: Caller,
    Path(user): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<Answer>, Refusal> {
    let found = target(&app, &caller, &user).await?;
    let user = found.row.id;
    caller.require_or_hide(Action::ReadHistory, &Object::user(user))?;
    let reads_log = reads_log(&caller.subject());
    let ids = EntryIds::for_caller(&app.history_key, reads_log);
    let request = read(query.as_deref(), user, &ids)?;
    let page = page(&app.log, &request).await?;
    let actors = page.entries.iter().filter_map(|entry| actor(entry)?.user());
    // Nobody learns here whom else there is.
    let seen = actors.filter(|actor| caller.may(Action::Read, &Object::user(*actor)));
    let names = people::by_ids(&app.pool, &seen.collect::<Vec<_>>()).await?;
    let me = caller.user().row.id;
    // Who tries to sign in is nobody. Where that was is the business of whom they said they were.
    let is_own =
        |actor| actor == Some(Actor::User(me)) || (me == user && actor == Some(Actor::Anonymous));
    let entries = page.entries.iter().map(|entry| {
        let mut view = EntryView::new(entry, &names);
        if !reads_log {
            view.id = Place::of(view.id).map_or(view.id, |place| ids.id(place));
            view.position = 0;
        }
        if reads_log || is_own(actor(entry)) {
            view
        } else {
            view.of_another()
        }
    });
    let entries: Vec<EntryView> = entries.collect();
    let unreadable = entries.iter().filter(|entry| entry.unreadable.is_some());
    Ok(Json(
        StatusCode::OK,
        Answer {
            unreadable: unreadable.count(),
            entries,
            count: page.count,
        },
    ))
}

/// Who asked, if that can be read.
fn actor(entry: &Entry) -> Option<Actor> {
    Some(entry.legible()?.metadata.actor)
}

fn read(query: Option<&str>, user: Uuid, ids: &EntryIds) -> Result<PageRequest, Refusal> {
    let mut parameters = Parameters::parse(query);
    let request = PageRequest {
        user,
        order: order(&mut parameters),
        after: after(&mut parameters, ids),
        kinds: kinds(&mut parameters),
        actor: actor_wanted(&mut parameters),
        from: parameters.time("from"),
        until: parameters.time("until"),
        limit: limit(&mut parameters),
    };
    if is_reversed(request.from, request.until) {
        let detail = "Query param \"until\" must not be before \"from\"";
        parameters.refuse("until", detail.to_owned());
    }
    parameters.finish()?;
    Ok(request)
}

fn order(parameters: &mut Parameters) -> Order {
    match parameters.text("order").as_str() {
        "" | "newest" => Order::NewestFirst,
        "oldest" => Order::OldestFirst,
        _ => {
            let detail = "Query param \"order\" must be \"newest\" or \"oldest\"";
            parameters.refuse("order", detail.to_owned());
            Order::NewestFirst
        }
    }
}

fn after(parameters: &mut Parameters, ids: &EntryIds) -> Option<i64> {
    let id = parameters.uuid("after_id")?;
    let place = ids.place(id);
    if place.is_none() {
        let detail = "Query param \"after_id\" must be the id of an entry";
        parameters.refuse("after_id", detail.to_owned());
    }
    place.map(|place| place.position)
}

/// A type that no event of a history has is a typing error.
fn kinds(parameters: &mut Parameters) -> Vec<String> {
    let kinds = parameters.text("kind");
    let kinds: Vec<String> = kinds
        .split(',')
        .map(str::trim)
        .filter(|kind| !kind.is_empty())
        .map(str::to_owned)
        .collect();
    if let Some(unknown) = kinds.iter().find(|kind| !is_kind(kind)) {
        let detail = format!("Query param \"kind\" must name types of events, and not {unknown:?}");
        parameters.refuse("kind", detail);
    }
    kinds
}

fn actor_wanted(parameters: &mut Parameters) -> Option<Actor> {
    let text = parameters.text("actor");
    if text.is_empty() {
        return None;
    }
    let actor = actor_named(&text);
    if actor.is_none() {
        let detail =
            "Query param \"actor\" must be a user's id, \"anonymous\", \"operator\" or \"system\"";
        parameters.refuse("actor", detail.to_owned());
    }
    actor
}

fn limit(parameters: &mut Parameters) -> u32 {
    match parameters.non_negative("limit") {
        0 => USUAL_PAGE,
        limit if limit > LARGEST_PAGE => {
            let detail = format!("Query param \"limit\" must be at most {LARGEST_PAGE}");
            parameters.refuse("limit", detail);
            LARGEST_PAGE
        }
        limit => limit,
    }
}
