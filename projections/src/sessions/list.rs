//! The sessions and tokens of users, to be looked at.

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, stream::BoxStream};
use rollcall_events::user::SessionId;
use sqlx::{Executor, FromRow, PgExecutor, PgPool};
use uuid::Uuid;

use super::SessionRow;

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
/// one, so that everybody's are never all in memory; keeps a connection for as long as it is read.
pub fn tokens(
    pool: &PgPool,
    user_id: Option<Uuid>,
    with_expired: bool,
    now: DateTime<Utc>,
) -> BoxStream<'static, sqlx::Result<ListedSession>> {
    let tokens = sqlx::query(
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
          ORDER BY sessions.created_at, sessions.id",
    );
    let tokens = tokens.bind(user_id).bind(with_expired).bind(now);
    // Asked the executor itself, and not the query, the rows do not borrow the pool.
    pool.fetch(tokens.persistent(false))
        .map(|row| ListedSession::from_row(&row?))
        .boxed()
}
