//! Who may give and take which roles, and what else depends on the roles of who it is done to.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::{
    Action::{self, Assign, Unassign},
    Object, Subject,
};
use crate::user::{Account, Role};

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

    /// Whether they could assign each site role that another user has: only then may they change that user, their status
    /// or their keys. Users are never out of their own reach.
    #[must_use]
    pub fn outranks(&self, user: Uuid, roles: &BTreeSet<Role>) -> bool {
        self.user == user || roles.iter().all(|role| self.may_assign(*role))
    }

    /// Whether they may do this to a member of an organization. By a role that they have there, if they could assign each
    /// role that the member has there; otherwise by a site role, and then the member's site roles count.
    #[must_use]
    pub fn may_manage_member(
        &self,
        organization: Uuid,
        user: Uuid,
        member: &Account,
        action: Action,
        object: &Object,
    ) -> bool {
        if self.user == user {
            return self.may(action, object);
        }
        let by_roles_there = Self {
            roles: Vec::new(),
            ..self.clone()
        };
        let by_site_roles = Self {
            memberships: Vec::new(),
            ..self.clone()
        };
        let has_roles_there = member
            .membership(organization)
            .is_some_and(|there| !there.roles.is_empty());
        let is_within_reach_there =
            !has_roles_there || by_roles_there.may(Assign, &Object::roles_in(organization));
        (by_roles_there.may(action, object) && is_within_reach_there)
            || (by_site_roles.may(action, object) && by_site_roles.outranks(user, &member.roles))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permissions::tests::{ADA, BOB, HOME, somebody, somebody_with};

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
    fn nobody_reaches_a_user_with_a_site_role_that_they_could_not_assign() {
        let roles = |held: &[Role]| held.iter().copied().collect();
        for target in Role::ALL {
            let target = roles(&[target]);
            let is_member = target == roles(&[Role::Member]);
            for (holds, expected) in [
                (&[Role::Owner][..], true),
                (&[Role::UserAdmin], is_member),
                (&[Role::Auditor], false),
                (&[], false),
            ] {
                let ada = somebody(holds);
                assert_eq!(ada.outranks(BOB, &target), expected, "{holds:?} {target:?}");
                assert!(ada.outranks(ADA, &target));
            }
        }
        assert!(somebody(&[Role::UserAdmin]).outranks(BOB, &roles(&[])));
    }

    #[test]
    fn members_are_managed_by_roles_there_or_by_site_roles_each_with_its_own_rank() {
        use crate::user::{Membership, OrganizationRole, Status};
        let member = |site: &[Role], there: &[OrganizationRole]| {
            let membership = Membership {
                organization_id: HOME,
                roles: there.iter().copied().collect(),
            };
            let site = site.iter().copied().collect();
            Account::without_person(Status::Active, site, vec![membership])
        };
        let admin = somebody_with(OrganizationRole::Admin);
        let user_admin_there = somebody_with(OrganizationRole::UserAdmin);
        let user_admin = somebody(&[Role::UserAdmin]);
        let plain = somebody(&[]);
        let object = Object::member_of(HOME, BOB);
        let owner: &[Role] = &[Role::Owner];
        let runs: &[OrganizationRole] = &[OrganizationRole::Admin];
        for (site, there, expected) in [
            (&[][..], &[][..], [true, true, true, false]),
            (owner, &[], [true, true, false, false]),
            (&[], runs, [true, false, true, false]),
            (owner, runs, [true, false, false, false]),
        ] {
            let member = member(site, there);
            let may = [&admin, &user_admin_there, &user_admin, &plain].map(|subject| {
                subject.may_manage_member(HOME, BOB, &member, Action::Delete, &object)
            });
            assert_eq!(may, expected, "{site:?} {there:?}");
        }
    }
}
