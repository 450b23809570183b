//! Entries that are made up, for tests of those who read the audit log; only where the operator allows it.

use chrono::TimeDelta;
use rollcall_events::user::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    audit::{NIL, audit, entries, entry},
    given::{ME, assert_refused, with_role, wrong_fields},
    support::TestApp,
};

const GENERATE: &str = "/api/v2/audit/testgenerate";

async fn allowed() -> TestApp {
    TestApp::start_with(|config| config.audit_test_entries = true).await
}

#[tokio::test]
async fn there_is_no_such_route_unless_the_operator_allows_it() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let before = audit(&owner, "").await["count"].clone();
    assert_refused(
        &owner.post(GENERATE, &json!({})).await,
        404,
        "Route not found.",
    );
    assert_eq!(audit(&owner, "").await["count"], before);
}

#[tokio::test]
async fn only_owners_make_them_up() {
    let app = allowed().await;
    let owner = app.owner().await;
    assert_eq!(app.anonymous().post(GENERATE, &json!({})).await.status, 401);
    let auditor = with_role(&app, &owner, "gil", Role::Auditor).await;
    assert_eq!(auditor.post(GENERATE, &json!({})).await.status, 403);
    assert_eq!(owner.post(GENERATE, &json!({})).await.status, 204);
}

#[tokio::test]
async fn what_is_not_given_has_its_usual_value() {
    let app = allowed().await;
    let owner = app.owner().await;
    let made = owner.post(GENERATE, &json!({})).await;
    assert_eq!((made.status, made.text.as_str()), (204, ""));
    let told = entries(&owner, "").await.remove(0);
    assert_eq!(told["action"], "write");
    assert_eq!(told["resource_type"], "user");
    assert_ne!(told["resource_id"], NIL);
    assert_eq!(told["organization_id"], NIL);
    assert_eq!(told["request_id"], made.header("x-coder-request-id"));
    assert_eq!(told["time"], "2026-01-01T12:00:00Z");
    assert_eq!(told["additional_fields"], json!({}));
    assert_eq!(told["diff"], json!({}));
    assert_eq!(told["status_code"], 200);
    assert_eq!(told["user"], owner.get(ME).await.json);
}

#[tokio::test]
async fn what_is_given_is_found_and_told() {
    let app = allowed().await;
    let owner = app.owner().await;
    let (resource, request) = (Uuid::from_u128(7), Uuid::from_u128(8));
    let made_up = json!({
        "action": "start",
        "resource_type": "workspace_build",
        "resource_id": resource,
        "time": "2022-08-15T14:30:45.0000001Z",
        "additional_fields": { "workspace_name": "rose", "build_number": "7" },
        "build_reason": "autostart",
        "organization_id": app.app.default_organization,
        "request_id": request,
    });
    assert_eq!(owner.post(GENERATE, &made_up).await.status, 204);
    let told = entry(&owner, "workspace_build").await;
    assert_eq!(told["time"], "2022-08-15T14:30:45Z");
    assert_eq!(
        told["description"],
        "{user} started workspace build {target}"
    );
    assert_eq!(told["additional_fields"], made_up["additional_fields"]);
    for q in [
        "action:start".to_owned(),
        format!("resource_id:{resource}"),
        format!("request_id:{request}"),
        "date_to:2022-08-15".to_owned(),
        "date_from:2022-08-15 date_to:2022-08-15".to_owned(),
        "organization:default action:start".to_owned(),
        "username:me action:start".to_owned(),
    ] {
        assert_eq!(entry(&owner, &q).await["id"], told["id"], "{q}");
    }
    assert_eq!(
        entries(&owner, "date_to:2022-08-14").await,
        Vec::<Value>::new()
    );
    assert_eq!(entries(&owner, "").await.last().unwrap()["id"], told["id"]);
}

#[tokio::test]
async fn entries_of_other_times_stand_in_their_place() {
    let app = allowed().await;
    let owner = app.owner().await;
    for time in [
        "2022-08-15T14:30:45Z",
        "2022-08-16T14:30:45Z",
        "2022-08-15T14:30:44Z",
        "2027-01-01T00:00:00Z",
    ] {
        app.pass(TimeDelta::seconds(1));
        let made_up = json!({ "action": "stop", "resource_type": "workspace", "time": time });
        assert_eq!(owner.post(GENERATE, &made_up).await.status, 204);
    }
    let told = entries(&owner, "workspace").await;
    let times: Vec<&str> = told
        .iter()
        .map(|entry| entry["time"].as_str().unwrap())
        .collect();
    assert!(
        times.is_sorted_by(|later, earlier| later >= earlier),
        "{times:?}"
    );
    let second = told[1]["id"].as_str().unwrap();
    let older = audit(&owner, &format!("q=workspace&after_id={second}")).await;
    assert_eq!(older["audit_logs"], json!(told[2..]));
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let app = allowed().await;
    let owner = app.owner().await;
    for (made_up, fields) in [
        (json!({ "action": "read" }), &["action"][..]),
        (
            json!({ "resource_type": "users", "action": "x" }),
            &["action", "resource_type"],
        ),
        (json!({ "time": "1969-12-31T23:59:59Z" }), &["time"]),
        (json!({ "time": "yesterday" }), &[]),
        (json!({ "resource_id": "7" }), &[]),
        (json!({ "additional_fields": [] }), &[]),
    ] {
        let answer = owner.post(GENERATE, &made_up).await;
        assert_eq!(wrong_fields(&answer), fields, "{made_up}");
    }
    let never = json!({ "time": "0001-01-01T00:00:00Z", "resource_id": NIL });
    assert_eq!(owner.post(GENERATE, &never).await.status, 204);
}

#[tokio::test]
async fn they_do_not_touch_what_is_told_of_real_users() {
    let app = allowed().await;
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    let made_up = json!({ "action": "delete", "resource_type": "user", "resource_id": bob });
    assert_eq!(owner.post(GENERATE, &made_up).await.status, 204);
    let path = format!("/api/v2/users/{bob}/status/suspend");
    assert_eq!(owner.put(&path, &json!({})).await.status, 200);
    let told = entries(&owner, &format!("resource_id:{bob}")).await;
    assert_eq!(told[0]["diff"]["status"]["old"], "active");
    assert_eq!(told[0]["is_deleted"], false);
    assert_eq!(told[1]["diff"], json!({}));
    assert_eq!(told[1]["resource_target"], "bob");
}

/// Nested objects, the outermost being `additional_fields` itself.
fn nested(levels: usize) -> Value {
    (1..levels).fold(json!({}), |inner, nth| {
        if nth % 2 == 0 {
            json!({ "in": inner })
        } else {
            json!({ "in": [inner] })
        }
    })
}

/// `{"in":[{"in":[{}]}]}` has five levels for three calls above: what is counted here is every bracket.
fn levels(value: &Value) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(levels).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(levels).max().unwrap_or(0),
        _ => 0,
    }
}

/// One of 127 levels was recorded once, and nobody could read the log any more.
#[tokio::test]
async fn what_is_nested_deeper_than_readers_can_follow_is_refused() {
    let app = allowed().await;
    let owner = app.owner().await;
    let mut accepted = 0;
    for calls in [1, 2, 10, 21, 22, 23, 24, 50, 80, 84] {
        let fields = nested(calls);
        let deep = levels(&fields);
        let answer = owner
            .post(GENERATE, &json!({ "additional_fields": fields }))
            .await;
        if deep <= 32 {
            assert_eq!(answer.status, 204, "{deep}: {answer:?}");
            accepted += 1;
        } else if deep < 127 {
            assert_eq!(answer.status, 400, "{deep}: {answer:?}");
            assert_eq!(wrong_fields(&answer), ["additional_fields"], "{deep}");
        } else {
            assert_eq!(answer.status, 400, "{deep}: {answer:?}");
        }
    }
    assert!(accepted > 2);
    let deepest = format!(
        "{{\"additional_fields\":{}{}}}",
        "{\"a\":".repeat(126) + "{}",
        "}".repeat(126)
    );
    let answer = owner
        .send(
            axum::http::Method::POST,
            GENERATE,
            &[],
            deepest.into_bytes(),
        )
        .await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(wrong_fields(&answer), ["additional_fields"]);
    let events = owner.get("/api/v2/events").await;
    assert_eq!(events.json["unreadable"], 0, "{events:?}");
    let made_up = entries(&owner, "").await.len();
    assert!(
        made_up >= usize::try_from(accepted).unwrap() + 2,
        "{made_up}"
    );
}
