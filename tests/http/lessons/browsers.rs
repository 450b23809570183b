//! What other pages can make a browser ask us, and what is told to whoever names another host.

use axum::http::Method;
use rollcall::config::{AccessUrl, Config};
use serde_json::json;

use super::{
    every::{Named, PAGES, changes, events, operations},
    proof,
};
use crate::{
    given::{ME, cookie_set, member},
    support::{PASSWORD, TestApp},
};

/// A body that is good in many places.
fn body() -> String {
    json!({
        "username": "bob",
        "password": "a quite different sentence",
        "old_password": PASSWORD,
        "roles": ["owner"],
        "email": "ada@example.com",
        "name": "club",
    })
    .to_string()
}

#[tokio::test]
async fn no_change_is_made_for_a_cookie_alone_by_any_operation() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    app.user(&owner, "bob").await;
    let before = events(&app).await;
    for cookie in ["coder_session_token", "coder_devurl_session_token"] {
        let cookie = format!("{cookie}={}", owner.token());
        for operation in operations() {
            if !operation.changes_something() || operation.path.ends_with("/users/first") {
                continue;
            }
            // What a form of another page can send, and what it would have to guess.
            for headers in [
                &[("Content-Type", "text/plain")][..],
                &[("Content-Type", "application/x-www-form-urlencoded")],
                &[
                    ("Origin", "https://evil.test"),
                    ("Referer", "https://evil.test/"),
                ],
                &[("X-CSRF-TOKEN", "")],
                &[("X-CSRF-TOKEN", "guess"), ("Coder-Session-Token", "guess")],
                &[("X-HTTP-Method-Override", "GET")],
                &[("Authorization", "Basic YWRhOmFkYQ==")],
            ] {
                let mut headers = headers.to_vec();
                headers.push(("Cookie", &cookie));
                let answer = operation
                    .send(&app.anonymous(), Named::BOB, &headers, &body())
                    .await;
                assert_eq!(answer.status, 400, "{operation:?}: {answer:?}");
                assert!(
                    answer.header("content-type").starts_with("text/plain"),
                    "{operation:?}: {answer:?}"
                );
            }
        }
    }
    assert_eq!(events(&app).await, before);
}

#[tokio::test]
async fn no_other_page_may_read_an_answer_or_ask_with_headers_of_its_own() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    app.user(&owner, "bob").await;
    let headers = [
        ("Origin", "https://evil.test"),
        ("Access-Control-Request-Method", "PUT"),
        ("Access-Control-Request-Headers", "coder-session-token"),
    ];
    let before = changes(&app).await;
    let paths = operations()
        .into_iter()
        .map(|operation| operation.path(Named::BOB));
    let pages = PAGES.into_iter().map(|(_, path)| path.to_owned());
    for path in paths.chain(pages) {
        for method in [Method::OPTIONS, Method::GET] {
            let answer = owner.send(method, &path, &headers, Vec::new()).await;
            let allows = answer.headers.keys().any(|name| {
                name.as_str().starts_with("access-control-") || name == "timing-allow-origin"
            });
            assert!(!allows, "{path}: {answer:?}");
        }
    }
    assert_eq!(changes(&app).await, before);
}

#[tokio::test]
async fn no_answer_of_any_operation_or_page_names_a_host_that_the_request_named() {
    let configured = |config: &mut Config| {
        config.access_url = "https://rollcall.example".parse::<AccessUrl>().ok();
        config.trusted_proxies = "127.0.0.0/8".parse().into_iter().collect();
    };
    // Even a proxy that is trusted with addresses is not trusted with hosts.
    let app = TestApp::start_with(configured).await;
    let owner = app.owner().await;
    app.user(&owner, "bob").await;
    let evil = [
        ("Host", "evil.test"),
        ("X-Forwarded-Host", "evil.test"),
        ("X-Forwarded-Proto", "evil"),
        ("X-Forwarded-Prefix", "/evil"),
        ("X-Forwarded-Server", "evil.test"),
        ("Forwarded", "host=evil.test;proto=evil"),
        ("X-Original-Url", "/evil"),
        ("X-Rewrite-Url", "/evil"),
        ("X-Host", "evil.test"),
        ("Origin", "https://evil.test"),
        ("Referer", "https://evil.test/"),
    ];
    let cookie = format!("coder_session_token={}", owner.token());
    let with_cookie: Vec<_> = evil.iter().copied().chain([("Cookie", &*cookie)]).collect();
    let requests = operations()
        .into_iter()
        .filter(|operation| !operation.path.ends_with("/logout"))
        .map(|operation| (operation.method.clone(), operation.path(Named::BOB)))
        .chain(
            PAGES
                .into_iter()
                .map(|(method, path)| (method, path.to_owned())),
        );
    for (method, path) in requests {
        for (client, headers) in [
            (&owner, &evil[..]),
            (&app.anonymous(), &evil[..]),
            (&app.anonymous(), &with_cookie[..]),
        ] {
            let answer = client
                .send(method.clone(), &path, headers, b"{}".to_vec())
                .await;
            let told = format!("{:?} {}", answer.headers, answer.text);
            assert!(!told.contains("evil"), "{method} {path}: {told}");
        }
    }
}

#[tokio::test]
async fn an_unreadable_forwarded_address_opens_and_changes_nothing_anywhere() {
    let behind_a_proxy = |config: &mut Config| {
        config.trusted_proxies = "127.0.0.0/8".parse().into_iter().collect();
    };
    let app = TestApp::start_with(behind_a_proxy).await;
    let owner = app.owner().await;
    app.user(&owner, "bob").await;
    let sign_in = json!({ "email": "ada@example.com", "password": PASSWORD }).to_string();
    let before = events(&app).await;
    for unreadable in ["nonsense", "1.2.3.4, x"] {
        let headers = [
            ("X-Forwarded-For", unreadable),
            ("X-Coder-Bypass-Ratelimit", "true"),
        ];
        for operation in operations() {
            for headers in [&headers[..], &headers[..1]] {
                let answer = operation.send(&owner, Named::BOB, headers, &sign_in).await;
                assert_eq!(answer.status, 400, "{operation:?}: {answer:?}");
                assert!(answer.text.contains("X-Forwarded-For"), "{answer:?}");
                assert_eq!(answer.cookies(), Vec::<&str>::new());
            }
        }
        for (method, path) in PAGES {
            let form = b"email=ada%40example.com&password=x".to_vec();
            let page = app
                .anonymous()
                .send(method, path, &headers[..1], form)
                .await;
            assert_eq!(page.status, 400, "{path}: {page:?}");
            assert_eq!(page.cookies(), Vec::<&str>::new());
        }
        // A second header is as good as a second value.
        let two = [("X-Forwarded-For", "203.0.113.7"), headers[0]];
        assert_eq!(
            owner.send(Method::GET, ME, &two, Vec::new()).await.status,
            400
        );
    }
    assert_eq!(events(&app).await, before);
}

#[tokio::test]
async fn signing_in_by_the_form_never_continues_a_session_that_somebody_else_planted() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, eve) = member(&app, &owner, "eve").await;
    let planted = format!("coder_session_token={}", eve.token());
    let gone = format!("{ME}/keys/{}", eve.token().split_once('-').unwrap().0);
    // Over a planted session that is good the page goes on as that user, and says who that is.
    let page = app
        .anonymous()
        .send(
            Method::GET,
            "/cli-auth",
            &[("Cookie", &planted)],
            Vec::new(),
        )
        .await;
    assert!(page.text.contains("eve@example.com"), "{page:?}");
    // The form begins another one, whatever the browser sends with it.
    let name = "0123456789abcdefghijABCDEFGHIJ01";
    let planted = format!("{planted}; sign_in_form={name}");
    let proof = form_proof(&app, name).await;
    let form = format!(
        "email=ada%40example.com&password={}&proof={proof}",
        PASSWORD.replace(' ', "+")
    );
    let answer = app
        .anonymous()
        .send(
            Method::POST,
            "/login",
            &[("Cookie", &planted)],
            form.into_bytes(),
        )
        .await;
    assert_eq!(answer.status, 303, "{answer:?}");
    let token = cookie_set(&answer, "coder_session_token").unwrap();
    assert_ne!(token, eve.token());
    assert_eq!(app.with_token(token).get(ME).await.json["username"], "ada");
    assert_eq!(eve.get(ME).await.json["username"], "eve");
    assert_eq!(eve.delete(&gone).await.status, 204);
    assert_eq!(app.with_token(token).get(ME).await.status, 200);
}

/// The proof that the form to sign in holds for a browser of this name.
async fn form_proof(app: &TestApp, name: &str) -> String {
    let cookie = format!("sign_in_form={name}");
    let page = app
        .anonymous()
        .send(Method::GET, "/login", &[("Cookie", &cookie)], Vec::new())
        .await;
    proof(&page, "/login")
}
