//! What an event makes of a user. Total: what is in the log has happened, whatever today's rules say.

use std::collections::BTreeMap;

use super::{Account, Status, User, UserEvent};

/// The user after `event`.
pub(super) fn evolve(user: &mut User, event: &UserEvent) {
    match event {
        UserEvent::UserCreated {
            person,
            login_type,
            status,
            roles,
            organizations,
            password_scheme,
        } => {
            *user = User::Live(Account {
                person: person.clone(),
                login_type: *login_type,
                status: *status,
                roles: roles.clone(),
                organizations: organizations.clone(),
                password_revision: i64::from(password_scheme.is_some()),
                sessions: BTreeMap::new(),
            });
        }
        UserEvent::UserDeleted {} => *user = User::Deleted,
        UserEvent::UserErased {} => *user = User::Erased,
        change => {
            if let User::Live(account) = user {
                evolve_live(account, change);
            }
        }
    }
}

fn evolve_live(account: &mut Account, event: &UserEvent) {
    match event {
        UserEvent::UserCreated { .. } | UserEvent::UserDeleted {} | UserEvent::UserErased {} => {}
        UserEvent::ProfileChanged { change } => {
            if let (Some(person), Some(change)) = (account.person.known_mut(), change.known()) {
                person.change(change);
            }
        }
        UserEvent::RolesAssigned { roles } => account.roles.clone_from(roles),
        UserEvent::UserSuspended {} => account.status = Status::Suspended,
        UserEvent::UserActivated { .. } => account.status = Status::Active,
        UserEvent::PasswordRehashed { .. } => account.password_revision += 1,
        UserEvent::SessionStarted { session } => {
            account.sessions.insert(session.id.clone(), session.ends_at);
        }
        UserEvent::SessionEnded { session_id, .. } => {
            account.sessions.remove(session_id);
        }
        UserEvent::SessionsExpired { session_ids } => {
            for id in session_ids {
                account.sessions.remove(id);
            }
        }
    }
}
