//! The log as it grows, for other services.

use std::{net::SocketAddr, time::Duration};

use axum::{
    body::{Body, BodyDataStream},
    extract::ConnectInfo,
    http::{Method, Request, StatusCode},
};
use futures_util::StreamExt;
use rollcall::http;
use rollcall_events::user::{ActivationCause, Role, UserCommand};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};
use tower::ServiceExt;
use uuid::Uuid;

use crate::{
    given::{LOGOUT, ME, USERS, assert_refused, member, with_role, wrong_fields},
    support::{
        PASSWORD, TestApp,
        client::{Answer, Client},
    },
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
    owner.send(Method::DELETE, &path, &[], body).await;
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
    for id in ["-1", "x", "1.5"] {
        let headers = [("Last-Event-ID", id)];
        let answer = owner.send(Method::GET, EVENTS, &headers, Vec::new()).await;
        assert_eq!(answer.status, 400, "{id:?}");
    }
    for (query, field) in [
        ("kind=Typo", "kind"),
        ("kind=usercreated", "kind"),
        ("aggregate_type=users", "aggregate_type"),
    ] {
        let answer = owner.get(&format!("{EVENTS}?{query}")).await;
        assert_eq!(wrong_fields(&answer), [field]);
    }
}

/// The answer to a follower, or a reader of pages, who says in these ways where to go on.
async fn resumed(owner: &Client, query: &str, headers: &[(&str, &str)]) -> Answer {
    let path = format!("{EVENTS}?{query}");
    owner.send(Method::GET, &path, headers, Vec::new()).await
}

#[tokio::test]
async fn a_follower_beyond_the_head_is_told_where_the_log_ends_before_the_stream_begins() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let head = owner.get(EVENTS).await.json["position"].as_i64().unwrap();
    let beyond = (head + 1).to_string();
    let stream = ("Accept", "text/event-stream");
    for (query, headers, field) in [
        (
            String::new(),
            vec![stream, ("Last-Event-ID", &*beyond)],
            "Last-Event-ID",
        ),
        (format!("after={beyond}"), vec![stream], "after"),
        (format!("after={beyond}"), vec![], "after"),
        (
            String::new(),
            vec![("Last-Event-ID", &*beyond)],
            "Last-Event-ID",
        ),
        (format!("after={}", i64::MAX), vec![stream], "after"),
    ] {
        let answer = resumed(&owner, &query, &headers).await;
        assert_refused(&answer, 409, &format!("ends at position {head}"));
        assert_eq!(answer.json["validations"][0]["field"], field, "{answer:?}");
    }
    // Exactly at the head there is nothing yet.
    let page = resumed(&owner, &format!("after={head}"), &[]).await;
    assert_eq!(
        page.json,
        json!({ "events": [], "position": head, "unreadable": 0 })
    );
    let mut follower = Follower::from(&app, &owner, head).await;
    app.user(&owner, "bob").await;
    let next = follower.next().await.unwrap();
    assert_eq!(position(&next), head + 1);
}

#[tokio::test]
async fn an_empty_last_event_id_is_none() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for empty in ["", " ", "\t"] {
        let page = resumed(&owner, "after=1", &[("Last-Event-ID", empty)]).await;
        assert_eq!(page.status, 200, "{page:?}");
        assert_eq!(position(&page.json["events"][0]), 2, "{empty:?}");
    }
    let other = resumed(&owner, "after=1", &[("Last-Event-ID", "0")]).await;
    assert_eq!(position(&other.json["events"][0]), 1);
}

#[tokio::test]
async fn a_stream_begins_at_once_and_asks_proxies_not_to_hold_it_back() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let head = owner.get(EVENTS).await.json["position"].as_i64().unwrap();
    let response = follow(&app, &owner, head).await;
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    let mut body = response.into_body().into_data_stream();
    let first = body.next().await.unwrap().unwrap();
    assert!(
        first.starts_with(b":") && first.ends_with(b"\n\n"),
        "{first:?}"
    );
}

/// What an auditor gets who follows the log from its beginning while something happens to them, and somebody else does
/// something afterwards: the positions, and the one up to which they may read.
async fn followed(happens: impl AsyncFnOnce(&TestApp, &Client, &Client, Uuid)) -> (Vec<i64>, i64) {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let auditor = with_role(&app, &owner, "ann", Role::Auditor).await;
    let me = auditor.get(ME).await;
    let id = me.json["id"].as_str().unwrap().parse().unwrap();
    // This was before, and is history.
    app.command(id, UserCommand::SuspendUser).await;
    app.command(
        id,
        UserCommand::ActivateUser(ActivationCause::Administrator),
    )
    .await;
    let mut follower = Follower::from(&app, &auditor, 0).await;
    let before = owner.get(EVENTS).await.json["position"].as_i64().unwrap();
    let mut positions = Vec::new();
    while positions.last() != Some(&before) {
        positions.push(position(&follower.next().await.unwrap()));
    }
    happens(&app, &owner, &auditor, id).await;
    app.user(&owner, "bob").await;
    while let Some(event) = follower.next().await {
        positions.push(position(&event));
    }
    (positions, before)
}

#[tokio::test]
async fn a_stream_ends_with_the_session_and_sends_nothing_that_was_recorded_after_its_end() {
    let all = |last: i64| (1..=last).collect::<Vec<_>>();
    let (seen, last) = followed(async |app, _, _, id| {
        app.command(id, UserCommand::SuspendUser).await;
    })
    .await;
    assert_eq!(seen, all(last), "suspended");
    let (seen, last) = followed(async |app, _, _, id| {
        app.command(id, UserCommand::SuspendUser).await;
        let cause = ActivationCause::Administrator;
        app.command(id, UserCommand::ActivateUser(cause)).await;
    })
    .await;
    assert_eq!(seen, all(last), "suspended and activated");
    let (seen, last) = followed(async |_, _, auditor, _| {
        assert_eq!(auditor.post(LOGOUT, &Value::Null).await.status, 200);
    })
    .await;
    assert_eq!(seen, all(last), "signed out");
    let (seen, last) = followed(async |app, _, _, id| {
        app.command(id, UserCommand::DeleteUser).await;
    })
    .await;
    assert_eq!(seen, all(last), "deleted");
    let (seen, last) = followed(async |_, owner, _, id| {
        let password = json!({ "password": "another horse battery staple" });
        let path = format!("{USERS}/{id}/password");
        assert_eq!(owner.put(&path, &password).await.status, 204);
    })
    .await;
    assert_eq!(seen, all(last), "another password");
    let (seen, last) = followed(async |app, _, _, id| {
        let roles = [Role::UserAdmin].into();
        app.command(
            id,
            UserCommand::AssignRoles {
                roles,
                tokens_end_by: None,
            },
        )
        .await;
    })
    .await;
    assert_eq!(seen, all(last), "another role");
}

#[tokio::test]
async fn a_stream_goes_on_while_the_follower_keeps_the_right_to_read_it() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, _) = member(&app, &owner, "ann").await;
    let assign = |roles: &[Role]| UserCommand::AssignRoles {
        roles: roles.iter().copied().collect(),
        tokens_end_by: None,
    };
    app.command(id, assign(&[Role::Auditor])).await;
    let auditor = app.sign_in("ann@example.com").await;
    let other = app.sign_in("ann@example.com").await;
    let head = owner.get(EVENTS).await.json["position"].as_i64().unwrap();
    let mut follower = Follower::from(&app, &auditor, head).await;
    app.command(id, assign(&[Role::Auditor, Role::UserAdmin]))
        .await;
    assert_eq!(other.post(LOGOUT, &Value::Null).await.status, 200);
    app.user(&owner, "bob").await;
    for nth in 1..=3 {
        let event = follower.next().await.unwrap();
        assert_eq!(position(&event), head + nth);
    }
}
