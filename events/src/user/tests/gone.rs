//! The end of a user's life.

use super::*;

#[test]
fn a_user_can_be_deleted_whatever_the_status() {
    for past in [vec![created()], vec![created_dormant()], suspended()] {
        given(past)
            .when(UserCommand::DeleteUser)
            .then_expect_events(vec![UserEvent::UserDeleted {}]);
    }
}

#[test]
fn the_sessions_of_a_deleted_user_die_with_the_user() {
    let past = [created(), started("A", 60), UserEvent::UserDeleted {}];
    assert_eq!(replayed(&past), User::Deleted);
    given(past.clone())
        .when(end_session("A"))
        .then_expect_events(vec![]);
    given(past)
        .when(start("B", 60))
        .then_expect_error(UserError::NotFound);
}

#[test]
fn what_the_log_says_of_a_user_who_is_gone_brings_nobody_back() {
    for past in [deleted(), erased()] {
        let user = replayed(&past);
        for event in [
            changed(renamed("countess")),
            assigned([Role::Owner]),
            activated(ActivationCause::Administrator),
            password_changed(),
            rehashed(),
            linked("1"),
            UserEvent::IdentityUnlinked {},
            converted(LoginType::Oidc),
            started("A", 60),
            shortened("A", 0),
            joined(AWAY),
            left(HOME),
            assigned_at(HOME, [OrganizationRole::Admin]),
        ] {
            let mut after = user.clone();
            EventSourced::evolve(&mut after, &event);
            assert_eq!(after, user, "{event:?}");
        }
    }
}

#[test]
fn a_user_can_be_erased_with_or_without_being_deleted_first() {
    for past in [vec![created()], vec![created(), UserEvent::UserDeleted {}]] {
        let mut user = replayed(&past);
        EventSourced::evolve(&mut user, &UserEvent::UserErased {});
        assert_eq!(user, User::Erased);
    }
}
