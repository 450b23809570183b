//! One session, as the read model has it.

use chrono::{DateTime, TimeDelta, Utc};
use rollcall_events::user::{LoginType, Scope, SecretHash, SessionId};
use sqlx::{FromRow, Row, postgres::PgRow};
use uuid::Uuid;

use crate::columns::named;

/// A row of `read.sessions`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// The public half of the token.
    pub id: SessionId,
    /// Whose it is.
    pub user_id: Uuid,
    /// Recognises the secret half of the token.
    pub secret_sha256: SecretHash,
    /// How the user proved who they are.
    pub login_type: LoginType,
    /// What its owner calls it, if it is an API token.
    pub token_name: Option<String>,
    /// What it may be used for.
    pub scope: Scope,
    /// How long it lasts without use, in seconds.
    pub lifetime_s: i64,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it ends, if it is not used.
    pub expires_at: DateTime<Utc>,
    /// When it ends, however much it is used.
    pub ends_at: DateTime<Utc>,
}

impl SessionRow {
    /// When it ends: an API token when it was made to; another slides with its use, up to its hard end.
    #[must_use]
    pub fn expiry(&self, last_used: Option<DateTime<Utc>>) -> DateTime<Utc> {
        if self.login_type == LoginType::Token {
            return self.expires_at;
        }
        let slid = last_used.map(|last| last + TimeDelta::seconds(self.lifetime_s));
        slid.unwrap_or(self.expires_at)
            .max(self.expires_at)
            .min(self.ends_at)
    }
}

/// Reads the columns by the names that set them apart from those of the user beside them.
impl FromRow<'_, PgRow> for SessionRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: SessionId(row.try_get("session_id")?),
            user_id: row.try_get("user_id")?,
            secret_sha256: SecretHash(row.try_get("secret_sha256")?),
            login_type: named(row, "session_login_type", LoginType::parse)?,
            token_name: row.try_get("token_name")?,
            scope: named(row, "scope", Scope::parse)?,
            lifetime_s: row.try_get("lifetime_s")?,
            created_at: row.try_get("session_created_at")?,
            expires_at: row.try_get("expires_at")?,
            ends_at: row.try_get("ends_at")?,
        })
    }
}
