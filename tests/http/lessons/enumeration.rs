//! Nobody learns of others from how they are refused: not by status, body or headers.

use axum::http::Method;
use rollcall_events::user::{Role, UserCommand};
use serde_json::json;
use uuid::Uuid;

use super::{
    every::{Named, operations},
    headers,
};
use crate::{
    given::{USERS, member, post_raw, text, wish, wish_with, with_role},
    support::{
        PASSWORD, TestApp,
        client::{Answer, Client},
    },
};

const NOBODY: &str = "497f6eca-6276-4993-bfeb-53cbbbba6f08";

#[track_caller]
fn assert_same(hidden: &Answer, unknown: &Answer, what: &str) {
    assert!(hidden.status >= 400, "{what}: {hidden:?}");
    assert_eq!(hidden.status, unknown.status, "{what}: {hidden:?}");
    assert_eq!(hidden.text, unknown.text, "{what}");
    assert_eq!(headers(hidden), headers(unknown), "{what}");
}

/// Somebody's token by the name `ci`; its id.
async fn token_of(owner: &Client, user: &str) -> String {
    let tokens = format!("{USERS}/{user}/keys/tokens");
    let made = owner.post(&tokens, &json!({ "token_name": "ci" })).await;
    assert_eq!(made.status, 201, "{made:?}");
    text(&made, "key").split_once('-').unwrap().0.to_owned()
}

/// A body that is refused wherever it is read, and one that is good in many places.
const BODIES: [&str; 3] = [
    "",
    "{",
    r#"{"username":"ada","password":"a quite different sentence","old_password":"x","roles":["owner"]}"#,
];

#[tokio::test]
async fn a_member_cannot_tell_others_from_nobody_by_any_operation() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, eve) = member(&app, &owner, "eve").await;
    let bob = app.user(&owner, "bob").await;
    let key = token_of(&owner, "bob").await;
    let suspended = app.user(&owner, "carol").await;
    app.command(suspended, UserCommand::SuspendUser).await;
    let deleted = app.user(&owner, "dan").await;
    app.command(deleted, UserCommand::DeleteUser).await;
    let known = [
        bob.to_string(),
        "bob".to_owned(),
        "BOB".to_owned(),
        "ada".to_owned(),
        suspended.to_string(),
        deleted.to_string(),
    ];
    for operation in operations() {
        if !operation.names("user") {
            continue;
        }
        for body in BODIES {
            let ask = async |user: &str, key: &str, token: &str| {
                let named = Named::BOB.with("user", user).with("id", key);
                let named = named.with("token_name", token);
                operation.send(&eve, named, &[], body).await
            };
            let unknown = ask(NOBODY, "a1B2c3D4e5", "none").await;
            for user in &known {
                let hidden = ask(user, &key, "ci").await;
                assert_same(&hidden, &unknown, &format!("{operation:?} on {user}"));
            }
            let unknown_name = ask("nobody", "a1B2c3D4e5", "none").await;
            assert_same(&unknown_name, &unknown, &format!("{operation:?}"));
        }
    }
}

#[tokio::test]
async fn who_sees_others_cannot_tell_which_keys_they_have() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    app.user(&owner, "bob").await;
    let key = token_of(&owner, "bob").await;
    for role in [Role::UserAdmin, Role::Auditor, Role::TemplateAdmin] {
        let client = with_role(&app, &owner, role.name(), role).await;
        for operation in operations() {
            if !operation.path.contains("{user}/keys") {
                continue;
            }
            let ask = async |key, token| {
                let named = Named::BOB.with("id", key).with("token_name", token);
                let body = r#"{"token_name":"ci"}"#;
                operation.send(&client, named, &[], body).await
            };
            let hidden = ask(&*key, "ci").await;
            let unknown = ask("a1B2c3D4e5", "none").await;
            assert_same(&hidden, &unknown, &format!("{operation:?} by {role:?}"));
        }
    }
}

#[tokio::test]
async fn a_key_of_somebody_else_is_not_found_among_ones_own() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, eve) = member(&app, &owner, "eve").await;
    app.user(&owner, "bob").await;
    let key = token_of(&owner, "bob").await;
    for path in [
        format!("{USERS}/me/keys/{{}}"),
        format!("{USERS}/me/keys/{{}}/expire"),
        format!("{USERS}/me/keys/tokens/{{}}"),
    ] {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let ask = async |id: &str| {
                let path = path.replace("{}", id);
                eve.send(method.clone(), &path, &[], Vec::new()).await
            };
            let unknown = ask("a1B2c3D4e5").await;
            assert_same(&ask(&key).await, &unknown, &path);
        }
    }
    let seen = owner.get(&format!("{USERS}/bob/keys/{key}")).await;
    assert_eq!(seen.status, 200);
}

#[tokio::test]
async fn who_may_not_create_or_rename_learns_of_no_name_that_is_in_use() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    app.user(&owner, "bob").await;
    let (_, eve) = member(&app, &owner, "eve").await;
    let taken = eve.post(USERS, &wish(&app, "bob")).await;
    assert_same(&taken, &eve.post(USERS, &wish(&app, "new")).await, "create");
    let rename = async |name: &str| {
        let profile = json!({ "username": name });
        eve.put(&format!("{USERS}/me/profile"), &profile).await
    };
    assert_same(&rename("bob").await, &rename("bobby").await, "rename");
    let found = async |name: &str| {
        eve.post("/api/v2/organizations", &json!({ "name": name }))
            .await
    };
    assert_same(&found("default").await, &found("other").await, "found");
}

#[tokio::test]
async fn whether_somebody_is_here_cannot_be_asked_beforehand() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    let deleted = app.user(&owner, "dan").await;
    app.command(deleted, UserCommand::DeleteUser).await;
    let (_, eve) = member(&app, &owner, "eve").await;
    for action in ["create", "read", "update", "delete", "read_personal", "x"] {
        let ask = async |id: &str| {
            let object = json!({ "resource_type": "user", "resource_id": id });
            let check = json!({ "checks": { "may": { "action": action, "object": object } } });
            let answer = eve.post("/api/v2/authcheck", &check).await;
            assert_eq!(answer.json, json!({ "may": false }), "{answer:?}");
            headers(&answer)
        };
        let unknown = ask(NOBODY).await;
        assert_eq!(ask(&bob.to_string()).await, unknown, "{action}");
        assert_eq!(ask(&deleted.to_string()).await, unknown, "{action}");
    }
}

#[tokio::test]
async fn a_list_never_counts_or_orders_whom_it_does_not_show() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    let (id, eve) = member(&app, &owner, "eve").await;
    for q in [
        "bob",
        "bob%40example.com",
        "role%3Aowner",
        "status%3Asuspended",
        "name%3Abob",
    ] {
        let answer = eve.get(&format!("{USERS}?q={q}")).await;
        assert_eq!(answer.json, json!({ "users": [], "count": 0 }), "{q}");
    }
    let whole = eve.get(USERS).await;
    assert_eq!(whole.json["count"], 1);
    let members = eve
        .get("/api/v2/organizations/default/paginated-members")
        .await;
    assert_eq!(members.json["count"], 1, "{members:?}");
    assert_eq!(members.json["members"][0]["user_id"], json!(id));
    assert!(!members.text.contains(&bob.to_string()));
    let all = "/api/v2/users/me/keys/tokens?include_all=true&include_expired=true";
    token_of(&owner, "bob").await;
    assert_eq!(eve.get(all).await.json, json!([]));
}

#[tokio::test]
async fn a_wrong_old_password_is_refused_alike_whatever_the_account_is() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    let none = json!({ "login_type": "none", "password": "" });
    let created = owner.post(USERS, &wish_with(&app, "eve", &none)).await;
    let id: Uuid = text(&created, "id").parse().unwrap();
    let key = post_raw(&owner, &format!("{USERS}/{id}/keys"), b"").await;
    let without = app.with_token(text(&key, "key"));
    let change = async |client: &Client, old: &str| {
        let body = json!({ "old_password": old, "password": "a quite different sentence" });
        client.put(&format!("{USERS}/me/password"), &body).await
    };
    // Only who has a password learns whether a guess at it was right, and only in their own session.
    let wrong = change(&bob, "wrong").await;
    assert_eq!(wrong.status, 400, "{wrong:?}");
    for guess in ["wrong", PASSWORD] {
        let refused = change(&without, guess).await;
        assert_eq!(refused.status, 400, "{refused:?}");
        let eve = format!("{USERS}/bob/password");
        let body = json!({ "old_password": guess, "password": "a quite different sentence" });
        let hidden = without.put(&eve, &body).await;
        let unknown = without
            .put(&format!("{USERS}/nobody/password"), &body)
            .await;
        assert_same(&hidden, &unknown, guess);
    }
    assert_eq!(bob.get(USERS).await.status, 200);
}
