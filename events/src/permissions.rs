//! Who may do what. [`TABLE`] says it all; every endpoint asks it, and so does `POST /authcheck`. The README of this
//! folder shows it to people.
//!
//! A function of who asks and of what is asked: no HTTP, no database, no clock. A [`Requirement`] is what the actor of a
//! command must be allowed; the log judges it at the command's position, by the [`Standings`] there.

mod action;
mod object;
mod requirement;
mod roles;
mod standings;
mod table;
#[cfg(test)]
mod tests;

pub use action::Action;
pub use object::{Object, Resource};
pub use requirement::Requirement;
pub use standings::{NotAllowed, Standings};
pub use table::{Grant, Level, TABLE, Who};

use crate::user::{Account, Membership, Role, Scope};
use uuid::Uuid;

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Their user.
    pub user: Uuid,
    /// The site roles that they were given. Everybody is a member besides.
    pub roles: Vec<Role>,
    /// Where they belong, and the roles that they were given there.
    pub memberships: Vec<Membership>,
    /// What their token is good for.
    pub scope: Scope,
}

impl Subject {
    /// A user who comes by a session of this scope.
    #[must_use]
    pub fn new(user: Uuid, account: &Account, scope: Scope) -> Self {
        Self {
            user,
            roles: account.roles.iter().copied().collect(),
            memberships: account.organizations.clone(),
            scope,
        }
    }

    /// Whether some line of the table allows it.
    #[must_use]
    pub fn may(&self, action: Action, object: &Object) -> bool {
        self.scope == Scope::All
            && TABLE
                .iter()
                .any(|grant| grant.is_about(action, object) && self.is_reached(grant, object))
    }

    /// Whether they hold the role that the grant speaks of, as far as the grant goes.
    fn is_reached(&self, grant: &Grant, object: &Object) -> bool {
        match grant.level {
            Level::Site => self.holds(grant.who, |_| true),
            Level::Inside => self.holds(grant.who, |there| object.is_in(there)),
            Level::Own => self.owns(object) && self.holds(grant.who, |_| true),
        }
    }

    /// Whether they hold a role: a role of organisations, in one that `counts`.
    fn holds(&self, who: Who, counts: impl Fn(&Membership) -> bool) -> bool {
        let mut there = self.memberships.iter().filter(|there| counts(there));
        match who {
            Who::Everybody => true,
            Who::Site(role) => self.roles.contains(&role),
            Who::Members => there.next().is_some(),
            Who::Organization(role) => there.any(|there| there.roles.contains(&role)),
        }
    }

    /// Whether it is theirs. What belongs to an organisation is lost to who left it.
    fn owns(&self, object: &Object) -> bool {
        let is_within_reach =
            object.is_of_site() || self.memberships.iter().any(|there| object.is_in(there));
        object.owner() == Some(self.user) && is_within_reach
    }
}
