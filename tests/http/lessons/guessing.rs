//! Guessing a password is slow, from however many networks; and the account's owner does not wait for those who guess.

use std::collections::BTreeSet;

use axum::http::Method;
use chrono::TimeDelta;
use rollcall::config::Config;
use rollcall_events::{clock::Clock, user::UserCommand};
use serde_json::{Value, json};
use sqlx::ConnectOptions;

use super::headers;
use crate::{
    audit::entries,
    given::{LOGIN, ME, USERS, member, wish_with},
    support::{
        PASSWORD, TestApp,
        client::{Answer, Client},
    },
};

/// What is promised with the default options: guesses at an account within any hour, from all networks where its owner
/// was never signed in, and from one network.
const GUESSES_AN_HOUR: usize = 96;
const GUESSES_AN_HOUR_OF_A_NETWORK: usize = 58;

fn behind_a_proxy(config: &mut Config) {
    config.trusted_proxies = "127.0.0.0/8".parse().into_iter().collect();
}

async fn guarded() -> TestApp {
    TestApp::start_with(behind_a_proxy).await
}

/// Another node; or the same one, started again.
async fn another_node(app: &TestApp) -> TestApp {
    let name = app.database.get_database().unwrap();
    TestApp::on(name, app.clock.clone(), behind_a_proxy).await
}

async fn sign_in(app: &TestApp, address: &str, email: &str, password: &str) -> Answer {
    let body = json!({ "email": email, "password": password }).to_string();
    let headers = [("X-Forwarded-For", address)];
    let anonymous = app.anonymous();
    anonymous
        .send(Method::POST, LOGIN, &headers, body.into_bytes())
        .await
}

async fn guess(app: &TestApp, address: &str, email: &str) -> Answer {
    let answer = sign_in(app, address, email, "wrong").await;
    assert!([401, 429].contains(&answer.status), "{answer:?}");
    answer
}

async fn put_password(client: &Client, address: &str, old: &str) -> Answer {
    let body = json!({ "old_password": old, "password": "a quite different sentence" });
    let headers = [("X-Forwarded-For", address)];
    let path = format!("{ME}/password");
    client
        .send(Method::PUT, &path, &headers, body.to_string().into_bytes())
        .await
}

/// An address of the network of this number.
fn network(nth: u32) -> String {
    format!("10.{}.{}.{}", nth / 250, nth % 250, nth % 7 + 1)
}

fn retry_after_s(answer: &Answer) -> i64 {
    answer.header("retry-after").parse().unwrap()
}

async fn rows(app: &TestApp, table: &str) -> i64 {
    let mut conn = app.superuser.connect().await.unwrap();
    let query = format!("SELECT count(*) FROM live.{table}");
    sqlx::query_scalar(&query)
        .fetch_one(&mut conn)
        .await
        .unwrap()
}

#[tokio::test]
async fn many_networks_together_have_few_guesses_and_the_owner_is_not_delayed() {
    let app = guarded().await;
    app.owner().await;
    let mut verified = 0;
    for nth in 0..600 {
        let answer = guess(&app, &network(nth % 100), "ada@example.com").await;
        verified += usize::from(answer.status == 401);
        if answer.status == 429 {
            assert!((1..=300).contains(&retry_after_s(&answer)), "{answer:?}");
        }
        if nth % 30 == 0 {
            // From where she has signed in before.
            app.sign_in("ada@example.com").await;
        }
    }
    assert!((1..=GUESSES_AN_HOUR).contains(&verified), "{verified}");
    // No other node, and no restart, gives one guess more.
    let other = another_node(&app).await;
    for nth in 0..300 {
        let answer = guess(&other, &network(nth), "ada@example.com").await;
        assert_eq!(answer.status, 429, "{answer:?}");
    }
    other.sign_in("ada@example.com").await;
}

#[tokio::test]
async fn an_hour_of_guessing_is_bounded_for_an_account_and_for_a_network() {
    let app = guarded().await;
    let owner = app.owner().await;
    app.user(&owner, "bob").await;
    let (mut of_account, mut of_network) = (0, 0);
    for nth in 0..360 {
        app.pass(TimeDelta::seconds(10));
        let answer = guess(&app, &network(nth), "ada@example.com").await;
        of_account += usize::from(answer.status == 401);
        let answer = guess(&app, "192.0.2.1", "bob@example.com").await;
        of_network += usize::from(answer.status == 401);
    }
    assert!(of_account <= GUESSES_AN_HOUR, "{of_account}");
    assert!(of_network <= GUESSES_AN_HOUR_OF_A_NETWORK, "{of_network}");
}

#[tokio::test]
async fn the_delay_of_one_network_grows_and_is_nobody_elses() {
    let app = guarded().await;
    app.owner().await;
    for _ in 0..40 {
        assert_eq!(
            guess(&app, "192.0.2.1", "ada@example.com").await.status,
            401
        );
    }
    let mut delays = Vec::new();
    for _ in 0..4 {
        let refused = sign_in(&app, "192.0.2.99", "ada@example.com", PASSWORD).await;
        assert_eq!(refused.status, 429, "not even the right one: {refused:?}");
        assert_eq!(refused.cookies(), Vec::<&str>::new());
        delays.push(retry_after_s(&refused));
        app.pass(TimeDelta::seconds(delays[delays.len() - 1]));
        assert_eq!(
            guess(&app, "192.0.2.1", "ada@example.com").await.status,
            401
        );
    }
    assert_eq!(delays, [15, 30, 60, 120]);
    for elsewhere in ["192.0.3.1", "2001:db8::1"] {
        let answer = sign_in(&app, elsewhere, "ada@example.com", PASSWORD).await;
        assert_eq!(answer.status, 201, "{answer:?}");
    }
}

#[tokio::test]
async fn an_owner_in_a_new_network_gets_in_while_others_go_on_guessing() {
    let app = guarded().await;
    app.owner().await;
    for round in 0..5 {
        for nth in 0..100 {
            guess(&app, &network(nth), "ada@example.com").await;
        }
        if round == 0 {
            // Each network has its first guess in the end.
            for nth in 0..100 {
                app.pass(TimeDelta::minutes(5));
                guess(&app, &network(nth), "ada@example.com").await;
            }
        }
    }
    app.pass(TimeDelta::minutes(5));
    for nth in 0..100 {
        guess(&app, &network(nth), "ada@example.com").await;
    }
    let answer = sign_in(&app, "203.0.113.7", "ada@example.com", PASSWORD).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

#[tokio::test]
async fn a_success_forgets_the_failures_of_its_network_and_not_those_of_strangers() {
    let app = guarded().await;
    app.owner().await;
    for nth in 0..70 {
        guess(&app, &network(nth % 5), "ada@example.com").await;
    }
    for _ in 0..3 {
        for _ in 0..39 {
            let wrong = guess(&app, "127.0.0.1", "ada@example.com").await;
            assert_eq!(wrong.status, 401);
        }
        app.sign_in("ada@example.com").await;
    }
    let stranger = guess(&app, &network(1), "ada@example.com").await;
    assert_eq!(stranger.status, 429);
}

#[tokio::test]
async fn an_account_that_does_not_exist_is_refused_like_one_that_does() {
    let app = guarded().await;
    let owner = app.owner().await;
    let none = json!({ "login_type": "none", "password": "" });
    assert_eq!(
        owner
            .post(USERS, &wish_with(&app, "eve", &none))
            .await
            .status,
        201
    );
    let gone = app.user(&owner, "dan").await;
    app.command(gone, UserCommand::DeleteUser).await;
    let suspended = app.user(&owner, "carol").await;
    app.command(suspended, UserCommand::SuspendUser).await;
    for nth in 0..120 {
        if nth % 10 == 0 {
            app.pass(TimeDelta::seconds(nth));
        }
        let address = network(u32::try_from(nth).unwrap() % 35);
        let known = guess(&app, &address, "ada@example.com").await;
        for email in [
            "nobody@example.com",
            "NOBODY2@example.com",
            "eve@example.com",
            "dan@example.com",
            "carol@example.com",
        ] {
            let other = guess(&app, &address, email).await;
            assert_eq!(other.status, known.status, "{nth} {email}");
            assert_eq!(other.text, known.text, "{nth} {email}");
            assert_eq!(headers(&other), headers(&known), "{nth} {email}");
        }
    }
    // Spelled otherwise it is the same account.
    let refused = guess(&app, &network(1), "nobody@EXAMPLE.com").await;
    assert_eq!(
        refused.status,
        guess(&app, &network(1), "Ada@example.com").await.status
    );
}

#[tokio::test]
async fn many_guesses_at_once_are_no_more_than_one_after_the_other() {
    let app = TestApp::start_with(|config| {
        behind_a_proxy(config);
        // All of them wait: none is turned away for want of a place.
        config.hashing_waiting = 1_000;
    })
    .await;
    app.owner().await;
    let guesses = (0..150).map(|nth| {
        let address = if nth < 100 {
            "192.0.2.1".to_owned()
        } else {
            network(nth)
        };
        let app = &app;
        async move { guess(app, &address, "ada@example.com").await.status }
    });
    let statuses = futures_util::future::join_all(guesses).await;
    let verified = statuses[..100]
        .iter()
        .filter(|status| **status == 401)
        .count();
    assert!((1..=40).contains(&verified), "{verified}");
    let all = statuses.iter().filter(|status| **status == 401).count();
    assert!(all <= 60, "{all}");
}

#[tokio::test]
async fn guesses_at_the_old_password_and_on_the_api_are_one_count() {
    let app = guarded().await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    for nth in 0..40 {
        let wrong = if nth % 2 == 0 {
            put_password(&bob, "192.0.2.1", "wrong").await.status
        } else {
            guess(&app, "192.0.2.1", "bob@example.com").await.status
        };
        assert_eq!(wrong, if nth % 2 == 0 { 400 } else { 401 });
    }
    let refused = put_password(&bob, "192.0.2.1", PASSWORD).await;
    assert_eq!(refused.status, 429, "{refused:?}");
    assert_eq!(retry_after_s(&refused), 15);
    let refused = sign_in(&app, "192.0.2.1", "bob@example.com", PASSWORD).await;
    assert_eq!(refused.status, 429, "{refused:?}");
    let changed = put_password(&bob, "127.0.0.1", PASSWORD).await;
    assert_eq!(changed.status, 204, "{changed:?}");
}

#[tokio::test]
async fn with_0_there_is_no_limit() {
    let app = TestApp::start_with(|config| {
        config.guesses_per_network = 0;
        config.guesses_per_account = 0;
    })
    .await;
    app.owner().await;
    for email in ["ada@example.com", "nobody@example.com"] {
        for _ in 0..100 {
            let body = json!({ "email": email, "password": "wrong" });
            assert_eq!(app.anonymous().post(LOGIN, &body).await.status, 401);
        }
    }
}

#[tokio::test]
async fn a_refused_guess_is_recorded() {
    let app = guarded().await;
    let owner = app.owner().await;
    for _ in 0..45 {
        guess(&app, "192.0.2.1", "ada@example.com").await;
    }
    app.app.attempts.record_counts().await;
    let found = entries(&owner, "action:login username:ada").await;
    let of = |status: u16| -> u64 {
        let found = found.iter().filter(|entry| entry["status_code"] == status);
        found
            .map(|entry| entry["additional_fields"]["times"].as_u64().unwrap())
            .sum()
    };
    assert_eq!((of(401), of(429)), (40, 5), "{found:?}");
    let reasons: BTreeSet<&str> = found
        .iter()
        .filter(|entry| entry["status_code"] == 429)
        .map(|entry| entry["additional_fields"]["reason"].as_str().unwrap())
        .collect();
    assert_eq!(reasons, BTreeSet::from(["too_many_failures"]));
}

#[tokio::test]
async fn of_a_user_who_is_gone_no_network_is_remembered() {
    let app = guarded().await;
    let owner = app.owner().await;
    for (username, path, body) in [
        ("bob", "", Value::Null),
        ("eve", "/personal-data", json!({ "confirm": "eve" })),
    ] {
        member(&app, &owner, username).await;
        guess(&app, "192.0.2.1", &format!("{username}@example.com")).await;
        assert_eq!(rows(&app, "known_networks").await, 2, "with the owner's");
        let path = format!("{USERS}/{username}{path}");
        let body = serde_json::to_vec(&body).unwrap();
        let gone = owner.send(Method::DELETE, &path, &[], body).await;
        assert_eq!(gone.status, 200, "{gone:?}");
        assert_eq!(rows(&app, "known_networks").await, 1);
        assert_eq!(rows(&app, "password_failures").await, 0);
    }
    // Whatever way a user goes.
    let (dan, _) = member(&app, &owner, "dan").await;
    app.command(dan, UserCommand::DeleteUser).await;
    rollcall::upkeep::tidy_up(&app.app).await.unwrap();
    assert_eq!(rows(&app, "known_networks").await, 1);
}

#[tokio::test]
async fn what_is_remembered_is_bounded_in_number_and_time() {
    let app = guarded().await;
    app.owner().await;
    for nth in 0..30 {
        let answer = sign_in(&app, &network(nth), "ada@example.com", PASSWORD).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        app.pass(TimeDelta::seconds(1));
    }
    assert_eq!(rows(&app, "known_networks").await, 20);
    for nth in 0..50 {
        guess(&app, &network(100), &format!("x{nth}@example.com")).await;
    }
    app.pass(TimeDelta::hours(1));
    rollcall::upkeep::tidy_up(&app.app).await.unwrap();
    assert_eq!(rows(&app, "password_failures").await, 0);
    app.pass(TimeDelta::days(90));
    rollcall::upkeep::tidy_up(&app.app).await.unwrap();
    assert_eq!(rows(&app, "known_networks").await, 0);
    assert!(app.clock.now() > crate::support::beginning());
}

#[tokio::test]
async fn no_address_and_no_email_is_stored_where_guesses_are_counted() {
    let app = guarded().await;
    app.owner().await;
    guess(&app, "192.0.2.77", "nobody@example.com").await;
    guess(&app, "192.0.2.77", "ada@example.com").await;
    let mut conn = app.superuser.connect().await.unwrap();
    let stored: Vec<(Vec<u8>, Vec<u8>)> =
        sqlx::query_as("SELECT account, scope FROM live.password_failures")
            .fetch_all(&mut conn)
            .await
            .unwrap();
    assert_eq!(stored.len(), 4);
    for (account, scope) in &stored {
        assert_eq!(account.len(), 32);
        assert!(scope.len() == 32 || scope.ends_with(b"networks"));
    }
    // One network is not seen to be the same at two accounts.
    let scopes: BTreeSet<_> = stored.iter().map(|(_, scope)| scope).collect();
    assert_eq!(scopes.len(), 3);
}

#[tokio::test]
async fn a_slow_database_of_counts_is_no_way_around_them() {
    let app = guarded().await;
    app.owner().await;
    crate::given::as_superuser(&app, "ALTER TABLE live.password_failures RENAME TO away").await;
    let refused = sign_in(&app, "192.0.2.1", "ada@example.com", PASSWORD).await;
    assert!(refused.status >= 500, "{refused:?}");
}
