//! Who may give and take which roles. The table says who may change roles at all.

use std::collections::BTreeSet;

use rollcall_events::user::{OrganizationRole, Role};
use uuid::Uuid;

use super::{
    Action::{Assign, Unassign, UpdatePersonal},
    Object, Subject,
};

impl Subject {
    /// Whether a site role is theirs to give and to take. What makes powerful, owners alone decide.
    #[must_use]
    pub fn may_assign(&self, role: Role) -> bool {
        self.may(Assign, &Object::site_roles())
            && (role == Role::Member || self.roles.contains(&Role::Owner))
    }

    /// Whether they may replace somebody's site roles. Who may give none may not even confirm those that there are.
    #[must_use]
    pub fn may_change_roles(&self, from: &BTreeSet<Role>, to: &BTreeSet<Role>) -> bool {
        let takes_some = from.difference(to).next().is_some();
        let mut changed = from.symmetric_difference(to);
        self.may(Assign, &Object::site_roles())
            && (!takes_some || self.may(Unassign, &Object::site_roles()))
            && changed.all(|role| self.may_assign(*role))
    }

    /// Whether a role in this organisation is theirs to give and to take.
    #[must_use]
    pub fn may_assign_in(&self, organization: Uuid, _role: OrganizationRole) -> bool {
        self.may(Assign, &Object::roles_in(organization))
    }

    /// Whether they may set the password of somebody with these roles, without knowing the old one. Who could do that
    /// to an owner could become one.
    #[must_use]
    pub fn may_reset_password(&self, user: Uuid, roles: &[Role]) -> bool {
        let outranks = self.roles.contains(&Role::Owner) || !roles.contains(&Role::Owner);
        outranks && self.may(UpdatePersonal, &Object::user(user))
    }
}
