//! Noise hides no attack, and fills no log.

use axum::http::Method;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::{
    audit::{audit, entries, in_time},
    given::LOGIN,
    support::{TestApp, client::Answer},
};

async fn service() -> TestApp {
    TestApp::start_with(|config| {
        config.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
        config.guesses_per_network = 0;
        config.guesses_per_account = 0;
    })
    .await
}

async fn fail(app: &TestApp, address: &str, email: &str) -> Answer {
    let body = json!({ "email": email, "password": "wrong" }).to_string();
    let headers = [("X-Forwarded-For", address)];
    let anonymous = app.anonymous();
    let answer = anonymous
        .send(Method::POST, LOGIN, &headers, body.into_bytes())
        .await;
    assert_eq!(answer.status, 401, "{answer:?}");
    answer
}

async fn position(app: &TestApp) -> i64 {
    sqlx::query_scalar("SELECT position FROM log.head")
        .fetch_one(app.pool())
        .await
        .unwrap()
}

fn times(entries: &[Value]) -> u64 {
    let failed = entries.iter().filter(|entry| entry["status_code"] == 401);
    failed
        .map(|entry| entry["additional_fields"]["times"].as_u64().unwrap())
        .sum()
}

#[tokio::test]
async fn noise_from_elsewhere_does_not_unlist_an_attack_on_an_owner() {
    let app = service().await;
    let owner = app.owner().await;
    for nth in 0..200 {
        fail(&app, "198.51.100.7", &format!("x{nth}@example.com")).await;
    }
    fail(&app, "203.0.113.9", "ada@example.com").await;
    let found = in_time(&owner, "action:login username:ada", 2).await;
    let attack = found
        .iter()
        .find(|entry| entry["status_code"] == 401)
        .unwrap();
    assert_eq!(attack["ip"], "203.0.113.9", "{attack}");
    assert_eq!(
        attack["additional_fields"].get("not_listed"),
        None,
        "{attack}"
    );
    assert_eq!(attack["additional_fields"]["reason"], "wrong_password");
}

#[tokio::test]
async fn noise_from_the_attackers_own_network_does_not_unlist_the_attack() {
    let app = service().await;
    let owner = app.owner().await;
    app.user(&owner, "bob").await;
    for minute in 0..5 {
        for nth in 0..50 {
            fail(&app, "198.51.100.7", &format!("x{minute}{nth}@example.com")).await;
        }
        app.pass(TimeDelta::minutes(1));
    }
    for email in ["ada@example.com", "bob@example.com"] {
        fail(&app, "198.51.100.9", email).await;
    }
    for username in ["ada", "bob"] {
        let q = format!("action:login username:{username} date_from:2026-01-01");
        let mut failed = Vec::new();
        for _ in 0..500 {
            failed = entries(&owner, &q).await;
            failed.retain(|entry| entry["status_code"] == 401);
            if !failed.is_empty() {
                break;
            }
            tokio::task::yield_now().await;
        }
        assert_eq!(failed.len(), 1, "{username}");
        assert_eq!(failed[0]["ip"], "198.51.100.9");
        assert_eq!(failed[0]["additional_fields"].get("not_listed"), None);
    }
}

#[tokio::test]
async fn an_hour_of_noise_from_one_network_is_a_few_events_and_none_is_lost() {
    let app = service().await;
    let owner = app.owner().await;
    let before = position(&app).await;
    let mut sent = 0;
    for minute in 0..60 {
        for nth in 0..20 {
            let address = format!("198.51.100.{}", nth * 3 + 1);
            fail(&app, &address, &format!("x{minute}.{nth}@example.com")).await;
            sent += 1;
        }
        app.pass(TimeDelta::seconds(59));
    }
    app.app.attempts.record_counts().await;
    let events = position(&app).await - before;
    assert!(events <= 42, "{events}");
    let all = audit(&owner, "q=action:login&limit=100").await;
    let all = all["audit_logs"].as_array().unwrap();
    assert_eq!(times(all), sent);
}
