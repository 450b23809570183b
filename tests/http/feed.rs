//! The log as it grows, for other services.

use std::{net::SocketAddr, time::Duration};

use axum::{
    body::{Body, BodyDataStream},
    extract::ConnectInfo,
    http::{Request, StatusCode},
};
use futures_util::StreamExt;
use rollcall::http;
use rollcall_events::user::{Role, UserCommand};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};
use tower::ServiceExt;

use crate::{
    given::{USERS, assert_refused, member, with_role, wrong_fields},
    support::{PASSWORD, TestApp, client::Client},
};

const EVENTS: &str = "/api/v2/events";

/// Somebody who follows the feed.
struct Follower {
    body: BodyDataStream,
    text: String,
}

impl Follower {
    async fn from(app: &TestApp, client: &Client, after: i64) -> Self {
        let response = follow(app, client, after).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            body: response.into_body().into_data_stream(),
            text: String::new(),
        }
    }

    /// The next event, or none when the stream has ended.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                let line = |name: &str| {
                    let mut lines = event.lines();
                    lines.find_map(|line| line.strip_prefix(name).map(str::to_owned))
                };
                let Some(data) = line("data: ") else {
                    continue;
                };
                let data: Value = serde_json::from_str(&data).unwrap();
                assert_eq!(line("id: ").unwrap(), data["position"].to_string());
                return Some(data);
            }
            let piece = tokio::time::timeout(Duration::from_secs(30), self.body.next());
            let piece = piece.await.unwrap()?.unwrap();
            self.text += std::str::from_utf8(&piece).unwrap();
        }
    }
}

async fn follow(app: &TestApp, client: &Client, after: i64) -> axum::response::Response {
    let request = Request::builder()
        .uri(EVENTS)
        .header("Accept", "text/event-stream")
        .header("Last-Event-ID", after.to_string())
        .header("Coder-Session-Token", client.token())
        .extension(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 40_000))))
        .body(Body::empty())
        .unwrap();
    http::service(app.app.clone())
        .oneshot(request)
        .await
        .unwrap()
}

fn position(event: &Value) -> i64 {
    event["position"].as_i64().unwrap()
}

#[tokio::test]
async fn the_log_is_read_page_by_page_without_a_gap() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for name in ["bob", "cleo", "dora"] {
        app.user(&owner, name).await;
    }
    let mut after = 0;
    let mut positions = Vec::new();
    loop {
        let page = owner.get(&format!("{EVENTS}?after={after}&limit=2")).await;
        assert_eq!(page.status, 200, "{page:?}");
        let events = page.json["events"].as_array().unwrap();
        positions.extend(events.iter().map(position));
        let next = page.json["position"].as_i64().unwrap();
        if next == after {
            break;
        }
        after = next;
    }
    let expected: Vec<i64> = (1..=6).collect();
    assert_eq!(positions, expected);
}

#[tokio::test]
async fn an_event_says_who_did_what_to_whom_and_holds_no_secret() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    let page = owner.get(&format!("{EVENTS}?kind=UserCreated")).await;
    let event = &page.json["events"][1];
    assert_eq!(event["aggregate_id"], bob.to_string());
    assert_eq!(event["personal"]["username"], "bob");
    assert_eq!(event["data"]["login_type"], "password");
    assert_eq!(event["ip"], "127.0.0.1");
    assert!(event["actor"].as_str().unwrap().starts_with("user:"));
    let all = owner.get(EVENTS).await;
    for secret in [owner.token(), PASSWORD, "secret_sha256", "$argon2id$"] {
        assert!(!all.text.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn what_was_erased_is_blank_in_the_feed_too() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    let path = format!("{USERS}/{bob}/personal-data");
    let body = serde_json::to_vec(&json!({ "confirm": "bob" })).unwrap();
    owner
        .send(axum::http::Method::DELETE, &path, &[], body)
        .await;
    let page = owner.get(&format!("{EVENTS}?kind=UserCreated")).await;
    assert_eq!(page.json["events"][1]["personal"], Value::Null);
    assert!(!page.text.contains("bob"));
}

#[tokio::test]
async fn a_follower_who_comes_and_goes_while_others_write_ends_with_exactly_the_log() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let writing = async {
        for number in 0..40 {
            app.user(&owner, &format!("user{number}")).await;
        }
    };
    let following = async {
        let mut seen = Vec::new();
        // Ever longer, so that it breaks off in the middle of everything.
        for most in 1.. {
            let after = seen.last().copied().unwrap_or(0);
            let mut follower = Follower::from(&app, &owner, after).await;
            for _ in 0..most {
                let event = follower.next().await.unwrap();
                seen.push(position(&event));
                if seen.len() == 43 {
                    return seen;
                }
            }
        }
        seen
    };
    let ((), seen) = tokio::join!(writing, following);
    let expected: Vec<i64> = (1..=43).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn only_who_may_read_the_audit_log_reads_the_feed() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    let admin = with_role(&app, &owner, "cleo", Role::UserAdmin).await;
    let auditor = with_role(&app, &owner, "ann", Role::Auditor).await;
    assert_refused(&app.anonymous().get(EVENTS).await, 401, "expired");
    for client in [&bob, &admin] {
        assert_refused(&client.get(EVENTS).await, 403, "Forbidden");
        assert_eq!(
            follow(&app, client, 0).await.status(),
            StatusCode::FORBIDDEN
        );
    }
    assert_eq!(auditor.get(EVENTS).await.status, 200);
}

#[tokio::test]
async fn who_is_suspended_ceases_to_follow() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let auditor = with_role(&app, &owner, "ann", Role::Auditor).await;
    let mut follower = Follower::from(&app, &auditor, 0).await;
    let me = auditor.get("/api/v2/users/me").await;
    let id = me.json["id"].as_str().unwrap().parse().unwrap();
    app.command(id, UserCommand::SuspendUser).await;
    while follower.next().await.is_some() {}
}

#[tokio::test]
async fn a_node_that_stops_does_not_wait_for_those_who_follow() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async { stopped.await.unwrap() };
    let serving = tokio::spawn(http::serve(app.app.clone(), listener, stopped));
    let mut follower = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET {EVENTS} HTTP/1.1\r\nHost: rollcall\r\nAccept: text/event-stream\r\nCoder-Session-Token: {}\r\n\r\n",
        owner.token()
    );
    follower.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0; 15];
    follower.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    stop.send(()).unwrap();
    // Less than other requests are given.
    let served = tokio::time::timeout(Duration::from_secs(5), serving).await;
    served.unwrap().unwrap();
    let mut rest = Vec::new();
    follower.read_to_end(&mut rest).await.unwrap();
    assert!(
        rest.ends_with(b"0\r\n\r\n"),
        "the stream ends as streams do"
    );
}

#[tokio::test]
async fn a_place_that_cannot_be_is_refused() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for (query, field) in [
        ("after=-1", "after"),
        ("after=x", "after"),
        ("limit=1001", "limit"),
    ] {
        let answer = owner.get(&format!("{EVENTS}?{query}")).await;
        assert_eq!(wrong_fields(&answer), [field]);
    }
    for id in ["-1", "x", ""] {
        let headers = [("Last-Event-ID", id)];
        let answer = owner
            .send(axum::http::Method::GET, EVENTS, &headers, Vec::new())
            .await;
        assert_eq!(answer.status, 400, "{id:?}");
    }
    let beyond = owner.get(&format!("{EVENTS}?after=1000000")).await;
    assert_eq!(beyond.json, json!({ "events": [], "position": 1_000_000 }));
}
