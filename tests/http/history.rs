//! What happened to a user, and how users were.

use axum::http::Method;
use chrono::TimeDelta;
use rollcall_events::user::{Role, UserCommand};
use serde_json::{Value, json};

use crate::{
    given::{LOGIN, ME, USERS, assert_refused, member, text, with_role, wrong_fields},
    support::{
        TestApp,
        client::{Answer, Client},
    },
};

async fn entries(client: &Client, user: impl std::fmt::Display, query: &str) -> Vec<Value> {
    let answer = client.get(&format!("{USERS}/{user}/history?{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json["entries"].as_array().unwrap().clone()
}

fn kinds(entries: &[Value]) -> Vec<&str> {
    entries
        .iter()
        .map(|entry| entry["kind"].as_str().unwrap())
        .collect()
}

async fn rename(client: &Client, user: &str, username: &str) -> Answer {
    let profile = json!({ "username": username, "name": "Bob" });
    client
        .put(&format!("{USERS}/{user}/profile"), &profile)
        .await
}

#[tokio::test]
async fn a_history_tells_who_did_what_when_and_what_it_changed() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, bob) = member(&app, &owner, "bob").await;
    app.pass(TimeDelta::minutes(1));
    rename(&owner, "bob", "robert").await;
    app.command(id, UserCommand::SuspendUser).await;

    let told = entries(&owner, id, "order=oldest").await;
    let expected = [
        "UserCreated",
        "SessionStarted",
        "ProfileChanged",
        "UserSuspended",
    ];
    assert_eq!(kinds(&told), expected);
    let versions: Vec<_> = told.iter().map(|entry| entry["version"].clone()).collect();
    assert_eq!(versions, [1, 2, 3, 4]);
    let renamed = &told[2];
    assert_eq!(renamed["description"], "changed the profile");
    assert_eq!(renamed["actor_name"], "ada");
    assert_eq!(renamed["ip"], "127.0.0.1");
    assert_eq!(renamed["time"], "2026-01-01T12:01:00Z");
    let by = format!("session:{}", owner.token().split_once('-').unwrap().0);
    assert_eq!(renamed["authentication"], by);
    assert_eq!(
        renamed["diff"]["username"],
        json!({ "old": "bob", "new": "robert", "secret": false })
    );
    assert_eq!(renamed["request_id"], renamed["causation_id"]);
    assert_eq!(told[3]["actor"], "system");
    assert_eq!(told[3]["diff"]["status"]["old"], "active");
    let all = Value::from(told).to_string();
    let (_, secret) = bob.token().split_once('-').unwrap();
    assert!(!all.contains(secret));
}

#[tokio::test]
async fn a_history_is_read_in_pages_in_either_order() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let id = app.user(&owner, "bob").await;
    for name in ["b1", "b2", "b3", "b4"] {
        let path = format!("{USERS}/{id}");
        assert_eq!(rename(&owner, &id.to_string(), name).await.status, 200);
        assert_eq!(owner.get(&path).await.json["username"], name);
    }
    for order in ["oldest", "newest"] {
        let all = entries(&owner, id, &format!("order={order}")).await;
        let mut paged: Vec<Value> = Vec::new();
        loop {
            let after = paged.last().map_or("", |last| last["id"].as_str().unwrap());
            let query = format!("order={order}&limit=2&after_id={after}");
            let page = entries(&owner, id, &query).await;
            if page.is_empty() {
                break;
            }
            paged.extend(page);
        }
        assert_eq!(paged, all, "{order}");
        assert_eq!(all.len(), 5);
    }
    let newest = entries(&owner, id, "").await;
    assert_eq!(newest[0]["diff"]["username"]["new"], "b4");
    let page = owner.get(&format!("{USERS}/{id}/history?limit=1")).await;
    assert_eq!(page.json["count"], 5);
}

#[tokio::test]
async fn a_history_is_filtered_by_kind_actor_and_time() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, _) = member(&app, &owner, "bob").await;
    let me = owner.get(ME).await.json["id"].clone();
    let me = me.as_str().unwrap();
    app.pass(TimeDelta::minutes(1));
    rename(&owner, "bob", "robert").await;
    app.pass(TimeDelta::minutes(1));
    app.command(id, UserCommand::SuspendUser).await;
    for (query, expected) in [
        (
            "kind=UserSuspended,ProfileChanged",
            vec!["UserSuspended", "ProfileChanged"],
        ),
        ("kind=UserDeleted", vec![]),
        ("actor=system", vec!["UserSuspended"]),
        (
            &format!("actor={me}&kind=ProfileChanged"),
            vec!["ProfileChanged"],
        ),
        (
            "from=2026-01-01T12:01:00Z&until=2026-01-01T12:02:00Z",
            vec!["ProfileChanged"],
        ),
        (
            "until=2026-01-01T12:00:30Z&kind=UserCreated",
            vec!["UserCreated"],
        ),
    ] {
        let found = entries(&owner, id, query).await;
        assert_eq!(kinds(&found), expected, "{query}");
    }
    let bad = owner
        .get(&format!(
            "{USERS}/{id}/history?order=up&after_id={id}&limit=1001&actor=x&from=yesterday&kind=%00"
        ))
        .await;
    let expected = ["actor", "after_id", "from", "kind", "limit", "order"];
    assert_eq!(wrong_fields(&bad), expected);
    for (query, field) in [
        ("kind=Typo", "kind"),
        ("kind=usercreated", "kind"),
        ("kind=UserCreated,Typo", "kind"),
        ("kind=OrganizationCreated", "kind"),
        (
            "from=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z",
            "until",
        ),
    ] {
        let refused = owner.get(&format!("{USERS}/{id}/history?{query}")).await;
        assert_eq!(wrong_fields(&refused), [field], "{query}");
    }
    let empty = "from=2026-01-01T12:01:00Z&until=2026-01-01T12:01:00Z";
    assert_eq!(entries(&owner, id, empty).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_history_tells_of_refused_sign_ins_too() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, bob) = member(&app, &owner, "bob").await;
    app.pass(TimeDelta::minutes(1));
    let wrong = json!({ "email": "Bob@example.com", "password": "not the password" });
    let refused = app.anonymous().post(LOGIN, &wrong).await;
    assert_eq!(refused.status, 401, "{refused:?}");
    let other = json!({ "email": "ada@example.com", "password": "not the password" });
    assert_eq!(app.anonymous().post(LOGIN, &other).await.status, 401);
    app.pass(TimeDelta::minutes(1));
    rename(&owner, "bob", "robert").await;

    let told = entries(&owner, id, "").await;
    let expected = [
        "ProfileChanged",
        "AttemptRefused",
        "SessionStarted",
        "UserCreated",
    ];
    assert_eq!(kinds(&told), expected);
    let refused = &told[1];
    assert_eq!(text_of(refused, "actor"), "anonymous");
    assert_eq!(text_of(refused, "ip"), "127.0.0.1");
    assert_eq!(
        text_of(refused, "description"),
        "tried to sign in, and was refused"
    );
    assert_eq!(refused["additional_fields"]["times"], 1);
    assert_eq!(
        (&refused["version"], &refused["diff"]),
        (&json!(0), &json!({}))
    );
    // Before and after are those of the user, whatever stands between.
    assert_eq!(told[0]["diff"]["username"]["old"], "bob");
    let own = entries(&bob, "me", "kind=AttemptRefused").await;
    assert_eq!(own.len(), 1);
    let mut shown = own[0].clone();
    assert_ne!(shown["id"], refused["id"]);
    assert_eq!(shown["position"], 0);
    // But for the position in the log it is the same.
    shown["id"] = refused["id"].clone();
    shown["position"] = refused["position"].clone();
    assert_eq!(&shown, refused);
    let oldest = entries(&owner, id, "order=oldest&actor=anonymous").await;
    assert_eq!(kinds(&oldest), ["AttemptRefused"]);
    let after = text_of(&told[0], "id");
    let page = entries(&owner, id, &format!("limit=1&after_id={after}")).await;
    assert_eq!(kinds(&page), ["AttemptRefused"]);

    // It goes with the person.
    let path = format!("{USERS}/{id}/personal-data");
    let confirm = serde_json::to_vec(&json!({ "confirm": id })).unwrap();
    let erased = owner.send(Method::DELETE, &path, &[], confirm).await;
    assert_eq!(erased.status, 200, "{erased:?}");
    let blank = entries(&owner, id, "kind=AttemptRefused").await;
    assert_eq!(text_of(&blank[0], "ip"), "");
}

#[tokio::test]
async fn oneself_auditors_and_owners_read_a_history_and_nobody_else() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, bob) = member(&app, &owner, "bob").await;
    let auditor = with_role(&app, &owner, "olga", Role::Auditor).await;
    let admin = with_role(&app, &owner, "ulla", Role::UserAdmin).await;
    let (_, mallory) = member(&app, &owner, "mallory").await;
    rename(&owner, "bob", "robert").await;
    for paths in [
        format!("{USERS}/{id}/history"),
        format!("{USERS}/{id}?version=1"),
        format!("{USERS}/{id}/sessions?at=2026-01-01T12:00:00Z"),
    ] {
        for client in [&owner, &auditor, &bob] {
            assert_eq!(client.get(&paths).await.status, 200, "{paths}");
        }
        for client in [&admin, &mallory] {
            assert_refused(&client.get(&paths).await, 404, "Resource not found");
        }
    }
    // Where the owner was, and what they are called, is none of Bob's business.
    let own = entries(&bob, "me", "kind=ProfileChanged").await;
    assert_eq!(
        (text_of(&own[0], "ip"), text_of(&own[0], "actor_name")),
        ("", "")
    );
    let audited = entries(&auditor, id, "kind=ProfileChanged").await;
    assert_eq!(
        (
            text_of(&audited[0], "ip"),
            text_of(&audited[0], "actor_name")
        ),
        ("127.0.0.1", "ada")
    );
}

fn text_of<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap()
}

#[tokio::test]
async fn the_history_of_a_deleted_user_is_read_by_id_and_that_of_an_erased_person_is_blank() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, _) = member(&app, &owner, "bob").await;
    rename(&owner, "bob", "robert").await;
    owner.delete(&format!("{USERS}/{id}")).await;
    let told = entries(&owner, id, "").await;
    assert_eq!(told[0]["kind"], "UserDeleted");
    assert_eq!(told[1]["diff"]["username"]["new"], "robert");
    let answer = owner.get(&format!("{USERS}/robert/history")).await;
    assert_eq!(answer.status, 404);

    let path = format!("{USERS}/{id}/personal-data");
    let confirm = serde_json::to_vec(&json!({ "confirm": id })).unwrap();
    let erased = owner.send(Method::DELETE, &path, &[], confirm).await;
    assert_eq!(erased.status, 200, "{erased:?}");
    let blank = entries(&owner, id, "").await;
    assert_eq!(blank.len(), told.len() + 1);
    assert_eq!(blank[0]["kind"], "UserErased");
    let blank = Value::from(blank).to_string();
    assert!(
        !blank.contains("robert") && !blank.contains("bob"),
        "{blank}"
    );
    let then = owner.get(&format!("{USERS}/{id}?version=1")).await;
    assert_eq!(
        (text(&then, "username"), text(&then, "status")),
        ("", "active")
    );
}

#[tokio::test]
async fn a_user_is_shown_as_they_were_at_a_time_a_version_or_a_position() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    app.pass(TimeDelta::hours(1));
    let (id, bob) = member(&app, &owner, "bob").await;
    app.pass(TimeDelta::hours(1));
    rename(&owner, "bob", "robert").await;
    let path = |query: &str| format!("{USERS}/{id}?{query}");
    let position = entries(&owner, id, "").await[0]["position"].clone();
    for (query, username) in [
        ("at=2026-01-01T13:00:00Z", "bob"),
        ("at=2026-01-01T13:59:59.999999Z", "bob"),
        ("at=2026-01-01T14:00:00Z", "robert"),
        ("version=1", "bob"),
        ("version=3", "robert"),
        (&format!("position={position}"), "robert"),
    ] {
        let then = owner.get(&path(query)).await;
        assert_eq!(text(&then, "username"), username, "{query}");
    }
    for query in ["at=2026-01-01T12:59:59Z", "version=0", "position=1"] {
        assert_refused(&owner.get(&path(query)).await, 404, "Resource not found");
    }
    for (query, field) in [
        ("at=2026-01-01T14:00:01Z", "at"),
        ("version=4", "version"),
        ("position=1000", "position"),
        ("at=2026-01-01T14:00:00Z&version=1", "at"),
        ("at=noon", "at"),
        ("version=-1", "version"),
    ] {
        assert_eq!(
            wrong_fields(&owner.get(&path(query)).await),
            [field],
            "{query}"
        );
    }
    // Bob was here just now, and not an hour ago.
    assert_eq!(bob.get(ME).await.status, 200);
    let seen = text(&owner.get(&path("")).await, "last_seen_at").to_owned();
    assert_eq!(seen, "2026-01-01T14:00:00Z");
    let now = owner.get(&path("at=2026-01-01T14:00:00Z")).await;
    assert_eq!(text(&now, "last_seen_at"), seen);
    let then = owner.get(&path("at=2026-01-01T13:30:00Z")).await;
    assert_eq!(text(&then, "last_seen_at"), "0001-01-01T00:00:00Z");
}
