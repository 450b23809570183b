//! Where a token is read, in which order, and what is said when it is not good.

use axum::http::Method;
use chrono::TimeDelta;
use rollcall_events::user::{LoginType, Scope, UserCommand};
use serde_json::json;

use crate::{
    given::{
        LOGIN, LOGOUT, ME, USERS, assert_refused, history, member, session, text, wish, wish_with,
    },
    support::{PASSWORD, TestApp, client::Answer},
};

/// The places in which a token may stand, the strongest first.
const PLACES: [&str; 6] = [
    "cookie coder_session_token",
    "query coder_session_token",
    "header Coder-Session-Token",
    "cookie coder_devurl_session_token",
    "header Authorization",
    "query access_token",
];
const GARBAGE: &str = "garbage";

/// Asks who one is, with tokens in some of the places.
async fn ask(app: &TestApp, tokens: &[(&str, &str)]) -> Answer {
    let (mut query, mut headers, mut cookies) = (Vec::new(), Vec::new(), Vec::new());
    for (place, token) in tokens {
        match place.split_once(' ') {
            Some(("cookie", name)) => cookies.push(format!("{name}={token}")),
            Some(("query", name)) => query.push(format!("{name}={token}")),
            Some(("header", "Authorization")) => {
                headers.push(("Authorization", format!("Bearer {token}")));
            }
            _ => headers.push(("Coder-Session-Token", (*token).to_owned())),
        }
    }
    let path = format!("{ME}?{}", query.join("&"));
    if !cookies.is_empty() {
        headers.push(("Cookie", cookies.join("; ")));
    }
    let headers: Vec<(&str, &str)> = headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    app.anonymous()
        .send(Method::GET, &path, &headers, Vec::new())
        .await
}

#[tokio::test]
async fn a_token_is_good_in_each_of_its_places() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for place in PLACES {
        let answer = ask(&app, &[(place, owner.token())]).await;
        assert_eq!(answer.status, 200, "{place}");
        assert_eq!(answer.json["username"], "ada", "{place}");
    }
}

#[tokio::test]
async fn a_token_is_not_read_elsewhere() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for place in ["cookie session_token", "query token", "query Access_Token"] {
        let answer = ask(&app, &[(place, owner.token())]).await;
        assert_eq!(answer.status, 401, "{place}");
    }
}

#[tokio::test]
async fn of_two_tokens_the_one_in_the_stronger_place_counts() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for (at, stronger) in PLACES.iter().enumerate() {
        for weaker in &PLACES[at + 1..] {
            let good = owner.token();
            let stale = ask(&app, &[(stronger, GARBAGE), (weaker, good)]).await;
            assert_eq!(stale.status, 401, "bad {stronger}, good {weaker}");
            let fine = ask(&app, &[(stronger, good), (weaker, GARBAGE)]).await;
            assert_eq!(fine.status, 200, "good {stronger}, bad {weaker}");
        }
    }
}

#[tokio::test]
async fn a_stale_cookie_beats_a_good_header() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let stale = app.owner().await;
    stale.post(LOGOUT, &json!({})).await;
    let cookie = format!("coder_session_token={}", stale.token());
    let answer = owner
        .send(Method::GET, ME, &[("Cookie", &cookie)], Vec::new())
        .await;
    assert_refused(&answer, 401, "session has expired");
}

#[tokio::test]
async fn an_empty_token_is_as_good_as_absent() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for (at, stronger) in PLACES.iter().enumerate() {
        for weaker in &PLACES[at + 1..] {
            let answer = ask(&app, &[(stronger, ""), (weaker, owner.token())]).await;
            assert_eq!(answer.status, 200, "empty {stronger}, good {weaker}");
        }
        let answer = ask(&app, &[(stronger, "")]).await;
        assert_eq!(text(&answer, "detail"), "There is no token.", "{stronger}");
    }
}

#[tokio::test]
async fn the_bearer_scheme_is_known_in_any_case_and_no_other_scheme_is() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for (scheme, status) in [
        ("Bearer", 200),
        ("bearer", 200),
        ("BEARER", 200),
        ("Basic", 401),
        ("Bearers", 401),
    ] {
        let header = format!("{scheme} {}", owner.token());
        let answer = app
            .anonymous()
            .send(Method::GET, ME, &[("Authorization", &header)], Vec::new())
            .await;
        assert_eq!(answer.status, status, "{scheme}");
    }
}

#[tokio::test]
async fn a_cookie_is_found_among_the_cookies_of_others() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for others in [
        "a=b; ",
        "a; ",
        "coder_session_tokens=x;",
        "name=Zoë; ",
        "=;;",
    ] {
        let cookies = format!("{others}coder_session_token={}", owner.token());
        let answer = app
            .anonymous()
            .send(Method::GET, ME, &[("Cookie", &cookies)], Vec::new())
            .await;
        assert_eq!(answer.status, 200, "{others}");
    }
}

#[tokio::test]
async fn each_kind_of_bad_token_is_told_apart_in_the_detail_only() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let expired = app.owner().await;
    app.pass(TimeDelta::hours(20));
    assert_eq!(owner.get(ME).await.status, 200);
    app.pass(TimeDelta::hours(4));
    let (id, secret) = owner.token().split_once('-').unwrap();
    let unknown = format!("0000000000-{secret}");
    let wrong = format!("{id}-0000000000000000000000");
    let mut details = Vec::new();
    for token in ["", "no-token", &unknown, &wrong, expired.token()] {
        let answer = app.with_token(token).get(ME).await;
        assert_refused(&answer, 401, "session has expired");
        details.push(text(&answer, "detail").to_owned());
    }
    assert!(details[4].contains("expired"), "{details:?}");
    details.sort_unstable();
    details.dedup();
    assert_eq!(details.len(), 5, "{details:?}");
}

#[tokio::test]
async fn a_token_of_another_form_is_malformed() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let token = owner.token();
    for bad in [
        &token[1..],
        &token[..token.len() - 1],
        &format!("{token}a"),
        &format!("{token}-"),
        &format!("-{token}"),
        &token.replace('-', ""),
        &token.replace('-', "--"),
        &token.replace('-', "_"),
        "-",
        "💣",
        "' OR 1=1 --",
    ] {
        let answer = app.with_token(bad).get(ME).await;
        assert_refused(&answer, 401, "session has expired");
        assert!(
            text(&answer, "detail").contains("10 and 22"),
            "{bad}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn a_token_in_other_capitals_is_another_token() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for other in [
        owner.token().to_ascii_lowercase(),
        owner.token().to_ascii_uppercase(),
    ] {
        assert_eq!(app.with_token(&other).get(ME).await.status, 401);
    }
}

#[tokio::test]
async fn a_suspended_user_is_sent_to_an_admin() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, bob) = member(&app, &owner, "bob").await;
    assert_eq!(bob.get(ME).await.status, 200);
    app.command(id, UserCommand::SuspendUser).await;
    let answer = bob.get(ME).await;
    assert_refused(&answer, 401, r#"status = "suspended""#);
    assert!(text(&answer, "message").contains("Contact an admin"));
}

#[tokio::test]
async fn a_session_works_again_when_its_user_does() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, bob) = member(&app, &owner, "bob").await;
    app.command(id, UserCommand::SuspendUser).await;
    assert_eq!(bob.get(ME).await.status, 401);
    let by_admin = rollcall_events::user::ActivationCause::Administrator;
    app.command(id, UserCommand::ActivateUser(by_admin)).await;
    assert_eq!(bob.get(ME).await.status, 200);
}

#[tokio::test]
async fn the_sessions_of_a_deleted_user_are_dead() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, bob) = member(&app, &owner, "bob").await;
    app.command(id, UserCommand::DeleteUser).await;
    assert_refused(&bob.get(ME).await, 401, "session has expired");
}

#[tokio::test]
async fn a_token_for_applications_does_not_open_the_users_api() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let ada = owner.get(ME).await.json["id"].as_str().unwrap().to_owned();
    let ada = ada.parse().unwrap();
    let connect = session(&app, ada, LoginType::Password, Scope::ApplicationConnect).await;
    assert_refused(&connect.get(ME).await, 403, "Forbidden.");
    assert_refused(&connect.get(USERS).await, 403, "Forbidden.");
    let answer = connect.post(USERS, &wish(&app, "bob")).await;
    assert_refused(&answer, 403, "Forbidden.");
}

#[tokio::test]
async fn a_dormant_user_becomes_active_by_signing_in() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let wish = wish_with(&app, "bob", &json!({ "user_status": "dormant" }));
    let created = owner.post(USERS, &wish).await;
    assert_eq!(created.json["status"], "dormant");
    let bob = app.sign_in("bob@example.com").await;
    assert_eq!(bob.get(ME).await.json["status"], "active");
    let id = created.json["id"].as_str().unwrap().parse().unwrap();
    let events = history(&app, id).await;
    assert_eq!(events.len(), 3, "{events:?}");
    assert!(events[1].contains("Activated"), "{events:?}");
}

#[tokio::test]
async fn a_wrong_password_wakes_no_dormant_user() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let wish = wish_with(&app, "bob", &json!({ "user_status": "dormant" }));
    owner.post(USERS, &wish).await;
    let wrong = json!({ "email": "bob@example.com", "password": format!("{PASSWORD}!") });
    assert_eq!(app.anonymous().post(LOGIN, &wrong).await.status, 401);
    let bob = owner.get("/api/v2/users/bob").await;
    assert_eq!(bob.json["status"], "dormant");
}

#[tokio::test]
async fn another_node_knows_a_session_as_soon_as_it_begins() {
    let app = TestApp::start().await;
    let node = app.second_node().await;
    let owner = app.owner().await;
    assert_eq!(node.with_token(owner.token()).get(ME).await.status, 200);
}

#[tokio::test]
async fn another_node_sees_at_once_that_somebody_signed_out() {
    let app = TestApp::start().await;
    let node = app.second_node().await;
    let owner = app.owner().await;
    let elsewhere = node.with_token(owner.token());
    assert_eq!(elsewhere.get(ME).await.status, 200);
    assert_eq!(owner.post(LOGOUT, &json!({})).await.status, 200);
    assert_eq!(elsewhere.get(ME).await.status, 401);
}

#[tokio::test]
async fn another_node_sees_at_once_that_somebody_is_suspended_or_deleted() {
    let app = TestApp::start().await;
    let node = app.second_node().await;
    let owner = app.owner().await;
    for (name, command) in [
        ("bob", UserCommand::SuspendUser),
        ("eve", UserCommand::DeleteUser),
    ] {
        let (id, client) = member(&app, &owner, name).await;
        let elsewhere = node.with_token(client.token());
        assert_eq!(elsewhere.get(ME).await.status, 200);
        app.command(id, command).await;
        assert_eq!(elsewhere.get(ME).await.status, 401, "{name}");
    }
}
