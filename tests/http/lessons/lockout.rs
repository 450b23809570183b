//! Nobody keeps somebody else out by failing to be them.

use axum::http::Method;
use chrono::TimeDelta;
use rollcall::config::Config;
use serde_json::json;

use crate::{
    given::{LOGIN, USERS, member, wish_with, wrong_fields},
    support::{
        PASSWORD, TestApp,
        client::{Answer, Client},
    },
};

/// A service behind a proxy that lets everybody try ten passwords a minute.
async fn limited() -> TestApp {
    TestApp::start_with(|config: &mut Config| {
        config.login_rate_limit = 10;
        config.trusted_proxies = "127.0.0.0/8".parse().into_iter().collect();
    })
    .await
}

async fn sign_in_from(app: &TestApp, address: &str, email: &str, password: &str) -> Answer {
    let body = json!({ "email": email, "password": password }).to_string();
    let headers = [("X-Forwarded-For", address)];
    app.anonymous()
        .send(Method::POST, LOGIN, &headers, body.into_bytes())
        .await
}

async fn change_from(client: &Client, address: &str, old: &str) -> Answer {
    let body = json!({ "old_password": old, "password": "a quite different sentence" });
    let headers = [("X-Forwarded-For", address)];
    let path = format!("{USERS}/me/password");
    client
        .send(Method::PUT, &path, &headers, body.to_string().into_bytes())
        .await
}

#[tokio::test]
async fn failing_sign_ins_from_elsewhere_lock_nobody_out() {
    let app = limited().await;
    let owner = app.owner().await;
    app.pass(TimeDelta::minutes(2));
    // Many try to be Ada, from anywhere, more often than anybody may.
    for round in 0..15 {
        for attacker in ["203.0.113.7", "198.51.100.9", "2001:db8::7"] {
            let wrong = sign_in_from(&app, attacker, "ada@example.com", "wrong").await;
            assert_eq!(wrong.status, if round < 10 { 401 } else { 429 });
        }
        let new = format!("192.0.2.{round}");
        let wrong = sign_in_from(&app, &new, "ada@example.com", "wrong").await;
        assert_eq!(wrong.status, 401);
    }
    let ada = sign_in_from(&app, "203.0.113.200", "ada@example.com", PASSWORD).await;
    assert_eq!(ada.status, 201, "{ada:?}");
    assert_eq!(owner.get("/api/v2/users/me").await.status, 200);
}

#[tokio::test]
async fn failing_password_changes_of_others_count_against_nobody_but_them_and_their_address() {
    let app = limited().await;
    let owner = app.owner().await;
    let (_, eve) = member(&app, &owner, "eve").await;
    let (_, bob) = member(&app, &owner, "bob").await;
    app.pass(TimeDelta::minutes(2));
    for round in 0..15 {
        let wrong = change_from(&eve, "203.0.113.7", "wrong").await;
        assert_eq!(wrong.status, if round < 10 { 400 } else { 429 });
    }
    let from_there = sign_in_from(&app, "203.0.113.7", "bob@example.com", PASSWORD).await;
    assert_eq!(from_there.status, 429, "one counter for all proofs");
    let elsewhere = sign_in_from(&app, "198.51.100.9", "bob@example.com", PASSWORD).await;
    assert_eq!(elsewhere.status, 201);
    let changed = change_from(&bob, "198.51.100.9", PASSWORD).await;
    assert_eq!(changed.status, 204, "{changed:?}");
}

#[tokio::test]
async fn what_was_refused_for_being_too_much_keeps_nobody_waiting_longer() {
    let app = limited().await;
    app.owner().await;
    app.pass(TimeDelta::minutes(2));
    for _ in 0..200 {
        sign_in_from(&app, "203.0.113.7", "ada@example.com", "wrong").await;
    }
    app.pass(TimeDelta::minutes(2));
    let ada = sign_in_from(&app, "203.0.113.7", "ada@example.com", PASSWORD).await;
    assert_eq!(ada.status, 201, "{ada:?}");
}

#[tokio::test]
async fn neither_creating_nor_renaming_makes_a_username_that_stands_for_another_account() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    app.user(&owner, "bob").await;
    for username in [
        "ada@example.com",
        "bob@",
        "b\u{43e}b",
        "bo\u{200b}b",
        "bob\u{301}",
        "\u{ff42}ob",
        "bob ",
        "bob\0",
        "me",
        "497f6eca-6276-4993-bfeb-53cbbbba6f08",
    ] {
        let other = json!({ "username": username, "email": "eve@example.com" });
        let created = owner.post(USERS, &wish_with(&app, "eve", &other)).await;
        assert_eq!(wrong_fields(&created), ["username"], "{username:?}");
        let profile = json!({ "username": username });
        let renamed = owner.put(&format!("{USERS}/bob/profile"), &profile).await;
        assert_eq!(wrong_fields(&renamed), ["username"], "{username:?}");
    }
    // And an address is no name to be found by.
    let answer = owner.get(&format!("{USERS}/bob@example.com")).await;
    assert_eq!(answer.status, 404);
}
