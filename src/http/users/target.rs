//! The user whom a path names, by id, by username, or oneself by `me`.

use rollcall_projections::users::{FoundUser, find};
use uuid::Uuid;

use crate::{
    app::App,
    http::{answer::Refusal, caller::Caller},
    permissions::{Action, Object},
};

/// The user, deleted ones too, unless the caller may not see them: that is a 404 like a user who never was.
pub async fn target(app: &App, caller: &Caller, user: &str) -> Result<FoundUser, Refusal> {
    let found = find(app, caller.user(), user)
        .await?
        .ok_or_else(Refusal::not_found)?;
    caller.require_or_hide(Action::Read, &Object::user(found.row.id))?;
    Ok(found)
}

/// By id, deleted users too; by name, the living.
pub async fn find(app: &App, me: &FoundUser, user: &str) -> Result<Option<FoundUser>, Refusal> {
    match UserName::parse(user) {
        UserName::Me => Ok(Some(me.clone())),
        UserName::Id(id) => Ok(find::by_id(&app.pool, id).await?),
        UserName::Username(key) if key.contains('\0') => Ok(None),
        UserName::Username(key) => Ok(find::by_username(&app.pool, &key).await?),
    }
}

/// What a path calls a user: the same for every spelling that means the same user.
#[derive(Debug, PartialEq, Eq)]
pub enum UserName {
    /// `me`.
    Me,
    /// An identifier, in any case.
    Id(Uuid),
    /// A username, by its key.
    Username(String),
}

impl UserName {
    /// Reads a part of a path that is percent-decoded.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        // Only the hyphenated form is an id: 32 hexadecimal digits are a good username.
        match Uuid::parse_str(text) {
            Ok(id) if text.len() == 36 => Self::Id(id),
            _ if text == "me" => Self::Me,
            _ => Self::Username(text.to_ascii_lowercase()),
        }
    }
}

/// Whether a path names the caller, in any spelling.
pub fn is_self(me: &FoundUser, user: &str) -> bool {
    match UserName::parse(user) {
        UserName::Me => true,
        UserName::Id(id) => id == me.row.id,
        UserName::Username(key) => {
            let username = me.row.username.as_deref();
            username.is_some_and(|username| username.eq_ignore_ascii_case(&key))
        }
    }
}
