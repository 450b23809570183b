//! How often users may change themselves.

use axum::http::Method;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::{
    given::{ME, USERS, assert_refused, history, member, text},
    support::{
        PASSWORD, TestApp,
        client::{Answer, Client},
    },
};

const LIMIT: u32 = 5;

async fn limited() -> TestApp {
    TestApp::start_with(|config| config.own_change_limit = LIMIT).await
}

async fn rename(client: &Client, path: &str, name: &str) -> Answer {
    let me = client.get(path).await;
    let profile = json!({ "username": text(&me, "username"), "name": name });
    client.put(&format!("{path}/profile"), &profile).await
}

/// How many of so many changes are made.
async fn made(tries: u32, change: impl AsyncFn(u32) -> Answer) -> u32 {
    let mut made = 0;
    for nth in 0..tries {
        let answer = change(nth).await;
        made += u32::from((200..300).contains(&answer.status));
    }
    made
}

#[tokio::test]
async fn a_member_who_changes_themselves_all_day_does_not_fill_the_log() {
    let app = limited().await;
    let owner = app.owner().await;
    let (id, bob) = member(&app, &owner, "bob").await;
    let again = app.sign_in("bob@example.com").await;
    let before = history(&app, id).await.len();
    let spellings = ["me", "bob", "BOB", "%62ob", "%6De", "/me/"].map(str::to_owned);
    let ids = [id.to_string(), id.to_string().to_uppercase()];
    let spellings: Vec<String> = spellings.into_iter().chain(ids).collect();
    let many = u32::try_from(spellings.len()).unwrap() * 4;
    let renamed = made(many, async |nth| {
        let client = if nth % 2 == 0 { &bob } else { &again };
        let path = format!("{USERS}/{}", spellings[nth as usize % spellings.len()]);
        rename(client, &path, &format!("Bob {nth}")).await
    })
    .await;
    assert_eq!(renamed, LIMIT);
    assert_eq!(history(&app, id).await.len() - before, LIMIT as usize);
    let refused = rename(&bob, ME, "Robert").await;
    assert_refused(
        &refused,
        429,
        "More than 5 such changes to your own account in an hour",
    );
    let retry_after: i64 = refused.header("Retry-After").parse().unwrap();
    assert!((1..=3_600).contains(&retry_after), "{retry_after}");
    app.pass(TimeDelta::seconds(retry_after));
    // What was used up at the beginning of an hour counts in part for all of the next one.
    app.pass(TimeDelta::seconds(3_600 / i64::from(LIMIT)));
    let bob = app.sign_in("bob@example.com").await;
    assert_eq!(rename(&bob, ME, "Robert").await.status, 200);
}

#[tokio::test]
async fn each_kind_of_change_has_a_limit_of_its_own() {
    let app = limited().await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    let renamed = made(9, async |nth| rename(&bob, ME, &format!("Bob {nth}")).await).await;
    assert_eq!(renamed, LIMIT);
    let tokens = format!("{ME}/keys/tokens");
    let tokens_made = made(9, async |_| bob.post(&tokens, &json!({})).await).await;
    assert_eq!(tokens_made, LIMIT);
    // A changed password ends the session that it was changed by.
    let passwords = ["purple monkey dishwasher", PASSWORD];
    let mut changed = 0;
    for nth in 0..9 {
        let (old, new) = (passwords[(nth + 1) % 2], passwords[nth % 2]);
        let body = json!({ "old_password": old, "password": new });
        let bob = sign_in(&app, old).await;
        let answer = bob.put(&format!("{ME}/password"), &body).await;
        if answer.status == 429 {
            break;
        }
        assert_eq!(answer.status, 204, "{answer:?}");
        changed += 1;
    }
    assert_eq!(changed, LIMIT);
}

async fn sign_in(app: &TestApp, password: &str) -> Client {
    let body = json!({ "email": "bob@example.com", "password": password });
    let answer = app.anonymous().post("/api/v2/users/login", &body).await;
    app.with_token(text(&answer, "session_token"))
}

#[tokio::test]
async fn what_fails_does_not_count_and_ending_what_was_made_neither() {
    let app = limited().await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    let taken = json!({ "username": "ada", "name": "Bob" });
    for _ in 0..3 * LIMIT {
        let answer = bob.put(&format!("{ME}/profile"), &taken).await;
        assert!((400..500).contains(&answer.status) && answer.status != 429);
    }
    assert_eq!(rename(&bob, ME, "Bob").await.status, 200);
    // Whoever has many tokens must be able to revoke them all.
    let mut ids = Vec::new();
    for nth in 0..3 {
        app.pass(TimeDelta::hours(3));
        let bob = app.sign_in("bob@example.com").await;
        for _ in 0..LIMIT {
            let name = json!({ "token_name": format!("t{nth}-{}", ids.len()) });
            let made = bob.post(&format!("{ME}/keys/tokens"), &name).await;
            assert_eq!(made.status, 201, "{made:?}");
            ids.push(text(&made, "key").split_once('-').unwrap().0.to_owned());
        }
    }
    let bob = app.sign_in("bob@example.com").await;
    for id in &ids {
        let answer = bob.delete(&format!("{ME}/keys/{id}")).await;
        assert_eq!(answer.status, 204, "{answer:?}");
    }
}

#[tokio::test]
async fn what_is_done_to_others_does_not_count() {
    let app = limited().await;
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    for nth in 0..4 * LIMIT {
        app.user(&owner, &format!("user{nth}")).await;
        let path = format!("{USERS}/{bob}");
        assert_eq!(
            rename(&owner, &path, &format!("Bob {nth}")).await.status,
            200
        );
    }
    let renamed = made(9, async |nth| {
        rename(&owner, ME, &format!("Ada {nth}")).await
    })
    .await;
    assert_eq!(renamed, LIMIT);
    // Load tests and automation of owners say so.
    let headers = [("X-Coder-Bypass-Ratelimit", "true")];
    let body = json!({ "username": "ada", "name": "Ada" }).to_string();
    let path = format!("{ME}/profile");
    let answer = owner.send(Method::PUT, &path, &headers, body.into()).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn the_command_line_signs_in_as_often_as_it_has_to() {
    let app = TestApp::start_with(|config| config.own_change_limit = 60).await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    let keys = format!("{ME}/keys");
    let minted = made(200, async |_| bob.post(&keys, &Value::Null).await).await;
    assert_eq!(minted, 200);
    let limited = limited().await;
    let owner = limited.owner().await;
    let (_, bob) = member(&limited, &owner, "bob").await;
    let minted = made(99, async |_| bob.post(&keys, &Value::Null).await).await;
    assert_eq!(minted, 10 * LIMIT);
}

#[tokio::test]
async fn a_limit_of_0_is_none() {
    let app = TestApp::start_with(|config| config.own_change_limit = 0).await;
    let owner = app.owner().await;
    let renamed = made(99, async |nth| {
        rename(&owner, ME, &format!("Ada {nth}")).await
    })
    .await;
    assert_eq!(renamed, 99);
}
