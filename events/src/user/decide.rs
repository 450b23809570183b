//! What a user's command leads to. Every pair of state and command has its line here.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    Account, ActivationCause, CreateUser, EndReason, Identity, LoginType, Membership, OpenSession,
    ProfileChange, Role, Scope, SessionId, StartSession, Status, User, UserCommand, UserError,
    UserEvent,
};
use crate::personal::Personal;

/// Sessions that one user can have at once: each costs a little at every decision about the user. Who begins another
/// loses the one that would end first.
pub(super) const MOST_SESSIONS: usize = 200;
/// API tokens that one user can have at once.
pub(super) const MOST_TOKENS: usize = 200;

type Decision = Result<Vec<UserEvent>, UserError>;

/// Nothing happens: it is already so.
const UNCHANGED: Decision = Ok(Vec::new());

/// What happens to `user` because of `command`.
///
/// # Errors
/// The rule that refuses it.
pub(super) fn decide(user: &User, command: &UserCommand) -> Decision {
    match (user, command) {
        (User::Absent, UserCommand::CreateUser(wish)) => create(wish),
        (User::Live(_) | User::Deleted | User::Erased, UserCommand::CreateUser(_)) => {
            Err(UserError::AlreadyExists)
        }
        (User::Deleted, UserCommand::EraseUser) => happened(UserEvent::UserErased {}),
        (User::Live(account), command) => decide_live(account, command),
        (User::Erased, UserCommand::EraseUser)
        | (
            User::Deleted | User::Erased,
            UserCommand::DeleteUser
            | UserCommand::EndSession { .. }
            | UserCommand::EndSessions { .. }
            | UserCommand::ExpireSession { .. },
        ) => UNCHANGED,
        (User::Absent | User::Deleted | User::Erased, _) => Err(UserError::NotFound),
    }
}

fn decide_live(account: &Account, command: &UserCommand) -> Decision {
    match command {
        UserCommand::CreateUser(_) => Err(UserError::AlreadyExists),
        UserCommand::EraseUser => happened(UserEvent::UserErased {}),
        UserCommand::ChangeProfile(change) => change_profile(account, change),
        UserCommand::AssignRoles { roles, .. } if *roles == account.roles => UNCHANGED,
        UserCommand::AssignRoles {
            roles,
            tokens_end_by,
        } => Ok(assign_roles(account, roles, *tokens_end_by)),
        UserCommand::SuspendUser => suspend(account),
        UserCommand::ActivateUser(cause) => activate(account, *cause),
        UserCommand::DeleteUser => happened(UserEvent::UserDeleted {}),
        UserCommand::ChangePassword { scheme, revision } => {
            change_password(account, scheme, *revision)
        }
        UserCommand::LinkIdentity { provider, identity } => {
            is_provider(*provider)?;
            signs_in_by(account, *provider)?;
            if account.is_linked {
                return Err(UserError::AlreadyLinked);
            }
            happened(linked_to(*provider, identity))
        }
        UserCommand::ConvertToProvider {
            provider,
            identity,
            revision,
        } => convert_to_provider(account, *provider, identity, *revision),
        UserCommand::ConvertToPassword { scheme, revision } => {
            convert_to_password(account, scheme, *revision)
        }
        UserCommand::RehashPassword { revision, .. } if !is_current(account, *revision) => {
            UNCHANGED
        }
        UserCommand::RehashPassword { scheme, .. } => happened(UserEvent::PasswordRehashed {
            scheme: scheme.clone(),
        }),
        UserCommand::StartSession(wish) => start_session(account, wish),
        UserCommand::EndSession { session_id, reason } => end_session(account, session_id, *reason),
        UserCommand::EndSessions {
            with_tokens,
            reason,
            at,
        } => Ok(end_sessions(account, *with_tokens, *reason, *at)),
        UserCommand::ExpireSession { session_id, at } => expire_session(account, session_id, *at),
        UserCommand::JoinOrganization(id) if account.membership(*id).is_some() => {
            Err(UserError::AlreadyMember)
        }
        UserCommand::JoinOrganization(id) => happened(UserEvent::OrganizationJoined {
            organization_id: *id,
        }),
        UserCommand::LeaveOrganization(id) => leave_organization(account, *id),
        UserCommand::AssignOrganizationRoles {
            organization_id,
            roles,
        } if *roles == member(account, *organization_id)?.roles => UNCHANGED,
        UserCommand::AssignOrganizationRoles {
            organization_id,
            roles,
        } => happened(UserEvent::OrganizationRolesAssigned {
            organization_id: *organization_id,
            roles: roles.clone(),
        }),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "reads as one of the decisions")]
fn happened(event: UserEvent) -> Decision {
    Ok(vec![event])
}

fn create(wish: &CreateUser) -> Decision {
    if wish.status == Status::Suspended {
        return Err(UserError::StatusNotAllowed(wish.status));
    }
    if wish.login_type == LoginType::Token {
        return Err(UserError::LoginTypeNotAllowed);
    }
    if wish.password_scheme.is_some() != (wish.login_type == LoginType::Password) {
        return Err(UserError::PasswordNotAsLoginType);
    }
    if wish.identity.is_some() {
        is_provider(wish.login_type)?;
    }
    let created = UserEvent::UserCreated {
        person: Personal::Known(wish.person.clone()),
        login_type: wish.login_type,
        status: wish.status,
        roles: wish.roles.clone(),
        organizations: wish.organizations.clone(),
        password_scheme: wish.password_scheme.clone(),
    };
    let linked = wish.identity.as_ref();
    let linked = linked.map(|identity| linked_to(wish.login_type, identity));
    Ok([created].into_iter().chain(linked).collect())
}

fn change_profile(account: &Account, change: &ProfileChange) -> Decision {
    let Some(person) = account.person.known() else {
        return Err(UserError::NotFound);
    };
    let change = change.beyond(person);
    if change.is_empty() {
        return UNCHANGED;
    }
    happened(UserEvent::ProfileChanged {
        change: Personal::Known(change),
    })
}

/// Tokens must not outlast what the new roles allow, or a member's token of years would become an owner's.
fn assign_roles(
    account: &Account,
    roles: &BTreeSet<Role>,
    tokens_end_by: Option<DateTime<Utc>>,
) -> Vec<UserEvent> {
    let assigned = UserEvent::RolesAssigned {
        roles: roles.clone(),
    };
    let tokens = account.sessions.iter().filter(|(_, open)| open.is_token());
    let shortened = tokens_end_by.into_iter().flat_map(|ends_at| {
        let outlasting = tokens
            .clone()
            .filter(move |(_, open)| open.ends_at > ends_at);
        outlasting.map(move |(id, _)| UserEvent::SessionShortened {
            session_id: id.clone(),
            ends_at,
        })
    });
    [assigned].into_iter().chain(shortened).collect()
}

fn suspend(account: &Account) -> Decision {
    match account.status {
        Status::Suspended => UNCHANGED,
        Status::Active | Status::Dormant if account.roles.contains(&Role::Owner) => {
            Err(UserError::OwnerCannotBeSuspended)
        }
        Status::Active | Status::Dormant => happened(UserEvent::UserSuspended {}),
    }
}

fn activate(account: &Account, cause: ActivationCause) -> Decision {
    match (account.status, cause) {
        (Status::Active, _) => UNCHANGED,
        (Status::Suspended, ActivationCause::Use) => Err(UserError::Suspended),
        (Status::Dormant, _) | (Status::Suspended, ActivationCause::Administrator) => {
            happened(UserEvent::UserActivated { cause })
        }
    }
}

/// Whether the password of that revision is still the user's. At revision 0 there is none that could be, and who signs
/// in by a provider has none any more.
fn is_current(account: &Account, revision: i64) -> bool {
    account.login_type == LoginType::Password
        && revision > 0
        && revision == account.password_revision
}

fn change_password(account: &Account, scheme: &str, revision: i64) -> Decision {
    if account.login_type != LoginType::Password {
        return Err(UserError::HasNoPassword);
    }
    if !is_current(account, revision) {
        return Err(UserError::CredentialsChanged);
    }
    happened(UserEvent::PasswordChanged {
        scheme: scheme.to_owned(),
    })
}

fn is_provider(login_type: LoginType) -> Result<(), UserError> {
    match login_type {
        LoginType::Github | LoginType::Oidc => Ok(()),
        LoginType::Password | LoginType::None | LoginType::Token => {
            Err(UserError::LoginTypeNotAllowed)
        }
    }
}

fn signs_in_by(account: &Account, login_type: LoginType) -> Result<(), UserError> {
    if account.login_type == login_type {
        Ok(())
    } else {
        Err(UserError::OtherLoginType(account.login_type))
    }
}

fn linked_to(provider: LoginType, identity: &Identity) -> UserEvent {
    UserEvent::IdentityLinked {
        provider,
        identity: Personal::Known(identity.clone()),
    }
}

fn convert_to_provider(
    account: &Account,
    provider: LoginType,
    identity: &Identity,
    revision: i64,
) -> Decision {
    is_provider(provider)?;
    // Who is kept out must not come back, when they are let in, as somebody who knew the password.
    if account.status == Status::Suspended {
        return Err(UserError::Suspended);
    }
    signs_in_by(account, LoginType::Password)?;
    if !is_current(account, revision) {
        return Err(UserError::CredentialsChanged);
    }
    let changed = UserEvent::LoginTypeChanged {
        login_type: provider,
        password_scheme: None,
    };
    Ok(vec![changed, linked_to(provider, identity)])
}

/// The link goes first: the account at the provider is free for another user in the same moment.
fn convert_to_password(account: &Account, scheme: &str, revision: i64) -> Decision {
    is_provider(account.login_type).map_err(|_| UserError::OtherLoginType(account.login_type))?;
    if revision != account.password_revision {
        return Err(UserError::CredentialsChanged);
    }
    let unlinked = account.is_linked.then_some(UserEvent::IdentityUnlinked {});
    let changed = UserEvent::LoginTypeChanged {
        login_type: LoginType::Password,
        password_scheme: Some(scheme.to_owned()),
    };
    Ok(unlinked.into_iter().chain([changed]).collect())
}

fn start_session(account: &Account, wish: &StartSession) -> Decision {
    if account.sessions.contains_key(&wish.session.id) {
        return Err(UserError::SessionExists);
    }
    if wish
        .password_revision
        .is_some_and(|revision| !is_current(account, revision))
    {
        return Err(UserError::CredentialsChanged);
    }
    // A provider vouches for those alone who sign in by it.
    if is_provider(wish.session.login_type).is_ok() {
        signs_in_by(account, wish.session.login_type)?;
    }
    let is_token = OpenSession::from(&wish.session).is_token();
    let came = activate(account, ActivationCause::Use)?;
    // A token may be made for somebody who has yet to come: they do with its first use.
    let mut events = if is_token { Vec::new() } else { came };
    if is_token {
        let is_owner = account.roles.contains(&Role::Owner);
        let limit = wish.owner_limit_s.filter(|_| is_owner);
        if limit.is_some_and(|limit| wish.session.lifetime_s > limit) {
            return Err(UserError::TokenTooLong);
        }
        let tokens = account.sessions.values().filter(|open| open.is_token());
        if tokens.filter(|open| open.ends_at > wish.at).count() >= MOST_TOKENS {
            return Err(UserError::TooManyTokens);
        }
    } else {
        events.extend(make_room(account, wish.at));
    }
    events.push(UserEvent::SessionStarted {
        session: wish.session.clone(),
        token_name: wish.token_name.clone().map(Personal::Known),
    });
    Ok(events)
}

/// If there are too many sessions to begin another, those that would end first go.
fn make_room(account: &Account, at: DateTime<Utc>) -> Vec<UserEvent> {
    let mut lasting: Vec<_> = account
        .sessions
        .iter()
        .filter(|(_, open)| !open.is_token() && open.ends_at > at)
        .collect();
    lasting.sort_by_key(|(_, open)| open.ends_at);
    let too_many = (lasting.len() + 1).saturating_sub(MOST_SESSIONS);
    let superseded = lasting.into_iter().take(too_many);
    superseded
        .map(|(id, _)| ended(id, EndReason::Superseded))
        .collect()
}

/// Who signs out leaves the applications too, to which they had connected.
fn end_session(account: &Account, session_id: &SessionId, reason: EndReason) -> Decision {
    if !account.sessions.contains_key(session_id) {
        return UNCHANGED;
    }
    let connections = account.sessions.iter().filter(|(id, open)| {
        reason == EndReason::SignedOut
            && open.scope == Scope::ApplicationConnect
            && *id != session_id
    });
    let ids = std::iter::once(session_id).chain(connections.map(|(id, _)| id));
    Ok(ids.map(|id| ended(id, reason)).collect())
}

fn end_sessions(
    account: &Account,
    with_tokens: bool,
    reason: EndReason,
    at: DateTime<Utc>,
) -> Vec<UserEvent> {
    let lasting = account
        .sessions
        .iter()
        .filter(|(_, open)| open.ends_at > at);
    let ending = lasting.filter(|(_, open)| with_tokens || !open.is_token());
    ending.map(|(id, _)| ended(id, reason)).collect()
}

fn expire_session(account: &Account, session_id: &SessionId, at: DateTime<Utc>) -> Decision {
    match account.sessions.get(session_id) {
        Some(open) if open.ends_at > at => happened(UserEvent::SessionShortened {
            session_id: session_id.clone(),
            ends_at: at,
        }),
        Some(_) | None => UNCHANGED,
    }
}

fn ended(session_id: &SessionId, reason: EndReason) -> UserEvent {
    UserEvent::SessionEnded {
        session_id: session_id.clone(),
        reason,
    }
}

/// Clients take the first organisation for the user's own, and fail where there is none.
fn leave_organization(account: &Account, organization_id: Uuid) -> Decision {
    member(account, organization_id)?;
    if account.organizations.len() == 1 {
        return Err(UserError::LastOrganization);
    }
    happened(UserEvent::OrganizationLeft { organization_id })
}

fn member(account: &Account, organization_id: Uuid) -> Result<&Membership, UserError> {
    account
        .membership(organization_id)
        .ok_or(UserError::NotMember)
}
