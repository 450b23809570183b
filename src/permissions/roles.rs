//! Who may give and take which roles, and what else depends on the roles of who it is done to.

use std::collections::BTreeSet;

use rollcall_events::user::Role;

use super::{
    Action::{Assign, Unassign, UpdatePersonal},
    Object, Subject,
};
use uuid::Uuid;

/// The site roles that holders of a role can give and take, if the table lets them give any: only owners decide who is
/// powerful. In an organisation, who may give roles may give all.
pub const ASSIGNABLE: &[(Role, &[Role])] = &[
    (Role::Owner, &Role::ALL),
    (Role::UserAdmin, &[Role::Member]),
];

impl Subject {
    /// Whether a site role is theirs to give and to take.
    #[must_use]
    pub fn may_assign(&self, role: Role) -> bool {
        let mut theirs = ASSIGNABLE
            .iter()
            .filter(|(holder, _)| self.roles.contains(holder));
        self.may(Assign, &Object::site_roles()) && theirs.any(|(_, roles)| roles.contains(&role))
    }

    /// Whether they may replace somebody's site roles. Who may give none may not even confirm those that there are.
    #[must_use]
    pub fn may_change_roles(&self, from: &BTreeSet<Role>, to: &BTreeSet<Role>) -> bool {
        let takes_some = !from.is_subset(to);
        let mut changed = from.symmetric_difference(to);
        self.may(Assign, &Object::site_roles())
            && (!takes_some || self.may(Unassign, &Object::site_roles()))
            && changed.all(|role| self.may_assign(*role))
    }

    /// Whether they may set the password of a user who holds these roles. Who could do that to an owner could become
    /// one.
    #[must_use]
    pub fn may_reset_password(&self, user: Uuid, roles: &[Role]) -> bool {
        let is_safe =
            self.user == user || self.roles.contains(&Role::Owner) || !roles.contains(&Role::Owner);
        is_safe && self.may(UpdatePersonal, &Object::user(user))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permissions::tests::{ADA, BOB, somebody};

    #[test]
    fn owners_give_any_role_and_user_admins_only_that_of_members() {
        for role in Role::ALL {
            assert!(somebody(&[Role::Owner]).may_assign(role));
            assert_eq!(
                somebody(&[Role::UserAdmin]).may_assign(role),
                role == Role::Member
            );
            for without in [Role::Auditor, Role::TemplateAdmin, Role::Member] {
                assert!(!somebody(&[without]).may_assign(role), "{without:?}");
            }
        }
    }

    #[test]
    fn roles_are_changed_by_who_may_give_and_take_each_that_differs() {
        use Role::{Auditor, Member, Owner, UserAdmin};
        let owner = somebody(&[Owner]);
        let user_admin = somebody(&[UserAdmin]);
        let member = somebody(&[]);
        let changes: &[(&[Role], &[Role], [bool; 3])] = &[
            (&[], &[], [true, true, false]),
            (&[Auditor], &[Auditor], [true, true, false]),
            (&[Auditor], &[Auditor, Member], [true, true, false]),
            (&[Member], &[], [true, true, false]),
            (&[], &[Auditor], [true, false, false]),
            (&[Auditor], &[], [true, false, false]),
            (&[], &[UserAdmin], [true, false, false]),
            (&[Owner], &[], [true, false, false]),
            (&[Auditor], &[Owner], [true, false, false]),
        ];
        for (from, to, expected) in changes {
            let from = from.iter().copied().collect();
            let to = to.iter().copied().collect();
            let may =
                [&owner, &user_admin, &member].map(|subject| subject.may_change_roles(&from, &to));
            assert_eq!(may, *expected, "{from:?} -> {to:?}");
        }
    }

    #[test]
    fn only_owners_set_the_password_of_another_owner() {
        for (holds, of_owner, of_member) in [
            (&[Role::Owner][..], true, true),
            (&[Role::UserAdmin], false, true),
            (&[Role::Auditor], false, false),
            (&[], false, false),
        ] {
            let ada = somebody(holds);
            assert_eq!(ada.may_reset_password(BOB, &[Role::Owner]), of_owner);
            assert_eq!(ada.may_reset_password(BOB, &[]), of_member);
            assert!(ada.may_reset_password(ADA, holds));
        }
    }
}
