//! Every route, attacked: what each caller gets is written down, and a route that is not written down fails the test.

use std::collections::BTreeSet;

use axum::http::Method;
use chrono::TimeDelta;
use rollcall::http::openapi::DOCUMENT;
use rollcall_events::user::UserCommand;
use serde_json::Value;

use crate::{
    given::{ME, member, text},
    support::{TestApp, client::Client},
};

/// What a route answers to somebody who may not be who they say.
#[derive(Clone, Copy, PartialEq)]
enum Guard {
    /// It does not look at the token: the status for anybody with an empty body.
    Open(u16),
    /// It wants a good token; then, with an empty body, a plain member gets this status.
    Token(u16),
}

use Guard::{Open, Token};

/// Method, pattern, address, and who gets what.
const ROUTES: [(&str, &str, &str, Guard); 18] = [
    ("GET", "/healthz", "/healthz", Open(200)),
    ("GET", "/readyz", "/readyz", Open(200)),
    ("GET", "/openapi.json", "/openapi.json", Open(200)),
    ("GET", "/docs", "/docs", Open(200)),
    ("GET", "/api/v2", "/api/v2", Open(200)),
    ("GET", "/api/v2/buildinfo", "/api/v2/buildinfo", Open(200)),
    (
        "GET",
        "/api/v2/users/first",
        "/api/v2/users/first",
        Open(200),
    ),
    (
        "POST",
        "/api/v2/users/first",
        "/api/v2/users/first",
        Open(400),
    ),
    (
        "GET",
        "/api/v2/users/authmethods",
        "/api/v2/users/authmethods",
        Open(200),
    ),
    (
        "POST",
        "/api/v2/users/login",
        "/api/v2/users/login",
        Open(400),
    ),
    (
        "GET",
        "/api/v2/users/oauth2/github/callback",
        "/api/v2/users/oauth2/github/callback",
        Open(400),
    ),
    (
        "GET",
        "/api/v2/users/oidc/callback",
        "/api/v2/users/oidc/callback",
        Open(400),
    ),
    ("GET", "/api/v2/users", "/api/v2/users", Token(200)),
    ("POST", "/api/v2/users", "/api/v2/users", Token(403)),
    (
        "GET",
        "/api/v2/users/{user}",
        "/api/v2/users/ada",
        Token(404),
    ),
    ("GET", "/api/v2/users/{user}", ME, Token(200)),
    (
        "POST",
        "/api/v2/authcheck",
        "/api/v2/authcheck",
        Token(400),
    ),
    // Last, because it ends the session.
    (
        "POST",
        "/api/v2/users/logout",
        "/api/v2/users/logout",
        Token(200),
    ),
];

async fn status(client: &Client, method: &str, path: &str) -> u16 {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let answer = client.send(method, path, &[], Vec::new()).await;
    if answer.status == 401 {
        assert!(!text(&answer, "message").is_empty(), "{path}: {answer:?}");
    }
    answer.status
}

/// What the description of the API says: every method of every route.
fn described_routes() -> BTreeSet<(String, String)> {
    let document: Value = serde_json::from_str(&DOCUMENT).unwrap();
    let mut routes = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            routes.insert((method.to_uppercase(), path.clone()));
        }
    }
    routes
}

#[test]
fn every_described_route_is_attacked_here() {
    let attacked = ROUTES.map(|(method, pattern, ..)| (method.to_owned(), pattern.to_owned()));
    assert_eq!(described_routes(), BTreeSet::from(attacked));
}

#[tokio::test]
async fn no_guarded_route_opens_without_a_good_token() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, expired) = member(&app, &owner, "expired").await;
    app.pass(TimeDelta::hours(25));
    let owner = app.sign_in("ada@example.com").await;
    let (id, suspended) = member(&app, &owner, "suspended").await;
    app.command(id, UserCommand::SuspendUser).await;
    let (id, deleted) = member(&app, &owner, "deleted").await;
    app.command(id, UserCommand::DeleteUser).await;
    let (_, signed_out) = member(&app, &owner, "gone").await;
    assert_eq!(
        status(&signed_out, "POST", "/api/v2/users/logout").await,
        200
    );
    let (id, _) = owner.token().split_once('-').unwrap();
    let wrong_secret = format!("{id}-0000000000000000000000");
    let callers = [
        ("no token", app.anonymous()),
        ("an empty token", app.with_token("")),
        ("garbage", app.with_token("garbage")),
        ("a wrong secret", app.with_token(&wrong_secret)),
        ("an expired token", expired),
        ("a suspended user's token", suspended),
        ("a deleted user's token", deleted),
        ("a token that was signed out", signed_out),
    ];
    for (who, client) in &callers {
        for (method, _, path, guard) in ROUTES {
            let expected = match guard {
                Open(status) => status,
                Token(_) => 401,
            };
            let answered = status(client, method, path).await;
            assert_eq!(answered, expected, "{method} {path} with {who}");
        }
    }
}

#[tokio::test]
async fn a_member_gets_from_each_route_what_members_get() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    for (method, _, path, guard) in ROUTES {
        let (Open(expected) | Token(expected)) = guard;
        assert_eq!(
            status(&bob, method, path).await,
            expected,
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn a_token_in_the_wrong_place_opens_nothing() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let cookie = format!("csrf_token={}", owner.token());
    let headers = [
        ("Cookie", cookie.as_str()),
        ("X-Session-Token", owner.token()),
        ("X-CSRF-TOKEN", owner.token()),
    ];
    for (method, _, path, guard) in ROUTES {
        if matches!(guard, Token(_)) {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let answer = app
                .anonymous()
                .send(method, path, &headers, Vec::new())
                .await;
            assert_eq!(answer.status, 401, "{path}");
        }
    }
}
