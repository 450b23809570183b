//! Readers that stand still hold up nobody but themselves.

use std::{net::SocketAddr, time::Duration};

use axum::{
    body::{Body, to_bytes},
    extract::ConnectInfo,
    http::Request,
    response::Response,
};
use futures_util::StreamExt;
use rollcall::http;
use rollcall_events::user::Role;
use serde_json::Value;
use tower::ServiceExt;

use crate::{
    given::{ME, USERS, as_superuser, member, text, with_role},
    support::{TestApp, client::Client},
};

const EVENTS: &str = "/api/v2/events";
const STREAM: (&str, &str) = ("Accept", "text/event-stream");

/// So many that a list of them is far longer than what is sent ahead of a reader. They have no events: only the list knows
/// them.
const MANY: &str = "INSERT INTO read.users
       (id, version, username, username_key, email, email_key, name, name_key, avatar_url, status, login_type, roles
      , organization_ids, created_at, updated_at)
SELECT gen_random_uuid(), 1, name, name, name || '@example.com', name || '@example.com', 'Somebody', 'somebody', ''
     , 'active', 'password', '{}', '{}', now(), now()
  FROM (SELECT 'user' || substr(md5(nth::text), 1, 12) AS name FROM generate_series(1, 3000) AS nth) AS names";

/// Sends a request and takes nothing of the answer but its head.
async fn head_of(app: &TestApp, client: &Client, path: &str, header: (&str, &str)) -> Response {
    let request = Request::builder()
        .uri(path)
        .header(header.0, header.1)
        .header("Coder-Session-Token", client.token())
        .extension(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 40_000))))
        .body(Body::empty())
        .unwrap();
    http::service(app.app.clone())
        .oneshot(request)
        .await
        .unwrap()
}

/// The answer to this request when it is not 429 any more, which it is for a quarter of a second while it is not known
/// whether the user's other readers stand still.
async fn when_it_is_granted(client: &Client, path: &str) -> Value {
    let asking = async {
        loop {
            let answer = client.get(path).await;
            if answer.status != 429 {
                assert_eq!(answer.status, 200, "{path}: {}", answer.json["message"]);
                return answer.json;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), asking)
        .await
        .unwrap()
}

#[tokio::test]
async fn those_who_take_nothing_of_a_long_list_hold_up_no_list_and_no_look_into_the_past() {
    let app = TestApp::start_with(|config| config.database_connections = 2).await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    let auditor = with_role(&app, &owner, "ann", Role::Auditor).await;
    as_superuser(&app, MANY).await;
    let now = "2026-01-01T12:00:00Z";
    let mut stalled = Vec::new();
    for client in [&auditor, &owner] {
        for _ in 0..8 {
            let response = head_of(&app, client, USERS, ("Accept", "*/*")).await;
            assert_eq!(response.status(), 200);
            stalled.push(response);
        }
    }
    let own = bob.get(&format!("{ME}?at={now}")).await;
    assert_eq!(text(&own, "username"), "bob");
    for path in [USERS.to_owned(), format!("{USERS}?at={now}")] {
        let list = when_it_is_granted(&owner, &path).await;
        assert_eq!(list["count"], 3003, "{path}");
    }
    assert_eq!(owner.get(&format!("{USERS}?limit=5")).await.status, 200);
    // Those whose places were given away are broken off, so that nobody takes what they have for the whole list.
    let mut broken_off = 0;
    for response in stalled {
        match to_bytes(response.into_body(), usize::MAX).await {
            Ok(bytes) => {
                let list: Value = serde_json::from_slice(&bytes).unwrap();
                assert_eq!(list["count"], 3003);
            }
            Err(_) => broken_off += 1,
        }
    }
    assert!((1..=2).contains(&broken_off), "{broken_off}");
}

#[tokio::test]
async fn one_auditor_never_takes_the_last_places_of_the_event_stream() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let auditor = with_role(&app, &owner, "ann", Role::Auditor).await;
    let mut streams = Vec::new();
    let mut refused = 0;
    for _ in 0..70 {
        let response = head_of(&app, &auditor, EVENTS, STREAM).await;
        if response.status() == 200 {
            streams.push(response);
            continue;
        }
        assert_eq!(response.status(), 429);
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert!(body["message"].as_str().unwrap().contains("event streams"));
        refused += 1;
    }
    assert_eq!((streams.len(), refused), (8, 62));
    let own = head_of(&app, &owner, EVENTS, STREAM).await;
    assert_eq!(own.status(), 200);
    let mut own = own.into_body().into_data_stream();
    let first = own.next().await.unwrap().unwrap();
    assert!(first.starts_with(b":"), "{first:?}");
    let next = own.next().await.unwrap().unwrap();
    assert!(next.starts_with(b"id: 1\n"), "{next:?}");
}
