//! Roles in the whole service.

use super::*;

#[test]
fn assigned_roles_replace_those_before() {
    given([created(), assigned([Role::Auditor])])
        .when(assign([Role::UserAdmin, Role::Member]))
        .then_expect_events(vec![assigned([Role::UserAdmin, Role::Member])]);
    let events = [
        created(),
        assigned([Role::Auditor]),
        assigned([Role::UserAdmin]),
    ];
    assert_eq!(live(&events).roles, [Role::UserAdmin].into());
}

#[test]
fn all_roles_can_be_taken_away() {
    given([created(), assigned([Role::Owner])])
        .when(assign([]))
        .then_expect_events(vec![assigned([])]);
}

#[test]
fn assigning_the_roles_that_a_user_has_records_nothing() {
    given([created(), assigned([Role::Auditor, Role::UserAdmin])])
        .when(assign([Role::UserAdmin, Role::Auditor]))
        .then_expect_events(vec![]);
}

#[test]
fn a_dormant_or_suspended_user_is_assigned_roles_too() {
    for past in [vec![created_dormant()], suspended()] {
        given(past)
            .when(assign([Role::Auditor]))
            .then_expect_events(vec![assigned([Role::Auditor])]);
    }
}

#[test]
fn roles_that_were_judged_by_those_before_are_assigned_if_they_still_are_so() {
    let judged = |from: &[Role]| UserCommand::AssignRoles {
        roles: [Role::Auditor].into(),
        from: Some(from.iter().copied().collect()),
    };
    given([created(), assigned([Role::UserAdmin])])
        .when(judged(&[Role::UserAdmin]))
        .then_expect_events(vec![assigned([Role::Auditor])]);
    for others in [&[][..], &[Role::Auditor], &[Role::UserAdmin, Role::Owner]] {
        given([created(), assigned([Role::UserAdmin])])
            .when(judged(others))
            .then_expect_error(UserError::RolesChanged);
    }
    given([created(), assigned([Role::Auditor])])
        .when(judged(&[Role::UserAdmin]))
        .then_expect_error(UserError::RolesChanged);
}
