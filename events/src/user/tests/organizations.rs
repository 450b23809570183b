//! Belonging to organisations, and the roles there.

use super::*;
use OrganizationRole::{Admin, Auditor, UserAdmin};

#[test]
fn a_user_joins_an_organization_as_a_plain_member() {
    given([created()])
        .when(join(AWAY))
        .then_expect_events(vec![joined(AWAY)]);
    assert_eq!(
        live(&[created(), joined(AWAY)]).organizations,
        [Membership::new(HOME), Membership::new(AWAY)]
    );
}

#[test]
fn a_member_does_not_join_again() {
    for (past, id) in [
        (vec![created()], HOME),
        (vec![created(), joined(AWAY)], AWAY),
        (vec![created(), assigned_at(HOME, [Admin])], HOME),
    ] {
        given(past)
            .when(join(id))
            .then_expect_error(UserError::AlreadyMember);
    }
}

#[test]
fn a_member_leaves_and_stays_in_the_others() {
    given([created(), joined(AWAY)])
        .when(leave(HOME))
        .then_expect_events(vec![left(HOME)]);
    let events = [created(), joined(AWAY), left(HOME)];
    assert_eq!(live(&events).organizations, [Membership::new(AWAY)]);
}

#[test]
fn the_last_organization_cannot_be_left() {
    for past in [vec![created()], vec![created(), joined(AWAY), left(AWAY)]] {
        given(past)
            .when(leave(HOME))
            .then_expect_error(UserError::LastOrganization);
    }
}

#[test]
fn who_is_no_member_neither_leaves_nor_holds_roles() {
    for past in [vec![created()], vec![created(), joined(AWAY), left(AWAY)]] {
        for command in [leave(AWAY), assign_at(AWAY, [Admin]), assign_at(AWAY, [])] {
            given(past.clone())
                .when(command)
                .then_expect_error(UserError::NotMember);
        }
    }
}

#[test]
fn who_comes_back_is_a_plain_member() {
    let past = [created(), assigned_at(HOME, [Admin]), left(HOME)];
    given(past.clone())
        .when(join(HOME))
        .then_expect_events(vec![joined(HOME)]);
    let [created, assigned, left] = past;
    let account = live(&[created, assigned, left, joined(HOME)]);
    assert_eq!(account.organizations, [Membership::new(HOME)]);
}

#[test]
fn roles_in_an_organization_replace_those_before_and_leave_those_elsewhere() {
    let past = vec![
        created(),
        joined(AWAY),
        assigned_at(AWAY, [Auditor]),
        assigned_at(HOME, [Admin]),
    ];
    given(past.clone())
        .when(assign_at(HOME, [Auditor, UserAdmin]))
        .then_expect_events(vec![assigned_at(HOME, [UserAdmin, Auditor])]);
    let account = live(&[past, vec![assigned_at(HOME, [UserAdmin, Auditor])]].concat());
    assert_eq!(
        account.membership(HOME).unwrap().roles,
        [UserAdmin, Auditor].into()
    );
    assert_eq!(account.membership(AWAY).unwrap().roles, [Auditor].into());
}

#[test]
fn all_roles_in_an_organization_can_be_taken_away() {
    given([created(), assigned_at(HOME, [Admin])])
        .when(assign_at(HOME, []))
        .then_expect_events(vec![assigned_at(HOME, [])]);
}

#[test]
fn assigning_the_roles_that_a_member_has_records_nothing() {
    given([created()])
        .when(assign_at(HOME, []))
        .then_expect_events(vec![]);
    given([created(), assigned_at(HOME, [Auditor, Admin])])
        .when(assign_at(HOME, [Admin, Auditor]))
        .then_expect_events(vec![]);
}

#[test]
fn roles_in_an_organization_are_none_in_the_service() {
    let account = live(&[created(), assigned_at(HOME, [Admin])]);
    assert!(account.roles.is_empty());
    assert!(!account.is_active_owner());
}

#[test]
fn what_the_log_says_of_roles_where_somebody_is_no_member_makes_none() {
    assert_eq!(
        replayed(&[created(), assigned_at(AWAY, [Admin])]),
        replayed(&[created()])
    );
}
