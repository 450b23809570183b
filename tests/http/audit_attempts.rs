//! Attempts that came to nothing are in the audit log, and nobody can fill it with them.

use axum::http::Method;
use chrono::TimeDelta;
use rollcall::upkeep;
use rollcall_events::user::{LoginType, UserCommand};
use serde_json::{Value, json};
use sqlx::ConnectOptions;

use crate::{
    audit::{audit, entries, entry, in_time},
    given::{LOGIN, LOGOUT, ME, USERS, member, text, wish, wish_with},
    support::{
        PASSWORD, TestApp,
        client::{Answer, Client},
    },
};

const WRONG: &str = "not the password";

async fn sign_in(client: &Client, email: &str, password: &str) -> Answer {
    let wish = json!({ "email": email, "password": password });
    client.post(LOGIN, &wish).await
}

async fn sign_in_from(app: &TestApp, address: &str, email: &str) -> Answer {
    let headers = [("x-forwarded-for", address), ("user-agent", "Grommet/7")];
    let wish = json!({ "email": email, "password": WRONG });
    let body = serde_json::to_vec(&wish).unwrap();
    let anonymous = app.anonymous();
    anonymous.send(Method::POST, LOGIN, &headers, body).await
}

/// A service that many can ask, from many addresses.
async fn crowded() -> TestApp {
    TestApp::start_with(|config| {
        config.login_rate_limit = 0;
        config.api_rate_limit = 0;
        config.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    })
    .await
}

/// How many attempts the entries that are found tell of.
fn times(entries: &[Value]) -> u64 {
    let times = entries
        .iter()
        .map(|entry| &entry["additional_fields"]["times"]);
    times.map(|times| times.as_u64().unwrap()).sum()
}

#[tokio::test]
async fn a_sign_in_with_an_unknown_address_is_told_with_that_address() {
    let app = crowded().await;
    let owner = app.owner().await;
    let refused = sign_in_from(&app, "203.0.113.9", "Nobody@example.com").await;
    assert_eq!(refused.status, 401);
    let told = entry(&owner, "action:login date_from:2026-01-01 username:me").await;
    assert_eq!(told["status_code"], 201, "the owner's own");
    let told = entries(&owner, "action:login").await.remove(0);
    for (field, expected) in [
        ("resource_type", json!("api_key")),
        ("status_code", json!(401)),
        (
            "description",
            json!("{user} unsuccessfully attempted to log in"),
        ),
        ("ip", json!("203.0.113.9")),
        ("user_agent", json!("Grommet/7")),
        ("user", Value::Null),
        ("diff", json!({})),
        ("request_id", json!(refused.header("x-coder-request-id"))),
    ] {
        assert_eq!(told[field], expected, "{field}");
    }
    let expected = json!({
        "actor": "anonymous", "times": 1, "reason": "unknown_email", "email": "Nobody@example.com",
    });
    assert_eq!(told["additional_fields"], expected);
}

#[tokio::test]
async fn each_reason_why_a_sign_in_failed_is_told_of_the_account_that_was_tried() {
    let app = crowded().await;
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    let none = wish_with(
        &app,
        "none",
        &json!({ "login_type": "none", "password": "" }),
    );
    assert_eq!(owner.post(USERS, &none).await.status, 201);
    let reason = async |username: &str| {
        let q = format!("action:login username:{username}");
        let told = entries(&owner, &q).await.remove(0);
        assert_eq!(told["user"]["username"], username);
        assert_eq!(told["additional_fields"]["actor"], "anonymous");
        assert_eq!(told["additional_fields"].get("email"), None, "{told}");
        (
            told["status_code"].clone(),
            told["additional_fields"]["reason"].clone(),
        )
    };
    assert_eq!(
        sign_in(&app.anonymous(), "bob@example.com", WRONG)
            .await
            .status,
        401
    );
    assert_eq!(reason("bob").await, (json!(401), json!("wrong_password")));
    app.command(bob, UserCommand::SuspendUser).await;
    assert_eq!(
        sign_in(&app.anonymous(), "bob@example.com", PASSWORD)
            .await
            .status,
        401
    );
    assert_eq!(reason("bob").await, (json!(401), json!("suspended")));
    assert_eq!(
        sign_in(&app.anonymous(), "none@example.com", WRONG)
            .await
            .status,
        401
    );
    assert_eq!(reason("none").await, (json!(401), json!("wrong_password")));
}

#[tokio::test]
async fn a_sign_in_where_nobody_signs_in_by_password_is_told() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let name = app.database.get_database().unwrap();
    let closed = TestApp::on(name, app.clock.clone(), |config| {
        config.password_login = false;
    })
    .await;
    for email in ["ada@example.com", "nobody@example.com"] {
        assert_eq!(
            sign_in(&closed.anonymous(), email, PASSWORD).await.status,
            403
        );
    }
    let told = entries(&owner, "action:login").await;
    assert_eq!(told[0]["additional_fields"]["email"], "nobody@example.com");
    assert_eq!(told[1]["user"]["username"], "ada");
    for entry in &told[..2] {
        assert_eq!(entry["status_code"], 403);
        assert_eq!(entry["additional_fields"]["reason"], "password_login_off");
    }
}

#[tokio::test]
async fn what_is_no_attempt_to_sign_in_is_not_told() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let before = audit(&owner, "").await["count"].clone();
    for body in [json!({}), json!({ "email": "nobody", "password": "x" })] {
        assert_eq!(app.anonymous().post(LOGIN, &body).await.status, 400);
    }
    assert_eq!(app.anonymous().get(USERS).await.status, 401);
    assert_eq!(
        app.anonymous().delete(&format!("{USERS}/ada")).await.status,
        401
    );
    assert_eq!(audit(&owner, "").await["count"], before);
}

#[tokio::test]
async fn a_refused_change_is_told_with_who_asked_and_what_it_was_about() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, eve) = member(&app, &owner, "eve").await;
    let ada = text(&owner.get(ME).await, "id").to_owned();
    let refused = eve.delete(&format!("{USERS}/ADA")).await;
    assert_eq!(refused.status, 404, "whom she may not see");
    let told = in_time(&owner, "username:eve action:delete", 1)
        .await
        .remove(0);
    for (field, expected) in [
        ("resource_type", json!("user")),
        ("resource_id", json!(ada)),
        ("resource_target", json!("ada")),
        ("status_code", json!(404)),
        (
            "description",
            json!("{user} unsuccessfully attempted to delete user {target}"),
        ),
        ("diff", json!({})),
        ("ip", json!("127.0.0.1")),
        ("request_id", json!(refused.header("x-coder-request-id"))),
    ] {
        assert_eq!(told[field], expected, "{field}");
    }
    assert_eq!(told["user"]["username"], "eve");
    assert_eq!(told["additional_fields"]["actor"], format!("user:{id}"));
    assert_eq!(told["additional_fields"]["times"], 1);
}

#[tokio::test]
async fn every_kind_of_refused_change_is_told() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, eve) = member(&app, &owner, "eve").await;
    app.user(&owner, "bob").await;
    let bob = format!("{USERS}/bob");
    for (method, path, q) in [
        (Method::POST, USERS.to_owned(), "user action:create"),
        (Method::PUT, format!("{bob}/profile"), "user action:write"),
        (
            Method::PUT,
            format!("{bob}/status/suspend"),
            "user action:write",
        ),
        (Method::PUT, format!("{bob}/roles"), "user action:write"),
        (Method::PUT, format!("{bob}/password"), "user action:write"),
        (Method::DELETE, bob.clone(), "user action:delete"),
        (Method::POST, format!("{bob}/keys"), "api_key action:create"),
        (
            Method::POST,
            format!("{bob}/keys/tokens"),
            "api_key action:create",
        ),
        (
            Method::DELETE,
            format!("{bob}/keys/0123456789"),
            "api_key action:delete",
        ),
        (
            Method::PUT,
            format!("{bob}/keys/0123456789/expire"),
            "api_key action:write",
        ),
        (
            Method::POST,
            "/api/v2/organizations".to_owned(),
            "organization action:create",
        ),
        (
            Method::DELETE,
            format!("/api/v2/organizations/default/members/{id}"),
            "organization_member action:delete",
        ),
    ] {
        app.pass(TimeDelta::minutes(2));
        let refused = eve.send(method.clone(), &path, &[], b"{}".to_vec()).await;
        assert!(
            (400..500).contains(&refused.status),
            "{method} {path}: {refused:?}"
        );
        let request = refused.header("x-coder-request-id");
        let told = in_time(&owner, &format!("{q} request_id:{request}"), 1).await;
        assert_eq!(told[0]["status_code"], refused.status, "{method} {path}");
        assert_eq!(told[0]["user"]["username"], "eve");
    }
}

#[tokio::test]
async fn a_change_of_what_does_not_exist_is_told_without_its_name() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, eve) = member(&app, &owner, "eve").await;
    let never = "0199a5c0-0000-7000-8000-000000000002";
    for user in [never, "nobody"] {
        assert_eq!(eve.delete(&format!("{USERS}/{user}")).await.status, 404);
    }
    let told = in_time(&owner, "username:eve action:delete", 2).await;
    let about = |id: &str| {
        told.iter()
            .filter(|entry| entry["resource_id"] == id)
            .count()
    };
    assert_eq!((told.len(), about(never)), (2, 1));
    assert!(told.iter().all(|entry| entry["status_code"] == 404));
    assert!(!json!(told).to_string().contains("nobody"), "{told:?}");
}

#[tokio::test]
async fn who_is_suspended_or_has_a_narrow_token_is_refused_and_that_is_told() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, _) = member(&app, &owner, "eve").await;
    let scope = rollcall_events::user::Scope::ApplicationConnect;
    let narrow = crate::given::session(&app, id, LoginType::Token, scope).await;
    assert_eq!(narrow.post(LOGOUT, &Value::Null).await.status, 403);
    let told = in_time(&owner, "username:eve action:logout", 1).await;
    assert_eq!(told[0]["status_code"], 403);
}

#[tokio::test]
async fn more_of_the_same_within_a_minute_is_counted() {
    let app = crowded().await;
    let owner = app.owner().await;
    app.user(&owner, "bob").await;
    for _ in 0..7 {
        sign_in_from(&app, "203.0.113.9", "bob@example.com").await;
    }
    let told = entries(&owner, "action:login username:bob").await;
    assert_eq!((told.len(), times(&told)), (1, 1));
    // The next minute begins with the count of the last one.
    app.pass(TimeDelta::seconds(61));
    sign_in_from(&app, "203.0.113.9", "bob@example.com").await;
    let told = in_time(&owner, "action:login username:bob", 3).await;
    assert_eq!((told.len(), times(&told)), (3, 8));
}

#[tokio::test]
async fn counts_are_recorded_when_the_service_stops() {
    let app = crowded().await;
    let owner = app.owner().await;
    for _ in 0..5 {
        sign_in_from(&app, "203.0.113.9", "nobody@example.com").await;
    }
    rollcall::attempts::stop(app.app.attempts.clone()).await;
    let told = entries(&owner, "action:login").await;
    assert_eq!(told[0]["additional_fields"]["times"], 4);
    assert_eq!(told[0]["additional_fields"]["email"], "nobody@example.com");
    assert_eq!(told[1]["additional_fields"]["times"], 1);
}

#[tokio::test]
async fn a_flood_leaves_few_events_and_none_of_it_is_lost() {
    let app = crowded().await;
    let owner = app.owner().await;
    app.user(&owner, "bob").await;
    for nth in 0..1_000 {
        let address = format!("198.51.100.{}", nth % 200);
        let answer = sign_in_from(&app, &address, &format!("x{nth}@example.com")).await;
        assert_eq!(answer.status, 401, "{answer:?}");
    }
    // In all of this, somebody tries a real account.
    for _ in 0..3 {
        sign_in_from(&app, "203.0.113.9", "bob@example.com").await;
    }
    app.app.attempts.record_counts().await;
    let told = entries(&owner, "api_key action:login").await;
    let told: Vec<Value> = told
        .into_iter()
        .filter(|entry| entry["status_code"] == 401)
        .collect();
    assert!(told.len() <= 70, "{}", told.len());
    assert_eq!(times(&told), 1_003);
    let bob = entries(&owner, "username:bob action:login").await;
    assert_eq!((bob.len(), times(&bob)), (2, 3));
    assert!(bob.iter().all(|entry| entry["ip"] == "203.0.113.9"));
}

#[tokio::test]
async fn long_ago_is_forgotten_where_attempts_came_from_but_not_that_they_were_made() {
    let app = crowded().await;
    let owner = app.owner().await;
    sign_in_from(&app, "203.0.113.9", "nobody@example.com").await;
    app.pass(TimeDelta::days(90));
    upkeep::tidy_up(&app.app).await.unwrap();
    let owner = {
        drop(owner);
        app.sign_in("ada@example.com").await
    };
    let told = entries(&owner, "action:login date_to:2026-01-01")
        .await
        .remove(0);
    assert_eq!(told["additional_fields"]["email"], "nobody@example.com");

    app.pass(TimeDelta::days(1));
    // That the day has come, an event must say too.
    let owner = app.sign_in("ada@example.com").await;
    upkeep::tidy_up(&app.app).await.unwrap();
    let told = entries(&owner, "action:login date_to:2026-01-01")
        .await
        .remove(0);
    assert_eq!(told["status_code"], 401);
    assert_eq!(told["additional_fields"]["reason"], "unknown_email");
    assert_eq!(told["additional_fields"].get("email"), None);
    assert_eq!((&told["ip"], &told["user_agent"]), (&json!(""), &json!("")));
}

#[tokio::test]
async fn a_known_address_and_an_unknown_one_leave_the_same_traces() {
    let app = crowded().await;
    let owner = app.owner().await;
    app.user(&owner, "bob").await;
    let mut conn = app.superuser.connect().await.unwrap();
    let mut events = async || {
        let count: i64 = sqlx::query_scalar("SELECT position FROM log.head")
            .fetch_one(&mut conn)
            .await
            .unwrap();
        count
    };
    for email in ["bob@example.com", "nobody@example.com"] {
        let before = events().await;
        for _ in 0..3 {
            sign_in_from(&app, "203.0.113.9", email).await;
        }
        assert_eq!(events().await, before + 1, "{email}");
    }
}

#[tokio::test]
async fn a_hidden_user_and_nobody_leave_the_same_traces() {
    let app = crowded().await;
    let owner = app.owner().await;
    let (_, eve) = member(&app, &owner, "eve").await;
    assert_eq!(owner.post(USERS, &wish(&app, "bob")).await.status, 201);
    let own = format!("{USERS}/me/profile");
    let mut moved = Vec::new();
    let names = ["bob", "nob", "0198a1b2-0000-7000-8000-000000000001"];
    for (told, name) in names.into_iter().enumerate() {
        let before = recorded(&app).await;
        for _ in 0..3 {
            assert_eq!(eve.delete(&format!("{USERS}/{name}")).await.status, 404);
        }
        in_time(&owner, "username:eve action:delete", told + 1).await;
        let answer = eve
            .put(&own, &json!({ "username": "eve", "name": name }))
            .await;
        assert_eq!(answer.status, 200);
        moved.push(recorded(&app).await - before);
    }
    assert_eq!(moved, [2, 2, 2]);
}

/// The last position in the log.
async fn recorded(app: &TestApp) -> i64 {
    sqlx::query_scalar("SELECT position FROM log.head")
        .fetch_one(&app.app.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn whether_a_hidden_user_exists_is_not_told_by_the_answer() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, eve) = member(&app, &owner, "eve").await;
    assert_eq!(owner.post(USERS, &wish(&app, "bob")).await.status, 201);
    let (known, unknown) = (
        eve.delete(&format!("{USERS}/bob")).await,
        eve.delete(&format!("{USERS}/nob")).await,
    );
    assert_eq!((known.status, known.json), (unknown.status, unknown.json));
}
