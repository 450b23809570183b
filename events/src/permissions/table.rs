//! The table.

use crate::user::{OrganizationRole, Role};

use super::{
    Action::{
        self, Assign, Create, Delete, Read, ReadHistory, ReadPersonal, Unassign, Update,
        UpdatePersonal,
    },
    Object,
    Resource::{
        self, ApiKey, AssignOrgRole, AssignRole, AuditLog, Organization, OrganizationMember, Other,
        User,
    },
};
use Level::{Inside, Own, Site};

/// A line of the table: who may do what to which objects.
#[derive(Debug)]
pub struct Grant {
    /// Whom it is given to.
    pub who: Who,
    /// How far it goes.
    pub level: Level,
    /// What may be done.
    pub actions: &'static [Action],
    /// To what.
    pub resources: &'static [Resource],
}

/// Whom something is granted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Whoever is signed in.
    Everybody,
    /// Who holds a site role.
    Site(Role),
    /// Who belongs to an organisation.
    Members,
    /// Who holds a role in an organisation.
    Organization(OrganizationRole),
}

/// How far a grant goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// To every object, wherever it is and whosever.
    Site,
    /// To the objects of the organisation in which the role is held.
    Inside,
    /// To the caller's own objects.
    Own,
}

const EVERYBODY: Who = Who::Everybody;
const MEMBER: Who = Who::Members;
const OWNER: Who = Who::Site(Role::Owner);
const USER_ADMIN: Who = Who::Site(Role::UserAdmin);
const AUDITOR: Who = Who::Site(Role::Auditor);
const TEMPLATE_ADMIN: Who = Who::Site(Role::TemplateAdmin);
const ORG_ADMIN: Who = Who::Organization(OrganizationRole::Admin);
const ORG_USER_ADMIN: Who = Who::Organization(OrganizationRole::UserAdmin);
const ORG_AUDITOR: Who = Who::Organization(OrganizationRole::Auditor);
const ORG_TEMPLATE_ADMIN: Who = Who::Organization(OrganizationRole::TemplateAdmin);

/// All that anybody may. What no line grants is refused.
#[rustfmt::skip]
pub const TABLE: &[Grant] = &[
    grant(OWNER,              Site,   &Action::ALL,                    &Resource::ALL),

    grant(USER_ADMIN,         Site,   &[Create, Read, Update, Delete], &[User]),
    grant(USER_ADMIN,         Site,   &[ReadPersonal, UpdatePersonal], &[User]),
    grant(USER_ADMIN,         Site,   &[Assign, Unassign],             &[AssignRole]),
    grant(USER_ADMIN,         Site,   &[Read],                         &[Organization, AssignOrgRole]),
    grant(USER_ADMIN,         Site,   &[Create, Read, Delete],         &[OrganizationMember]),

    grant(AUDITOR,            Site,   &[Read],                         &[User, AuditLog]),
    grant(AUDITOR,            Site,   &[ReadHistory],                  &[User]),
    grant(AUDITOR,            Site,   &[Read],                         &[Organization, OrganizationMember, AssignOrgRole]),

    grant(TEMPLATE_ADMIN,     Site,   &[Read],                         &[User]),
    grant(TEMPLATE_ADMIN,     Site,   &[Read],                         &[Organization, OrganizationMember, AssignOrgRole]),

    grant(EVERYBODY,          Site,   &[Read],                         &[AssignRole]),
    grant(EVERYBODY,          Own,    &[Read],                         &[User, OrganizationMember]),
    grant(EVERYBODY,          Own,    &[ReadPersonal, UpdatePersonal], &[User]),
    grant(EVERYBODY,          Own,    &[ReadHistory],                  &[User]),
    grant(EVERYBODY,          Own,    &Action::ALL,                    &[ApiKey, Other]),

    grant(ORG_ADMIN,          Site,   &[Read],                         &[User]),
    grant(ORG_ADMIN,          Inside, &[Update],                       &[Organization]),
    grant(ORG_ADMIN,          Inside, &Action::ALL,                    &[OrganizationMember, AssignOrgRole, Other]),

    grant(ORG_USER_ADMIN,     Site,   &[Read],                         &[User]),
    grant(ORG_USER_ADMIN,     Inside, &[Create, Read, Delete],         &[OrganizationMember]),

    grant(ORG_AUDITOR,        Inside, &[Read],                         &[OrganizationMember]),
    grant(ORG_TEMPLATE_ADMIN, Inside, &[Read],                         &[OrganizationMember]),

    grant(MEMBER,             Inside, &[Read],                         &[Organization, AssignOrgRole]),
];

const fn grant(
    who: Who,
    level: Level,
    actions: &'static [Action],
    resources: &'static [Resource],
) -> Grant {
    Grant {
        who,
        level,
        actions,
        resources,
    }
}

impl Grant {
    /// Whether it speaks of this, whoever asks.
    pub(super) fn is_about(&self, action: Action, object: &Object) -> bool {
        self.actions.contains(&action) && self.resources.contains(&object.resource())
    }
}
