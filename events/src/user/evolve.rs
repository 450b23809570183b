//! What an event makes of a user. Total: what is in the log has happened, whatever today's rules say.

use std::collections::BTreeMap;

use super::{Account, Membership, OpenSession, Status, User, UserEvent};

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
                organizations: organizations.iter().copied().map(Membership::new).collect(),
                password_revision: i64::from(password_scheme.is_some()),
                is_linked: false,
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
        UserEvent::PasswordChanged { .. } => {
            account.password_revision += 1;
            account.sessions.clear();
        }
        UserEvent::IdentityLinked { .. } => account.is_linked = true,
        UserEvent::IdentityUnlinked {} => account.is_linked = false,
        UserEvent::LoginTypeChanged {
            login_type,
            password_scheme,
        } => {
            account.login_type = *login_type;
            account.password_revision += i64::from(password_scheme.is_some());
            account.sessions.clear();
        }
        UserEvent::PasswordRehashed { .. } => account.password_revision += 1,
        UserEvent::SessionStarted { session, .. } => {
            if let Some(started_at) = session.started_at() {
                account.forget_ended_sessions(started_at);
            }
            let open = OpenSession::from(session);
            account.sessions.insert(session.id.clone(), open);
        }
        UserEvent::SessionEnded { session_id, .. } => {
            account.sessions.remove(session_id);
        }
        UserEvent::SessionShortened {
            session_id,
            ends_at,
        } => {
            if let Some(session) = account.sessions.get_mut(session_id) {
                session.ends_at = *ends_at;
            }
        }
        UserEvent::SessionsExpired { session_ids } => {
            for id in session_ids {
                account.sessions.remove(id);
            }
        }
        UserEvent::OrganizationJoined { organization_id } => {
            account
                .organizations
                .push(Membership::new(*organization_id));
        }
        UserEvent::OrganizationLeft { organization_id } => account
            .organizations
            .retain(|membership| membership.organization_id != *organization_id),
        UserEvent::OrganizationRolesAssigned {
            organization_id,
            roles,
        } => {
            let mut memberships = account.organizations.iter_mut();
            if let Some(membership) =
                memberships.find(|membership| membership.organization_id == *organization_id)
            {
                membership.roles.clone_from(roles);
            }
        }
    }
}
