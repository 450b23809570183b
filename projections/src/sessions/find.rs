//! Whose token is this?

use chrono::{DateTime, Utc};
use rollcall_events::user::SessionId;
use sqlx::{FromRow, PgExecutor};

use super::SessionRow;
use crate::users::FoundUser;

/// A session with its user and its use: all that there is to know of a caller.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct KnownSession {
    /// The session.
    #[sqlx(flatten)]
    pub session: SessionRow,
    /// Absent for one that was never used.
    pub last_used: Option<DateTime<Utc>>,
    /// Whether the vault holds the tokens that a provider gave when the user last signed in by it.
    pub has_provider_tokens: bool,
    /// When that provider has to be asked again, if ever.
    pub provider_expires_at: Option<DateTime<Utc>>,
    /// Whose it is.
    #[sqlx(flatten)]
    pub user: FoundUser,
}

/// The session of that identifier, if it has not ended by an event; whether its time is over, and whether its user may
/// come in, is for the caller to see. Every request begins with this question, so that it is a single round trip.
pub async fn find(
    executor: impl PgExecutor<'_>,
    id: &SessionId,
) -> sqlx::Result<Option<KnownSession>> {
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
              , users.id
              , users.version
              , users.username
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
              , users.deleted_at
              , users.position
              , activity.last_seen_at
              , provider.subject_id IS NOT NULL AS has_provider_tokens
              , provider.expires_at AS provider_expires_at
           FROM read.sessions
           JOIN read.users ON users.id = sessions.user_id
           LEFT JOIN live.session_activity AS use ON use.session_id = sessions.id
           LEFT JOIN live.user_activity AS activity ON activity.user_id = users.id
           LEFT JOIN vault.provider_tokens AS provider
                  ON provider.subject_id = sessions.user_id
          WHERE sessions.id = $1",
    )
    .bind(&id.0)
    .fetch_optional(executor)
    .await
}
