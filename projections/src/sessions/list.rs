//! The sessions and tokens of users, to be looked at.

use chrono::{DateTime, Utc};
use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use rollcall_events::user::SessionId;
use sqlx::{FromRow, PgExecutor, PgPool};
use uuid::Uuid;

use super::SessionRow;

/// Tokens that are read at once, and wait in memory for a slow reader.
const TOKENS_AT_ONCE: usize = 500;

/// A session with its use, and the name of the user whose it is.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct ListedSession {
    /// The session.
    #[sqlx(flatten)]
    pub session: SessionRow,
    /// Absent for one that was never used.
    pub last_used: Option<DateTime<Utc>>,
    /// Absent for who was erased.
    pub username: Option<String>,
}

/// The session of that user and identifier, be it past its end or not.
pub async fn one(
    executor: impl PgExecutor<'_>,
    user_id: Uuid,
    id: &SessionId,
) -> sqlx::Result<Option<ListedSession>> {
    sqlx::query_as(
        "SELECT sessions.id AS session_id
              , sessions.user_id
              , sessions.secret_sha256
              , sessions.login_type AS session_login_type
              , sessions.token_name
              , sessions.scope
              , sessions.lifetime_s
              , sessions.created_at AS session_created_at
              , sessions.expires_at
              , sessions.ends_at
              , use.last_used
              , users.username
           FROM read.sessions
           JOIN read.users ON users.id = sessions.user_id
           LEFT JOIN live.session_activity AS use ON use.session_id = sessions.id
          WHERE sessions.id = $1 AND sessions.user_id = $2",
    )
    .bind(&id.0)
    .bind(user_id)
    .fetch_optional(executor)
    .await
}

/// The API token of that user and name, be it past its end or not.
pub async fn token_named(
    executor: impl PgExecutor<'_>,
    user_id: Uuid,
    name: &str,
) -> sqlx::Result<Option<ListedSession>> {
    sqlx::query_as(
        "SELECT sessions.id AS session_id
              , sessions.user_id
              , sessions.secret_sha256
              , sessions.login_type AS session_login_type
              , sessions.token_name
              , sessions.scope
              , sessions.lifetime_s
              , sessions.created_at AS session_created_at
              , sessions.expires_at
              , sessions.ends_at
              , use.last_used
              , users.username
           FROM read.sessions
           JOIN read.users ON users.id = sessions.user_id
           LEFT JOIN live.session_activity AS use ON use.session_id = sessions.id
          WHERE sessions.user_id = $1 AND sessions.token_name = $2",
    )
    .bind(user_id)
    .bind(name)
    .fetch_optional(executor)
    .await
}

/// API tokens, of that user or of everybody, the oldest first; those past their end at `now` if `with_expired`. One by
/// one, so that everybody's are never all in memory: a connection is used for each page of them, and held for no longer
/// than that takes. Tokens that are made after the list has begun are not on it; one that is revoked meanwhile is on it
/// only if it was sent before.
pub fn tokens(
    pool: &PgPool,
    user_id: Option<Uuid>,
    with_expired: bool,
    now: DateTime<Utc>,
) -> BoxStream<'static, sqlx::Result<ListedSession>> {
    let tokens = Tokens {
        pool: pool.clone(),
        user_id,
        with_expired,
        now,
        begun_at: None,
        last: None,
        is_over: false,
    };
    let pages = stream::try_unfold(tokens, |mut tokens| async move {
        let page = tokens.next().await?;
        Ok::<_, sqlx::Error>(page.map(|page| (page, tokens)))
    });
    let pages = pages.map_ok(|page| stream::iter(page.into_iter().map(Ok::<_, sqlx::Error>)));
    pages.try_flatten().boxed()
}

/// Tokens that are still to be listed.
struct Tokens {
    pool: PgPool,
    user_id: Option<Uuid>,
    with_expired: bool,
    now: DateTime<Utc>,
    /// The time of the last event when the list began.
    begun_at: Option<DateTime<Utc>>,
    last: Option<(DateTime<Utc>, String)>,
    is_over: bool,
}

impl Tokens {
    async fn next(&mut self) -> sqlx::Result<Option<Vec<ListedSession>>> {
        if self.is_over {
            return Ok(None);
        }
        let begun_at = match self.begun_at {
            Some(at) => at,
            None => {
                sqlx::query_scalar("SELECT recorded_at FROM log.head")
                    .fetch_one(&self.pool)
                    .await?
            }
        };
        self.begun_at = Some(begun_at);
        let page = self.page(begun_at).await?;
        self.is_over = page.len() < TOKENS_AT_ONCE;
        let last = page.last().map(|last| &last.session);
        self.last = last.map(|last| (last.created_at, last.id.0.clone()));
        Ok(Some(page))
    }

    async fn page(&self, begun_at: DateTime<Utc>) -> sqlx::Result<Vec<ListedSession>> {
        let (last_at, last_id) = self.last.clone().unzip();
        sqlx::query_as(
            "SELECT sessions.id AS session_id
                  , sessions.user_id
                  , sessions.secret_sha256
                  , sessions.login_type AS session_login_type
                  , sessions.token_name
                  , sessions.scope
                  , sessions.lifetime_s
                  , sessions.created_at AS session_created_at
                  , sessions.expires_at
                  , sessions.ends_at
                  , use.last_used
                  , users.username
               FROM read.sessions
               JOIN read.users ON users.id = sessions.user_id
               LEFT JOIN live.session_activity AS use ON use.session_id = sessions.id
              WHERE sessions.login_type = 'token'
                AND ($1::uuid IS NULL OR sessions.user_id = $1)
                AND ($2::boolean OR sessions.expires_at > $3)
                AND sessions.created_at <= $4
                AND ($5::timestamptz IS NULL OR (sessions.created_at, sessions.id) > ($5, $6))
              ORDER BY sessions.created_at, sessions.id
              LIMIT $7",
        )
        .bind(self.user_id)
        .bind(self.with_expired)
        .bind(self.now)
        .bind(begun_at)
        .bind(last_at)
        .bind(last_id)
        .bind(i64::try_from(TOKENS_AT_ONCE).unwrap_or(i64::MAX))
        .persistent(false)
        .fetch_all(&self.pool)
        .await
    }
}
