//! What is the same for every endpoint: types, headers, spelling of paths, limits, times.

use axum::http::Method;
use chrono::TimeDelta;
use serde_json::json;

use crate::{
    given::{
        FIRST, LOGIN, LOGOUT, ME, NEVER, USERS, assert_refused, member, post_raw, search, wish,
        wish_with, wrong_fields,
    },
    support::{
        PASSWORD, TestApp,
        client::{Answer, Client},
    },
};

/// An answer of every kind.
async fn one_of_each(app: &TestApp, owner: &Client) -> Vec<Answer> {
    let anonymous = app.anonymous();
    let (_, bob) = member(app, owner, "bob").await;
    vec![
        owner.post(USERS, &wish(app, "created")).await,
        owner.get(USERS).await,
        owner.get("/api/v2/users?limit=1").await,
        owner.get("/api/v2/users?limit=-1").await,
        owner.get(ME).await,
        owner.get("/api/v2/users/nobody").await,
        owner.get("/api/v2/nowhere").await,
        owner.get("/nowhere").await,
        owner.post(USERS, &json!({})).await,
        owner.post(USERS, &wish(app, "bob")).await,
        bob.post(USERS, &json!({})).await,
        anonymous.get(USERS).await,
        anonymous.get(FIRST).await,
        anonymous.post(FIRST, &json!({})).await,
        anonymous.post(LOGIN, &json!({})).await,
        anonymous.get("/api/v2").await,
        anonymous.get("/api/v2/buildinfo").await,
        anonymous.get("/api/v2/users/authmethods").await,
        anonymous.get("/api/v2/users/oidc/callback").await,
        anonymous.get("/healthz").await,
        anonymous.get("/readyz").await,
        post_raw(&anonymous, LOGIN, &vec![b' '; 2 << 20]).await,
        bob.post(LOGOUT, &json!({})).await,
    ]
}

#[tokio::test]
async fn every_answer_is_json_and_ends_in_a_newline() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let answers = one_of_each(&app, &owner).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    statuses.dedup();
    assert_eq!(statuses, [200, 201, 400, 401, 403, 404, 409, 413]);
    for answer in answers {
        assert_eq!(
            answer.header("content-type"),
            "application/json; charset=utf-8",
            "{answer:?}"
        );
        assert!(answer.json.is_object(), "{answer:?}");
        assert!(answer.text.ends_with("}\n"), "{answer:?}");
        if answer.status >= 400 {
            assert!(answer.json["message"].is_string(), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn every_answer_names_the_version_and_the_request_and_forbids_sniffing() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let mut answers = one_of_each(&app, &owner).await;
    answers.push(owner.send(Method::DELETE, USERS, &[], Vec::new()).await);
    let mut ids = Vec::new();
    for answer in &answers {
        let version = answer.header("x-coder-build-version");
        assert!(version.starts_with("v2."), "{answer:?}");
        assert_eq!(
            answer.header("x-content-type-options"),
            "nosniff",
            "{answer:?}"
        );
        assert_eq!(answer.header("cache-control"), "no-store", "{answer:?}");
        let id = answer.header("x-coder-request-id");
        assert!(uuid::Uuid::parse_str(id).is_ok(), "{answer:?}");
        ids.push(id);
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), answers.len());
}

#[tokio::test]
async fn the_version_in_the_header_is_the_one_of_the_build() {
    let app = TestApp::start().await;
    let build = app.anonymous().get("/api/v2/buildinfo").await;
    assert_eq!(build.json["version"], build.header("x-coder-build-version"));
    assert!(build.json["external_url"].is_string());
}

#[tokio::test]
async fn refusals_of_the_caller_name_the_bearer_scheme() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    let unknown = app.anonymous().get(ME).await;
    assert!(
        unknown
            .header("www-authenticate")
            .contains(r#"error="invalid_token""#)
    );
    let forbidden = bob.post(USERS, &json!({})).await;
    assert!(
        forbidden
            .header("www-authenticate")
            .contains(r#"error="insufficient_scope""#)
    );
}

#[tokio::test]
async fn html_is_escaped_in_refusals_pages_and_streams() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let wish = wish_with(&app, "bob", &json!({ "name": "<b>&\u{2028}x" }));
    let created = owner.post(USERS, &wish).await;
    let page = owner.get("/api/v2/users?limit=10").await;
    let stream = owner.get(USERS).await;
    for answer in [&created, &page, &stream] {
        assert!(
            answer.text.contains(r"\u003cb\u003e\u0026\u2028x"),
            "{answer:?}"
        );
    }
    let refusal = owner.get(&search("<b>:1")).await;
    assert!(refusal.text.contains(r"\u003cb\u003e"), "{refusal:?}");
    for answer in [created, page, stream, refusal] {
        assert!(!answer.text.contains(['<', '>', '&']), "{answer:?}");
    }
}

#[tokio::test]
async fn a_slash_at_the_end_and_repeated_slashes_change_nothing() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for path in [
        "/api/v2/users/",
        "//api//v2///users//",
        "/api/v2/users/me/",
        "/api/v2//users/ada",
        "/api/v2/",
        "/api/v2/users/?limit=1",
    ] {
        assert_eq!(owner.get(path).await.status, 200, "{path}");
    }
    let created = owner.post("/api/v2//users/", &wish(&app, "bob")).await;
    assert_eq!(created.status, 201);
}

#[tokio::test]
async fn an_unknown_route_is_not_found_in_json() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for path in [
        "/api/v2/nowhere",
        "/api/v2/users/me/nowhere",
        "/api/v2/users/first/nowhere",
        "/api/v1/users",
        "/api/v2/Users",
        "/users",
    ] {
        for client in [&owner, &app.anonymous()] {
            assert_refused(&client.get(path).await, 404, "Route not found.");
        }
    }
}

#[tokio::test]
async fn a_wrong_method_is_a_bare_405_that_names_the_right_ones() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for (method, path, allowed) in [
        (Method::PUT, USERS, "GET"),
        (Method::DELETE, LOGIN, "POST"),
        (Method::GET, LOGIN, "POST"),
        (Method::GET, LOGOUT, "POST"),
        (Method::POST, "/api/v2/users/authmethods", "GET"),
        (Method::PATCH, FIRST, "POST"),
    ] {
        let answer = owner.send(method.clone(), path, &[], Vec::new()).await;
        assert_eq!(answer.status, 405, "{method} {path}");
        assert_eq!(answer.text, "", "{method} {path}");
        assert!(
            answer.header("allow").contains(allowed),
            "{method} {path}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_and_one_at_the_limit_is_read() {
    let app = TestApp::start_with(|config| config.body_limit = 1024).await;
    let owner = app.owner().await;
    let mut body = serde_json::to_vec(&wish(&app, "bob")).unwrap();
    body.resize(1025, b' ');
    for (client, path) in [
        (&owner, USERS),
        (&app.anonymous(), LOGIN),
        (&app.anonymous(), FIRST),
    ] {
        assert_refused(&post_raw(client, path, &body).await, 413, "too large");
    }
    body.resize(1024, b' ');
    assert_eq!(post_raw(&owner, USERS, &body).await.status, 201);
}

#[tokio::test]
async fn bytes_that_are_not_utf8_are_no_json_outside_of_its_texts() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for body in [&b"\xff\xfe"[..], b"{\xff}", b"{\"email\":\xff}"] {
        for (client, path) in [(&owner, USERS), (&app.anonymous(), LOGIN)] {
            assert_refused(&post_raw(client, path, body).await, 400, "valid JSON");
        }
    }
}

#[tokio::test]
async fn a_nul_in_any_field_of_a_new_user_is_refused() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for (field, value) in [
        ("email", json!("a\0@example.com")),
        ("email", json!("\"a\0\"@example.com")),
        ("username", json!("a\0b")),
        ("name", json!("A\0B")),
        ("login_type", json!("none\0")),
        ("user_status", json!("active\0")),
        ("roles", json!(["owner\0"])),
    ] {
        let answer = owner
            .post(USERS, &wish_with(&app, "bob", &json!({ field: value })))
            .await;
        assert_eq!(wrong_fields(&answer), [field]);
    }
    let answer = owner
        .post(
            USERS,
            &wish_with(&app, "bob", &json!({ "organization_ids": ["\0"] })),
        )
        .await;
    assert_refused(&answer, 400, "valid JSON");
}

#[tokio::test]
async fn a_nul_in_an_email_to_sign_in_with_is_refused() {
    let app = TestApp::start().await;
    app.owner().await;
    let wish = json!({ "email": "ada\0@example.com", "password": PASSWORD });
    let answer = app.anonymous().post(LOGIN, &wish).await;
    assert_eq!(wrong_fields(&answer), ["email"]);
}

#[tokio::test]
async fn a_nul_in_a_password_is_a_character_like_any_other() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let password = format!("{PASSWORD}\0x");
    let wish = wish_with(&app, "bob", &json!({ "password": password }));
    assert_eq!(owner.post(USERS, &wish).await.status, 201);
    for (password, status) in [(password.as_str(), 201), (PASSWORD, 401)] {
        let wish = json!({ "email": "bob@example.com", "password": password });
        assert_eq!(app.anonymous().post(LOGIN, &wish).await.status, status);
    }
}

#[tokio::test]
async fn a_nul_in_the_query_is_refused() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for (query, field) in [
        ("q=%00", "q"),
        ("q=a%00b", "q"),
        ("q=name:%00", "q"),
        ("after_id=%00", "after_id"),
        ("limit=%00", "limit"),
        ("offset=1%00", "offset"),
    ] {
        let answer = owner.get(&format!("{USERS}?{query}")).await;
        assert_eq!(wrong_fields(&answer), [field], "{query}");
    }
}

#[tokio::test]
async fn a_path_that_names_nobody_is_not_found_whatever_its_bytes() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for name in [
        "%00",
        "a%00b",
        "%ff",
        "%C3%28",
        "%2F",
        "%20",
        "%F0%9F%A6%80",
    ] {
        let answer = owner.get(&format!("{USERS}/{name}")).await;
        assert_refused(&answer, 404, "Resource not found or you do not have access");
    }
}

#[tokio::test]
async fn times_are_the_same_to_the_microsecond_wherever_they_are_read() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    app.pass(TimeDelta::microseconds(123_456));
    let created = owner.post(USERS, &wish(&app, "bob")).await;
    assert_eq!(created.json["created_at"], "2026-01-01T12:00:00.123456Z");
    let id = created.json["id"].as_str().unwrap();
    let by_id = owner.get(&format!("{USERS}/{id}")).await;
    let page = owner.get("/api/v2/users?q=bob&limit=1").await;
    let stream = owner.get("/api/v2/users?q=bob").await;
    assert_eq!(by_id.json, created.json);
    assert_eq!(page.json["users"][0], created.json);
    assert_eq!(stream.json["users"][0], created.json);
}

#[tokio::test]
async fn a_fraction_of_a_second_has_no_zeros_at_its_end() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    app.pass(TimeDelta::milliseconds(250));
    let created = owner.post(USERS, &wish(&app, "bob")).await;
    assert_eq!(created.json["created_at"], "2026-01-01T12:00:00.25Z");
}

#[tokio::test]
async fn who_was_never_here_was_last_seen_in_the_year_one() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let created = owner.post(USERS, &wish(&app, "bob")).await;
    assert_eq!(created.json["last_seen_at"], NEVER);
    let bob = owner.get("/api/v2/users/bob").await;
    assert_eq!(bob.json["last_seen_at"], NEVER);
    let list = owner.get("/api/v2/users?q=bob").await;
    assert_eq!(list.json["users"][0]["last_seen_at"], NEVER);
}
