//! Suspension and activation.

use super::*;

#[test]
fn an_active_or_dormant_user_can_be_suspended() {
    for past in [created(), created_dormant()] {
        given([past])
            .when(UserCommand::SuspendUser)
            .then_expect_events(vec![UserEvent::UserSuspended {}]);
    }
}

#[test]
fn suspending_a_suspended_user_records_nothing() {
    given(suspended())
        .when(UserCommand::SuspendUser)
        .then_expect_events(vec![]);
}

#[test]
fn an_owner_cannot_be_suspended() {
    for past in [created(), created_dormant()] {
        given([past, assigned([Role::Owner, Role::Auditor])])
            .when(UserCommand::SuspendUser)
            .then_expect_error(UserError::OwnerCannotBeSuspended);
    }
}

#[test]
fn whoever_is_an_owner_no_more_can_be_suspended() {
    given([created(), assigned([Role::Owner]), assigned([])])
        .when(UserCommand::SuspendUser)
        .then_expect_events(vec![UserEvent::UserSuspended {}]);
}

#[test]
fn a_suspended_user_who_became_an_owner_stays_suspended_and_saying_so_again_records_nothing() {
    given(suspended())
        .and(vec![assigned([Role::Owner])])
        .when(UserCommand::SuspendUser)
        .then_expect_events(vec![]);
}

#[test]
fn an_administrator_ends_a_suspension() {
    given(suspended())
        .when(activate(ActivationCause::Administrator))
        .then_expect_events(vec![activated(ActivationCause::Administrator)]);
}

#[test]
fn use_never_ends_a_suspension() {
    given(suspended())
        .when(activate(ActivationCause::Use))
        .then_expect_error(UserError::Suspended);
}

#[test]
fn a_dormant_user_becomes_active_by_an_administrator_and_by_use() {
    for cause in [ActivationCause::Administrator, ActivationCause::Use] {
        given([created_dormant()])
            .when(activate(cause))
            .then_expect_events(vec![activated(cause)]);
    }
}

#[test]
fn activating_an_active_user_records_nothing() {
    for cause in [ActivationCause::Administrator, ActivationCause::Use] {
        for past in [
            vec![created()],
            vec![created_dormant(), activated(ActivationCause::Use)],
        ] {
            given(past).when(activate(cause)).then_expect_events(vec![]);
        }
    }
}

#[test]
fn a_user_who_was_suspended_when_dormant_comes_back_active() {
    let events = [
        created_dormant(),
        UserEvent::UserSuspended {},
        activated(ActivationCause::Administrator),
    ];
    assert_eq!(live(&events).status, Status::Active);
}

#[test]
fn a_suspension_keeps_the_sessions() {
    let mut events = vec![created(), started("A", 60)];
    events.push(UserEvent::UserSuspended {});
    assert_eq!(live(&events).sessions.len(), 1);
}
