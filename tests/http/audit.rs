//! What the audit log says, and to whom.

use std::{fmt::Write as _, time::Duration};

use axum::http::Method;
use rollcall_events::user::Role;
use serde_json::{Value, json};

use crate::{
    given::{LOGIN, LOGOUT, ME, USERS, member, text, wish, wish_with, with_role},
    support::{
        PASSWORD, TestApp,
        client::{Answer, Client},
    },
};

pub const AUDIT: &str = "/api/v2/audit";
pub const NIL: &str = "00000000-0000-0000-0000-000000000000";

/// The log, as it answers this query.
pub async fn audit(reader: &Client, query: &str) -> Value {
    let answer = reader.get(&format!("{AUDIT}?{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {answer:?}");
    answer.json
}

/// The entries that this search finds, the newest first.
pub async fn entries(reader: &Client, q: &str) -> Vec<Value> {
    let mut answer = audit(reader, &format!("q={}", encoded(q))).await;
    serde_json::from_value(answer["audit_logs"].take()).unwrap()
}

pub fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        write!(encoded, "%{byte:02X}").unwrap();
        encoded
    })
}

/// The entries that this search finds, once there are so many: refused changes are noted after they are answered.
pub async fn in_time(reader: &Client, q: &str, count: usize) -> Vec<Value> {
    for _ in 0..500 {
        let found = entries(reader, q).await;
        if found.len() >= count {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{q} never found {count}: {:?}", entries(reader, q).await);
}

/// The one entry that this search finds.
pub async fn entry(reader: &Client, q: &str) -> Value {
    let mut found = entries(reader, q).await;
    assert_eq!(found.len(), 1, "{q}: {found:?}");
    found.remove(0)
}

/// The entry of the request that was answered so.
pub async fn entry_of(reader: &Client, answer: &Answer) -> Value {
    let request = answer.header("x-coder-request-id");
    entry(reader, &format!("request_id:{request}")).await
}

/// What changed from what to what.
pub fn changed(entry: &Value, field: &str) -> (Value, Value) {
    let change = &entry["diff"][field];
    assert_eq!(change["secret"], false, "{field}: {entry}");
    (change["old"].clone(), change["new"].clone())
}

fn fields(entry: &Value) -> Vec<&str> {
    let diff = entry["diff"].as_object().unwrap();
    diff.keys().map(String::as_str).collect()
}

#[tokio::test]
async fn only_owners_and_auditors_read_it() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    assert_eq!(app.anonymous().get(AUDIT).await.status, 401);
    assert_eq!(owner.get(AUDIT).await.status, 200);
    let (_, member) = member(&app, &owner, "member").await;
    assert_eq!(member.get(AUDIT).await.status, 403);
    for (role, status) in [
        (Role::Auditor, 200),
        (Role::UserAdmin, 403),
        (Role::TemplateAdmin, 403),
    ] {
        let client = with_role(&app, &owner, role.name(), role).await;
        assert_eq!(client.get(AUDIT).await.status, status, "{role:?}");
    }
}

#[tokio::test]
async fn a_created_user_is_told_with_every_field_and_who_made_them() {
    let app = TestApp::start_with(|config| {
        config.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    })
    .await;
    let owner = app.owner().await;
    let headers = [
        ("user-agent", "Grommet/7"),
        ("x-forwarded-for", "203.0.113.7"),
    ];
    let body = serde_json::to_vec(&wish_with(&app, "Bob", &json!({ "name": "Bob B." })));
    let created = owner
        .send(Method::POST, USERS, &headers, body.unwrap())
        .await;
    assert_eq!(created.status, 201);
    let told = entry_of(&owner, &created).await;
    for (field, expected) in [
        ("action", json!("create")),
        ("resource_type", json!("user")),
        ("resource_id", created.json["id"].clone()),
        ("resource_target", json!("Bob")),
        ("resource_icon", json!("")),
        ("resource_link", json!("/users?filter=Bob")),
        ("status_code", json!(201)),
        ("description", json!("{user} created user {target}")),
        ("is_deleted", json!(false)),
        ("ip", json!("203.0.113.7")),
        ("user_agent", json!("Grommet/7")),
        ("organization_id", json!(NIL)),
        ("time", created.json["created_at"].clone()),
        ("request_id", json!(created.header("x-coder-request-id"))),
    ] {
        assert_eq!(told[field], expected, "{field}");
    }
    assert_eq!(told["user"], owner.get(ME).await.json);
    assert_eq!(told.get("organization"), None);
    for (field, value) in [
        ("id", created.json["id"].clone()),
        ("email", json!("Bob@example.com")),
        ("username", json!("Bob")),
        ("name", json!("Bob B.")),
        ("status", json!("active")),
        ("login_type", json!("password")),
    ] {
        assert_eq!(changed(&told, field), (json!(""), value), "{field}");
    }
    let secret = json!({ "old": "", "new": "", "secret": true });
    assert_eq!(told["diff"]["hashed_password"], secret);
    let actor = format!("user:{}", text(&owner.get(ME).await, "id"));
    assert_eq!(told["additional_fields"]["actor"], actor);
    let authentication = told["additional_fields"]["authentication"]
        .as_str()
        .unwrap();
    let session = owner.token().split('-').next().unwrap();
    assert_eq!(authentication, format!("session:{session}"));
}

#[tokio::test]
async fn each_change_is_told_from_what_to_what() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let id = app.user(&owner, "bob").await;
    let bob = format!("{USERS}/{id}");
    let put = async |path: &str, body: Value| {
        let answer = owner.put(&format!("{bob}/{path}"), &body).await;
        assert!(answer.status < 300, "{answer:?}");
        entry_of(&owner, &answer).await
    };

    let told = put("profile", json!({ "username": "robert", "name": "Robert" })).await;
    assert_eq!(told["description"], "{user} updated user {target}");
    assert_eq!(changed(&told, "username"), (json!("bob"), json!("robert")));
    assert_eq!(changed(&told, "name"), (json!(""), json!("Robert")));
    assert_eq!(fields(&told), ["name", "username"]);

    let told = put("profile", json!({ "username": "Robert", "name": "Robert" })).await;
    assert_eq!(
        changed(&told, "username"),
        (json!("robert"), json!("Robert"))
    );

    let told = put("roles", json!({ "roles": ["auditor", "user-admin"] })).await;
    let roles = (json!([]), json!(["user-admin", "auditor"]));
    assert_eq!(changed(&told, "rbac_roles"), roles);

    let told = put("status/suspend", json!({})).await;
    assert_eq!(
        changed(&told, "status"),
        (json!("active"), json!("suspended"))
    );
    assert_eq!(fields(&told), ["status"]);

    let told = put("status/activate", json!({})).await;
    assert_eq!(
        changed(&told, "status"),
        (json!("suspended"), json!("active"))
    );
    assert_eq!(told["additional_fields"]["cause"], "administrator");

    let told = put(
        "password",
        json!({ "password": "another horse, other battery" }),
    )
    .await;
    let secret = json!({ "hashed_password": { "old": "", "new": "", "secret": true } });
    assert_eq!(told["diff"], secret);
    assert_eq!(told["status_code"], 204);

    let gone = owner.delete(&bob).await;
    let told = entry_of(&owner, &gone).await;
    assert_eq!(told["action"], "delete");
    assert_eq!(changed(&told, "deleted"), (json!(false), json!(true)));
    assert_eq!(told["is_deleted"], true);
    assert_eq!(told["resource_link"], "");
    assert_eq!(told["resource_target"], "Robert");
    // All that was told before is still told, whoever reads it on whichever page.
    let ids = entries(&owner, &format!("resource_id:{id} user")).await;
    assert_eq!(ids.len(), 8);
    assert_eq!(
        changed(&ids[6], "username"),
        (json!("bob"), json!("robert"))
    );
}

#[tokio::test]
async fn coming_and_going_is_told() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let dormant = wish_with(&app, "bob", &json!({ "user_status": "dormant" }));
    let id = owner.post(USERS, &dormant).await.json["id"].clone();
    let login = json!({ "email": "bob@example.com", "password": PASSWORD });
    let signed_in = app.anonymous().post(LOGIN, &login).await;
    let bob = app.with_token(text(&signed_in, "session_token"));
    let request = signed_in.header("x-coder-request-id");

    let told = entries(&owner, &format!("request_id:{request} api_key")).await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["action"], "login");
    assert_eq!(told[0]["status_code"], 201);
    assert_eq!(told[0]["description"], "{user} logged in");
    assert_eq!(told[0]["resource_id"], id);
    assert_eq!(told[0]["resource_target"], "");
    assert_eq!(told[0]["user"]["username"], "bob");
    assert_eq!(told[0]["additional_fields"]["authentication"], "password");

    let told = entries(&owner, &format!("request_id:{request} user")).await;
    assert_eq!(
        changed(&told[0], "status"),
        (json!("dormant"), json!("active"))
    );
    assert_eq!(told[0]["additional_fields"]["cause"], "use");

    let out = bob.post(LOGOUT, &Value::Null).await;
    let told = entry_of(&owner, &out).await;
    assert_eq!(told["action"], "logout");
    assert_eq!(told["description"], "{user} logged out");
    assert_eq!(told["status_code"], 200);
}

#[tokio::test]
async fn keys_and_tokens_are_told_by_whom_and_for_whom() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, bob) = member(&app, &owner, "bob").await;
    let tokens = format!("{ME}/keys/tokens");
    let made = bob.post(&tokens, &json!({ "token_name": "ci" })).await;
    assert_eq!(made.status, 201, "{made:?}");
    let told = entry_of(&owner, &made).await;
    assert_eq!(told["action"], "create");
    assert_eq!(told["resource_type"], "api_key");
    assert_eq!(told["resource_target"], "ci");
    assert_eq!(told["description"], "{user} created api key {target}");
    assert_eq!(changed(&told, "token_name"), (json!(""), json!("ci")));
    assert_eq!(told["diff"]["hashed_secret"]["secret"], true);

    let key = text(&made, "key").split('-').next().unwrap();
    let gone = owner.delete(&format!("{USERS}/{id}/keys/{key}")).await;
    assert_eq!(gone.status, 204);
    let told = entry_of(&owner, &gone).await;
    assert_eq!(told["action"], "delete");
    assert_eq!(told["resource_id"], json!(id));
    assert_eq!(told["user"]["username"], "ada");
    assert_eq!(told["additional_fields"]["cause"], "revoked");
    assert_eq!(told["additional_fields"]["session_id"], key);
}

#[tokio::test]
async fn organizations_and_their_members_are_told() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let id = app.user(&owner, "bob").await;
    let made = owner
        .post(
            "/api/v2/organizations",
            &json!({ "name": "rowing", "display_name": "Rowing" }),
        )
        .await;
    assert_eq!(made.status, 201, "{made:?}");
    let organization = text(&made, "id");
    let request = made.header("x-coder-request-id");
    let told = entries(&owner, &format!("organization request_id:{request}")).await;
    assert_eq!(told[0]["resource_target"], "rowing");
    let summary =
        json!({ "id": organization, "name": "rowing", "display_name": "Rowing", "icon": "" });
    assert_eq!(told[0]["organization"], summary);
    assert_eq!(told[0]["organization_id"], organization);
    assert_eq!(changed(&told[0], "name"), (json!(""), json!("rowing")));
    // Who made it belongs to it, because of that.
    let told = entries(&owner, &format!("organization_member request_id:{request}")).await;
    assert_eq!(told[0]["resource_target"], "ada");

    let membership = format!("/api/v2/organizations/rowing/members/{id}");
    let joined = owner.post(&membership, &json!({})).await;
    let told = entry_of(&owner, &joined).await;
    assert_eq!(told["resource_type"], "organization_member");
    assert_eq!(told["action"], "create");
    assert_eq!(told["resource_id"], json!(id));
    assert_eq!(told["resource_target"], "bob");

    let roles = json!({ "roles": ["organization-auditor"] });
    let assigned = owner.put(&format!("{membership}/roles"), &roles).await;
    assert_eq!(assigned.status, 200, "{assigned:?}");
    let told = entry_of(&owner, &assigned).await;
    let expected = (json!([]), json!(["organization-auditor"]));
    assert_eq!(changed(&told, "roles"), expected);

    let left = owner.delete(&membership).await;
    let told = entry_of(&owner, &left).await;
    assert_eq!(told["action"], "delete");
    assert_eq!(told["organization"], summary);
    let all = entries(&owner, "organization:rowing").await;
    assert_eq!(all.len(), 5);
}

#[tokio::test]
async fn what_nobody_asked_for_has_no_user_and_says_who_it_was() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let told = entry(&owner, "organization action:create").await;
    assert_eq!(told["user"], Value::Null);
    assert_eq!(told["additional_fields"]["actor"], "system");
    assert_eq!(told["ip"], "");
    assert_eq!(told["user_agent"], "");
}

#[tokio::test]
async fn who_is_erased_is_gone_from_the_audit_log_too() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, bob) = member(&app, &owner, "bob").await;
    bob.post(
        &format!("{ME}/keys/tokens"),
        &json!({ "token_name": "secretive" }),
    )
    .await;
    owner
        .put(
            &format!("{USERS}/{id}/profile"),
            &json!({ "username": "robert" }),
        )
        .await;
    let erase = format!(
        "DELETE FROM vault.subject_keys WHERE subject_id = '{id}';
         UPDATE read.users SET username = NULL, email = NULL, name = NULL, avatar_url = NULL WHERE id = '{id}'"
    );
    crate::given::as_superuser(&app, &erase).await;
    let node = app.second_node().await;
    let reader = node.with_token(owner.token());
    let told = entries(&reader, &format!("resource_id:{id}")).await;
    assert_eq!(told.len(), 4);
    let all = format!("{told:?}");
    for word in ["bob", "robert", "secretive"] {
        assert!(!all.contains(word), "{word}: {all}");
    }
    // That it happened, when, and by whom else, stays.
    assert_eq!(told[0]["user"]["username"], "ada");
    assert_eq!(told[0]["action"], "write");
    assert_eq!(told[0]["resource_target"], "");
    assert_eq!(told[3]["action"], "create");
    assert_eq!(changed(&told[3], "status"), (json!(""), json!("active")));
}

#[tokio::test]
async fn what_changes_nothing_is_not_told() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let before = audit(&owner, "").await["count"].clone();
    for path in [ME, USERS, AUDIT] {
        assert_eq!(owner.get(path).await.status, 200);
    }
    let me = text(&owner.get(ME).await, "id").to_owned();
    let same = json!({ "username": "ada", "name": "" });
    assert_eq!(
        owner
            .put(&format!("{USERS}/{me}/profile"), &same)
            .await
            .status,
        200
    );
    assert_eq!(audit(&owner, "").await["count"], before);
    let wish = wish(&app, "bob");
    assert_eq!(owner.post(USERS, &wish).await.status, 201);
    assert_ne!(audit(&owner, "").await["count"], before);
}
