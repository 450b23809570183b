//! What a user's command leads to. Every pair of state and command has its line here.

use chrono::{DateTime, Utc};

use super::{
    Account, ActivationCause, CreateUser, EndReason, LoginType, ProfileChange, Role, StartSession,
    Status, User, UserCommand, UserError, UserEvent,
};
use crate::personal::Personal;

/// Sessions that one user can have at once: each costs a little at every decision about the user. Who begins another
/// loses the one that would end first.
pub(super) const MOST_SESSIONS: usize = 200;

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
        (User::Live(account), command) => decide_live(account, command),
        (
            User::Deleted | User::Erased,
            UserCommand::DeleteUser | UserCommand::EndSession { .. },
        ) => UNCHANGED,
        (User::Absent | User::Deleted | User::Erased, _) => Err(UserError::NotFound),
    }
}

fn decide_live(account: &Account, command: &UserCommand) -> Decision {
    match command {
        UserCommand::CreateUser(_) => Err(UserError::AlreadyExists),
        UserCommand::ChangeProfile(change) => change_profile(account, change),
        UserCommand::AssignRoles(roles) if *roles == account.roles => UNCHANGED,
        UserCommand::AssignRoles(roles) => happened(UserEvent::RolesAssigned {
            roles: roles.clone(),
        }),
        UserCommand::SuspendUser => suspend(account),
        UserCommand::ActivateUser(cause) => activate(account, *cause),
        UserCommand::DeleteUser => happened(UserEvent::UserDeleted {}),
        UserCommand::RehashPassword { revision, .. } if !is_current(account, *revision) => {
            UNCHANGED
        }
        UserCommand::RehashPassword { scheme, .. } => happened(UserEvent::PasswordRehashed {
            scheme: scheme.clone(),
        }),
        UserCommand::StartSession(wish) => start_session(account, wish),
        UserCommand::EndSession { session_id, .. }
            if !account.sessions.contains_key(session_id) =>
        {
            UNCHANGED
        }
        UserCommand::EndSession { session_id, reason } => happened(UserEvent::SessionEnded {
            session_id: session_id.clone(),
            reason: *reason,
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
    happened(UserEvent::UserCreated {
        person: Personal::Known(wish.person.clone()),
        login_type: wish.login_type,
        status: wish.status,
        roles: wish.roles.clone(),
        organizations: wish.organizations.clone(),
        password_scheme: wish.password_scheme.clone(),
    })
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

/// Whether the password of that revision is still the user's. At revision 0 there is none that could be.
fn is_current(account: &Account, revision: i64) -> bool {
    revision > 0 && revision == account.password_revision
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
    let mut events = activate(account, ActivationCause::Use)?;
    events.extend(make_room(account, wish.at));
    events.push(UserEvent::SessionStarted {
        session: wish.session.clone(),
    });
    Ok(events)
}

/// Sessions past their end go; and, if there are still too many, those that would end first.
fn make_room(account: &Account, at: DateTime<Utc>) -> Vec<UserEvent> {
    let (expired, mut lasting): (Vec<_>, Vec<_>) = account
        .sessions
        .iter()
        .partition(|(_, ends_at)| **ends_at <= at);
    let mut events = Vec::new();
    if !expired.is_empty() {
        let session_ids = expired.into_iter().map(|(id, _)| id.clone()).collect();
        events.push(UserEvent::SessionsExpired { session_ids });
    }
    lasting.sort_by_key(|(_, ends_at)| **ends_at);
    let too_many = (lasting.len() + 1).saturating_sub(MOST_SESSIONS);
    events.extend(
        lasting
            .into_iter()
            .take(too_many)
            .map(|(id, _)| UserEvent::SessionEnded {
                session_id: id.clone(),
                reason: EndReason::Superseded,
            }),
    );
    events
}
