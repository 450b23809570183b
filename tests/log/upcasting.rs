//! Events of retired shapes are read as if they had been written today.

use rollcall_events::{
    Event, Metadata, Personal,
    ids::Ids,
    log::{LogReader, Upcasters},
    user::{ActivationCause, Person, UserEvent},
    vault::{self, Place},
};
use serde_json::{Value, json};
use sqlx::ConnectOptions;
use uuid::Uuid;

use crate::{
    support::{Readable as _, TestApp},
    tools::{raw_events, replay, user},
};

/// Writes an event as an old release would have written it; the head stays behind.
async fn write_by_hand(
    app: &TestApp,
    stream: Uuid,
    version: i64,
    event_type: &str,
    schema_version: i32,
    payload: &Value,
) {
    let mut superuser = app.superuser.connect().await.unwrap();
    sqlx::query(
        "INSERT INTO log.events (position, aggregate_type, aggregate_id, version, event_type, schema_version, payload, metadata, recorded_at)
         SELECT max(position) + 1, 'user', $1, $2, $3, $4, $5, $6, max(recorded_at) FROM log.events",
    )
    .bind(stream)
    .bind(version)
    .bind(event_type)
    .bind(schema_version)
    .bind(serde_json::to_vec(payload).unwrap())
    .bind(serde_json::to_vec(&Metadata::system(Ids.uuid())).unwrap())
    .execute(&mut superuser)
    .await
    .unwrap();
}

fn reader(app: &TestApp, upcasters: Upcasters) -> LogReader {
    LogReader::new(app.pool().clone(), app.app.log.vault().clone(), upcasters)
}

/// Once, an activation did not say why (version -1), and then did, in another word (version 0).
fn upcasters() -> Upcasters {
    Upcasters::current()
        .with(
            "UserActivated",
            -1,
            |_| json!({ "UserActivated": { "cause": "admin" } }),
        )
        .with("UserActivated", 0, |mut event| {
            if event["UserActivated"]["cause"] == "admin" {
                event["UserActivated"]["cause"] = json!("administrator");
            }
            event
        })
        // Once, nobody had roles.
        .with("UserCreated", 0, |mut event| {
            event["UserCreated"]["roles"] = json!(["member"]);
            event
        })
}

#[tokio::test]
async fn retired_shapes_are_led_to_todays() {
    let app = TestApp::start().await;
    let bob = user(&app, "bob").await;
    write_by_hand(
        &app,
        bob,
        2,
        "UserActivated",
        -1,
        &json!({ "UserActivated": {} }),
    )
    .await;
    write_by_hand(
        &app,
        bob,
        3,
        "UserActivated",
        0,
        &json!({ "UserActivated": { "cause": "admin" } }),
    )
    .await;
    write_by_hand(
        &app,
        bob,
        4,
        "UserActivated",
        1,
        &json!({ "UserActivated": { "cause": "use" } }),
    )
    .await;
    let events = reader(&app, upcasters())
        .stream(bob, 1)
        .await
        .unwrap()
        .readable();
    let causes: Vec<_> = events
        .into_iter()
        .map(|recorded| match recorded.event {
            Event::User(UserEvent::UserActivated { cause }) => cause,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        causes,
        [
            ActivationCause::Administrator,
            ActivationCause::Administrator,
            ActivationCause::Use
        ]
    );
}

#[tokio::test]
async fn without_an_upcaster_a_retired_shape_is_an_error_that_names_its_place() {
    let app = TestApp::start().await;
    let bob = user(&app, "bob").await;
    write_by_hand(
        &app,
        bob,
        2,
        "UserActivated",
        -1,
        &json!({ "UserActivated": {} }),
    )
    .await;
    let events = reader(&app, Upcasters::current())
        .stream(bob, 0)
        .await
        .unwrap();
    assert!(events[0].is_ok());
    let error = events[1].as_ref().unwrap_err();
    assert!(error.to_string().contains("position 3"), "{error}");
}

#[tokio::test]
async fn what_is_sealed_in_a_retired_shape_opens_and_is_projected() {
    let app = TestApp::start().await;
    let bob = user(&app, "bob").await;
    let raw = raw_events(&mut app.superuser.connect().await.unwrap()).await;
    // A person sealed under another schema version: the version is authenticated with it.
    let events = app.app.log.stream(bob, 0).await.unwrap().readable();
    let Event::User(UserEvent::UserCreated { person, .. }) = &events[0].event else {
        panic!()
    };
    let mut person: Personal<Person> = person.clone();
    let eve = Ids.uuid();
    let keys = app.app.log.vault().keys(&[bob]).await.unwrap();
    let place = Place {
        stream: eve,
        version: 1,
        event_type: "UserCreated",
        schema_version: 0,
        field: "payload",
    };
    vault::seal(&mut person, bob, keys.get(bob).unwrap(), &place, Ids).unwrap();
    let mut payload: Value = serde_json::from_slice(&raw[1].payload).unwrap();
    payload["UserCreated"]["person"] = serde_json::to_value(&person).unwrap();
    payload["UserCreated"]
        .as_object_mut()
        .unwrap()
        .remove("roles");
    write_by_hand(&app, eve, 1, "UserCreated", 0, &payload).await;

    let reader = reader(&app, upcasters());
    let read = reader.stream(eve, 0).await.unwrap().readable();
    let Event::User(UserEvent::UserCreated { person, roles, .. }) = &read[0].event else {
        panic!()
    };
    assert_eq!(person.known().unwrap().username.as_str(), "bob");
    assert_eq!(roles.len(), 1);
    // A later part of the log, where Bob himself is not in the way of his double.
    let replayed = replay_of_last(&reader).await;
    assert_eq!(replayed, ["bob"]);
}

/// The names in the read model after a replay of the last event alone.
async fn replay_of_last(reader: &LogReader) -> Vec<String> {
    let last = reader.after(2, 10).await.unwrap().readable();
    let empty = crate::support::cluster::fresh_database().await;
    let options = crate::support::cluster::connect_options("postgres", &empty);
    let mut conn = options.connect().await.unwrap();
    rollcall_projections::inline::write(&mut conn, &last)
        .await
        .unwrap();
    sqlx::query_scalar("SELECT username FROM read.users")
        .fetch_all(&mut conn)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_log_with_retired_shapes_is_replayed() {
    let app = TestApp::start().await;
    let bob = user(&app, "bob").await;
    write_by_hand(
        &app,
        bob,
        2,
        "UserActivated",
        -1,
        &json!({ "UserActivated": {} }),
    )
    .await;
    let replayed = replay(&reader(&app, upcasters()), &[1]).await;
    let mut conn = replayed.connect().await.unwrap();
    let version: i64 = sqlx::query_scalar("SELECT version FROM read.users")
        .fetch_one(&mut conn)
        .await
        .unwrap();
    assert_eq!(version, 2);
}
