//! An event that cannot be read, or a key that does not unwrap, stops no reader, and does not protect a user from being
//! restricted.

use axum::http::Method;
use rollcall_events::{
    log::{Frontier, position_of},
    user::UserCommand,
};
use rollcall_projections::rebuild::{RebuildError, Wish};
use serde_json::{Value, json};
use sqlx::{ConnectOptions, Connection, Executor};
use uuid::Uuid;

use crate::{
    exports::{Elsewhere, checked, restorable},
    rebuild::{rebuild_of, rebuild_with, wish},
    support::{Readable as _, TestApp, client::Client},
    tools::{execute, raw_events, renaming},
    verify::verified,
};

/// What can be damaged, by SQL. `$user` is the user's id.
struct Damage {
    what: &'static str,
    statement: &'static str,
    /// Of the reason that is given.
    says: &'static str,
    /// Whether the damage is in an event itself, and not in the vault.
    is_in_log: bool,
}

const fn of_event(what: &'static str, statement: &'static str, says: &'static str) -> Damage {
    Damage {
        what,
        statement,
        says,
        is_in_log: true,
    }
}

/// Every kind of damage: in the user's first event, or in one that says what they are called now.
const DAMAGES: [Damage; 9] = [
    of_event(
        "a payload that is no JSON",
        "UPDATE log.events SET payload = '{\"UserCreated\"' WHERE aggregate_id = '$user' AND version = 1",
        "payload cannot be read",
    ),
    of_event(
        "a payload of an unknown shape",
        "UPDATE log.events SET payload = '{\"UserPromoted\":{}}' WHERE aggregate_id = '$user' AND version = 1",
        "unknown variant",
    ),
    of_event(
        "bytes that are no text",
        "UPDATE log.events SET payload = '\\xff00ff' WHERE aggregate_id = '$user' AND version = 2",
        "payload cannot be read",
    ),
    of_event(
        "an unknown type of event",
        "UPDATE log.events SET event_type = 'UserPromoted' WHERE aggregate_id = '$user' AND version = 1",
        "UserPromoted",
    ),
    of_event(
        "an unknown type of aggregate",
        "UPDATE log.events SET aggregate_type = 'robot' WHERE aggregate_id = '$user' AND version = 2",
        "unknown aggregate type",
    ),
    of_event(
        "an unknown schema version",
        "UPDATE log.events SET schema_version = 99 WHERE aggregate_id = '$user' AND version = 1",
        "schema version 99",
    ),
    of_event(
        "one changed byte of sealed data",
        "UPDATE log.events SET payload = set_byte(payload, 120, CASE get_byte(payload, 120) WHEN 65 THEN 66 ELSE 65 END)
          WHERE aggregate_id = '$user' AND version = 1",
        "sealed data was altered",
    ),
    of_event(
        "metadata that is no JSON",
        "UPDATE log.events SET metadata = '{\"actor\"' WHERE aggregate_id = '$user' AND version = 1",
        "metadata cannot be read",
    ),
    Damage {
        what: "one changed byte of a wrapped key",
        statement: "UPDATE vault.subject_keys SET wrapped = set_byte(wrapped, 40, get_byte(wrapped, 40) # 1)
                     WHERE subject_id = '$user'",
        says: "does not unwrap",
        is_in_log: false,
    },
];

impl Damage {
    /// Does it, as whoever has the superuser's password could. The head is made to fit, as if the events had been written so.
    async fn inflict(&self, app: &TestApp, user: Uuid) {
        let mut conn = app.superuser.connect().await.unwrap();
        let mut tx = conn.begin().await.unwrap();
        tx.execute("SET LOCAL session_replication_role = replica")
            .await
            .unwrap();
        let statement = self.statement.replace("$user", &user.to_string());
        let done = tx.execute(statement.as_str()).await.unwrap();
        assert_eq!(done.rows_affected(), 1, "{}", self.what);
        let mut frontier = Frontier::default();
        for event in raw_events(&mut tx).await {
            frontier.push(event.leaf());
        }
        sqlx::query("UPDATE log.head SET frontier = $1")
            .bind(frontier.to_bytes())
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }
}

/// A service with an owner and a user, who is signed in, was renamed and has a token; and the damage done to the user.
struct Scene {
    app: TestApp,
    /// Its caches are from before the damage.
    before: TestApp,
    owner: Client,
    bob: Client,
    id: Uuid,
}

impl Scene {
    async fn with(damage: &Damage) -> Self {
        let before = TestApp::start().await;
        let owner = before.owner().await;
        let id = before.user(&owner, "bob").await;
        execute(&before, id, renaming("robert")).await.unwrap();
        let bob = before.sign_in("bob@example.com").await;
        let token = bob
            .post(
                "/api/v2/users/me/keys/tokens",
                &json!({ "token_name": "ci" }),
            )
            .await;
        assert_eq!(token.status, 201, "{token:?}");
        damage.inflict(&before, id).await;
        let app = before.second_node().await;
        let owner = app.with_token(owner.token());
        let bob = app.with_token(bob.token());
        Self {
            app,
            before,
            owner,
            bob,
            id,
        }
    }

    async fn last_version(&self) -> i64 {
        sqlx::query_scalar("SELECT max(version) FROM log.events WHERE aggregate_id = $1")
            .bind(self.id)
            .fetch_one(self.app.pool())
            .await
            .unwrap()
    }

    fn path(&self, rest: &str) -> String {
        format!("/api/v2/users/{}{rest}", self.id)
    }
}

fn reasons<'a>(entries: &'a Value, reason: impl Fn(&'a Value) -> &'a Value) -> Vec<&'a str> {
    let entries = entries.as_array().unwrap().iter();
    entries.filter_map(|entry| reason(entry).as_str()).collect()
}

async fn the_feed_goes_on(scene: &Scene, damage: &Damage) {
    let answer = scene.owner.get("/api/v2/events").await;
    assert_eq!(answer.status, 200, "{}: {answer:?}", damage.what);
    let head = rollcall_events::log::head(scene.app.pool()).await.unwrap();
    assert_eq!(answer.json["position"], head.position);
    let events = answer.json["events"].as_array().unwrap();
    assert_eq!(i64::try_from(events.len()).unwrap(), head.position);
    let reasons = reasons(&answer.json["events"], |event| &event["unreadable"]);
    assert_eq!(answer.json["unreadable"], reasons.len());
    assert!(
        !reasons.is_empty() && reasons.iter().all(|reason| reason.contains(damage.says)),
        "{}: {reasons:?}",
        damage.what
    );
}

async fn the_stream_goes_on(scene: &Scene, damage: &Damage) {
    let head = rollcall_events::log::head(scene.app.pool()).await.unwrap();
    let mut follower = scene.app.app.log.follow(0);
    let mut seen = 0;
    let mut unreadable = 0;
    while seen < head.position {
        for event in follower.next().await.unwrap() {
            seen = position_of(&event);
            unreadable += i64::from(event.is_err());
        }
    }
    assert!(unreadable > 0, "{}", damage.what);
}

async fn the_audit_log_goes_on(scene: &Scene, damage: &Damage) {
    let answer = scene.owner.get("/api/v2/audit").await;
    assert_eq!(answer.status, 200, "{}: {answer:?}", damage.what);
    let entries = answer.json["audit_logs"].as_array().unwrap();
    assert_eq!(answer.json["count"], entries.len());
    let reasons = reasons(&answer.json["audit_logs"], |entry| {
        &entry["additional_fields"]["unreadable"]
    });
    assert_eq!(answer.json["unreadable"], reasons.len());
    assert!(!reasons.is_empty(), "{}: {answer:?}", damage.what);
}

async fn the_history_goes_on(scene: &Scene, damage: &Damage) {
    for query in [
        "",
        "?order=oldest&limit=2",
        "?actor=operator",
        "?kind=UserCreated",
    ] {
        let answer = scene
            .owner
            .get(&scene.path(&format!("/history{query}")))
            .await;
        assert_eq!(answer.status, 200, "{} {query}: {answer:?}", damage.what);
    }
    let answer = scene.owner.get(&scene.path("/history")).await;
    let reasons = reasons(&answer.json["entries"], |entry| &entry["unreadable"]);
    assert_eq!(answer.json["unreadable"], reasons.len());
    assert!(
        !reasons.is_empty() && reasons.iter().all(|reason| reason.contains(damage.says)),
        "{}: {answer:?}",
        damage.what
    );
}

/// The user as they were is told as far as it is known, and said to be incomplete.
async fn the_past_goes_on(scene: &Scene, damage: &Damage) {
    let then = scene.owner.get(&scene.path("?version=3")).await;
    match then.status {
        200 => assert_ne!(then.header("rollcall-unreadable"), "", "{}", damage.what),
        // Nothing is known of a user whose creation is unknown.
        status => assert_eq!(status, 404, "{}: {then:?}", damage.what),
    }
    for path in ["/sessions?version=3", "/difference?from_version=2"] {
        let answer = scene.owner.get(&scene.path(path)).await;
        let is_told = answer.status == 200 || (answer.status == 404 && then.status == 404);
        assert!(is_told, "{} {path}: {answer:?}", damage.what);
    }
}

async fn the_readable_view_goes_on(scene: &Scene, damage: &Damage) {
    let rows: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM (SELECT payload::text, metadata::text FROM log.readable) AS rows",
    )
    .fetch_one(scene.app.pool())
    .await
    .unwrap();
    assert!(rows > 0, "{}", damage.what);
}

async fn verify_names_it(scene: &Scene, damage: &Damage) {
    let found = verified(&scene.app, None, false).await;
    assert!(found.unreadable > 0, "{}", damage.what);
    assert!(
        found
            .flaws
            .iter()
            .any(|flaw| flaw.says.contains(damage.says)),
        "{}: {found:#?}",
        damage.what
    );
    if !damage.is_in_log {
        let names = found
            .flaws
            .iter()
            .filter(|flaw| flaw.says.contains(&scene.id.to_string()));
        assert_eq!(names.count(), 1, "{found:#?}");
    }
    // What the log can no longer say is no difference.
    assert!(found.differences.is_empty(), "{}: {found:#?}", damage.what);
}

async fn the_log_leaves_and_comes_as_it_is(scene: &Scene, damage: &Damage) {
    let file = restorable(&scene.app).await;
    let shapes = checked(&file).unreadable.len();
    let is_sealed = ["sealed data was altered", "does not unwrap"].contains(&damage.says);
    assert_eq!(shapes, usize::from(!is_sealed), "{}", damage.what);
    let there = Elsewhere::empty().await;
    there.import(&file).await.unwrap();
    let found = there.verified().await;
    assert!(found.unreadable > 0, "{}", damage.what);
    assert!(found.differences.is_empty(), "{}: {found:#?}", damage.what);
}

/// Last of the readers: it changes what is served.
async fn a_rebuild_goes_on_when_it_may(scene: &Scene, damage: &Damage) {
    let refused = rebuild_of(&scene.app, &[]).await.unwrap_err();
    let RebuildError::Unreadable { count, first } = &refused else {
        panic!("{}: {refused:?}", damage.what)
    };
    assert!(*count > 0 && first.contains(damage.says), "{refused}");
    let wish = Wish {
        skip_unreadable: true,
        ..wish(&[])
    };
    let rebuilt = rebuild_with(&scene.app, &wish).await.unwrap();
    assert_eq!(rebuilt.unreadable, *count);
    let found = verified(&scene.app, None, false).await;
    assert!(found.differences.is_empty(), "{}: {found:#?}", damage.what);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reader_names_what_cannot_be_read_and_goes_on() {
    for damage in &DAMAGES {
        let scene = Scene::with(damage).await;
        the_feed_goes_on(&scene, damage).await;
        the_stream_goes_on(&scene, damage).await;
        the_audit_log_goes_on(&scene, damage).await;
        the_history_goes_on(&scene, damage).await;
        the_past_goes_on(&scene, damage).await;
        the_readable_view_goes_on(&scene, damage).await;
        verify_names_it(&scene, damage).await;
        the_log_leaves_and_comes_as_it_is(&scene, damage).await;
        a_rebuild_goes_on_when_it_may(&scene, damage).await;
    }
}

/// Whoever reads the log gets events one by one with the reason why one cannot be read, so that no reader can pass over it
/// unawares: a new one shows here.
#[test]
fn no_reader_of_events_is_missing_here() {
    let mut readers = Vec::new();
    for root in ["src", "projections/src", "events/src"] {
        collect_readers(
            &std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(root),
            &mut readers,
        );
    }
    readers.sort();
    assert_eq!(
        readers,
        [
            "events/src/evidence/export/verify.rs",
            "events/src/log/append/import.rs",
            "events/src/log/codec.rs",
            "events/src/log/examine.rs",
            "events/src/log/export.rs",
            "events/src/log/opened.rs",
            "events/src/log/scan.rs",
            "events/src/log/store.rs",
            "events/src/log/subscribe.rs",
            "projections/src/audit/entry.rs",
            "projections/src/history/moment.rs",
            "projections/src/history/page.rs",
            "projections/src/history/sessions.rs",
            "projections/src/rebuild.rs",
            "projections/src/rebuild/swap.rs",
            "projections/src/verify/decide.rs",
            "projections/src/verify/events.rs",
            "projections/src/verify/repair.rs",
            "src/command_bus.rs",
            "src/http/feed.rs",
            "src/http/feed/follow.rs",
        ],
        "a new reader of events belongs into the test above, and into this list"
    );
}

/// The files that read or open events.
fn collect_readers(folder: &std::path::Path, readers: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_readers(&path, readers);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let calls = [
            "log.after(",
            "reader.after(",
            "log.open(",
            "log\n        .open(",
            ".open_payloads(",
            ".open_payload(",
            "columns().open(",
            "raw.open(",
            ".columns().read(",
            "reader.stream(",
            ".opened(",
            ".check_shape(",
        ];
        if calls.iter().any(|call| text.contains(call)) {
            let path = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap();
            readers.push(path.to_str().unwrap().to_owned());
        }
    }
}

/// A command, by whom, and whether it leaves the user there for the next one.
type Command = (&'static str, Method, &'static str, Value);

/// What only takes something away, in an order in which each has something to take.
fn restricting(id: Uuid) -> Vec<Command> {
    vec![
        (
            "expire a token",
            Method::PUT,
            "/keys/$token/expire",
            json!({}),
        ),
        ("delete a token", Method::DELETE, "/keys/$token", json!({})),
        (
            "take roles away",
            Method::PUT,
            "/roles",
            json!({ "roles": [] }),
        ),
        ("suspend", Method::PUT, "/status/suspend", json!({})),
        ("delete", Method::DELETE, "", json!({})),
        (
            "erase",
            Method::DELETE,
            "/personal-data",
            json!({ "confirm": id.to_string() }),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_whose_events_or_key_were_damaged_can_still_be_restricted() {
    for damage in &DAMAGES {
        let scene = Scene::with(damage).await;
        let tokens = scene.bob.get("/api/v2/users/me/keys/tokens").await;
        let token = tokens.json[0]["id"].as_str().unwrap().to_owned();
        for (what, method, path, body) in restricting(scene.id) {
            let path = scene.path(&path.replace("$token", &token));
            let body = serde_json::to_vec(&body).unwrap();
            let answer = scene.owner.send(method, &path, &[], body).await;
            assert!(
                [200, 204].contains(&answer.status),
                "{}: {what}: {answer:?}",
                damage.what
            );
        }
        assert_eq!(scene.bob.get("/api/v2/users/me").await.status, 401);
        // The person is forgotten: the key is gone, damaged or not.
        let keys: i64 =
            sqlx::query_scalar("SELECT count(*) FROM vault.subject_keys WHERE subject_id = $1")
                .bind(scene.id)
                .fetch_one(scene.app.pool())
                .await
                .unwrap();
        assert_eq!(keys, 0, "{}", damage.what);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_user_can_sign_out_and_only_what_gives_is_refused() {
    for damage in &DAMAGES {
        let scene = Scene::with(damage).await;
        let before = scene.last_version().await;
        let refused = scene
            .owner
            .put(
                &scene.path("/profile"),
                &json!({ "username": "roberta", "name": "" }),
            )
            .await;
        assert_eq!(refused.status, 500, "{}: {refused:?}", damage.what);
        let message = refused.json["message"].as_str().unwrap();
        assert!(message.contains("cannot be read"), "{message}");
        let roles = json!({ "roles": ["auditor"] });
        let promoted = scene.owner.put(&scene.path("/roles"), &roles).await;
        assert_eq!(promoted.status, 500, "{}: {promoted:?}", damage.what);
        assert_eq!(scene.last_version().await, before, "{}", damage.what);
        let signed_out = scene.bob.post("/api/v2/users/logout", &json!({})).await;
        assert_eq!(signed_out.status, 200, "{}: {signed_out:?}", damage.what);
        assert_eq!(scene.bob.get("/api/v2/users/me").await.status, 401);
    }
}

/// The node that knew the user before the damage goes on as it did: what it knows is right.
#[tokio::test(flavor = "multi_thread")]
async fn who_restricts_with_a_damaged_key_does_so_on_others_too() {
    let damage = DAMAGES.last().unwrap();
    let scene = Scene::with(damage).await;
    // The owner's own key is damaged as well: what they do to others is recorded, without where it came from.
    let ada: Uuid = scene.owner.get("/api/v2/users/me").await.json["id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    damage.inflict(&scene.app, ada).await;
    let node = scene.before.second_node().await;
    let owner = node.with_token(scene.owner.token());
    let carol = node.user(&owner, "carol").await;
    execute(&node, carol, UserCommand::SuspendUser)
        .await
        .unwrap();
    let events = node.app.log.stream(carol, 0).await.unwrap().readable();
    assert_eq!(events.len(), 2);
    assert!(events[0].metadata.origin.known().is_none());
    assert_eq!(events[0].metadata.actor.user(), Some(ada));
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_are_recorded_on_a_day_whose_key_was_damaged() {
    let app = TestApp::start().await;
    app.owner().await;
    let guess = json!({ "email": "nobody@example.com", "password": "wrong-wrong-wrong" });
    let refuse = async |app: &TestApp| {
        let answer = app.anonymous().post("/api/v2/users/login", &guess).await;
        assert_eq!(answer.status, 401);
    };
    refuse(&app).await;
    let day =
        rollcall_events::attempt::Day::of(rollcall_events::clock::Clock::now(app.clock.as_ref()))
            .stream();
    DAMAGES.last().unwrap().inflict(&app, day).await;
    let node = app.second_node().await;
    refuse(&node).await;
    let events = node.app.log.stream(day, 0).await.unwrap();
    assert_eq!(events.len(), 2);
    assert!(events[0].is_err() && events[1].is_ok(), "{events:?}");
}
