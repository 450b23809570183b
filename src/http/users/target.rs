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
    if is_self(me, user) {
        return Ok(Some(me.clone()));
    }
    if let Some(id) = id(user) {
        return Ok(find::by_id(&app.pool, id).await?);
    }
    if user.contains('\0') {
        return Ok(None);
    }
    Ok(find::by_username(&app.pool, &user.to_ascii_lowercase()).await?)
}

/// Whether a path names the caller, in any spelling.
pub fn is_self(me: &FoundUser, user: &str) -> bool {
    let username = me.row.username.as_deref();
    user == "me"
        || match id(user) {
            Some(id) => id == me.row.id,
            None => username.is_some_and(|username| username.eq_ignore_ascii_case(user)),
        }
}

/// Only the hyphenated form is an id: 32 hexadecimal digits are a good username.
fn id(user: &str) -> Option<Uuid> {
    if user.len() == 36 {
        Uuid::parse_str(user).ok()
    } else {
        None
    }
}
