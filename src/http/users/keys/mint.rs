//! Making a key, for whoever offers one: the API, and the page for people.

use chrono::TimeDelta;
use rollcall_events::{
    Authority,
    permissions::Requirement,
    user::{LoginType, Scope, Session, StartSession, TokenName, UserCommand, UserError},
};
use uuid::Uuid;

use crate::{
    app::App,
    auth::Token,
    command_bus::CommandError,
    http::{answer::Refusal, caller::Caller, users::refused::refused},
};

/// A key that was just made.
pub struct Minted {
    /// The key, to be shown this once.
    pub token: Token,
    /// The position in the log from which on it is good.
    pub position: i64,
}

/// A key to be made.
pub(super) struct Wish {
    pub login_type: LoginType,
    pub token_name: Option<TokenName>,
    pub scope: Scope,
    /// How long it is good: an API token used or not, a session without use.
    pub lifetime: TimeDelta,
    /// How long it is good, however much it is used.
    pub max_age: TimeDelta,
    /// The longest lifetime of an owner's API token, in seconds.
    pub owner_limit_s: Option<i64>,
}

/// The login type of a session for the command line that was made by an API token: nobody signed in for it, so that it
/// gives no more than the token gave.
pub(super) const BY_TOKEN: LoginType = LoginType::None;

/// Makes a session for the command line. It slides with its use, as a browser's does, up to the same age; but not beyond
/// the end of an API token that makes it, which would otherwise be for ever.
///
/// # Errors
/// The user may not come in, or the log cannot be written.
pub async fn mint(
    app: &App,
    caller: &Caller,
    required: Requirement,
    user: Uuid,
) -> Result<Minted, Refusal> {
    let lifetime = TimeDelta::from_std(app.config.cli_session_duration);
    let max_age = TimeDelta::from_std(app.config.session_max_age);
    let maker = &caller.session.session;
    let (login_type, left) = match maker.login_type {
        LoginType::Token | BY_TOKEN => (BY_TOKEN, maker.ends_at - app.clock.now()),
        LoginType::Password | LoginType::Github | LoginType::Oidc => {
            (LoginType::Password, TimeDelta::MAX)
        }
    };
    let wish = Wish {
        login_type,
        token_name: None,
        scope: Scope::All,
        lifetime: lifetime.unwrap_or(TimeDelta::days(7)).min(left),
        max_age: max_age.unwrap_or(TimeDelta::days(30)).min(left),
        owner_limit_s: None,
    };
    let minted = start(app, caller.authority(app, required), user, wish).await;
    minted.map_err(|error| refused(&error))
}

/// Makes any key. Who makes it, even for another user, is in the history.
pub(super) async fn start(
    app: &App,
    authority: Authority,
    user: Uuid,
    wish: Wish,
) -> Result<Minted, CommandError<UserError>> {
    let token = Token::generate(app.ids);
    let now = app.clock.now();
    let command = UserCommand::StartSession(StartSession {
        session: Session {
            id: token.id(),
            secret_sha256: token.secret_hash(),
            login_type: wish.login_type,
            scope: wish.scope,
            lifetime_s: wish.lifetime.num_seconds(),
            expires_at: now + wish.lifetime,
            ends_at: now + wish.max_age,
        },
        token_name: wish.token_name,
        password_revision: None,
        owner_limit_s: wish.owner_limit_s,
        at: now,
    });
    let done = app
        .users
        .execute(user, command, authority, Vec::new())
        .await?;
    Ok(Minted {
        token,
        position: done.position,
    })
}
