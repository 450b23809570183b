//! Which user an account at a provider is: the one who is linked to it; else, once, the one with its verified e-mail
//! address who signs in by that provider and is linked to no other account; else a new one, if sign-ups are on.
//!
//! An address alone never opens an account that signs in otherwise, or that belongs to somebody else at the provider:
//! addresses change hands.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use rollcall_events::{
    Authority, Claim,
    attempt::RefusalReason,
    permissions::{NotAllowed, Requirement},
    user::{
        AvatarUrl, CreateUser, EmailAddress, LoginType, Person, ProfileChange, Role, Status,
        UserCommand, UserError, Username,
    },
    vault::VaultWrite,
};
use rollcall_projections::{
    identities,
    users::{FoundUser, find},
};
use uuid::Uuid;

use super::flow::Conversion;
use crate::{
    app::App,
    auth::providers::{Proven, is_same_address, username},
    command_bus::{CommandError, Done},
    http::{answer::Refusal, request_context::RequestContext},
};

/// How often it is looked again because another browser was faster with the same account.
const TRIES: u32 = 3;
/// How many usernames are tried before it is given up.
const NAMES: u32 = 10;

/// Why nobody is signed in.
pub enum Failure {
    /// They may not: that is recorded.
    Denied(Box<Denial>),
    /// Nobody could have been.
    Other(Refusal),
}

/// A sign-in that is refused.
pub struct Denial {
    /// Why, for who reads the audit log.
    pub reason: RefusalReason,
    /// Whose account it would have been.
    pub account: Option<Uuid>,
    /// The address that the provider told, if it is nobody's here.
    pub email: Option<String>,
    /// What is answered.
    pub refusal: Refusal,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Other(refusal)
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Other(error.into())
    }
}

/// The user, found, linked or made, with the profile that the provider tells.
pub async fn resolve(
    app: &App,
    context: &RequestContext,
    by: LoginType,
    proven: &Proven,
) -> Result<Uuid, Failure> {
    for _ in 0..TRIES {
        if let Some(user) = existing(app, context, by, proven).await? {
            refresh(app, context, by, &user, proven).await?;
            return Ok(user.row.id);
        }
        if let Some(user) = sign_up(app, context, by, proven).await? {
            return Ok(user);
        }
    }
    Err(Refusal::from_command(&CommandError::<UserError>::Contended).into())
}

/// The user who is linked to the account, or is now.
async fn existing(
    app: &App,
    context: &RequestContext,
    by: LoginType,
    proven: &Proven,
) -> Result<Option<FoundUser>, Failure> {
    if let Some(id) = identities::find::user(&app.pool, &proven.identity).await? {
        let Some(user) = find::by_id(&app.pool, id).await? else {
            return Ok(None);
        };
        may_sign_in(&user, by)?;
        return Ok(Some(user));
    }
    let Some(user) = find::by_email(&app.pool, proven.email.as_str()).await? else {
        return Ok(None);
    };
    may_sign_in(&user, by)?;
    // Addresses with one key may still be those of two people at the provider.
    let is_the_same = |known: &String| {
        is_same_address(known, proven.email.as_str())
            || EmailAddress::recorded(known).is_same_mailbox(&proven.email)
    };
    if !user.row.email.as_ref().is_some_and(is_the_same) {
        return Err(linked_elsewhere(user.row.id));
    }
    link(app, context, by, &user, proven).await.map(Some)
}

/// Whether the addresses that the provider tells are verified. Otherwise whoever can choose one there could take over
/// the user here who has it.
fn vouches_for_addresses(app: &App, by: LoginType) -> bool {
    by != LoginType::Oidc || !app.config.oidc_ignore_email_verified
}

fn may_sign_in(user: &FoundUser, by: LoginType) -> Result<(), Failure> {
    if user.row.login_type != by {
        return Err(other_login_type(user.row.id, user.row.login_type));
    }
    if user.row.status == Status::Suspended {
        return Err(suspended(user.row.id));
    }
    Ok(())
}

/// Links a user who has this address to the account, for the first and only time.
async fn link(
    app: &App,
    context: &RequestContext,
    by: LoginType,
    user: &FoundUser,
    proven: &Proven,
) -> Result<FoundUser, Failure> {
    let id = user.row.id;
    if !vouches_for_addresses(app, by) {
        return Err(linked_elsewhere(id));
    }
    let command = UserCommand::LinkIdentity {
        provider: by,
        identity: proven.identity.clone(),
    };
    let authority = authority(app, context, by, id);
    match app.users.execute(id, command, authority, Vec::new()).await {
        Ok(_) => Ok(user.clone()),
        Err(CommandError::Refused(UserError::AlreadyLinked)) => {
            // By another browser, to this very account, a moment ago?
            let linked = identities::find::identity(&app.pool, id).await?;
            if linked.as_ref() == Some(&proven.identity) {
                Ok(user.clone())
            } else {
                Err(linked_elsewhere(id))
            }
        }
        Err(CommandError::Taken(Claim::Identity(_))) => Err(linked_elsewhere(id)),
        Err(CommandError::Refused(UserError::OtherLoginType(now))) => {
            Err(other_login_type(id, now))
        }
        Err(CommandError::Denied(NotAllowed::Suspended)) => Err(suspended(id)),
        Err(error) => Err(Refusal::from_command(&error).into()),
    }
}

/// Makes a user of whoever comes for the first time. None: somebody else was faster with the address or the account.
async fn sign_up(
    app: &App,
    context: &RequestContext,
    by: LoginType,
    proven: &Proven,
) -> Result<Option<Uuid>, Failure> {
    let is_first = !find::any_live(&app.pool).await?;
    if !is_first && !allows_sign_ups(app, by) {
        return Err(denied(
            RefusalReason::SignUpsOff,
            None,
            Some(proven.email.as_str().to_owned()),
            "Sign-ups are off: an administrator has to create your account.",
        ));
    }
    let wanted = username::derive(&proven.username, proven.email.as_str(), app.ids);
    let mut name = wanted.clone();
    for _ in 0..NAMES {
        match create(app, context, by, proven, name, is_first).await {
            Ok((user, _)) => return Ok(Some(user)),
            Err(CommandError::Taken(Claim::Username(_))) => {
                name = username::numbered(&wanted, app.ids);
            }
            Err(CommandError::Taken(_)) => return Ok(None),
            Err(error) => return Err(Refusal::from_command(&error).into()),
        }
    }
    Err(Refusal::new(StatusCode::CONFLICT, "No username like yours is free.").into())
}

fn allows_sign_ups(app: &App, by: LoginType) -> bool {
    match by {
        LoginType::Github => app.config.github_allow_signups,
        LoginType::Oidc => app.config.oidc_allow_signups,
        LoginType::Password | LoginType::None | LoginType::Token => false,
    }
}

async fn create(
    app: &App,
    context: &RequestContext,
    by: LoginType,
    proven: &Proven,
    username: Username,
    is_first: bool,
) -> Result<(Uuid, Done), CommandError<UserError>> {
    let id = app.ids.uuid();
    let command = UserCommand::CreateUser(CreateUser {
        person: Person {
            email: proven.email.clone(),
            username,
            name: proven.name.clone(),
            avatar_url: picture(proven).unwrap_or_default(),
        },
        login_type: by,
        status: Status::Active,
        roles: BTreeSet::from_iter(is_first.then_some(Role::Owner)),
        organizations: vec![app.default_organization],
        password_scheme: None,
        identity: Some(proven.identity.clone()),
        first: is_first,
    });
    let metadata = context.metadata(Some(by.name().to_owned()), app.ids);
    let authority = Authority::user(id, Requirement::sign_up(), metadata);
    let done = app
        .users
        .execute(id, command, authority, Vec::new())
        .await?;
    Ok((id, done))
}

/// Takes over what the provider tells, if it is new. The username stays: people are known by it.
async fn refresh(
    app: &App,
    context: &RequestContext,
    by: LoginType,
    user: &FoundUser,
    proven: &Proven,
) -> Result<(), Failure> {
    let id = user.row.id;
    let mut change = ProfileChange {
        email: Some(proven.email.clone()),
        username: None,
        name: Some(proven.name.clone()).filter(|name| !name.as_str().is_empty()),
        avatar_url: picture(proven),
    };
    loop {
        let command = UserCommand::ChangeProfile(change.clone());
        let authority = authority(app, context, by, id);
        match app.users.execute(id, command, authority, Vec::new()).await {
            Ok(_) => return Ok(()),
            // Somebody else has it here: they keep it, and this user the one they had.
            Err(CommandError::Taken(Claim::Email(_))) if change.email.is_some() => {
                tracing::warn!(user = %id, "the provider's e-mail address is another user's: it is not taken over");
                change.email = None;
            }
            Err(CommandError::Denied(NotAllowed::Suspended)) => return Err(suspended(id)),
            Err(error) => return Err(Refusal::from_command(&error).into()),
        }
    }
}

fn picture(proven: &Proven) -> Option<String> {
    let url = AvatarUrl::parse(&proven.avatar_url).ok()?.into_string();
    Some(url).filter(|url| !url.is_empty())
}

/// Changes how a user signs in, who has just proven their password, and now the account at the provider.
pub async fn convert(
    app: &App,
    context: &RequestContext,
    by: LoginType,
    wish: &Conversion,
    proven: &Proven,
) -> Result<Uuid, Failure> {
    let id = wish.user;
    let command = UserCommand::ConvertToProvider {
        provider: by,
        identity: proven.identity.clone(),
        revision: wish.revision,
    };
    let secrets = vec![VaultWrite::NoPassword { subject: id }];
    let authority = authority(app, context, by, id);
    match app.users.execute(id, command, authority, secrets).await {
        Ok(_) => Ok(id),
        Err(CommandError::Taken(Claim::Identity(_))) => Err(linked_elsewhere(id)),
        Err(
            CommandError::Refused(UserError::Suspended)
            | CommandError::Denied(NotAllowed::Suspended),
        ) => Err(suspended(id)),
        Err(CommandError::Refused(UserError::OtherLoginType(now))) => {
            Err(other_login_type(id, now))
        }
        Err(CommandError::Refused(UserError::CredentialsChanged | UserError::NotFound)) => {
            Err(denied(
                RefusalReason::WrongPassword,
                Some(id),
                None,
                "The password has changed meanwhile. Start again.",
            ))
        }
        Err(error) => Err(Refusal::from_command(&error).into()),
    }
}

/// That of a user for whom a provider has just vouched.
pub fn authority(app: &App, context: &RequestContext, by: LoginType, user: Uuid) -> Authority {
    let metadata = context.metadata(Some(by.name().to_owned()), app.ids);
    Authority::user(user, Requirement::sign_in(), metadata)
}

/// The user may not come in.
pub fn suspended(user: Uuid) -> Failure {
    denied(
        RefusalReason::Suspended,
        Some(user),
        None,
        "Your account is suspended. Contact an admin to reactivate it.",
    )
}

/// The user signs in otherwise.
pub fn other_login_type(user: Uuid, login_type: LoginType) -> Failure {
    denied(
        RefusalReason::WrongLoginType,
        Some(user),
        None,
        format!(
            "Incorrect login type: this user signs in with {}.",
            login_type.name()
        ),
    )
}

/// The user is somebody else at the provider.
fn linked_elsewhere(user: Uuid) -> Failure {
    denied(
        RefusalReason::LinkedElsewhere,
        Some(user),
        None,
        "This account at the provider is not linked to your user here. Contact an admin.",
    )
}

fn denied(
    reason: RefusalReason,
    account: Option<Uuid>,
    email: Option<String>,
    message: impl Into<String>,
) -> Failure {
    Failure::Denied(Box::new(Denial {
        reason,
        account,
        email,
        refusal: Refusal::new(StatusCode::FORBIDDEN, message),
    }))
}
