//! Bodies are read as leniently as the clients' own server reads them, and no more so.

use axum::http::Method;
use serde_json::json;

use crate::{
    given::{FIRST, LOGIN, USERS, assert_refused, post_raw, text, wish, wish_with, wrong_fields},
    support::{PASSWORD, TestApp},
};

#[tokio::test]
async fn names_of_fields_match_in_any_case() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let body = json!({
        "EMAIL": "bob@example.com",
        "UserName": "bob",
        "Password": PASSWORD,
        "Organization_IDs": [app.app.default_organization],
    });
    let created = owner.post(USERS, &body).await;
    assert_eq!(created.status, 201, "{created:?}");
    assert_eq!(created.json["username"], "bob");
    let body = json!({ "eMail": "bob@example.com", "PASSWORD": PASSWORD });
    assert_eq!(app.anonymous().post(LOGIN, &body).await.status, 201);
}

#[tokio::test]
async fn unknown_fields_are_ignored() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let other = json!({ "disable_login": false, "shoe_size": { "eu": [42] }, "": null });
    let created = owner.post(USERS, &wish_with(&app, "bob", &other)).await;
    assert_eq!(created.status, 201, "{created:?}");
}

#[tokio::test]
async fn null_is_as_good_as_absent() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let other = json!({
        "name": null,
        "login_type": null,
        "user_status": null,
        "roles": null,
        "organization_id": null,
        "service_account": null,
    });
    let created = owner.post(USERS, &wish_with(&app, "bob", &other)).await;
    assert_eq!(created.status, 201, "{created:?}");
    let missing = owner
        .post(USERS, &wish_with(&app, "eve", &json!({ "email": null })))
        .await;
    assert_eq!(wrong_fields(&missing), ["email"]);
}

#[tokio::test]
async fn a_body_that_is_null_gives_nothing() {
    let app = TestApp::start().await;
    let answer = post_raw(&app.anonymous(), LOGIN, b"null").await;
    assert_eq!(wrong_fields(&answer), ["email", "password"]);
}

/// Half of a surrogate pair, and bytes that are not UTF-8, in a text of JSON.
const NOT_UNICODE: [&[u8]; 4] = [br"\ud800", br"\udc00\ud800", b"\xff", b"\xf0\x9f\x98"];

/// A body with this in the place of `?`.
fn with_text(body: &str, text: &[u8]) -> Vec<u8> {
    let (before, after) = body.split_once('?').unwrap();
    [before.as_bytes(), text, after.as_bytes()].concat()
}

#[tokio::test]
async fn text_that_is_not_unicode_is_read_as_the_clients_own_server_reads_it() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for (number, text) in NOT_UNICODE.into_iter().enumerate() {
        let mut wish = wish(&app, &format!("bob{number}"));
        wish["name"] = json!("Bob ?");
        let created = post_raw(&owner, USERS, &with_text(&wish.to_string(), text)).await;
        assert_eq!(created.status, 201, "{created:?}");
        let name = created.json["name"].as_str().unwrap();
        assert!(
            name.trim_start_matches("Bob ")
                .chars()
                .all(|char| char == '\u{fffd}'),
            "{name:?}"
        );
        // In fields that are not used it does not matter at all, nor in their names.
        for body in [
            r#"{"x": ["?"], "email": "ada@example.com", "password": "correct horse battery staple"}"#,
            r#"{"x?": 1, "email": "ada@example.com", "password": "correct horse battery staple"}"#,
        ] {
            let answer = post_raw(&app.anonymous(), LOGIN, &with_text(body, text)).await;
            assert_eq!(answer.status, 201, "{answer:?}");
        }
    }
    let body = with_text(
        r#"{"email": "ada?@example.com", "password": "x"}"#,
        NOT_UNICODE[0],
    );
    let answer = post_raw(&app.anonymous(), LOGIN, &body).await;
    assert_eq!(wrong_fields(&answer), ["email"], "no address has it");
}

#[tokio::test]
async fn a_password_that_is_not_unicode_is_refused_wherever_one_is_given() {
    let app = TestApp::start().await;
    let first =
        r#"{"email": "ada@example.com", "username": "ada", "password": "correct horse ? staple"}"#;
    for text in NOT_UNICODE {
        let answer = post_raw(&app.anonymous(), FIRST, &with_text(first, text)).await;
        assert_eq!(wrong_fields(&answer), ["password"]);
    }
    let owner = app.owner().await;
    let mut wish = wish(&app, "bob");
    wish["password"] = json!("correct horse ? staple");
    let wish = wish.to_string();
    let requests = [
        (
            Method::POST,
            LOGIN,
            r#"{"email": "ada@example.com", "password": "correct ?"}"#,
            "password",
        ),
        (Method::POST, USERS, &*wish, "password"),
        (
            Method::PUT,
            "/api/v2/users/me/password",
            r#"{"old_password": "x", "password": "correct horse ? staple"}"#,
            "password",
        ),
        (
            Method::PUT,
            "/api/v2/users/me/password",
            r#"{"old_password": "x?", "password": "correct horse staple"}"#,
            "old_password",
        ),
        (
            Method::POST,
            "/api/v2/users/me/convert-login",
            r#"{"to_type": "password", "password": "correct horse ?"}"#,
            "password",
        ),
    ];
    for text in NOT_UNICODE {
        for (method, path, body, field) in &requests {
            let body = with_text(body, text);
            let answer = owner.send(method.clone(), path, &[], body).await;
            assert_eq!(wrong_fields(&answer), [*field], "{path}");
        }
    }
}

#[tokio::test]
async fn only_the_first_value_of_the_body_is_read() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let mut body = serde_json::to_vec(&wish(&app, "bob")).unwrap();
    body.extend_from_slice(br#" {"username": "eve"} and more"#);
    let created = post_raw(&owner, USERS, &body).await;
    assert_eq!(created.status, 201, "{created:?}");
    assert_eq!(created.json["username"], "bob");
}

#[tokio::test]
async fn the_last_of_repeated_fields_counts() {
    let app = TestApp::start().await;
    app.owner().await;
    let body = format!(r#"{{"email":"x","Email":"ada@example.com","password":"{PASSWORD}"}}"#);
    let answer = post_raw(&app.anonymous(), LOGIN, body.as_bytes()).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

#[tokio::test]
async fn the_type_of_the_content_is_not_looked_at() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for (username, content_type) in [
        ("bob", "text/plain"),
        ("eve", "application/x-www-form-urlencoded"),
        ("dan", "nonsense"),
    ] {
        let body = serde_json::to_vec(&wish(&app, username)).unwrap();
        let created = owner
            .send(Method::POST, USERS, &[("Content-Type", content_type)], body)
            .await;
        assert_eq!(created.status, 201, "{content_type}: {created:?}");
    }
}

#[tokio::test]
async fn an_empty_body_is_refused_as_eof() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for (client, path) in [
        (&owner, USERS),
        (&app.anonymous(), FIRST),
        (&app.anonymous(), LOGIN),
    ] {
        for body in [&b""[..], b" \r\n\t"] {
            let answer = post_raw(client, path, body).await;
            assert_refused(&answer, 400, "valid JSON");
            assert_eq!(text(&answer, "detail"), "EOF", "{path}");
        }
    }
}

#[tokio::test]
async fn a_body_that_is_no_json_is_refused_with_the_reason() {
    let app = TestApp::start().await;
    for body in [
        r#"{"email""#,
        "email=ada&password=x",
        "{'email': 1}",
        r#"{"email":"a",}"#,
    ] {
        let answer = post_raw(&app.anonymous(), LOGIN, body.as_bytes()).await;
        assert_refused(&answer, 400, "valid JSON");
        assert!(!text(&answer, "detail").is_empty(), "{body}");
    }
}

#[tokio::test]
async fn a_value_of_the_wrong_type_is_refused_by_the_name_of_its_field() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for (field, value) in [
        ("email", json!(1)),
        ("username", json!(["a"])),
        ("roles", json!("owner")),
        ("service_account", json!("true")),
        ("organization_id", json!("not-an-id")),
        ("organization_id", json!("")),
        ("organization_ids", json!({})),
    ] {
        let answer = owner
            .post(USERS, &wish_with(&app, "bob", &json!({ field: value })))
            .await;
        assert_refused(&answer, 400, "valid JSON");
        assert!(text(&answer, "detail").contains(field), "{answer:?}");
    }
}

#[tokio::test]
async fn a_body_of_another_shape_is_refused() {
    let app = TestApp::start().await;
    for body in ["[]", "7", "true", r#""text""#] {
        let answer = post_raw(&app.anonymous(), LOGIN, body.as_bytes()).await;
        assert_refused(&answer, 400, "valid JSON");
    }
}

#[tokio::test]
async fn a_body_of_a_thousand_levels_is_refused() {
    let app = TestApp::start().await;
    let body = format!(r#"{{"email":{}{}}}"#, "[".repeat(1000), "]".repeat(1000));
    let answer = post_raw(&app.anonymous(), LOGIN, body.as_bytes()).await;
    assert_refused(&answer, 400, "valid JSON");
}
