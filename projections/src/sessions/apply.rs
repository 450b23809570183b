//! What events make of sessions. Pure.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use rollcall_events::{
    Event, Personal, Recorded,
    user::{ENDED_SESSIONS_KEPT, Session, SessionId, TokenName, UserEvent},
};
use uuid::Uuid;

use super::SessionRow;

/// What a batch makes of the sessions: first those that were there end, then the new ones begin.
#[derive(Debug, Default)]
pub struct SessionRows {
    pub(super) ended: BTreeSet<SessionId>,
    /// Users all of whose sessions end.
    pub(super) gone: BTreeSet<Uuid>,
    /// Sessions that were there, whose they are, and when they end now.
    pub(super) shortened: BTreeMap<SessionId, (Uuid, DateTime<Utc>)>,
    /// By user too: if two users ever begin one session, both rows are written, and the database refuses them.
    pub(super) started: BTreeMap<(Uuid, SessionId), SessionRow>,
}

pub(super) fn apply(rows: &mut SessionRows, recorded: &Recorded) {
    let Event::User(event) = &recorded.event else {
        return;
    };
    match event {
        UserEvent::SessionStarted {
            session,
            token_name,
        } => {
            forget_ended(rows, recorded.stream, recorded.recorded_at);
            let name = token_name.as_ref().and_then(Personal::known);
            let row = started(recorded.stream, session, name, recorded.recorded_at);
            rows.started
                .insert((recorded.stream, session.id.clone()), row);
        }
        UserEvent::SessionEnded { session_id, .. } => end(rows, session_id, recorded.stream),
        UserEvent::SessionsExpired { session_ids } => {
            for id in session_ids {
                end(rows, id, recorded.stream);
            }
        }
        UserEvent::SessionShortened {
            session_id,
            ends_at,
        } => shorten(rows, session_id, recorded.stream, *ends_at),
        UserEvent::UserDeleted {}
        | UserEvent::UserErased {}
        | UserEvent::PasswordChanged { .. }
        | UserEvent::LoginTypeChanged { .. } => end_all(rows, recorded.stream),
        UserEvent::UserCreated { .. }
        | UserEvent::ProfileChanged { .. }
        | UserEvent::RolesAssigned { .. }
        | UserEvent::UserSuspended {}
        | UserEvent::UserActivated { .. }
        | UserEvent::PasswordRehashed { .. }
        | UserEvent::IdentityLinked { .. }
        | UserEvent::IdentityUnlinked {}
        | UserEvent::OrganizationJoined { .. }
        | UserEvent::OrganizationLeft { .. }
        | UserEvent::OrganizationRolesAssigned { .. } => {}
    }
}

/// Drops what a sweep deletes, so that a rebuild needs no memory for every session that there ever was.
fn forget_ended(rows: &mut SessionRows, user: Uuid, now: DateTime<Utc>) {
    let first = (user, SessionId(String::new()));
    let theirs = rows.started.range(first..);
    let ended: Vec<_> = theirs
        .take_while(|((owner, _), _)| *owner == user)
        .filter(|(_, row)| now - row.ends_at > ENDED_SESSIONS_KEPT)
        .map(|(key, _)| key.clone())
        .collect();
    for key in ended {
        rows.started.remove(&key);
    }
}

fn started(
    user_id: Uuid,
    session: &Session,
    token_name: Option<&TokenName>,
    created_at: DateTime<Utc>,
) -> SessionRow {
    SessionRow {
        id: session.id.clone(),
        user_id,
        secret_sha256: session.secret_sha256,
        login_type: session.login_type,
        token_name: token_name.map(|name| name.as_str().to_owned()),
        scope: session.scope,
        lifetime_s: session.lifetime_s,
        created_at,
        expires_at: session.expires_at,
        ends_at: session.ends_at,
    }
}

/// A session that began in this batch was never written, and is simply dropped.
fn end(rows: &mut SessionRows, id: &SessionId, user: Uuid) {
    if rows.started.remove(&(user, id.clone())).is_none() {
        rows.shortened.remove(id);
        rows.ended.insert(id.clone());
    }
}

fn shorten(rows: &mut SessionRows, id: &SessionId, user: Uuid, ends_at: DateTime<Utc>) {
    if let Some(row) = rows.started.get_mut(&(user, id.clone())) {
        row.expires_at = row.expires_at.min(ends_at);
        row.ends_at = ends_at;
    } else {
        rows.shortened.insert(id.clone(), (user, ends_at));
    }
}

fn end_all(rows: &mut SessionRows, user: Uuid) {
    rows.started.retain(|(owner, _), _| *owner != user);
    rows.shortened.retain(|_, (owner, _)| *owner != user);
    rows.gone.insert(user);
}

#[cfg(test)]
mod tests {
    use rollcall_events::{
        Personal,
        user::{EndReason, LoginType, Scope, SecretHash},
    };

    use super::*;
    use crate::testing::{ADA, BOB, at, created, recorded, session_started};

    fn after(events: Vec<(Uuid, UserEvent)>) -> SessionRows {
        let mut rows = SessionRows::default();
        for ((stream, event), version) in events.into_iter().zip(1..) {
            apply(&mut rows, &recorded(stream, version, event));
        }
        rows
    }

    fn ended(id: &str) -> UserEvent {
        UserEvent::SessionEnded {
            session_id: SessionId(id.to_owned()),
            reason: EndReason::SignedOut,
        }
    }

    fn expired(ids: &[&str]) -> UserEvent {
        UserEvent::SessionsExpired {
            session_ids: ids.iter().map(|id| SessionId((*id).to_owned())).collect(),
        }
    }

    fn shortened(id: &str, end: i64) -> UserEvent {
        UserEvent::SessionShortened {
            session_id: SessionId(id.to_owned()),
            ends_at: at(end),
        }
    }

    fn named(mut event: UserEvent, name: Option<Personal<TokenName>>) -> UserEvent {
        if let UserEvent::SessionStarted { token_name, .. } = &mut event {
            *token_name = name;
        }
        event
    }

    /// The sessions that were there and end earlier, whose they are, and when.
    #[track_caller]
    fn assert_shortens(rows: &SessionRows, expected: &[(&str, Uuid, i64)]) {
        let shortened = rows.shortened.iter();
        let shortened = shortened.map(|(SessionId(id), (user, end))| (id.as_str(), *user, *end));
        let expected = expected
            .iter()
            .map(|(id, user, end)| (*id, *user, at(*end)));
        assert_eq!(shortened.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    }

    /// The sessions that end, the users all of whose sessions end, and the sessions that begin, by user.
    #[track_caller]
    fn assert_leaves(rows: &SessionRows, ended: &[&str], gone: &[Uuid], started: &[&str]) {
        let names = |ids: Vec<&SessionId>| ids.iter().map(|id| id.0.clone()).collect::<Vec<_>>();
        assert_eq!(names(rows.ended.iter().collect()), ended);
        assert_eq!(rows.gone.iter().copied().collect::<Vec<_>>(), gone);
        assert_eq!(
            names(rows.started.keys().map(|(_, id)| id).collect()),
            started
        );
    }

    #[test]
    fn a_session_begins() {
        let rows = after(vec![(ADA, session_started("a"))]);
        let expected = SessionRow {
            id: SessionId("a".to_owned()),
            user_id: ADA,
            secret_sha256: SecretHash([7; 32]),
            login_type: LoginType::Password,
            token_name: None,
            scope: Scope::All,
            lifetime_s: 86_400,
            created_at: at(1),
            expires_at: at(86_400),
            ends_at: at(2_592_000),
        };
        assert_leaves(&rows, &[], &[], &["a"]);
        assert_eq!(rows.started.into_values().collect::<Vec<_>>(), [expected]);
    }

    #[test]
    fn sessions_end_one_by_one_or_by_age() {
        let rows = after(vec![(ADA, ended("a")), (BOB, expired(&["b", "c"]))]);
        assert_leaves(&rows, &["a", "b", "c"], &[], &[]);
    }

    #[test]
    fn what_begins_and_ends_in_one_batch_is_never_written() {
        let start = |id| (ADA, session_started(id));
        let rows = after(vec![start("a"), start("b"), (ADA, ended("a")), start("c")]);
        assert_leaves(&rows, &[], &[], &["b", "c"]);
        let rows = after(vec![start("a"), start("b"), (ADA, expired(&["a", "x"]))]);
        assert_leaves(&rows, &["x"], &[], &["b"]);
    }

    #[test]
    fn two_users_who_begin_one_session_are_both_written_and_not_one_in_place_of_the_other() {
        let rows = after(vec![
            (ADA, session_started("a")),
            (BOB, session_started("a")),
        ]);
        assert_leaves(&rows, &[], &[], &["a", "a"]);
    }

    #[test]
    fn who_goes_takes_their_sessions_along_and_no_others() {
        for gone in [UserEvent::UserDeleted {}, UserEvent::UserErased {}] {
            let started = vec![(ADA, session_started("a")), (BOB, session_started("b"))];
            let rows = after(started.into_iter().chain([(ADA, gone)]).collect());
            assert_leaves(&rows, &[], &[ADA], &["b"]);
        }
    }

    #[test]
    fn who_changes_the_password_loses_all_sessions_and_begins_new_ones() {
        let changed = UserEvent::PasswordChanged {
            scheme: "argon2id".to_owned(),
        };
        let rows = after(vec![
            (ADA, session_started("a")),
            (BOB, session_started("b")),
            (ADA, changed),
            (ADA, session_started("c")),
        ]);
        assert_leaves(&rows, &[], &[ADA], &["c", "b"]);
    }

    #[test]
    fn a_token_has_the_name_that_can_be_read() {
        let name = || TokenName::parse("Ada's laptop").unwrap();
        for (token_name, expected) in [
            (Some(Personal::Known(name())), Some("Ada's laptop")),
            (Some(Personal::Sealed("c2VhbGVk".to_owned())), None),
            (Some(Personal::Erased), None),
            (None, None),
        ] {
            let rows = after(vec![(ADA, named(session_started("a"), token_name))]);
            let names = rows.started.values().map(|row| row.token_name.as_deref());
            assert_eq!(names.collect::<Vec<_>>(), [expected]);
        }
    }

    #[test]
    fn a_session_that_was_there_ends_earlier() {
        let rows = after(vec![(ADA, shortened("a", 9)), (BOB, shortened("b", 60))]);
        assert_leaves(&rows, &[], &[], &[]);
        assert_shortens(&rows, &[("a", ADA, 9), ("b", BOB, 60)]);
    }

    #[test]
    fn a_session_that_begins_and_is_shortened_in_one_batch_is_written_as_it_became() {
        // It would end without use at 86400, and at 2592000 at the latest.
        for (end, expires) in [(60, 60), (100_000, 86_400)] {
            let rows = after(vec![
                (ADA, session_started("a")),
                (ADA, shortened("a", end)),
            ]);
            assert_leaves(&rows, &[], &[], &["a"]);
            assert_shortens(&rows, &[]);
            let ends = rows
                .started
                .values()
                .map(|row| (row.expires_at, row.ends_at));
            assert_eq!(ends.collect::<Vec<_>>(), [(at(expires), at(end))]);
        }
    }

    #[test]
    fn what_ends_after_it_was_shortened_is_simply_gone() {
        let both = || vec![(ADA, shortened("a", 9)), (BOB, shortened("b", 9))];
        for (last, ends, gone) in [
            (ended("a"), &["a"][..], &[][..]),
            (expired(&["a"]), &["a"], &[]),
            (UserEvent::UserDeleted {}, &[], &[ADA]),
            (UserEvent::UserErased {}, &[], &[ADA]),
        ] {
            let rows = after([both(), vec![(ADA, last)]].concat());
            assert_leaves(&rows, ends, gone, &[]);
            assert_shortens(&rows, &[("b", BOB, 9)]);
        }
    }

    #[test]
    fn other_changes_of_a_user_leave_the_sessions_alone() {
        let rows = after(vec![
            (BOB, created(Personal::Erased)),
            (ADA, session_started("a")),
            (ADA, UserEvent::UserSuspended {}),
        ]);
        assert_leaves(&rows, &[], &[], &["a"]);
    }
}
