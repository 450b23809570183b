//! The password, and its hash.

use super::*;

#[test]
fn a_changed_password_ends_all_sessions_and_tokens() {
    let past = vec![
        created(),
        started("A", 60),
        began(token("T", 60)),
        began(connection("C", 60)),
    ];
    given(past.clone())
        .when(change_password(1))
        .then_expect_events(vec![password_changed()]);
    let account = live(&[past, vec![password_changed()]].concat());
    assert!(account.sessions.is_empty());
    assert_eq!(account.password_revision, 2);
}

#[test]
fn the_password_that_is_replaced_is_the_current_one() {
    for past in [password_changed(), rehashed()] {
        given([created(), past])
            .when(change_password(2))
            .then_expect_events(vec![password_changed()]);
    }
}

#[test]
fn a_password_that_was_replaced_meanwhile_is_not_replaced_again() {
    for past in [password_changed(), rehashed()] {
        for revision in [0, 1, 3] {
            given([created(), past.clone()])
                .when(change_password(revision))
                .then_expect_error(UserError::CredentialsChanged);
        }
    }
}

#[test]
fn who_signs_in_otherwise_has_no_password_to_change() {
    for login_type in [LoginType::Github, LoginType::Oidc, LoginType::None] {
        for revision in [0, 1] {
            given([created_without_password(login_type)])
                .when(change_password(revision))
                .then_expect_error(UserError::HasNoPassword);
        }
    }
}

#[test]
fn a_dormant_or_suspended_user_has_another_password_and_stays_so() {
    for (past, status) in [
        (vec![created_dormant()], Status::Dormant),
        (suspended(), Status::Suspended),
    ] {
        given(past.clone())
            .when(change_password(1))
            .then_expect_events(vec![password_changed()]);
        let account = live(&[past, vec![password_changed()]].concat());
        assert_eq!(account.status, status);
    }
}

#[test]
fn the_old_password_starts_no_session_and_the_new_one_does() {
    let past = [created(), password_changed()];
    given(past.clone())
        .when(start_by_password("A", 1))
        .then_expect_error(UserError::CredentialsChanged);
    given(past)
        .when(start_by_password("A", 2))
        .then_expect_events(vec![started("A", 60)]);
}

#[test]
fn a_new_hash_of_the_old_password_is_dropped() {
    given([created(), password_changed()])
        .when(rehash(1))
        .then_expect_events(vec![]);
}

#[test]
fn the_hash_of_the_current_password_is_renewed() {
    for revision in 1..=4 {
        let renewals = (1..revision).map(|_| rehashed());
        given([created()].into_iter().chain(renewals))
            .when(rehash(revision))
            .then_expect_events(vec![rehashed()]);
    }
}

#[test]
fn a_new_hash_of_an_older_or_unknown_password_is_dropped() {
    for revision in [0, 1, 3] {
        given([created(), rehashed()])
            .when(rehash(revision))
            .then_expect_events(vec![]);
    }
}

#[test]
fn a_user_without_password_gets_none_by_rehashing() {
    for revision in [0, 1] {
        given([created_without_password(LoginType::Oidc)])
            .when(rehash(revision))
            .then_expect_events(vec![]);
    }
}

#[test]
fn the_hash_of_a_dormant_or_suspended_user_is_renewed_too() {
    for past in [vec![created_dormant()], suspended()] {
        given(past)
            .when(rehash(1))
            .then_expect_events(vec![rehashed()]);
    }
}
