//! Sessions.

use super::*;
use crate::user::decide::MOST_SESSIONS;

#[test]
fn an_active_user_signs_in() {
    given([created()])
        .when(start("A", 60))
        .then_expect_events(vec![started("A", 60)]);
}

#[test]
fn a_dormant_user_becomes_active_at_the_first_sign_in() {
    given([created_dormant()])
        .when(start("A", 60))
        .then_expect_events(vec![activated(ActivationCause::Use), started("A", 60)]);
}

#[test]
fn a_suspended_user_cannot_sign_in() {
    given(suspended())
        .when(start("A", 60))
        .then_expect_error(UserError::Suspended);
}

#[test]
fn a_suspended_user_gets_no_session_from_a_provider_either() {
    given([
        created_without_password(LoginType::Github),
        UserEvent::UserSuspended {},
    ])
    .when(start("A", 60))
    .then_expect_error(UserError::Suspended);
}

#[test]
fn a_user_signs_in_again_after_the_suspension_ended() {
    given(suspended())
        .and(vec![activated(ActivationCause::Administrator)])
        .when(start("A", 60))
        .then_expect_events(vec![started("A", 60)]);
}

#[test]
fn a_session_comes_of_the_current_password() {
    given([created()])
        .when(start_by_password("A", 1))
        .then_expect_events(vec![started("A", 60)]);
    given([created(), rehashed()])
        .when(start_by_password("A", 2))
        .then_expect_events(vec![started("A", 60)]);
}

#[test]
fn no_session_comes_of_a_password_that_was_replaced_while_it_was_verified() {
    for revision in [0, 1, 3] {
        given([created(), rehashed()])
            .when(start_by_password("A", revision))
            .then_expect_error(UserError::CredentialsChanged);
    }
}

#[test]
fn no_session_comes_of_the_password_of_a_user_who_has_none() {
    for revision in [0, 1] {
        given([created_without_password(LoginType::Oidc)])
            .when(start_by_password("A", revision))
            .then_expect_error(UserError::CredentialsChanged);
    }
}

#[test]
fn a_dormant_user_stays_dormant_when_the_sign_in_is_refused() {
    given([created_dormant()])
        .when(start_by_password("A", 0))
        .then_expect_error(UserError::CredentialsChanged);
}

#[test]
fn a_session_is_not_started_twice() {
    given([created(), started("A", 60)])
        .when(start("A", 60))
        .then_expect_error(UserError::SessionExists);
}

#[test]
fn a_session_does_not_take_the_identifier_of_one_that_has_just_expired() {
    given([created(), started("A", 0)])
        .when(start("A", 60))
        .then_expect_error(UserError::SessionExists);
}

#[test]
fn a_user_has_several_sessions() {
    given([created(), started("A", 60)])
        .when(start("B", 60))
        .then_expect_events(vec![started("B", 60)]);
}

#[test]
fn a_sign_in_forgets_the_sessions_past_their_end_without_an_event() {
    let past = [
        created(),
        started("A", -1),
        started("B", 0),
        started("C", 1),
        started("D", -60),
    ];
    given(past.clone())
        .when(start("E", 60))
        .then_expect_events(vec![started("E", 60)]);
    let after = [&past[..], &[started("E", 60)]].concat();
    assert_eq!(open_sessions(&after), ["C", "E"]);
}

#[test]
fn a_session_whose_start_is_out_of_range_forgets_none() {
    for (lifetime_s, expires_at) in [
        (i64::MIN, minute(60)),
        (i64::MAX, minute(60)),
        (3600, DateTime::<Utc>::MIN_UTC),
        (-1, DateTime::<Utc>::MAX_UTC),
    ] {
        let odd = Session {
            lifetime_s,
            expires_at,
            ..session("B", 60)
        };
        assert_eq!(
            open_sessions(&[created(), started("A", 60), began(odd)]),
            ["A", "B"]
        );
    }
}

#[test]
fn a_session_that_still_slides_is_forgotten_at_its_hard_end_alone() {
    let mut idle = session("A", 60);
    idle.expires_at = minute(-1);
    assert_eq!(
        open_sessions(&[created(), began(idle), started("B", 60)]),
        ["A", "B"]
    );
}

#[test]
fn who_has_as_many_sessions_as_one_can_have_loses_the_one_that_would_end_first() {
    let names: Vec<String> = (1..=MOST_SESSIONS).map(|nth| format!("S{nth}")).collect();
    let full = (1..).zip(&names).map(|(end, name)| {
        // All started before the first of them ends.
        let lifetime_s = 60 * 9_999;
        began(Session {
            lifetime_s,
            ..session(name, end)
        })
    });
    given(std::iter::once(created()).chain(full))
        .when(start("New", 9_999))
        .then_expect_events(vec![
            ended_because(EndReason::Superseded, "S1"),
            started("New", 9_999),
        ]);
}

#[test]
fn a_sign_in_first_activates_then_starts() {
    given([created_dormant(), started("A", 0)])
        .when(start("B", 60))
        .then_expect_events(vec![activated(ActivationCause::Use), started("B", 60)]);
}

#[test]
fn sessions_that_were_cleared_away_are_gone() {
    let events = [
        created(),
        started("A", 0),
        started("B", 60),
        expired(["A", "unheard of"]),
    ];
    assert_eq!(open_sessions(&events), ["B"]);
}

#[test]
fn a_session_ends_for_the_reason_given() {
    for reason in [EndReason::SignedOut, EndReason::Revoked] {
        given([created(), started("A", 60)])
            .when(end_because(reason, "A"))
            .then_expect_events(vec![ended_because(reason, "A")]);
    }
}

#[test]
fn ending_a_session_leaves_the_others() {
    let events = [created(), started("A", 60), started("B", 60), ended("A")];
    assert_eq!(open_sessions(&events), ["B"]);
}

#[test]
fn ending_a_session_that_is_unknown_or_over_records_nothing() {
    for past in [
        vec![created()],
        vec![created(), started("A", 60), ended("A")],
        vec![created(), started("A", 0), expired(["A"])],
    ] {
        given(past)
            .when(end_session("A"))
            .then_expect_events(vec![]);
    }
}

#[test]
fn a_suspended_users_session_can_be_ended() {
    given([created(), started("A", 60), UserEvent::UserSuspended {}])
        .when(end_session("A"))
        .then_expect_events(vec![ended("A")]);
}

#[test]
fn a_dormant_users_session_can_be_ended() {
    given([created_dormant(), started("A", 60)])
        .when(end_session("A"))
        .then_expect_events(vec![ended("A")]);
}

#[test]
fn all_sessions_end_together_and_api_tokens_only_if_that_is_asked_for() {
    let past = [
        created(),
        started("A", 60),
        began(token("B", 60)),
        began(connection("C", 60)),
        started("D", 0),
    ];
    let ended = |id| ended_because(EndReason::ProviderRefused, id);
    given(past.clone())
        .when(end_sessions(false))
        .then_expect_events(vec![ended("A"), ended("C")]);
    given(past)
        .when(end_sessions(true))
        .then_expect_events(vec![ended("A"), ended("B"), ended("C")]);
    given([created()])
        .when(end_sessions(true))
        .then_expect_events(vec![]);
}

#[test]
fn who_signs_out_leaves_the_applications_too() {
    let connected_token = Session {
        scope: Scope::ApplicationConnect,
        ..token("E", 60)
    };
    let past = vec![
        created(),
        began(connection("A", 60)),
        started("B", 60),
        started("C", 60),
        began(token("D", 60)),
        began(connected_token),
        began(connection("F", -60)),
    ];
    let ends = vec![ended("B"), ended("A"), ended("E"), ended("F")];
    given(past.clone())
        .when(end_session("B"))
        .then_expect_events(ends.clone());
    assert_eq!(open_sessions(&[past, ends].concat()), ["C", "D"]);
}

#[test]
fn who_signs_out_of_an_application_ends_that_session_once() {
    given([
        created(),
        began(connection("A", 60)),
        began(connection("B", 60)),
    ])
    .when(end_session("A"))
    .then_expect_events(vec![ended("A"), ended("B")]);
}

#[test]
fn a_session_that_somebody_revokes_ends_alone() {
    given([created(), started("A", 60), began(connection("B", 60))])
        .when(end_because(EndReason::Revoked, "A"))
        .then_expect_events(vec![ended_because(EndReason::Revoked, "A")]);
}

#[test]
fn a_session_that_is_unknown_leaves_the_applications_alone() {
    given([created(), began(connection("A", 60))])
        .when(end_session("B"))
        .then_expect_events(vec![]);
}

#[test]
fn a_session_that_is_made_to_end_now_is_kept_to_be_looked_at() {
    let past = vec![created(), started("A", 60), started("B", 60)];
    given(past.clone())
        .when(expire("A"))
        .then_expect_events(vec![shortened("A", 0)]);
    let sessions = live(&[past, vec![shortened("A", 0)]].concat()).sessions;
    let ends = sessions.into_iter().map(|(id, open)| (id.0, open.ends_at));
    assert_eq!(
        ends.collect::<Vec<_>>(),
        [("A".to_owned(), minute(0)), ("B".to_owned(), minute(60))]
    );
}

#[test]
fn a_session_that_is_over_or_unknown_does_not_end_earlier() {
    for past in [
        vec![created()],
        vec![created(), started("A", 0)],
        vec![created(), started("A", -1)],
        vec![created(), started("A", 60), shortened("A", 0)],
        vec![created(), started("A", 60), ended("A")],
    ] {
        given(past).when(expire("A")).then_expect_events(vec![]);
    }
}

#[test]
fn an_end_that_came_earlier_is_forgotten_and_makes_room_as_any_other() {
    given([created(), started("A", 60), shortened("A", 0)])
        .when(start("B", 60))
        .then_expect_events(vec![started("B", 60)]);
}

#[test]
fn what_the_log_says_of_the_end_of_an_unknown_session_begins_none() {
    assert!(open_sessions(&[created(), shortened("A", 60)]).is_empty());
}
