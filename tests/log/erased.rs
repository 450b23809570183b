//! A person whose key is destroyed is gone from the log, and nobody else is harmed.

use rollcall_events::{
    Event, Personal,
    user::{User, UserCommand, UserEvent},
};
use sqlx::ConnectOptions;
use uuid::Uuid;

use crate::{
    support::{Readable as _, TestApp},
    tools::{execute, new_avatar, raw_events, renaming, replay, rows_of, sign_in, user},
};

/// Ada, whose key is gone, and Bob; and a node that has not known them.
async fn without_adas_key() -> (TestApp, Uuid, Uuid) {
    let app = TestApp::start().await;
    let (ada, bob) = (user(&app, "ada").await, user(&app, "bob").await);
    for id in [ada, bob] {
        execute(&app, id, new_avatar("https://example.com/a.png"))
            .await
            .unwrap();
        execute(&app, id, sign_in(&format!("of{}", id.simple())))
            .await
            .unwrap();
    }
    let mut superuser = app.superuser.connect().await.unwrap();
    sqlx::query("DELETE FROM vault.subject_keys WHERE subject_id = $1")
        .bind(ada)
        .execute(&mut superuser)
        .await
        .unwrap();
    (app.second_node().await, ada, bob)
}

#[tokio::test]
async fn their_events_decode_as_erased_and_still_say_what_happened_when() {
    let (app, ada, _) = without_adas_key().await;
    let events = app.app.log.stream(ada, 0).await.unwrap().readable();
    let told: Vec<_> = events
        .iter()
        .map(|recorded| {
            (
                recorded.version,
                recorded.event.event_type(),
                recorded.recorded_at,
            )
        })
        .collect();
    let raw = raw_events(&mut app.superuser.connect().await.unwrap()).await;
    let raw: Vec<_> = raw
        .iter()
        .filter(|event| event.aggregate_id == ada)
        .collect();
    let expected: Vec<_> = raw
        .iter()
        .map(|event| (event.version, event.event_type.as_str(), event.recorded_at))
        .collect();
    assert_eq!(told, expected);
    assert_eq!(
        told.iter().map(|(_, kind, _)| *kind).collect::<Vec<_>>(),
        ["UserCreated", "ProfileChanged", "SessionStarted"]
    );
    for recorded in events {
        match recorded.event {
            Event::User(UserEvent::UserCreated { person, .. }) => {
                assert_eq!(person, Personal::Erased);
            }
            Event::User(UserEvent::ProfileChanged { change }) => {
                assert_eq!(change, Personal::Erased);
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn their_stream_still_loads_and_takes_commands() {
    let (app, ada, _) = without_adas_key().await;
    let renamed = execute(&app, ada, renaming("eve")).await;
    assert!(
        matches!(
            renamed,
            Err(rollcall::command_bus::CommandError::Refused(_))
        ),
        "{renamed:?}"
    );
    execute(&app, ada, sign_in("another")).await.unwrap();
    execute(&app, ada, UserCommand::DeleteUser).await.unwrap();
}

#[tokio::test]
async fn others_are_as_they_were() {
    let (app, _, bob) = without_adas_key().await;
    let events = app.app.log.stream(bob, 0).await.unwrap().readable();
    let mut state = User::default();
    for recorded in events {
        let event = UserEvent::try_from(recorded.event).unwrap();
        rollcall_events::EventSourced::evolve(&mut state, &event);
    }
    let User::Live(account) = state else {
        panic!("{state:?}")
    };
    let person = account.person.known().unwrap();
    assert_eq!(person.username.as_str(), "bob");
    assert_eq!(person.avatar_url, "https://example.com/a.png");
}

#[tokio::test]
async fn a_replay_works_and_leaves_a_tombstone() {
    let (app, ada, bob) = without_adas_key().await;
    let replayed = replay(&app.app.log, &[3]).await;
    let mut conn = replayed.connect().await.unwrap();
    let names: Vec<(Uuid, Option<String>, Option<String>)> =
        sqlx::query_as("SELECT id, username, email FROM read.users ORDER BY created_at, id")
            .fetch_all(&mut conn)
            .await
            .unwrap();
    let bobs = (
        bob,
        Some("bob".to_owned()),
        Some("bob@example.com".to_owned()),
    );
    assert_eq!(names, [(ada, None, None), bobs]);
    let mut live = app.superuser.connect().await.unwrap();
    for table in ["read.sessions", "read.organizations"] {
        assert_eq!(
            rows_of(&mut conn, table).await,
            rows_of(&mut live, table).await
        );
    }
}

#[tokio::test]
async fn a_key_that_was_moved_to_somebody_else_opens_nothing() {
    let (app, ada, bob) = without_adas_key().await;
    let mut superuser = app.superuser.connect().await.unwrap();
    sqlx::query("UPDATE vault.subject_keys SET subject_id = $1 WHERE subject_id = $2")
        .bind(ada)
        .bind(bob)
        .execute(&mut superuser)
        .await
        .unwrap();
    let events = app.app.log.stream(ada, 0).await.unwrap();
    let reason = events[0].as_ref().unwrap_err().reason();
    assert!(reason.contains("it was altered"), "{reason}");
}
