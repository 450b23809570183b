//! A body sets nothing but what its request is about, and what is gone takes nothing any more.

use axum::http::Method;
use rollcall_events::user::{ActivationCause, UserCommand};
use serde_json::{Value, json};
use uuid::Uuid;

use super::every::{Named, operations};
use crate::{
    given::{USERS, history, member, post_raw, stored_hash, text, wish},
    support::{PASSWORD, TestApp, client::Client},
};

const ORGANIZATIONS: &str = "/api/v2/organizations";
const OTHER: &str = "497f6eca-6276-4993-bfeb-53cbbbba6f08";

/// Whatever somebody might hope to set by any request. Each field that some request knows holds what it refuses or what
/// changes nothing.
fn all_that_is_nobodys_to_set() -> Value {
    json!({
        "id": OTHER,
        "user_id": OTHER,
        "ID": OTHER,
        "created_at": "2000-01-01T00:00:00Z",
        "updated_at": "2000-01-01T00:00:00Z",
        "last_seen_at": "2000-01-01T00:00:00Z",
        "deleted_at": null,
        "deleted": false,
        "email": "eve@evil.test",
        "Email": "eve@evil.test",
        "email_verified": true,
        "verified": true,
        "status": "dormant",
        "user_status": "dormant",
        "login_type": "none",
        "rbac_roles": ["owner"],
        "site_roles": ["owner"],
        "global_roles": ["owner"],
        "role": "owner",
        "is_system": true,
        "is_default": true,
        "is_service_account": true,
        "has_ai_seat": true,
        "hashed_password": "$argon2id$",
        "password_hash": "$argon2id$",
        "password_scheme": "none",
        "organization_id": OTHER,
        "organization_ids": [OTHER],
        "organizations": [OTHER],
        "version": 7,
        "actor": "system",
        "command_id": OTHER,
    })
}

/// The same, and what this request is about.
fn and(wanted: &Value) -> Value {
    let mut body = all_that_is_nobodys_to_set();
    for (field, value) in wanted.as_object().unwrap() {
        body[field] = value.clone();
    }
    body
}

/// Bob, and all that can be known of him, but for the fields that are to change.
async fn bob_but(owner: &Client, fields: &[&str]) -> [Value; 3] {
    let mut user = owner.get(&format!("{USERS}/bob")).await.json;
    for field in fields.iter().chain(&["updated_at", "last_seen_at"]) {
        user[field] = Value::Null;
    }
    let roles = owner.get(&format!("{USERS}/bob/roles")).await.json;
    let roles = if fields.contains(&"roles") {
        roles["organization_roles"].clone()
    } else {
        roles
    };
    let organizations = owner.get(&format!("{USERS}/bob/organizations")).await.json;
    [user, roles, organizations]
}

#[tokio::test]
async fn no_change_of_a_user_sets_anything_beside_what_it_is_about() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, bob) = member(&app, &owner, "bob").await;
    let hash = stored_hash(&app, id).await;
    let password = json!({ "password": "a quite different sentence", "old_password": PASSWORD });
    let profile = json!({ "username": "bob", "name": "Bob", "password": "changed" });
    let requests: [(&Client, Method, &str, &Value, &[&str]); 7] = [
        (&bob, Method::PUT, "me/profile", &profile, &["name"]),
        (
            &owner,
            Method::PUT,
            "bob/status/suspend",
            &json!({}),
            &["status"],
        ),
        (
            &owner,
            Method::PUT,
            "bob/status/activate",
            &json!({}),
            &["status"],
        ),
        (
            &owner,
            Method::PUT,
            "bob/roles",
            &json!({ "roles": ["auditor"] }),
            &["roles"],
        ),
        (
            &owner,
            Method::PUT,
            "bob/roles",
            &json!({ "roles": [] }),
            &["roles"],
        ),
        (&bob, Method::POST, "me/keys", &json!({}), &[]),
        (&bob, Method::PUT, "me/password", &password, &[]),
    ];
    for (client, method, path, wanted, fields) in requests {
        let before = bob_but(&owner, fields).await;
        let body = serde_json::to_vec(&and(wanted)).unwrap();
        let answer = client
            .send(method, &format!("{USERS}/{path}"), &[], body)
            .await;
        assert!(answer.status < 300, "{path}: {answer:?}");
        assert_eq!(bob_but(&owner, fields).await, before, "{path}");
        let is_about_the_password = path == "me/password";
        let has_changed = stored_hash(&app, id).await != hash;
        assert_eq!(has_changed, is_about_the_password, "{path}");
    }
}

#[tokio::test]
async fn a_token_is_its_makers_and_no_longer_or_stronger_than_the_body_may_ask_for() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, bob) = member(&app, &owner, "bob").await;
    let body = and(&json!({
        "token_name": "ci",
        "user_id": text(&owner.get("/api/v2/users/me").await, "id"),
        "username": "ada",
        "expires_at": "9999-01-01T00:00:00Z",
        "ends_at": "9999-01-01T00:00:00Z",
        "lifetime_seconds": 1_000_000_000,
        "login_type": "password",
        "key": "a1B2c3D4e5-0123456789abcdefghijkl",
        "secret": "0123456789abcdefghijkl",
        "last_used": "2000-01-01T00:00:00Z",
    }));
    let made = bob.post(&format!("{USERS}/me/keys/tokens"), &body).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert!(!text(&made, "key").starts_with("a1B2c3D4e5"));
    let seen = bob.get(&format!("{USERS}/me/keys/tokens/ci")).await.json;
    assert_eq!(seen["user_id"], json!(id));
    assert_eq!(seen["login_type"], "token");
    assert_eq!(seen["lifetime_seconds"], 7 * 86_400);
    assert_eq!(seen["expires_at"], "2026-01-08T12:00:00Z");
    assert_eq!(seen["last_used"], "1970-01-01T00:00:00Z");
    assert_eq!(
        app.with_token("a1B2c3D4e5-0123456789abcdefghijkl")
            .get("/api/v2/users/me")
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn an_organization_and_a_place_in_it_are_what_the_path_and_the_service_say() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let created = owner
        .post(ORGANIZATIONS, &and(&json!({ "name": "club" })))
        .await;
    assert_eq!(created.status, 201, "{created:?}");
    assert_ne!(created.json["id"], OTHER);
    assert_eq!(created.json["is_default"], false);
    assert_eq!(created.json["created_at"], "2026-01-01T12:00:00Z");
    let bob = app.user(&owner, "bob").await;
    let place = format!("{ORGANIZATIONS}/club/members/bob");
    let wanted = and(&json!({ "roles": ["organization-admin"], "user_id": OTHER }));
    let added = owner.post(&place, &wanted).await;
    assert_eq!(added.status, 200, "{added:?}");
    assert_eq!(added.json["user_id"], json!(bob));
    assert_eq!(added.json["organization_id"], created.json["id"]);
    assert_eq!(added.json["roles"], json!([]), "adding gives no roles");
    let given = owner.put(&format!("{place}/roles"), &wanted).await;
    assert_eq!(given.json["user_id"], json!(bob), "{given:?}");
    assert_eq!(given.json["roles"][0]["name"], "organization-admin");
    let seen = owner.get(&format!("{USERS}/bob")).await.json;
    assert_eq!(seen["roles"], json!([]), "no site role");
    assert_eq!(seen["organization_ids"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn nothing_but_its_own_request_sets_a_password() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    let key = post_raw(&owner, &format!("{USERS}/bob/keys/tokens"), b"{}").await;
    let key = text(&key, "key").split_once('-').unwrap().0.to_owned();
    let hash = stored_hash(&app, bob).await;
    let body = json!({
        "username": "bob",
        "email": "bob@example.com",
        "password": "a quite different sentence",
        "old_password": PASSWORD,
        "new_password": "a quite different sentence",
        "organization_ids": [app.app.default_organization],
        "roles": ["member"],
        "name": "club",
    });
    let mut asked = 0;
    for operation in operations() {
        let is_its_own = operation.path.ends_with("/password");
        // These end Bob, or the session that asks.
        let is_an_end = operation.method == Method::DELETE && operation.path.ends_with("{user}")
            || operation.path.ends_with("/logout");
        if operation.changes_something() && !is_its_own && !is_an_end {
            let named = Named::BOB.with("id", &key);
            let answer = operation.send(&owner, named, &[], &body.to_string()).await;
            assert!(answer.status < 500, "{operation:?}: {answer:?}");
            assert_eq!(stored_hash(&app, bob).await, hash, "{operation:?}");
            asked += 1;
        }
    }
    assert!(asked > 10);
    app.command(
        bob,
        UserCommand::ActivateUser(ActivationCause::Administrator),
    )
    .await;
    app.sign_in("bob@example.com").await;
}

#[tokio::test]
async fn to_who_is_gone_nothing_happens_any_more_by_any_operation() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (bob, _) = member(&app, &owner, "bob").await;
    let key = post_raw(&owner, &format!("{USERS}/bob/keys/tokens"), b"{}").await;
    let key = text(&key, "key").split_once('-').unwrap().0.to_owned();
    app.command(bob, UserCommand::DeleteUser).await;
    let successor = app.user(&owner, "bob").await;
    assert_ne!(successor, bob);
    let before = history(&app, bob).await;
    let body = json!({
        "username": "bob",
        "password": "a quite different sentence",
        "roles": ["owner"],
        "token_name": "ci",
    });
    let id = bob.to_string();
    for operation in operations() {
        if operation.changes_something() && operation.names("user") {
            let named = Named::BOB.with("user", &id).with("id", &key);
            let answer = operation.send(&owner, named, &[], &body.to_string()).await;
            let is_deletion =
                operation.method == "DELETE" && operation.path == "/api/v2/users/{user}";
            // Some are nobody's but the user's own.
            let expected: &[u16] = if is_deletion {
                &[200]
            } else {
                &[400, 403, 404]
            };
            assert!(
                expected.contains(&answer.status),
                "{operation:?}: {answer:?}"
            );
        }
    }
    assert_eq!(history(&app, bob).await, before);
    assert_eq!(history(&app, successor).await, ["UserCreated"]);
}

#[tokio::test]
async fn nobody_gets_the_id_of_another_by_asking_for_it() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let living = app.user(&owner, "bob").await;
    let gone = app.user(&owner, "eve").await;
    app.command(gone, UserCommand::DeleteUser).await;
    for (nth, id) in [living, gone].into_iter().enumerate() {
        let mut wish = wish(&app, &format!("new{nth}"));
        for field in ["id", "user_id", "ID", "Id", "uuid"] {
            wish[field] = json!(id);
        }
        let created = owner.post(USERS, &wish).await;
        assert_eq!(created.status, 201, "{created:?}");
        let new: Uuid = text(&created, "id").parse().unwrap();
        assert_ne!(new, id);
        assert_eq!(history(&app, new).await, ["UserCreated"]);
    }
    assert_eq!(history(&app, living).await, ["UserCreated"]);
    assert_eq!(history(&app, gone).await, ["UserCreated", "UserDeleted"]);
}
