//! Keys: what stands for a user where no password can. A session for the command line, or an API token with a name, a
//! lifetime and a scope. Each is shown once, when it is made; later only what it is can be looked at.

pub mod create;
pub mod create_token;
pub mod delete;
pub mod expire;
pub mod get;
pub mod get_token;
pub mod list_tokens;
pub mod mint;
mod random_name;
pub mod token_config;
mod view;

pub use view::KeyView;

use rollcall_events::user::SessionId;
use rollcall_projections::{
    sessions::{self, ListedSession},
    users::FoundUser,
};

use super::target::target;
use crate::{
    app::App,
    http::{answer::Refusal, caller::Caller},
    permissions::{Action, Object, Requirement},
};

/// The user whose keys a path speaks of, if the caller may do this to them, and what that requires. Deleted users have
/// no keys.
async fn holder(
    app: &App,
    caller: &Caller,
    user: &str,
    action: Action,
) -> Result<(FoundUser, Requirement), Refusal> {
    let found = target(app, caller, user).await?;
    let id = found.row.id;
    let required = caller
        .requirement()
        .sees(id)
        .allows(action, Object::api_key_of(id))
        .outranks(id);
    caller.meets(app, &required, Some(&found))?;
    if found.row.deleted_at.is_some() {
        return Err(Refusal::not_found());
    }
    Ok((found, required))
}

/// A key of this user, by its id. Somebody else's is not found.
async fn key_of(app: &App, holder: &FoundUser, id: String) -> Result<ListedSession, Refusal> {
    let found = if can_be_asked_for(&id) {
        sessions::one(&app.pool, holder.row.id, &SessionId(id)).await?
    } else {
        None
    };
    found.ok_or_else(Refusal::not_found)
}

/// Postgres has no text with a zero in it.
fn can_be_asked_for(text: &str) -> bool {
    !text.contains('\0')
}
