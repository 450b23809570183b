//! The language of `q`, the pages of the audit log, and their counts.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use rollcall_events::user::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    audit::{AUDIT, audit, encoded, entries, in_time},
    given::{LOGIN, LOGOUT, ME, USERS, assert_refused, member, text, with_role, wrong_fields},
    support::{TestApp, client::Client},
};

/// A few days on which a few users did a few things.
async fn eventful() -> (TestApp, Client) {
    let app = TestApp::start_with(|config| {
        config.session_duration = std::time::Duration::from_hours(240);
    })
    .await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    let auditor = with_role(&app, &owner, "gil", Role::Auditor).await;
    app.pass(TimeDelta::days(1));
    owner
        .put(&format!("{USERS}/bob/status/suspend"), &json!({}))
        .await;
    owner
        .put(&format!("{USERS}/bob/status/activate"), &json!({}))
        .await;
    bob.delete(&format!("{USERS}/ada")).await;
    in_time(&auditor, "username:bob action:delete", 1).await;
    app.pass(TimeDelta::days(1));
    bob.post(LOGOUT, &Value::Null).await;
    let wrong = json!({ "email": "bob@example.com", "password": "wrong" });
    app.anonymous().post(LOGIN, &wrong).await;
    owner.delete(&format!("{USERS}/bob")).await;
    (app, auditor)
}

/// What is found: who, what, to which type, and the day.
async fn found(reader: &Client, q: &str) -> Vec<String> {
    let entries = entries(reader, q).await;
    let tell = |entry: &Value| {
        let text = |value: &Value| value.as_str().unwrap_or("nobody").to_owned();
        format!(
            "{} {} {} {}",
            text(&entry["user"]["username"]),
            text(&entry["action"]),
            text(&entry["resource_type"]),
            &text(&entry["time"])[8..10]
        )
    };
    entries.iter().map(tell).collect()
}

#[tokio::test]
async fn everything_is_listed_the_newest_first() {
    let (_app, auditor) = eventful().await;
    let expected = [
        "ada delete user 03",
        "bob login api_key 03",
        "bob logout api_key 03",
        "bob delete user 02",
        "ada write user 02",
        "ada write user 02",
        "nobody write user 01",
        "gil login api_key 01",
        "ada create user 01",
        "bob login api_key 01",
        "ada create user 01",
        "ada login api_key 01",
        "nobody create user 01",
        "nobody create organization 01",
    ];
    assert_eq!(found(&auditor, "").await, expected);
}

#[tokio::test]
async fn entries_are_found_by_each_key_and_by_several() {
    let (app, auditor) = eventful().await;
    let id = |name: &str| {
        let path = format!("{USERS}?q=search:{name}");
        let auditor = auditor.clone();
        async move { text(&auditor.get(&path).await, "users").to_owned() }
    };
    let _ = id("ada").await;
    let ada = auditor.get(&format!("{USERS}/ada")).await;
    let ada = text(&ada, "id");
    let all = found(&auditor, "").await;
    for (q, count) in [
        ("user".to_owned(), 8),
        ("resource_type:user".to_owned(), 8),
        ("api_key".to_owned(), 5),
        ("organization".to_owned(), 1),
        ("template".to_owned(), 0),
        ("action:login".to_owned(), 4),
        ("api_key action:login username:bob".to_owned(), 2),
        ("action:start".to_owned(), 0),
        ("username:ADA".to_owned(), 6),
        ("username:me".to_owned(), 1),
        ("username:bob".to_owned(), 4),
        ("username:nobody-at-all".to_owned(), 0),
        ("email:Bob@Example.com".to_owned(), 4),
        ("email:bob@example.com username:bob".to_owned(), 4),
        ("email:bob@example.com username:ada".to_owned(), 0),
        ("date_from:2026-01-02".to_owned(), 6),
        ("date_to:2026-01-02".to_owned(), 11),
        ("date_from:2026-01-02 date_to:2026-01-02".to_owned(), 3),
        ("date_from:2026-01-02 username:bob".to_owned(), 3),
        ("date_from:2026-02-01".to_owned(), 0),
        (format!("resource_id:{ada}"), 3),
        (format!("resource_id:{ada} username:bob"), 1),
        (
            format!("resource_id:{ada} action:delete date_from:2026-01-03"),
            0,
        ),
        ("resource_target:ada".to_owned(), 2),
        ("resource_target:bob".to_owned(), 4),
        ("resource_target:default".to_owned(), 1),
        ("resource_target:bob action:write".to_owned(), 2),
        ("organization:default".to_owned(), 1),
        (format!("organization:{}", app.app.default_organization), 1),
        ("organization:default username:ada".to_owned(), 0),
        ("organization:elsewhere".to_owned(), 0),
        (format!("request_id:{}", Uuid::from_u128(7)), 0),
        ("build_reason:initiator".to_owned(), 0),
    ] {
        let found = found(&auditor, &q).await;
        assert_eq!(found.len(), count, "{q}: {found:?}");
        assert!(
            found.iter().all(|entry| all.contains(entry)),
            "{q}: {found:?}"
        );
        let counted = audit(&auditor, &format!("limit=1&q={}", encoded(&q))).await;
        assert_eq!(counted["count"], count, "{q}");
    }
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_the_key() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for (query, fields) in [
        ("q=action:read", &["action"][..]),
        ("q=users", &["resource_type"]),
        ("q=resource_id:7", &["resource_id"]),
        ("q=date_from:2026-01-02+date_to:2026-01-01", &["date_to"]),
        ("q=status:active", &["status"]),
        ("q=action:login+action:logout", &["action"]),
        ("q=a:b:c", &["q"]),
        ("limit=-1&offset=x", &["limit", "offset"]),
        ("limit=1001", &["limit"]),
        ("after_id=7", &["after_id"]),
        (
            "after_id=0199a5c0-0000-7000-8000-000000000001",
            &["after_id"],
        ),
        (
            "before_id=0199a5c0-0000-7000-8000-000000000001",
            &["before_id"],
        ),
    ] {
        let answer = owner.get(&format!("{AUDIT}?{query}")).await;
        assert_refused(&answer, 400, "Query parameters have invalid values");
        assert_eq!(wrong_fields(&answer), fields, "{query}");
    }
    let long = format!("{AUDIT}?q={}", "x".repeat(5_000));
    assert_eq!(wrong_fields(&owner.get(&long).await), ["q"]);
    let newest = audit(&owner, "").await["audit_logs"][0]["id"].clone();
    let newest = newest.as_str().unwrap();
    let both = format!("{AUDIT}?after_id={newest}&before_id={newest}");
    assert_eq!(wrong_fields(&owner.get(&both).await), ["before_id"]);
    let detail = &owner.get(&format!("{AUDIT}?limit=1001")).await.json["validations"][0]["detail"];
    assert!(
        detail.as_str().unwrap().contains("at most 1000"),
        "{detail}"
    );
}

#[tokio::test]
async fn pages_of_every_size_by_cursor_and_by_offset_are_the_whole_list() {
    let (_app, auditor) = eventful().await;
    for q in [
        "",
        "user",
        "username:ada",
        "resource_target:bob",
        "date_from:2026-01-02",
    ] {
        let q = encoded(q);
        let whole = audit(&auditor, &format!("q={q}")).await;
        let whole = whole["audit_logs"].as_array().unwrap().clone();
        for size in [1, 2, 3, 5] {
            let (mut older, mut by_offset) = (Vec::new(), Vec::new());
            let mut after = String::new();
            loop {
                let cursor = format!("q={q}&limit={size}&after_id={after}");
                let page = audit(&auditor, &cursor).await;
                let offset = format!("q={q}&limit={size}&offset={}", by_offset.len());
                let other = audit(&auditor, &offset).await;
                assert_eq!(page, other, "{q} {size}");
                let entries = page["audit_logs"].as_array().unwrap();
                let expected = if entries.is_empty() { 0 } else { whole.len() };
                assert_eq!(page["count"], expected, "{q} {size}");
                let Some(last) = entries.last() else { break };
                after = last["id"].as_str().unwrap().to_owned();
                older.extend(entries.iter().cloned());
                by_offset.extend(other["audit_logs"].as_array().unwrap().iter().cloned());
            }
            assert_eq!(older, whole, "{q} {size}");
            assert_eq!(by_offset, whole, "{q} {size}");
            assert_eq!(
                backwards(&auditor, &q, size, &whole).await,
                whole,
                "{q} {size}"
            );
        }
    }
}

/// The list, from its oldest entry on, page by page.
async fn backwards(auditor: &Client, q: &str, size: usize, whole: &[Value]) -> Vec<Value> {
    let mut list = vec![whole.last().unwrap().clone()];
    loop {
        let before = list[0]["id"].as_str().unwrap().to_owned();
        let cursor = format!("q={q}&limit={size}&before_id={before}");
        let page = audit(auditor, &cursor).await;
        let entries = page["audit_logs"].as_array().unwrap().clone();
        if entries.is_empty() {
            return list;
        }
        list.splice(0..0, entries);
    }
}

#[tokio::test]
async fn a_cursor_stays_where_it_is_while_more_happens() {
    let (app, auditor) = eventful().await;
    let first = audit(&auditor, "limit=3").await;
    let last = first["audit_logs"][2]["id"].as_str().unwrap();
    let next = format!("limit=3&after_id={last}");
    let before = audit(&auditor, &next).await["audit_logs"].clone();
    app.owner().await;
    assert_eq!(audit(&auditor, &next).await["audit_logs"], before);
}

#[tokio::test]
async fn the_count_is_exact_and_never_capped() {
    let (_app, auditor) = eventful().await;
    let page = audit(&auditor, "limit=1").await;
    assert_eq!(page["count"], 14);
    assert!(page["count_cap"].as_i64().unwrap() > 1_000_000_000_000);
    let beyond = audit(&auditor, "offset=14").await;
    assert_eq!(
        (&beyond["audit_logs"], &beyond["count"]),
        (&json!([]), &json!(0))
    );
    let nothing = audit(&auditor, "q=template").await;
    assert_eq!(
        (&nothing["audit_logs"], &nothing["count"]),
        (&json!([]), &json!(0))
    );
}

#[tokio::test]
async fn a_page_has_a_hundred_entries_unless_more_are_asked_for() {
    let app = TestApp::start_with(|config| config.api_rate_limit = 0).await;
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    for nth in 0..60 {
        for change in ["suspend", "activate"] {
            let path = format!("{USERS}/{bob}/status/{change}");
            assert_eq!(owner.put(&path, &json!({})).await.status, 200, "{nth}");
        }
    }
    for (query, entries) in [
        ("", 100),
        ("limit=0", 100),
        ("limit=110", 110),
        ("limit=1000", 124),
    ] {
        let page = audit(&owner, query).await;
        assert_eq!(
            page["audit_logs"].as_array().unwrap().len(),
            entries,
            "{query}"
        );
        assert_eq!(page["count"], 124, "{query}");
    }
}

#[tokio::test]
async fn who_is_gone_is_still_found_by_the_names_that_they_had() {
    let (_app, auditor) = eventful().await;
    let told = entries(&auditor, "username:bob").await;
    assert_eq!(told.len(), 4);
    assert!(told.iter().all(|entry| entry["user"]["username"] == "bob"));
}

#[tokio::test]
async fn two_users_who_had_one_name_after_the_other_are_both_found_by_it() {
    let (app, auditor) = eventful().await;
    let owner = app.owner().await;
    member(&app, &owner, "bob").await;
    let told = entries(&auditor, "username:bob action:login").await;
    let users: BTreeSet<&str> = told
        .iter()
        .map(|entry| entry["user"]["id"].as_str().unwrap())
        .collect();
    assert_eq!((told.len(), users.len()), (3, 2));
    assert!(
        told.windows(2)
            .all(|pair| pair[0]["time"].as_str() >= pair[1]["time"].as_str())
    );
    assert_eq!(text(&owner.get(ME).await, "username"), "ada");
}
