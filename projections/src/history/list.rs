//! The list of users as of a position of the log.
//!
//! Users who have not changed since are in `read.users` as they were then, and all others in `read.past_users`: so the
//! past is listed like the present, with the same conditions and in the same order. A long list of the present is one of
//! the past too, as of the position at which it begins.

use chrono::{DateTime, Utc};
use futures_util::stream::BoxStream;
use rollcall_events::{
    log::{LogError, LogReader},
    user::Status,
};
use sqlx::{
    FromRow, PgPool, Postgres,
    postgres::{PgArguments, PgRow},
    query::QueryAs,
};

use super::{
    Moment,
    moment::{position_at, time_of, user_at},
};
use crate::{
    pages::{Count, Rest, Sections},
    users::{
        Cursor, FoundUser,
        list::{ListRequest, Page, any_of, containing, github_account, roles},
        search::UserFilter,
    },
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

/// A list of users as of a position, in the order of the usernames that they had; persons who were erased since have
/// none, and come last. However often it is asked, and in however many parts, it says the same.
///
/// What is no event is as it is when a page is read: when users were last seen, and their accounts at providers.
#[derive(Debug)]
pub struct UserList {
    request: ListRequest,
    /// The last event by then.
    position: i64,
    /// The time that was asked for, if the list is one of the past. Visits after it are not shown.
    at: Option<DateTime<Utc>>,
    /// The head of the log when the list began. Persons who are erased later have no place in it any more.
    begun_at: i64,
}

impl UserList {
    /// The list as it is now.
    ///
    /// # Errors
    /// The database fails.
    pub async fn now(pool: &PgPool, request: ListRequest) -> sqlx::Result<Self> {
        let head = head(pool).await?;
        Ok(Self {
            request,
            position: head,
            at: None,
            begun_at: head,
        })
    }

    /// The list as of a moment, which is a time or a position. `after` is the user after whom it begins.
    ///
    /// # Errors
    /// The database fails.
    pub async fn at(
        log: &LogReader,
        mut request: ListRequest,
        after: Option<uuid::Uuid>,
        moment: Moment,
    ) -> Result<Self, LogError> {
        let pool = log.pool();
        let begun_at = head(pool).await?;
        let (position, at) = match moment {
            Moment::Time(time) => (position_at(pool, time).await?, time),
            Moment::Position(position) | Moment::Version(position) => {
                (position, time_of(pool, position).await?)
            }
        };
        request.after = match after {
            None => Cursor::Start,
            Some(id) if request.visible_to.sees(id) => {
                let then = user_at(log, id, Moment::Position(position)).await?;
                then.map_or(Cursor::End, |then| Cursor::after_user(&then.row))
            }
            Some(_) => Cursor::End,
        };
        Ok(Self {
            request,
            position,
            at: Some(at),
            begun_at,
        })
    }

    /// At most as many users as the request says. Without a limit, or with a large one, use [`stream`](Self::stream).
    ///
    /// # Errors
    /// The database fails.
    pub async fn page(self, pool: &PgPool) -> sqlx::Result<Page> {
        let (users, count) = self.rest().collect(pool).await?;
        Ok(Page { users, count })
    }

    /// The users one by one, however many there are, each with how many the filter and the cursor leave; with 0 where
    /// there is no limit, because the reader gets to know it. A connection is used for each page of them, and held for
    /// no longer than that takes.
    pub fn stream(self, pool: &PgPool) -> BoxStream<'static, sqlx::Result<(FoundUser, i64)>> {
        self.rest().stream(pool.clone())
    }

    fn rest(self) -> Rest<Self> {
        let cursor = if self.request.may_match() {
            self.request.after.clone()
        } else {
            Cursor::End
        };
        let (limit, offset) = (self.request.limit, self.request.offset);
        Rest::new(self, cursor, limit, offset)
    }

    /// A statement about the list, with its first 18 parameters. Planned with the values in sight, so that
    /// conditions without a value vanish.
    fn bound<O: for<'r> FromRow<'r, PgRow>>(
        &self,
        statement: QueryAs<'static, Postgres, O, PgArguments>,
        cursor: &Cursor,
    ) -> QueryAs<'static, Postgres, O, PgArguments> {
        let filter = &self.request.filter;
        let nameless = match cursor {
            Cursor::Nameless(id) => Some(*id),
            Cursor::Start | Cursor::After(_) | Cursor::End => None,
        };
        statement
            .bind(self.position)
            .bind(self.begun_at)
            .bind(self.request.visible_to.only())
            .bind(filter.search.as_deref().map(containing))
            .bind(filter.name.as_deref().map(containing))
            .bind(any_of(&filter.statuses, |status: &Status| {
                status.name().to_owned()
            }))
            .bind(roles(&filter.roles))
            .bind(any_of(&filter.login_types, String::clone))
            .bind(filter.created_before)
            .bind(filter.created_after)
            .bind(filter.last_seen_before)
            .bind(filter.last_seen_after)
            .bind(filter.github_com_user_id.and_then(github_account))
            .bind(nameless.is_some())
            .bind(nameless)
            .bind(cursor.key().unwrap_or_default().to_owned())
            .bind(filter.email.clone())
            .bind(filter.username.clone())
            .persistent(false)
    }
}

pub(crate) async fn head(pool: &PgPool) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT position FROM log.head")
        .fetch_one(pool)
        .await
}

impl Sections for UserList {
    type Item = FoundUser;

    /// The users as of the position: `living` have not changed since, `changed` have. Each part is ordered and cut off by
    /// itself, so that of neither more is read than a page needs.
    #[expect(clippy::too_many_lines, reason = "one statement")]
    async fn section(
        &self,
        pool: &PgPool,
        cursor: &Cursor,
        limit: i64,
        offset: i64,
    ) -> sqlx::Result<Vec<FoundUser>> {
        let users = sqlx::query_as(
            "WITH living AS NOT MATERIALIZED (
                 SELECT users.id
                      , users.version
                      , users.username
                      , users.username_key
                      , users.email
                      , users.name
                      , users.avatar_url
                      , users.status
                      , users.login_type
                      , users.roles
                      , users.organization_ids
                      , users.organization_roles
                      , users.created_at
                      , users.updated_at
                      , users.position
                      , activity.last_seen_at
                   FROM read.users
                   LEFT JOIN live.user_activity AS activity ON activity.user_id = users.id
                  WHERE users.deleted_at IS NULL AND users.position <= $1
                    AND ($3::uuid IS NULL OR users.id = $3)
                    AND ($4::text IS NULL OR users.username_key LIKE $4 OR users.email_key LIKE $4
                         OR users.email_search LIKE $4)
                    AND ($17::text IS NULL OR users.email_key = $17)
                    AND ($18::text IS NULL OR users.username_key = $18)
                    AND ($5::text IS NULL OR users.name_key LIKE $5)
                    AND ($6::text[] IS NULL OR users.status = ANY ($6))
                    AND ($7::text[] IS NULL OR users.roles && $7)
                    AND ($8::text[] IS NULL OR users.login_type = ANY ($8))
                    AND ($9::timestamptz IS NULL OR users.created_at <= $9)
                    AND ($10::timestamptz IS NULL OR users.created_at >= $10)
                    AND ($11::timestamptz IS NULL
                         OR coalesce(activity.last_seen_at, '0001-01-01 00:00:00+00') <= $11)
                    AND ($12::timestamptz IS NULL
                         OR coalesce(activity.last_seen_at, '0001-01-01 00:00:00+00') >= $12)
                    AND ($13::text IS NULL OR users.id = (
                            SELECT identities.user_id FROM read.identities WHERE identities.key = $13))
                    AND CASE WHEN $14::boolean THEN users.username_key IS NULL AND users.id > $15 ELSE users.username_key > $16 END)
             , changed AS NOT MATERIALIZED (
                 SELECT users.id
                      , users.version
                      , users.username
                      , users.username_key
                      , users.email
                      , users.name
                      , users.avatar_url
                      , users.status
                      , users.login_type
                      , users.roles
                      , users.organization_ids
                      , users.organization_roles
                      , users.created_at
                      , users.updated_at
                      , users.since AS position
                      , activity.last_seen_at
                   FROM read.past_users AS users
                   LEFT JOIN live.user_activity AS activity ON activity.user_id = users.id
                  WHERE users.since <= $1 AND users.until > $1
                    AND (users.username_key IS NOT NULL OR NOT EXISTS (
                            SELECT
                              FROM read.users AS now
                              JOIN log.events ON events.position = now.position
                             WHERE now.id = users.id AND now.position > $2 AND events.event_type = 'UserErased'))
                    AND ($3::uuid IS NULL OR users.id = $3)
                    AND ($4::text IS NULL OR users.username_key LIKE $4 OR users.email_key LIKE $4
                         OR users.email_search LIKE $4)
                    AND ($17::text IS NULL OR users.email_key = $17)
                    AND ($18::text IS NULL OR users.username_key = $18)
                    AND ($5::text IS NULL OR users.name_key LIKE $5)
                    AND ($6::text[] IS NULL OR users.status = ANY ($6))
                    AND ($7::text[] IS NULL OR users.roles && $7)
                    AND ($8::text[] IS NULL OR users.login_type = ANY ($8))
                    AND ($9::timestamptz IS NULL OR users.created_at <= $9)
                    AND ($10::timestamptz IS NULL OR users.created_at >= $10)
                    AND ($11::timestamptz IS NULL
                         OR coalesce(activity.last_seen_at, '0001-01-01 00:00:00+00') <= $11)
                    AND ($12::timestamptz IS NULL
                         OR coalesce(activity.last_seen_at, '0001-01-01 00:00:00+00') >= $12)
                    AND ($13::text IS NULL OR users.id = (
                            SELECT identities.user_id FROM read.identities WHERE identities.key = $13))
                    AND CASE WHEN $14::boolean THEN users.username_key IS NULL AND users.id > $15 ELSE users.username_key > $16 END)
     SELECT page.*
          , NULL::timestamptz AS deleted_at
          , CASE WHEN $21::timestamptz IS NULL OR page.seen_at <= $21 THEN page.seen_at END AS last_seen_at
       FROM ((SELECT * FROM living ORDER BY username_key, id LIMIT $19::bigint + $20::bigint)
              UNION ALL
             (SELECT * FROM changed ORDER BY username_key, id LIMIT $19::bigint + $20::bigint)
            ) AS page
              ( id, version, username, username_key, email, name, avatar_url, status, login_type, roles
              , organization_ids, organization_roles, created_at, updated_at, position, seen_at
              )
      ORDER BY username_key, id
      LIMIT $19::bigint
     OFFSET $20::bigint",
        );
        self.bound(users, cursor)
            .bind(limit)
            .bind(offset)
            .bind(self.at)
            .fetch_all(pool)
            .await
    }

    /// Of the same users, in both sections.
    async fn count(&self, pool: &PgPool) -> sqlx::Result<Count> {
        let counts = sqlx::query_as(
            "WITH living AS NOT MATERIALIZED (
                 SELECT users.id
                      , users.version
                      , users.username
                      , users.username_key
                      , users.email
                      , users.name
                      , users.avatar_url
                      , users.status
                      , users.login_type
                      , users.roles
                      , users.organization_ids
                      , users.organization_roles
                      , users.created_at
                      , users.updated_at
                      , users.position
                      , activity.last_seen_at
                   FROM read.users
                   LEFT JOIN live.user_activity AS activity ON activity.user_id = users.id
                  WHERE users.deleted_at IS NULL AND users.position <= $1
                    AND ($3::uuid IS NULL OR users.id = $3)
                    AND ($4::text IS NULL OR users.username_key LIKE $4 OR users.email_key LIKE $4
                         OR users.email_search LIKE $4)
                    AND ($17::text IS NULL OR users.email_key = $17)
                    AND ($18::text IS NULL OR users.username_key = $18)
                    AND ($5::text IS NULL OR users.name_key LIKE $5)
                    AND ($6::text[] IS NULL OR users.status = ANY ($6))
                    AND ($7::text[] IS NULL OR users.roles && $7)
                    AND ($8::text[] IS NULL OR users.login_type = ANY ($8))
                    AND ($9::timestamptz IS NULL OR users.created_at <= $9)
                    AND ($10::timestamptz IS NULL OR users.created_at >= $10)
                    AND ($11::timestamptz IS NULL
                         OR coalesce(activity.last_seen_at, '0001-01-01 00:00:00+00') <= $11)
                    AND ($12::timestamptz IS NULL
                         OR coalesce(activity.last_seen_at, '0001-01-01 00:00:00+00') >= $12)
                    AND ($13::text IS NULL OR users.id = (
                            SELECT identities.user_id FROM read.identities WHERE identities.key = $13))
                    AND CASE WHEN $14::boolean THEN users.username_key IS NULL AND users.id > $15
              ELSE $16 = '' OR users.username_key > $16 OR users.username_key IS NULL END)
             , changed AS NOT MATERIALIZED (
                 SELECT users.id
                      , users.version
                      , users.username
                      , users.username_key
                      , users.email
                      , users.name
                      , users.avatar_url
                      , users.status
                      , users.login_type
                      , users.roles
                      , users.organization_ids
                      , users.organization_roles
                      , users.created_at
                      , users.updated_at
                      , users.since AS position
                      , activity.last_seen_at
                   FROM read.past_users AS users
                   LEFT JOIN live.user_activity AS activity ON activity.user_id = users.id
                  WHERE users.since <= $1 AND users.until > $1
                    AND (users.username_key IS NOT NULL OR NOT EXISTS (
                            SELECT
                              FROM read.users AS now
                              JOIN log.events ON events.position = now.position
                             WHERE now.id = users.id AND now.position > $2 AND events.event_type = 'UserErased'))
                    AND ($3::uuid IS NULL OR users.id = $3)
                    AND ($4::text IS NULL OR users.username_key LIKE $4 OR users.email_key LIKE $4
                         OR users.email_search LIKE $4)
                    AND ($17::text IS NULL OR users.email_key = $17)
                    AND ($18::text IS NULL OR users.username_key = $18)
                    AND ($5::text IS NULL OR users.name_key LIKE $5)
                    AND ($6::text[] IS NULL OR users.status = ANY ($6))
                    AND ($7::text[] IS NULL OR users.roles && $7)
                    AND ($8::text[] IS NULL OR users.login_type = ANY ($8))
                    AND ($9::timestamptz IS NULL OR users.created_at <= $9)
                    AND ($10::timestamptz IS NULL OR users.created_at >= $10)
                    AND ($11::timestamptz IS NULL
                         OR coalesce(activity.last_seen_at, '0001-01-01 00:00:00+00') <= $11)
                    AND ($12::timestamptz IS NULL
                         OR coalesce(activity.last_seen_at, '0001-01-01 00:00:00+00') >= $12)
                    AND ($13::text IS NULL OR users.id = (
                            SELECT identities.user_id FROM read.identities WHERE identities.key = $13))
                    AND CASE WHEN $14::boolean THEN users.username_key IS NULL AND users.id > $15
              ELSE $16 = '' OR users.username_key > $16 OR users.username_key IS NULL END)
     , keys AS (
         SELECT username_key FROM living
          UNION ALL
         SELECT username_key FROM changed
     )
     SELECT count(*), count(username_key) FROM keys",
        );
        let counts = self.bound::<(i64, i64)>(counts, &self.request.after);
        let (all, named) = counts.fetch_one(pool).await?;
        Ok(Count { all, named })
    }

    fn cursor(user: &FoundUser) -> Cursor {
        Cursor::after_user(&user.row)
    }
}

#[cfg(test)]
mod tests {
    use sqlx::Execute;

    use super::*;
    use crate::users::list::Visibility;

    #[test]
    fn a_list_is_planned_with_its_values_in_sight() {
        let request = ListRequest {
            filter: UserFilter::default(),
            visible_to: Visibility::All,
            after: Cursor::Start,
            limit: 0,
            offset: 0,
        };
        let list = UserList {
            request,
            position: 1,
            at: None,
            begun_at: 1,
        };
        let query = list.bound::<FoundUser>(sqlx::query_as("SELECT"), &Cursor::Start);
        assert!(!Execute::persistent(&query));
    }
}
