//! The list of users as of a moment.
//!
//! Who has not changed since is in `read.users` as they were then, and everybody else in `read.past_users`: so the past is
//! listed by one statement, like the present, with the same conditions and in the same order.

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, stream::BoxStream};
use rollcall_events::{
    log::{LogError, LogReader},
    user::Status,
};
use sqlx::{Executor, FromRow, PgPool, Postgres, postgres::PgArguments, query::QueryAs};
use uuid::Uuid;

use super::{
    Moment,
    moment::{position_at, time_of, user_at},
};
use crate::users::{
    list::{ListRequest, Listed, Page, Visibility, any_of, containing, roles},
    search::UserFilter,
};

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

/// A list of users as they were, in the order of the usernames that they had; who was erased since has none, and comes
/// last. However often it is asked, and in however many parts, it says the same.
#[derive(Debug)]
pub struct PastList {
    request: ListRequest,
    /// The last event by then.
    position: i64,
    at: DateTime<Utc>,
    after: After,
}

/// Where a list begins.
#[derive(Debug)]
enum After {
    /// At its beginning.
    Nobody,
    /// Behind this user, with the name that they had, if it is still known.
    User(Uuid, Option<String>),
    /// There was no such user, and nobody comes after them.
    Everybody,
}

impl PastList {
    /// The list as of a moment, which is a time or a position.
    ///
    /// # Errors
    /// The database fails, or an event cannot be read.
    pub async fn find(
        log: &LogReader,
        request: ListRequest,
        moment: Moment,
    ) -> Result<Self, LogError> {
        let (position, at) = match moment {
            Moment::Time(time) => (position_at(log.pool(), time).await?, time),
            Moment::Position(position) | Moment::Version(position) => {
                (position, time_of(log.pool(), position).await?)
            }
        };
        let after = match request.after {
            None => After::Nobody,
            Some(id) if request.visible_to.sees(id) => {
                let then = user_at(log, id, Moment::Position(position)).await?;
                then.map_or(After::Everybody, |then| {
                    After::User(id, then.row.username_key())
                })
            }
            Some(_) => After::Everybody,
        };
        Ok(Self {
            request,
            position,
            at,
            after,
        })
    }

    /// At most as many users as the request says. Without a limit, or with a large one, use [`stream`](Self::stream).
    ///
    /// # Errors
    /// The database fails.
    pub async fn page(&self, pool: &PgPool) -> sqlx::Result<Page> {
        let listed = self.select().fetch_all(pool).await?;
        Ok(Page {
            count: listed.first().map_or(0, |first| first.count),
            users: listed.into_iter().map(|listed| listed.user).collect(),
        })
    }

    /// The users one by one, as [`crate::users::list::stream`] gives them.
    pub fn stream(&self, pool: &PgPool) -> BoxStream<'static, sqlx::Result<Listed>> {
        pool.fetch(self.select())
            .map(|row| Listed::from_row(&row?))
            .boxed()
    }

    /// Planned anew for each list, like that of the present. When somebody was last seen is told if that was by then, as
    /// only the latest visit is known.
    #[expect(
        clippy::too_many_lines,
        reason = "each column is named for both tables"
    )]
    fn select(&self) -> QueryAs<'static, Postgres, Listed, PgArguments> {
        let filter = &self.request.filter;
        let (after, after_key) = match &self.after {
            After::User(id, key) => (Some(*id), key.clone()),
            After::Nobody | After::Everybody => (None, None),
        };
        let is_anybody =
            filter.service_account != Some(true) && !matches!(self.after, After::Everybody);
        sqlx::query_as(
            "WITH users AS NOT MATERIALIZED (
                 SELECT id
                      , version
                      , username
                      , username_key
                      , email
                      , email_key
                      , email_search
                      , name
                      , name_key
                      , avatar_url
                      , status
                      , login_type
                      , roles
                      , organization_ids
                      , organization_roles
                      , created_at
                      , updated_at
                      , position
                   FROM read.users
                  WHERE deleted_at IS NULL AND position <= $1
                  UNION ALL
                 SELECT id
                      , version
                      , username
                      , username_key
                      , email
                      , email_key
                      , email_search
                      , name
                      , name_key
                      , avatar_url
                      , status
                      , login_type
                      , roles
                      , organization_ids
                      , organization_roles
                      , created_at
                      , updated_at
                      , since
                   FROM read.past_users
                  WHERE since <= $1 AND until > $1
             )
             , matching AS NOT MATERIALIZED (
                 SELECT *
                   FROM users
                  WHERE $3::boolean
                    AND ($4::uuid IS NULL OR id = $4)
                    AND ($5::uuid IS NULL
                         OR CASE WHEN $6::text IS NULL THEN username_key IS NULL AND id > $5
                                 ELSE username_key > $6 OR username_key IS NULL END)
                    AND ($7::text IS NULL OR username_key LIKE $7 OR email_key LIKE $7 OR email_search LIKE $7)
                    AND ($8::text IS NULL OR name_key LIKE $8)
                    AND ($9::text[] IS NULL OR status = ANY ($9))
                    AND ($10::text[] IS NULL OR roles && $10)
                    AND ($11::text[] IS NULL OR login_type = ANY ($11))
                    AND ($12::timestamptz IS NULL OR created_at <= $12)
                    AND ($13::timestamptz IS NULL OR created_at >= $13)
                    AND ($16::text IS NULL OR email_key = $16)
                    AND ($17::text IS NULL OR username_key = $17)
             )
             SELECT page.*
                  , NULL::timestamptz AS deleted_at
                  , CASE WHEN activity.last_seen_at <= $2 THEN activity.last_seen_at END AS last_seen_at
                  , CASE WHEN $14::bigint > 0 THEN (SELECT count(*) FROM matching) ELSE 0 END AS count
               FROM (SELECT *
                       FROM matching
                      ORDER BY username_key, id
                      LIMIT nullif($14::bigint, 0)
                     OFFSET $15::bigint) AS page
               LEFT JOIN live.user_activity AS activity ON activity.user_id = page.id
              ORDER BY page.username_key, page.id",
        )
        .bind(self.position)
        .bind(self.at)
        .bind(is_anybody)
        .bind(self.request.visible_to.only())
        .bind(after)
        .bind(after_key)
        .bind(filter.search.as_deref().map(containing))
        .bind(filter.name.as_deref().map(containing))
        .bind(any_of(&filter.statuses, |status: &Status| {
            status.name().to_owned()
        }))
        .bind(roles(&filter.roles))
        .bind(any_of(&filter.login_types, String::clone))
        .bind(filter.created_before)
        .bind(filter.created_after)
        .bind(i64::from(self.request.limit))
        .bind(i64::from(self.request.offset))
        .bind(filter.email.clone())
        .bind(filter.username.clone())
        .persistent(false)
    }
}

impl Visibility {
    fn sees(self, id: Uuid) -> bool {
        self.only().is_none_or(|only| only == id)
    }
}
