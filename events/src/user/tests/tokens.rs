//! API tokens, which are kept apart from the sessions of a browser.

use super::*;
use crate::user::{
    ENDED_SESSIONS_KEPT,
    decide::{MOST_SESSIONS, MOST_TOKENS},
};

/// As many sessions as there may be, made by `of` from a name and the minute of their end, from minute 1 on.
fn as_many_as(most: usize, of: fn(&str, i64) -> Session) -> Vec<UserEvent> {
    let ends = (1..).take(most);
    let started = ends.map(|end| began(of(&format!("S{end}"), end)));
    std::iter::once(created()).chain(started).collect()
}

#[test]
fn a_token_has_the_name_that_its_owner_gave_it() {
    let named = UserEvent::SessionStarted {
        session: token("T", 60),
        token_name: Some(Personal::Known(token_name("laptop"))),
    };
    given([created()])
        .when(start_named("T", "laptop"))
        .then_expect_events(vec![named]);
}

#[test]
fn a_token_needs_no_name() {
    given([created()])
        .when(begin(token("T", 60), 0))
        .then_expect_events(vec![began(token("T", 60))]);
}

#[test]
fn a_dormant_user_does_not_come_by_being_given_a_token() {
    given([created_dormant()])
        .when(begin(token("T", 60), 0))
        .then_expect_events(vec![began(token("T", 60))]);
}

#[test]
fn a_suspended_user_gets_no_token() {
    given(suspended())
        .when(start_named("T", "laptop"))
        .then_expect_error(UserError::Suspended);
}

#[test]
fn who_has_as_many_tokens_as_one_can_have_gets_no_more_and_loses_none() {
    given(as_many_as(MOST_TOKENS, token))
        .when(begin(token("New", 9_999), 0))
        .then_expect_error(UserError::TooManyTokens);
    given(as_many_as(MOST_TOKENS - 1, token))
        .when(begin(token("New", 9_999), 0))
        .then_expect_events(vec![began(token("New", 9_999))]);
}

#[test]
fn tokens_past_their_end_do_not_count_though_they_are_kept() {
    given(as_many_as(MOST_TOKENS, token))
        .when(begin(token("New", 9_999), 1))
        .then_expect_events(vec![began(token("New", 9_999))]);
}

#[test]
fn a_token_that_was_made_to_end_makes_room_for_another() {
    given(as_many_as(MOST_TOKENS, token))
        .and(vec![shortened("S7", 0)])
        .when(begin(token("New", 9_999), 0))
        .then_expect_events(vec![began(token("New", 9_999))]);
}

#[test]
fn a_token_ends_no_session_and_a_session_no_token() {
    given(as_many_as(MOST_SESSIONS, session))
        .when(begin(token("New", 9_999), 0))
        .then_expect_events(vec![began(token("New", 9_999))]);
    given(as_many_as(MOST_TOKENS, token))
        .when(start("New", 9_999))
        .then_expect_events(vec![started("New", 9_999)]);
}

#[test]
fn a_token_is_kept_for_a_while_after_its_end() {
    let kept = ENDED_SESSIONS_KEPT.num_minutes();
    // A session starts an hour before its end.
    for (start, open) in [
        (-1, vec!["A", "New", "T"]),
        (0, vec!["New", "T"]),
        (kept - 1, vec!["New", "T"]),
        (kept, vec!["New"]),
    ] {
        let past = [created(), began(token("T", 0)), started("A", 0)];
        let events = [&past[..], &[started("New", start + 60)]].concat();
        assert_eq!(open_sessions(&events), open, "at minute {start}");
    }
}

#[test]
fn a_token_that_was_made_to_end_is_kept_from_then_on() {
    let kept = ENDED_SESSIONS_KEPT.num_minutes();
    let past = [created(), began(token("T", 99_999)), shortened("T", 60)];
    for (start, open) in [(60 + kept - 1, vec!["New", "T"]), (60 + kept, vec!["New"])] {
        let events = [&past[..], &[started("New", start + 60)]].concat();
        assert_eq!(open_sessions(&events), open, "at minute {start}");
    }
}

#[test]
fn no_more_tokens_are_kept_after_their_end_than_one_can_have() {
    let last = i64::try_from(MOST_TOKENS).unwrap();
    let mut events = as_many_as(MOST_TOKENS, token);
    events.push(began(token("Z", last + 1)));
    events.push(started("New", last + 1 + 60));
    let open = open_sessions(&events);
    assert_eq!(open.len(), MOST_TOKENS + 1);
    assert!(!open.contains(&"S1".to_owned()), "{open:?}");
}
