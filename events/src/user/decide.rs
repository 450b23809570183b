//! What a user's command leads to. Every pair of state and command has its line here.

use super::{
    Account, ActivationCause, CreateUser, LoginType, ProfileChange, Role, SessionId, StartSession,
    Status, User, UserCommand, UserError, UserEvent,
};
use crate::personal::Personal;

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
        return Err(UserError::PasswordMismatch);
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
    let expired: Vec<SessionId> = account
        .sessions
        .iter()
        .filter(|(_, ends_at)| **ends_at <= wish.at)
        .map(|(id, _)| id.clone())
        .collect();
    if !expired.is_empty() {
        events.push(UserEvent::SessionsExpired {
            session_ids: expired,
        });
    }
    events.push(UserEvent::SessionStarted {
        session: wish.session.clone(),
    });
    Ok(events)
}
