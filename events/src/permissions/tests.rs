//! The table against what the API promises, and against what the README says of it.

use std::collections::BTreeSet;

use crate::user::{Membership, OrganizationRole, Role, Scope};
use uuid::Uuid;

use super::{
    Action::{
        self, Assign, Create, Delete, Other, Read, ReadHistory, ReadPersonal, Unassign, Update,
        UpdatePersonal,
    },
    Grant, Level, Object, Resource, Subject, TABLE, Who,
};

pub const ADA: Uuid = Uuid::from_u128(1);
pub const BOB: Uuid = Uuid::from_u128(2);
pub const HOME: Uuid = Uuid::from_u128(11);
const ELSEWHERE: Uuid = Uuid::from_u128(12);
const README: &str = include_str!("README.md");

/// Ada with these roles, at home in one organisation.
pub fn somebody(roles: &[Role]) -> Subject {
    Subject {
        user: ADA,
        roles: roles.to_vec(),
        memberships: vec![Membership::new(HOME)],
        scope: Scope::All,
    }
}

/// Ada with this role at home, and a member elsewhere.
pub fn somebody_with(role: OrganizationRole) -> Subject {
    let home = Membership {
        organization_id: HOME,
        roles: BTreeSet::from([role]),
    };
    Subject {
        memberships: vec![home, Membership::new(ELSEWHERE)],
        ..somebody(&[])
    }
}

/// Each with who may: owner, user-admin, auditor, template-admin, member.
#[rustfmt::skip]
fn capabilities() -> Vec<(&'static str, Action, Object, [bool; 5])> {
    let (bob, me) = (Object::user(BOB), Object::user(ADA));
    let key = Object::api_key_of;
    let roles = Object::site_roles();
    let yes = |text: &str| [0, 1, 2, 3, 4].map(|at| text.as_bytes()[at] == b'y');
    vec![
        ("list all users",                                     Read,           Object::any_user(),              yes("yyyy-")),
        ("see another user",                                   Read,           bob,                             yes("yyyy-")),
        ("see oneself",                                        Read,           me,                              yes("yyyyy")),
        ("create a user",                                      Create,         Object::any_user(),              yes("yy---")),
        ("delete a user",                                      Delete,         bob,                             yes("yy---")),
        ("suspend or activate a user",                         Update,         bob,                             yes("yy---")),
        ("change another's username",                          Update,         bob,                             yes("yy---")),
        ("change one's own username",                          Update,         me,                              yes("yy---")),
        ("change another's display name",                      UpdatePersonal, bob,                             yes("yy---")),
        ("change one's own display name and password",         UpdatePersonal, me,                              yes("yyyyy")),
        ("reset another's password",                            UpdatePersonal, bob,                             yes("yy---")),
        ("see another's roles",                                ReadPersonal,   bob,                             yes("yy---")),
        ("see one's own roles",                                ReadPersonal,   me,                              yes("yyyyy")),
        ("see which site roles there are",                     Read,           roles,                           yes("yyyyy")),
        ("give site roles (user-admin: member only)",          Assign,         roles,                           yes("yy---")),
        ("take site roles away (user-admin: member only)",     Unassign,       roles,                           yes("yy---")),
        ("create another's keys",                              Create,         key(BOB),                        yes("y----")),
        ("list another's keys",                                Read,           key(BOB),                        yes("y----")),
        ("expire another's keys",                              Update,         key(BOB),                        yes("y----")),
        ("delete another's keys",                              Delete,         key(BOB),                        yes("y----")),
        ("create one's own keys",                              Create,         key(ADA),                        yes("yyyyy")),
        ("list one's own keys",                                Read,           key(ADA),                        yes("yyyyy")),
        ("expire one's own keys",                              Update,         key(ADA),                        yes("yyyyy")),
        ("delete one's own keys",                              Delete,         key(ADA),                        yes("yyyyy")),
        ("read the audit log",                                 Read,           Object::audit_log(),             yes("y-y--")),
        ("write samples to the audit log",                     Create,         Object::audit_log(),             yes("y----")),
        ("see another's history",                              ReadHistory,    bob,                             yes("y-y--")),
        ("see one's own history",                              ReadHistory,    me,                              yes("yyyyy")),
        ("create an organisation",                             Create,         Object::any_organization(),      yes("y----")),
        ("see every organisation",                             Read,           Object::organization(ELSEWHERE), yes("yyyy-")),
        ("see one's own organisation",                         Read,           Object::organization(HOME),      yes("yyyyy")),
        ("see every member of an organisation",                Read,           Object::member_of(HOME, BOB),    yes("yyyy-")),
        ("add members to an organisation",                     Create,         Object::member_of(HOME, BOB),    yes("yy---")),
        ("remove members from an organisation",                Delete,         Object::member_of(HOME, BOB),    yes("yy---")),
        ("leave an organisation",                              Delete,         Object::member_of(HOME, ADA),    yes("yy---")),
        ("give roles in an organisation",                      Assign,         Object::roles_in(HOME),          yes("y----")),
    ]
}

#[test]
fn each_site_role_may_what_the_api_promises() {
    let holders = [
        somebody(&[Role::Owner]),
        somebody(&[Role::UserAdmin]),
        somebody(&[Role::Auditor]),
        somebody(&[Role::TemplateAdmin]),
        somebody(&[]),
    ];
    for (capability, action, object, expected) in capabilities() {
        let may = holders.each_ref().map(|who| who.may(action, &object));
        assert_eq!(may, expected, "{capability}");
    }
    for (capability, action, object, [.., member]) in capabilities() {
        let named = somebody(&[Role::Member]);
        assert_eq!(named.may(action, &object), member, "{capability}");
    }
}

#[test]
fn what_several_roles_may_is_what_each_may() {
    for (capability, action, object, [_, user_admin, auditor, ..]) in capabilities() {
        let both = somebody(&[Role::Auditor, Role::UserAdmin]);
        let expected = user_admin || auditor;
        assert_eq!(both.may(action, &object), expected, "{capability}");
    }
}

#[test]
fn a_role_in_an_organization_goes_as_far_as_the_organization() {
    use OrganizationRole::{Admin, Auditor, TemplateAdmin, UserAdmin};
    let holders = [Admin, UserAdmin, Auditor, TemplateAdmin].map(somebody_with);
    let member = Object::member_of;
    let roles = Object::roles_in;
    let yes = |text: &str| [0, 1, 2, 3].map(|at| text.as_bytes()[at] == b'y');
    for (action, object, expected) in [
        (Read, Object::any_user(), yes("yy--")),
        (Read, Object::user(BOB), yes("yy--")),
        (ReadPersonal, Object::user(BOB), yes("----")),
        (Update, Object::user(BOB), yes("----")),
        (Create, Object::any_user(), yes("----")),
        (
            Create,
            Object::any_user().in_organization(HOME),
            yes("----"),
        ),
        (Read, Object::api_key_of(BOB), yes("----")),
        (Read, Object::audit_log(), yes("----")),
        (Read, Object::audit_log().in_organization(HOME), yes("----")),
        (Assign, Object::site_roles(), yes("----")),
        (
            Assign,
            Object::site_roles().in_organization(HOME),
            yes("----"),
        ),
        (Read, member(HOME, BOB), yes("yyyy")),
        (Create, member(HOME, BOB), yes("yy--")),
        (Delete, member(HOME, BOB), yes("yy--")),
        (Read, Object::any_member_of(HOME), yes("yyyy")),
        (Read, roles(HOME), yes("yyyy")),
        (Assign, roles(HOME), yes("y---")),
        (Unassign, roles(HOME), yes("y---")),
        (Read, Object::organization(HOME), yes("yyyy")),
        (Update, Object::organization(HOME), yes("y---")),
        (Delete, Object::organization(HOME), yes("----")),
        (Create, Object::any_organization(), yes("----")),
        // Elsewhere they are members, and only that.
        (Read, member(ELSEWHERE, ADA), yes("yyyy")),
        (Read, member(ELSEWHERE, BOB), yes("----")),
        (Create, member(ELSEWHERE, BOB), yes("----")),
        (Read, roles(ELSEWHERE), yes("yyyy")),
        (Assign, roles(ELSEWHERE), yes("----")),
        (Read, Object::organization(ELSEWHERE), yes("yyyy")),
        (Update, Object::organization(ELSEWHERE), yes("----")),
    ] {
        let may = holders.each_ref().map(|who| who.may(action, &object));
        assert_eq!(may, expected, "{action:?} {object:?}");
    }
}

#[test]
fn what_is_none_of_ours_is_for_its_owner_for_who_runs_its_organization_and_for_owners() {
    let thing = Object::any(Resource::parse("workspace"));
    let owner = somebody(&[Role::Owner]);
    let admin = somebody_with(OrganizationRole::Admin);
    let member = somebody(&[]);
    let yes = |text: &str| [0, 1, 2].map(|at| text.as_bytes()[at] == b'y');
    for (object, expected) in [
        (thing, yes("y--")),
        (thing.owned_by(ADA), yes("yyy")),
        (thing.owned_by(BOB), yes("y--")),
        (thing.in_organization(HOME), yes("yy-")),
        (thing.in_organization(ELSEWHERE), yes("y--")),
        (thing.in_any_organization(), yes("yy-")),
        (thing.owned_by(ADA).in_organization(HOME), yes("yyy")),
        (thing.owned_by(ADA).in_any_organization(), yes("yyy")),
    ] {
        for action in [Read, Delete, Other] {
            let may = [&owner, &admin, &member].map(|who| who.may(action, &object));
            assert_eq!(may, expected, "{action:?} {object:?}");
        }
    }
}

#[test]
fn what_is_in_an_organization_is_nobodys_own_who_left_it() {
    let thing = Object::any(Resource::Other).owned_by(ADA);
    let stranger = Subject {
        memberships: Vec::new(),
        ..somebody(&[])
    };
    assert!(stranger.may(Read, &thing));
    assert!(!stranger.may(Read, &thing.in_organization(HOME)));
    assert!(!stranger.may(Read, &thing.in_any_organization()));
    assert!(!stranger.may(Read, &Object::member_of(HOME, ADA)));
}

#[test]
fn a_token_for_something_else_may_nothing_whosever_it_is() {
    for role in Role::ALL {
        let elsewhere = Subject {
            scope: Scope::ApplicationConnect,
            ..somebody(&[role])
        };
        for (capability, action, object, _) in capabilities() {
            assert!(!elsewhere.may(action, &object), "{role:?}: {capability}");
        }
        assert!(!elsewhere.may_assign(Role::Member));
    }
}

/// What an organisation's role is held in is known inside of it alone; a site role is held nowhere in particular.
#[test]
fn only_roles_of_organizations_are_granted_something_inside_of_one() {
    for grant in TABLE {
        let is_of_organization = matches!(grant.who, Who::Members | Who::Organization(_));
        if grant.level == Level::Inside {
            assert!(is_of_organization, "{grant:?}");
        }
    }
}

#[test]
fn the_readme_shows_the_table_and_what_it_comes_to() {
    let capability = |(capability, _, _, may): (&str, _, _, [bool; 5])| {
        let may = may.map(|may| if may { "yes" } else { "-" });
        format!("| {capability} | {} |\n", may.join(" | "))
    };
    for rows in [
        TABLE.iter().map(grant_row).collect::<String>(),
        capabilities().into_iter().map(capability).collect(),
    ] {
        assert!(README.contains(&format!("| --- |\n{rows}\n")), "\n{rows}");
    }
}

fn grant_row(grant: &Grant) -> String {
    let who = match grant.who {
        Who::Everybody => "everybody",
        Who::Site(role) => role.name(),
        Who::Members => "organization-member",
        Who::Organization(role) => role.name(),
    };
    let level = match grant.level {
        Level::Site => "site",
        Level::Inside => "organisation",
        Level::Own => "own",
    };
    let actions = listed(
        grant.actions.iter().map(|action| action.name()),
        Action::ALL.len(),
    );
    let resources = grant.resources.iter().map(|resource| resource.name());
    let resources = listed(resources, Resource::ALL.len());
    format!("| {who} | {level} | {actions} | {resources} |\n")
}

fn listed(names: impl ExactSizeIterator<Item = &'static str>, all: usize) -> String {
    if names.len() == all {
        return "everything".to_owned();
    }
    names.collect::<Vec<_>>().join(", ")
}
