//! The list of users as of a moment.
//!
//! Who has not changed since is in `read.users` as they were then. Everybody else is folded from the log up to the moment,
//! some thousand at a time, and of those only as many are kept as the page can hold: however many there are, the memory is
//! bounded. Nothing is stored for it, so that there is nothing more to keep in step, to rebuild, or to erase.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use rollcall_events::{
    Recorded,
    log::{LogError, LogReader, RawEvent},
};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::{Moment, user_at};
use crate::{
    audit::people,
    users::{
        self, FoundUser, UserRow,
        list::{ListRequest, Page, Visibility, any_of, containing, roles},
        search::UserFilter,
    },
};

/// Users that are folded at once.
const AT_ONCE: i64 = 4_000;

/// What is asked for that is not known of the past: these are no events, or are folded for the present alone.
#[must_use]
pub fn unknown_of_the_past(filter: &UserFilter) -> Vec<&'static str> {
    [
        ("last_seen_before", filter.last_seen_before.is_some()),
        ("last_seen_after", filter.last_seen_after.is_some()),
        ("github_com_user_id", filter.github_com_user_id.is_some()),
    ]
    .into_iter()
    .filter_map(|(key, is_asked)| is_asked.then_some(key))
    .collect()
}

/// Lists users as they were at `at`: at most `request.limit`. In the order of the usernames that they had; who was erased
/// since has none, and comes last.
///
/// # Errors
/// The database fails, or an event cannot be read.
pub async fn list_at(
    log: &LogReader,
    pool: &PgPool,
    request: &ListRequest,
    at: DateTime<Utc>,
) -> Result<Page, LogError> {
    let after = match request.after {
        Some(id) if request.visible_to.sees(id) => {
            let then = user_at(log, id, Moment::Time(at)).await?;
            Some(then.map(|then| place(&then.row)))
        }
        Some(_) => Some(None),
        None => None,
    };
    // A cursor at nobody: nobody comes after them.
    let after = match after {
        Some(None) => return Ok(nobody()),
        Some(Some(place)) => Some(place),
        None => None,
    };
    // One moment for both questions, so that nobody who changes in between is told twice.
    let mut conn = pool
        .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        .await?;
    let mut part = Part::new(request);
    let unchanged = unchanged(&mut conn, request, at, after.as_deref()).await?;
    part.count = unchanged.first().map_or(0, |first| first.count);
    for listed in unchanged {
        part.keep(listed.row);
    }
    let mut last = Uuid::nil();
    loop {
        let changed = changed_since(&mut conn, request, at, last).await?;
        let Some(furthest) = changed.last() else {
            break;
        };
        last = *furthest;
        for row in rows_at(&mut conn, log, &changed, at).await? {
            let is_after = after.as_ref().is_none_or(|after| place(&row) > *after);
            if is_after && matches(&request.filter, &row) {
                part.count += 1;
                part.keep(row);
            }
        }
    }
    drop(conn);
    part.page(pool, at).await
}

/// Where in the list a user is. No username begins like those who have none.
fn place(row: &UserRow) -> String {
    row.username_key().unwrap_or_else(|| format!("~{}", row.id))
}

fn nobody() -> Page {
    Page {
        users: Vec::new(),
        count: 0,
    }
}

/// The beginning of a list, up to the end of the page.
struct Part {
    rows: BTreeMap<String, UserRow>,
    most: usize,
    offset: usize,
    count: i64,
}

impl Part {
    fn new(request: &ListRequest) -> Self {
        let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let offset = size(request.offset);
        Self {
            rows: BTreeMap::new(),
            most: offset.saturating_add(size(request.limit)),
            offset,
            count: 0,
        }
    }

    fn keep(&mut self, row: UserRow) {
        self.rows.insert(place(&row), row);
        if self.rows.len() > self.most {
            self.rows.pop_last();
        }
    }

    /// The page, with when its users were last seen, as far as that was before.
    async fn page(self, pool: &PgPool, at: DateTime<Utc>) -> Result<Page, LogError> {
        let rows: Vec<UserRow> = self.rows.into_values().skip(self.offset).collect();
        if rows.is_empty() {
            return Ok(nobody());
        }
        let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
        let now = people::by_ids(pool, &ids).await?;
        let users = rows.into_iter().map(|row| {
            let seen = now.get(&row.id).and_then(|user| user.last_seen_at);
            FoundUser {
                last_seen_at: seen.filter(|seen| *seen <= at),
                row,
            }
        });
        Ok(Page {
            users: users.collect(),
            count: self.count,
        })
    }
}

impl Visibility {
    fn sees(self, id: Uuid) -> bool {
        self.only().is_none_or(|only| only == id)
    }
}

/// The same conditions as in the list of the present, on a row in memory.
fn matches(filter: &UserFilter, row: &UserRow) -> bool {
    let has = |text: Option<String>, part: &str| text.is_some_and(|text| text.contains(part));
    let is_found = |part: &str| has(row.username_key(), part) || has(row.email_key(), part);
    let holds_any = |names: Vec<String>| {
        let mut held = row.roles.iter();
        held.any(|role| names.iter().any(|name| name == role.name()))
    };
    let is_any = |names: &[String], name: &str| {
        names.is_empty() || names.iter().any(|wanted| wanted == name)
    };
    row.deleted_at.is_none()
        && filter.service_account != Some(true)
        && filter.search.as_deref().is_none_or(is_found)
        && filter
            .name
            .as_deref()
            .is_none_or(|part| has(row.name_key(), part))
        && (filter.statuses.is_empty() || filter.statuses.contains(&row.status))
        && roles(&filter.roles).is_none_or(holds_any)
        && is_any(&filter.login_types, row.login_type.name())
        && filter
            .created_before
            .is_none_or(|time| row.created_at <= time)
        && filter
            .created_after
            .is_none_or(|time| row.created_at >= time)
}

#[derive(sqlx::FromRow)]
struct Counted {
    #[sqlx(flatten)]
    row: UserRow,
    count: i64,
}

/// Who is as they were, up to the end of the page; with how many there are in all.
async fn unchanged(
    conn: &mut PgConnection,
    request: &ListRequest,
    at: DateTime<Utc>,
    after: Option<&str>,
) -> sqlx::Result<Vec<Counted>> {
    let filter = &request.filter;
    sqlx::query_as(
        "WITH matching AS NOT MATERIALIZED (
             SELECT *
               FROM read.users
              WHERE deleted_at IS NULL
                AND updated_at <= $1
                AND $2::boolean
                AND ($3::uuid IS NULL OR id = $3)
                AND ($4::text IS NULL OR username_key > $4)
                AND ($5::text IS NULL OR username_key LIKE $5 OR email_key LIKE $5)
                AND ($6::text IS NULL OR name_key LIKE $6)
                AND ($7::text[] IS NULL OR status = ANY ($7))
                AND ($8::text[] IS NULL OR roles && $8)
                AND ($9::text[] IS NULL OR login_type = ANY ($9))
                AND ($10::timestamptz IS NULL OR created_at <= $10)
                AND ($11::timestamptz IS NULL OR created_at >= $11)
         )
         SELECT id
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
              , (SELECT count(*) FROM matching) AS count
           FROM matching
          ORDER BY username_key
          LIMIT $12::bigint",
    )
    .bind(at)
    .bind(filter.service_account != Some(true))
    .bind(request.visible_to.only())
    .bind(after)
    .bind(filter.search.as_deref().map(containing))
    .bind(filter.name.as_deref().map(containing))
    .bind(any_of(&filter.statuses, |status| status.name().to_owned()))
    .bind(roles(&filter.roles))
    .bind(any_of(&filter.login_types, String::clone))
    .bind(filter.created_before)
    .bind(filter.created_after)
    .bind(i64::from(request.limit) + i64::from(request.offset))
    .persistent(false)
    .fetch_all(conn)
    .await
}

/// Some of those who were there and have changed since, after this one.
async fn changed_since(
    conn: &mut PgConnection,
    request: &ListRequest,
    at: DateTime<Utc>,
    last: Uuid,
) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar(
        "SELECT id
           FROM read.users
          WHERE id > $1
            AND created_at <= $2
            AND updated_at > $2
            AND ($3::uuid IS NULL OR id = $3)
          ORDER BY id
          LIMIT $4",
    )
    .bind(last)
    .bind(at)
    .bind(request.visible_to.only())
    .bind(AT_ONCE)
    .persistent(false)
    .fetch_all(conn)
    .await
}

/// These users as they were.
async fn rows_at(
    conn: &mut PgConnection,
    log: &LogReader,
    ids: &[Uuid],
    at: DateTime<Utc>,
) -> Result<Vec<UserRow>, LogError> {
    let events: Vec<RawEvent> = sqlx::query_as(
        "SELECT position
              , aggregate_type
              , aggregate_id
              , version
              , event_type
              , schema_version
              , payload
              , metadata
              , recorded_at
           FROM log.events
          WHERE aggregate_id = ANY ($1)
            AND recorded_at <= $2
            AND event_type NOT IN ('SessionStarted', 'SessionEnded', 'SessionShortened', 'SessionsExpired')
          ORDER BY position",
    )
    .bind(ids)
    .bind(at)
    .fetch_all(conn)
    .await?;
    let mut of_each: HashMap<Uuid, Vec<Recorded>> = HashMap::new();
    for event in log.open(events).await? {
        of_each.entry(event.stream).or_default().push(event);
    }
    let rows = of_each
        .into_values()
        .filter_map(|events| users::fold(&events));
    Ok(rows.collect())
}
