//! Listing the members of an organisation, in order of their names, by cursor and offset.

use futures_util::stream::BoxStream;
use sqlx::{
    FromRow, PgExecutor, PgPool, Postgres,
    postgres::{PgArguments, PgRow},
    query::QueryAs,
};
use uuid::Uuid;

use super::ListedMember;
use crate::{
    history::head,
    pages::{Count, Rest, Sections},
    users::{Cursor, list::Visibility},
};

/// Which members to list, and which part of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListRequest {
    /// Of which organisation.
    pub organization_id: Uuid,
    /// Whom the caller may see.
    pub visible_to: Visibility,
    /// Where in the order the list begins.
    pub after: Cursor,
    /// How many members at the most; 0 for no limit.
    pub limit: u32,
    /// How many members to leave out at the beginning.
    pub offset: u32,
}

/// Lists at most `request.limit` members. Without a limit, or with a large one, use [`MemberList`].
pub async fn page(
    executor: impl PgExecutor<'_>,
    request: &ListRequest,
) -> sqlx::Result<Vec<ListedMember>> {
    select(request).fetch_all(executor).await
}

/// The one statement behind every page. Planned for each, with the values in sight: of an organisation with
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
                AND $2::boolean
                AND ($3::uuid IS NULL OR members.user_id = $3)
                AND ($4::text IS NULL OR users.username_key > $4)
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
              , (SELECT count(*) FROM matching) AS count
           FROM matching
          ORDER BY username_key
          LIMIT $5::bigint
         OFFSET $6::bigint",
    )
    .bind(request.organization_id)
    .bind(request.after != Cursor::End)
    .bind(request.visible_to.only())
    .bind(request.after.key().map(str::to_owned))
    .bind(i64::from(request.limit))
    .bind(i64::from(request.offset))
    .persistent(false)
}

/// The members of an organisation as of the position at which the list begins, however long its reader takes.
#[derive(Debug)]
pub struct MemberList {
    request: ListRequest,
    /// The head of the log when the list began.
    position: i64,
}

impl MemberList {
    /// The list as it is now.
    ///
    /// # Errors
    /// The database fails.
    pub async fn now(pool: &PgPool, request: ListRequest) -> sqlx::Result<Self> {
        Ok(Self {
            request,
            position: head(pool).await?,
        })
    }

    /// The members one by one, each with how many the cursor leaves; with 0 where there is no limit. A connection is
    /// used for each page of them, and held for no longer than that takes.
    pub fn stream(self, pool: &PgPool) -> BoxStream<'static, sqlx::Result<(ListedMember, i64)>> {
        let ListRequest {
            after,
            limit,
            offset,
            ..
        } = self.request.clone();
        Rest::new(self, after, limit, offset).stream(pool.clone())
    }

    fn bound<O: for<'r> FromRow<'r, PgRow>>(
        &self,
        statement: QueryAs<'static, Postgres, O, PgArguments>,
        cursor: &Cursor,
    ) -> QueryAs<'static, Postgres, O, PgArguments> {
        let nameless = match cursor {
            Cursor::Nameless(id) => Some(*id),
            Cursor::Start | Cursor::After(_) | Cursor::End => None,
        };
        statement
            .bind(self.position)
            .bind(self.request.organization_id)
            .bind(self.request.visible_to.only())
            .bind(nameless.is_some())
            .bind(nameless)
            .bind(cursor.key().unwrap_or_default().to_owned())
            .persistent(false)
    }
}

impl Sections for MemberList {
    type Item = ListedMember;

    /// The members as of the position: `living` have not changed since, `changed` have. Of those, the rows of the past tell
    /// since when they had belonged to the organisation, and since when they had had their roles there.
    #[expect(
        clippy::too_many_lines,
        reason = "each column is named for both tables"
    )]
    async fn section(
        &self,
        pool: &PgPool,
        cursor: &Cursor,
        limit: i64,
        offset: i64,
    ) -> sqlx::Result<Vec<ListedMember>> {
        let members = sqlx::query_as(
            "WITH living AS NOT MATERIALIZED (
                 SELECT members.organization_id
                      , members.user_id
                      , members.roles AS member_roles
                      , members.created_at AS member_created_at
                      , members.updated_at AS member_updated_at
                      , users.id
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
                   FROM read.members
                   JOIN read.users ON users.id = members.user_id
                  WHERE members.organization_id = $2
                    AND users.deleted_at IS NULL AND users.position <= $1
                    AND ($3::uuid IS NULL OR users.id = $3)
                    AND CASE WHEN $4::boolean THEN users.username_key IS NULL AND users.id > $5 ELSE users.username_key > $6 END)
             , changed AS NOT MATERIALIZED (
                 SELECT $2 AS organization_id
                      , users.id AS user_id
                      , ARRAY(SELECT split_part(held.role, ':', 1)
                                FROM UNNEST(users.organization_roles) WITH ORDINALITY AS held (role, nth)
                               WHERE held.role LIKE '%:' || $2::text
                               ORDER BY held.nth) AS member_roles
                      , (SELECT min(member.updated_at)
                           FROM read.past_users AS member
                          WHERE member.id = users.id AND member.since <= users.since
                            AND member.since > coalesce((
                                    SELECT max(other.since)
                                      FROM read.past_users AS other
                                     WHERE other.id = users.id AND other.since < users.since
                                       AND $2 <> ALL (other.organization_ids)), 0)) AS member_created_at
                      , (SELECT min(member.updated_at)
                           FROM read.past_users AS member
                          WHERE member.id = users.id AND member.since <= users.since
                            AND member.since > coalesce((
                                    SELECT max(other.since)
                                      FROM read.past_users AS other
                                     WHERE other.id = users.id AND other.since < users.since
                                       AND ($2 <> ALL (other.organization_ids)
                                            OR ARRAY(SELECT role
                                                       FROM UNNEST(other.organization_roles) AS role
                                                      WHERE role LIKE '%:' || $2::text)
                                            <> ARRAY(SELECT role
                                                       FROM UNNEST(users.organization_roles) AS role
                                                      WHERE role LIKE '%:' || $2::text))), 0)) AS member_updated_at
                      , users.id
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
                   FROM read.past_users AS users
                  WHERE users.since <= $1 AND users.until > $1
                    AND $2 = ANY (users.organization_ids)
                    AND (users.username_key IS NOT NULL OR NOT EXISTS (
                            SELECT
                              FROM read.users AS now
                              JOIN log.events ON events.position = now.position
                             WHERE now.id = users.id AND now.position > $1 AND events.event_type = 'UserErased'))
                    AND ($3::uuid IS NULL OR users.id = $3)
                    AND CASE WHEN $4::boolean THEN users.username_key IS NULL AND users.id > $5 ELSE users.username_key > $6 END)
     SELECT page.*
          , NULL::timestamptz AS deleted_at
          , activity.last_seen_at
          , 0::bigint AS count
       FROM (SELECT *
               FROM ((SELECT * FROM living ORDER BY username_key, id LIMIT $7::bigint + $8::bigint)
                      UNION ALL
                     (SELECT * FROM changed ORDER BY username_key, id LIMIT $7::bigint + $8::bigint)) AS members
              ORDER BY username_key, id
              LIMIT $7::bigint
             OFFSET $8::bigint) AS page
       LEFT JOIN live.user_activity AS activity ON activity.user_id = page.id
      ORDER BY page.username_key, page.id",
        );
        self.bound(members, cursor)
            .bind(limit)
            .bind(offset)
            .fetch_all(pool)
            .await
    }

    /// Of the same members, in both sections.
    async fn count(&self, pool: &PgPool) -> sqlx::Result<Count> {
        let counts = sqlx::query_as(
            "WITH living AS NOT MATERIALIZED (
                 SELECT members.organization_id
                      , members.user_id
                      , users.id
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
                   FROM read.members
                   JOIN read.users ON users.id = members.user_id
                  WHERE members.organization_id = $2
                    AND users.deleted_at IS NULL AND users.position <= $1
                    AND ($3::uuid IS NULL OR users.id = $3)
                    AND CASE WHEN $4::boolean THEN users.username_key IS NULL AND users.id > $5
              ELSE $6 = '' OR users.username_key > $6 OR users.username_key IS NULL END)
             , changed AS NOT MATERIALIZED (
                 SELECT $2 AS organization_id
                      , users.id AS user_id
                      , users.id
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
                   FROM read.past_users AS users
                  WHERE users.since <= $1 AND users.until > $1
                    AND $2 = ANY (users.organization_ids)
                    AND (users.username_key IS NOT NULL OR NOT EXISTS (
                            SELECT
                              FROM read.users AS now
                              JOIN log.events ON events.position = now.position
                             WHERE now.id = users.id AND now.position > $1 AND events.event_type = 'UserErased'))
                    AND ($3::uuid IS NULL OR users.id = $3)
                    AND CASE WHEN $4::boolean THEN users.username_key IS NULL AND users.id > $5
              ELSE $6 = '' OR users.username_key > $6 OR users.username_key IS NULL END)
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

    fn cursor(member: &ListedMember) -> Cursor {
        Cursor::after_user(&member.user.row)
    }
}
