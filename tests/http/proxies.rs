//! Where requests come from, as the audit log has it: behind proxies of every kind, and on every kind of socket.

use axum::{
    body::Body,
    extract::ConnectInfo,
    http::{HeaderValue, Method, Request},
};
use rollcall::http;
use serde_json::json;
use std::net::SocketAddr;
use tower::ServiceExt;

use crate::{
    given::{LOGIN, ME, text},
    support::{PASSWORD, TestApp, client::Client},
};

async fn behind_a_proxy() -> TestApp {
    TestApp::start_with(|config| {
        config.trusted_proxies = "127.0.0.0/8".parse().into_iter().collect();
    })
    .await
}

/// The address and the user agent of the latest entry of the audit log.
async fn latest(owner: &Client) -> (String, String) {
    let audit = owner.get("/api/v2/audit?limit=1").await;
    let entry = &audit.json["audit_logs"][0];
    let text = |field: &str| entry[field].as_str().unwrap_or_default().to_owned();
    (text("ip"), text("user_agent"))
}

async fn sign_in_with(app: &TestApp, peer: [u16; 8], headers: &[(&str, HeaderValue)]) -> u16 {
    let peer = SocketAddr::from((peer, 40_000));
    let body = json!({ "email": "ada@example.com", "password": PASSWORD }).to_string();
    let mut request = Request::builder().method(Method::POST).uri(LOGIN);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let request = request
        .extension(ConnectInfo(peer))
        .body(Body::from(body))
        .unwrap();
    let response = http::service(app.app.clone()).oneshot(request).await;
    response.unwrap().status().as_u16()
}

#[tokio::test]
async fn the_forms_in_which_proxies_write_addresses_are_understood() {
    let app = behind_a_proxy().await;
    let owner = app.owner().await;
    for (forwarded, address) in [
        ("203.0.113.7:51234", "203.0.113.7"),
        ("\"[2001:db8::7]:51234\"", "2001:db8::7"),
        ("[2001:db8::8]", "2001:db8::8"),
        ("fe80::1%eth0", "fe80::1"),
        ("6.6.6.6, , 203.0.113.9 ,", "203.0.113.9"),
        ("::ffff:203.0.113.10", "203.0.113.10"),
        ("6.6.6.6, unknown", ""),
        ("_hidden", ""),
    ] {
        let body = json!({ "email": "ada@example.com", "password": PASSWORD }).to_string();
        let headers = [("X-Forwarded-For", forwarded)];
        let answer = app
            .anonymous()
            .send(Method::POST, LOGIN, &headers, body.into_bytes())
            .await;
        assert_eq!(answer.status, 201, "{forwarded}: {answer:?}");
        assert_eq!(latest(&owner).await.0, address, "{forwarded}");
    }
    for forwarded in ["nonsense", "203.0.113.7:51234:1", "203.0.113.7, localhost"] {
        let headers = [("X-Forwarded-For", forwarded)];
        let answer = owner.send(Method::GET, ME, &headers, Vec::new()).await;
        assert_eq!(answer.status, 400, "{forwarded}");
        assert!(text(&answer, "message").contains("X-Forwarded-For"));
    }
}

#[tokio::test]
async fn an_address_has_one_form_on_every_socket() {
    let app = behind_a_proxy().await;
    let owner = app.owner().await;
    // ::ffff:203.0.113.7, and ::ffff:127.0.0.1, which is the proxy.
    let client = [0, 0, 0, 0, 0, 0xffff, 0xcb00, 0x7107];
    let proxy = [0, 0, 0, 0, 0, 0xffff, 0x7f00, 1];
    assert_eq!(sign_in_with(&app, client, &[]).await, 201);
    assert_eq!(latest(&owner).await.0, "203.0.113.7");
    let forwarded = ("x-forwarded-for", HeaderValue::from_static("198.51.100.1"));
    assert_eq!(sign_in_with(&app, proxy, &[forwarded]).await, 201);
    assert_eq!(latest(&owner).await.0, "198.51.100.1");
}

#[tokio::test]
async fn a_user_agent_is_recorded_whatever_its_bytes() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for (sent, recorded) in [
        (&b"caf\xe9/1"[..], "caf\u{fffd}/1"),
        ("Zo\u{eb}/2".as_bytes(), "Zo\u{eb}/2"),
        (b"\xff\xfe", "\u{fffd}\u{fffd}"),
    ] {
        let agent = ("user-agent", HeaderValue::from_bytes(sent).unwrap());
        assert_eq!(sign_in_with(&app, [0; 8], &[agent]).await, 201);
        assert_eq!(latest(&owner).await.1, recorded);
    }
}
