//! A clock that is wrong on one node, or was once, neither stamps events nor destroys anything.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use rollcall::upkeep;
use rollcall_events::{
    attempt::Day,
    clock::{Clock, ManualClock, SystemClock},
    log::{Observed, observe},
};
use serde_json::json;
use sqlx::{ConnectOptions, Executor};

use crate::{
    support::{PASSWORD, TestApp, beginning},
    tools::user,
    verify::verified,
};

/// A second node whose clock differs from the database's, and from the first node's, by so much.
async fn node_ahead_by(app: &TestApp, by: TimeDelta) -> (TestApp, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(app.clock.now()));
    clock.drift(by);
    let name = app.superuser.get_database().unwrap().to_owned();
    (TestApp::on(&name, clock.clone(), |_| {}).await, clock)
}

async fn observed(app: &TestApp) -> Observed {
    observe(app.pool()).await.unwrap()
}

async fn sign_in_status(app: &TestApp) -> u16 {
    let body = json!({ "email": "ada@example.com", "password": PASSWORD });
    app.anonymous()
        .post("/api/v2/users/login", &body)
        .await
        .status
}

#[tokio::test]
async fn a_node_whose_clock_is_wrong_records_nothing_and_another_goes_on() {
    let app = TestApp::start().await;
    app.owner().await;
    for by in [
        TimeDelta::days(1),
        TimeDelta::seconds(61),
        TimeDelta::seconds(-61),
        TimeDelta::days(-1),
        TimeDelta::days(3_650),
    ] {
        let (node, clock) = node_ahead_by(&app, by).await;
        let before = observed(&app).await.head;
        let refused = node
            .anonymous()
            .post(
                "/api/v2/users/login",
                &json!({ "email": "ada@example.com", "password": PASSWORD }),
            )
            .await;
        assert_eq!(refused.status, 503, "{by}: {refused:?}");
        let message = refused.json["message"].as_str().unwrap();
        assert!(message.contains("clock"), "{message}");
        assert_eq!(node.anonymous().get("/readyz").await.status, 503, "{by}");
        assert_eq!(observed(&app).await.head, before, "{by}");

        assert_eq!(app.anonymous().get("/readyz").await.status, 200, "{by}");
        assert_eq!(sign_in_status(&app).await, 201, "{by}");
        assert_eq!(
            observed(&app).await.head.recorded_at,
            app.clock.now(),
            "{by}"
        );

        // Set right, it records again.
        clock.drift(-by);
        assert_eq!(node.anonymous().get("/readyz").await.status, 200, "{by}");
        assert_eq!(sign_in_status(&node).await, 201, "{by}");
    }
}

#[tokio::test]
async fn a_difference_of_less_than_a_minute_is_tolerated() {
    let app = TestApp::start().await;
    app.owner().await;
    for by in [TimeDelta::seconds(60), TimeDelta::seconds(-60)] {
        let (node, _) = node_ahead_by(&app, by).await;
        let before = observed(&app).await.head.recorded_at;
        assert_eq!(sign_in_status(&node).await, 201, "{by}");
        assert_eq!(node.anonymous().get("/readyz").await.status, 200, "{by}");
        assert!(observed(&app).await.head.recorded_at >= before);
    }
}

/// The difference is that of the two clocks: a system clock has no way to leave it out.
#[test]
fn the_clock_of_the_machine_is_compared_with_the_databases() {
    let now = SystemClock.now();
    for by in [
        TimeDelta::days(1),
        TimeDelta::seconds(61),
        TimeDelta::days(-1),
    ] {
        let ahead = SystemClock.ahead_of(now - by);
        assert!((ahead - by).abs() < TimeDelta::seconds(30), "{ahead}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_in_the_future_is_reported_and_lends_its_time_until_it_has_come() {
    let app = TestApp::start().await;
    user(&app, "bob").await;
    assert_eq!(verified(&app, None, false).await.head_ahead, None);
    let future: DateTime<Utc> = SystemClock.now() + TimeDelta::days(400);
    let mut superuser = app.superuser.connect().await.unwrap();
    sqlx::query("UPDATE log.head SET recorded_at = $1, position = position + 0")
        .bind(future)
        .execute(&mut superuser)
        .await
        .unwrap_err();
    superuser
        .execute("SET session_replication_role = replica")
        .await
        .unwrap();
    sqlx::query("UPDATE log.head SET recorded_at = $1")
        .bind(future)
        .execute(&mut superuser)
        .await
        .unwrap();
    let ahead = verified(&app, None, false).await.head_ahead.unwrap();
    assert!(ahead > TimeDelta::days(399), "{ahead}");
    let ahead = observed(&app).await.head_ahead(app.clock.as_ref()).unwrap();
    assert!(ahead > TimeDelta::days(399), "{ahead}");
    // It serves all the same, and no event is earlier than the one before.
    let node = app.second_node().await;
    user(&node, "carol").await;
    let head = observed(&app).await.head;
    assert!((head.recorded_at - future).abs() < TimeDelta::seconds(1));
    app.pass(future - app.clock.now() + TimeDelta::hours(1));
    user(&app, "dave").await;
    assert_eq!(observed(&app).await.head.recorded_at, app.clock.now());
}

async fn keys_of_days(app: &TestApp) -> i64 {
    sqlx::query_scalar(
        "SELECT count(*) FROM vault.subject_keys WHERE subject_id >= $1 AND subject_id <= $2",
    )
    .bind(Day::before_all())
    .bind(Day::of(DateTime::<Utc>::MAX_UTC).stream())
    .fetch_one(app.pool())
    .await
    .unwrap()
}

#[tokio::test]
async fn keys_of_days_are_not_destroyed_by_a_clock_alone() {
    let app = TestApp::start().await;
    app.owner().await;
    let guess = json!({ "email": "nobody@example.com", "password": "wrong-wrong-wrong" });
    let refused = app.anonymous().post("/api/v2/users/login", &guess).await;
    assert_eq!(refused.status, 401);
    assert_eq!(keys_of_days(&app).await, 1);
    // One node is ahead.
    for by in [
        TimeDelta::days(1),
        TimeDelta::days(366),
        TimeDelta::days(36_500),
    ] {
        let (node, _) = node_ahead_by(&app, by).await;
        upkeep::tidy_up(&node.app).await.unwrap();
        assert_eq!(keys_of_days(&app).await, 1, "{by}");
    }
    // The machine is, on which both the node and the database run; nothing was recorded in all that time.
    app.pass(TimeDelta::days(366));
    upkeep::tidy_up(&app.app).await.unwrap();
    assert_eq!(keys_of_days(&app).await, 1);
    // Time has passed.
    assert_eq!(sign_in_status(&app).await, 201);
    upkeep::tidy_up(&app.app).await.unwrap();
    assert_eq!(keys_of_days(&app).await, 0);
    assert!(app.clock.now() > beginning());
}
