//! Whatever stands in an address or a number, it is answered, and by a refusal.

use axum::http::Method;
use serde_json::Value;

use super::every::{Named, changes, operations};
use crate::{
    given::{USERS, member, post_raw},
    support::{TestApp, client::Answer},
};

/// Names that name nobody, as they stand in a path.
fn odd_names() -> Vec<String> {
    let mut names: Vec<String> = [
        "bob%00",
        "%FF%FE",
        "..%2Fada",
        "b%D0%BEb",
        "%2F",
        "%2E%2E",
        "%",
        "%zz",
        "%252F",
        "bob%20",
        "bob%0A",
        "%E2%84%AAate",
        "'%20OR%20''='",
        "*",
        "null",
        "bob;x=1",
        "bob@example.com",
        "00000000-0000-0000-0000-000000000000",
        "urn:uuid:497f6eca-6276-4993-bfeb-53cbbbba6f08",
        "497f6eca62764993bfeb53cbbbba6f08",
    ]
    .map(str::to_owned)
    .into();
    names.extend(["x", "%F0%9F%98%80"].map(|text| text.repeat(10_000 / text.len())));
    names
}

#[track_caller]
fn assert_refused_plainly(answer: &Answer, what: &str) {
    assert!((400..500).contains(&answer.status), "{what}: {answer:?}");
    let is_json = answer
        .header("content-type")
        .starts_with("application/json");
    assert!(is_json || answer.status == 405, "{what}: {answer:?}");
    assert!(answer.text.len() < 2_000, "{what}: {}", answer.text.len());
}

#[tokio::test]
async fn an_odd_name_in_any_place_of_any_path_is_refused_and_changes_nothing() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    app.user(&owner, "bob").await;
    let before = changes(&app).await;
    for operation in operations() {
        for part in ["user", "organization", "id", "token_name"] {
            if !operation.names(part) {
                continue;
            }
            // What reads is tried with all of them, and shares the way in with what changes.
            let few = if operation.changes_something() {
                4
            } else {
                usize::MAX
            };
            for odd in odd_names().iter().take(few) {
                let named = Named::BOB.with(part, odd);
                let answer = operation.send(&owner, named, &[], "{}").await;
                let shown: String = odd.chars().take(50).collect();
                assert_refused_plainly(&answer, &format!("{operation:?} with {shown}"));
            }
        }
    }
    assert_eq!(changes(&app).await, before);
}

#[tokio::test]
async fn no_part_of_a_path_can_be_left_out_so_that_another_operation_is_meant() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    app.user(&owner, "bob").await;
    let before = changes(&app).await;
    for operation in operations() {
        if !operation.changes_something() {
            continue;
        }
        for part in ["user", "organization", "id"] {
            if operation.names(part) {
                let named = Named::BOB.with(part, "");
                let answer = operation.send(&owner, named, &[], "{}").await;
                let is_refused = [404, 405].contains(&answer.status);
                assert!(is_refused, "{operation:?} without {part}: {answer:?}");
            }
        }
    }
    assert_eq!(changes(&app).await, before);
}

#[tokio::test]
async fn an_odd_body_is_refused_by_every_operation_that_reads_one() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    let before = changes(&app).await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let keys = format!("{{\"{}\":1}}", "x".repeat(100_000));
    let odd: [&[u8]; 16] = [
        b"",
        b" ",
        b"nul",
        b"0",
        b"1e999",
        b"\"\"",
        b"[]",
        b"[null]",
        b"true",
        b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf[",
        b"{\"roles\":1,\"checks\":1,\"username\":1,\"name\":1,\"email\":1,\"password\":1,\"lifetime\":\"1\",\"action\":1}",
        b"{\"roles\":{},\"checks\":[],\"username\":{},\"name\":{},\"email\":{},\"password\":{},\"lifetime\":{},\"action\":{}}",
        b"{\"roles\":[1],\"checks\":{\"a\":1},\"username\":[],\"name\":[],\"email\":[],\"password\":[],\"lifetime\":1.5,\"action\":[]}",
        deep.as_bytes(),
        keys.as_bytes(),
    ];
    for operation in operations() {
        if !operation.takes_body {
            continue;
        }
        for body in odd {
            let path = operation.path(Named::BOB);
            let answer = owner
                .send(operation.method.clone(), &path, &[], body.to_vec())
                .await;
            let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
            assert!(answer.status < 500, "{operation:?} {shown}: {answer:?}");
            assert!(answer.text.len() < 5_000, "{operation:?} {shown}");
        }
    }
    // A key full of nonsense is an empty body: it made Bob a token with a name of ours, and gave him no roles.
    assert!(changes(&app).await <= before + 4);
    assert_eq!(
        bob.get("/api/v2/users/me").await.json["roles"],
        Value::Array(vec![])
    );
}

#[tokio::test]
async fn a_lifetime_is_a_whole_number_that_is_neither_negative_nor_too_large() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    let tokens = format!("{USERS}/me/keys/tokens");
    let before = changes(&app).await;
    for lifetime in [
        "-1",
        "-9223372036854775808",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "1e30",
        "-1e30",
        "0.5",
        "1.5e9",
        "1",
        "999999999",
        "3155760000000000001",
        "\"7d\"",
        "\"604800000000000\"",
        "NaN",
        "Infinity",
        "0x10",
        "+1",
        "01",
        "true",
        "[]",
        "{}",
    ] {
        let body = format!("{{\"lifetime\":{lifetime}}}");
        let answer = post_raw(&bob, &tokens, body.as_bytes()).await;
        assert_eq!(answer.status, 400, "{lifetime}: {answer:?}");
    }
    assert_eq!(changes(&app).await, before);
}

#[tokio::test]
async fn reading_with_head_opens_no_more_than_reading_with_get() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, eve) = member(&app, &owner, "eve").await;
    app.user(&owner, "bob").await;
    for operation in operations() {
        if operation.method == Method::GET {
            for client in [&app.anonymous(), &eve] {
                let path = operation.path(Named::BOB);
                let head = client.send(Method::HEAD, &path, &[], Vec::new()).await;
                let get = client.get(&path).await;
                assert_eq!(head.status, get.status, "{operation:?}");
                assert_eq!(head.text, "", "{operation:?}");
            }
        }
    }
}
