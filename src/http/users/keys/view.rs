//! The key as clients see one: the union of the fields that their generations know.

use chrono::DateTime;
use rollcall_projections::sessions::ListedSession;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::{openapi::schemas, timestamp::Timestamp};

/// An allow list's way to say that nothing is excepted.
pub(super) const EVERYTHING: &str = "*:*";

/// A session or an API token, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Key)]
pub struct KeyView {
    /// The part of the key before the hyphen.
    #[schema(example = "5MIg5lSmNi")]
    id: String,
    user_id: Uuid,
    /// The user's name.
    #[schema(example = "ada")]
    username: String,
    /// About to the hour; in the year 1970 if never.
    last_used: Timestamp,
    expires_at: Timestamp,
    created_at: Timestamp,
    updated_at: Timestamp,
    /// How it came to be: API tokens have a type of their own.
    #[schema(value_type = schemas::UserLoginType)]
    login_type: &'static str,
    #[schema(value_type = schemas::TokenScope)]
    scope: &'static str,
    /// The same, as newer clients say it.
    #[schema(value_type = Vec<schemas::TokenScope>, example = json!(["coder:all"]))]
    scopes: [String; 1],
    /// What its owner calls it: empty unless it is an API token.
    #[schema(example = "ci")]
    token_name: String,
    /// Everything, always.
    #[schema(example = json!(["*:*"]))]
    allow_list: [&'static str; 1],
    /// An API token's whole life, and how long a session lasts without use.
    #[schema(example = 604_800)]
    lifetime_seconds: i64,
}

impl From<ListedSession> for KeyView {
    fn from(listed: ListedSession) -> Self {
        let expires_at = listed.session.expiry(listed.last_used);
        let row = listed.session;
        Self {
            id: row.id.0,
            user_id: row.user_id,
            username: listed.username.unwrap_or_default(),
            last_used: Timestamp(listed.last_used.unwrap_or(DateTime::UNIX_EPOCH)),
            expires_at: Timestamp(expires_at),
            created_at: Timestamp(row.created_at),
            // What can change of a key, its use and its end, is told by itself.
            updated_at: Timestamp(row.created_at),
            login_type: row.login_type.name(),
            scope: row.scope.name(),
            scopes: [format!("coder:{}", row.scope.name())],
            token_name: row.token_name.unwrap_or_default(),
            allow_list: [EVERYTHING],
            lifetime_seconds: row.lifetime_s,
        }
    }
}
