//! How long sessions live, and when somebody was last seen. The clock stands until a test moves it.

use chrono::{DateTime, TimeDelta, Utc};
use rollcall_events::user::{LoginType, Scope};
use serde_json::json;

use crate::{
    given::{LOGOUT, ME, NEVER, USERS, member, session, text},
    support::{
        TestApp, beginning,
        client::{Answer, Client},
    },
};

fn last_seen(user: &Answer) -> DateTime<Utc> {
    assert_eq!(user.status, 200, "{user:?}");
    text(user, "last_seen_at").parse().unwrap()
}

/// When the owner sees that Bob was last seen.
async fn bob_seen_by(owner: &Client) -> DateTime<Utc> {
    last_seen(&owner.get("/api/v2/users/bob").await)
}

#[tokio::test]
async fn the_first_request_of_a_session_is_seen_in_its_own_answer() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    app.pass(TimeDelta::minutes(3));
    let now = beginning() + TimeDelta::minutes(3);
    assert_eq!(last_seen(&owner.get(ME).await), now);
}

#[tokio::test]
async fn the_first_request_of_a_session_is_seen_in_the_list_that_it_asks_for() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let list = owner.get(USERS).await;
    assert_eq!(
        list.json["users"][0]["last_seen_at"],
        "2026-01-01T12:00:00Z"
    );
}

#[tokio::test]
async fn signing_in_alone_is_no_visit() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    member(&app, &owner, "bob").await;
    let bob = owner.get("/api/v2/users/bob").await;
    assert_eq!(bob.json["last_seen_at"], NEVER);
}

#[tokio::test]
async fn somebody_is_seen_once_an_hour() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    bob.get(ME).await;
    app.pass(TimeDelta::hours(1));
    bob.get(ME).await;
    assert_eq!(bob_seen_by(&owner).await, beginning());
    app.pass(TimeDelta::microseconds(1));
    bob.get(ME).await;
    let later = beginning() + TimeDelta::hours(1) + TimeDelta::microseconds(1);
    assert_eq!(bob_seen_by(&owner).await, later);
}

#[tokio::test]
async fn each_session_has_an_hour_of_its_own() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    bob.get(ME).await;
    app.pass(TimeDelta::minutes(10));
    app.sign_in("bob@example.com").await.get(ME).await;
    let later = beginning() + TimeDelta::minutes(10);
    assert_eq!(bob_seen_by(&owner).await, later);
    bob.get(ME).await;
    assert_eq!(bob_seen_by(&owner).await, later);
}

#[tokio::test]
async fn a_visit_does_not_touch_the_user_otherwise() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    app.pass(TimeDelta::hours(2));
    let me = owner.get(ME).await;
    assert_eq!(me.json["created_at"], "2026-01-01T12:00:00Z");
}

#[tokio::test]
async fn who_is_turned_away_is_not_seen() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, bob) = member(&app, &owner, "bob").await;
    app.command(id, rollcall_events::user::UserCommand::SuspendUser)
        .await;
    assert_eq!(bob.get(ME).await.status, 401);
    let seen = owner.get("/api/v2/users/bob").await;
    assert_eq!(seen.json["last_seen_at"], NEVER);
}

#[tokio::test]
async fn a_session_that_is_not_used_ends_after_a_day() {
    let app = TestApp::start().await;
    let (last, late) = (app.owner().await, app.owner().await);
    app.pass(TimeDelta::days(1) - TimeDelta::microseconds(1));
    assert_eq!(last.get(ME).await.status, 200);
    app.pass(TimeDelta::microseconds(1));
    assert_eq!(late.get(ME).await.status, 401);
}

#[tokio::test]
async fn a_session_slides_with_its_use() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for day in 0..10 {
        assert_eq!(owner.get(ME).await.status, 200, "day {day}");
        app.pass(TimeDelta::hours(23));
    }
    app.pass(TimeDelta::hours(1));
    assert_eq!(owner.get(ME).await.status, 401);
}

#[tokio::test]
async fn a_session_lasts_as_long_as_is_configured() {
    let short = |config: &mut rollcall::config::Config| {
        config.session_duration = std::time::Duration::from_mins(90);
    };
    let app = TestApp::start_with(short).await;
    let owner = app.owner().await;
    app.pass(TimeDelta::minutes(89));
    assert_eq!(owner.get(ME).await.status, 200);
    app.pass(TimeDelta::minutes(90));
    assert_eq!(owner.get(ME).await.status, 401);
}

#[tokio::test]
async fn a_token_for_programs_does_not_slide() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    let token = session(&app, bob, LoginType::Token, Scope::All).await;
    app.pass(TimeDelta::hours(23));
    assert_eq!(token.get(ME).await.status, 200);
    app.pass(TimeDelta::hours(1));
    assert_eq!(token.get(ME).await.status, 401);
}

#[tokio::test]
async fn a_session_that_ended_stays_ended_when_the_clock_is_set_back() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    owner.post(LOGOUT, &json!({})).await;
    app.pass(TimeDelta::hours(-1));
    assert_eq!(owner.get(ME).await.status, 401);
}

#[tokio::test]
async fn of_more_than_two_hundred_sessions_the_oldest_end() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    let mut sessions = Vec::new();
    for _ in 0..202 {
        app.pass(TimeDelta::seconds(1));
        sessions.push(session(&app, bob, LoginType::Password, Scope::All).await);
    }
    for (nth, status) in [(0, 401), (1, 401), (2, 200), (201, 200)] {
        assert_eq!(sessions[nth].get(ME).await.status, status, "{nth}");
    }
    assert_eq!(owner.get(ME).await.status, 200);
}
