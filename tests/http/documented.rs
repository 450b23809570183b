//! The eight operations of the published users page, as its examples show them.

use rollcall::config::AuthmethodsFormat;
use serde_json::{Value, json};

use crate::{
    given::{FIRST, LOGOUT, ME, USERS, assert_refused, text, wish_with},
    support::{PASSWORD, TestApp},
};

/// Checks the nine fields of the page; there may be more.
#[track_caller]
fn assert_is_documented_user(user: &Value) {
    for field in [
        "avatar_url",
        "created_at",
        "email",
        "id",
        "last_seen_at",
        "status",
        "username",
    ] {
        assert!(user[field].is_string(), "{field} of {user}");
    }
    for field in ["organization_ids", "roles"] {
        assert!(user[field].is_array(), "{field} of {user}");
    }
    let is_time = |field: &str| {
        let time = user[field].as_str().unwrap_or_default();
        chrono::DateTime::parse_from_rfc3339(time).is_ok() && time.ends_with('Z')
    };
    assert!(is_time("created_at") && is_time("last_seen_at"), "{user}");
    let id = user["id"].as_str().unwrap_or_default();
    let parsed = uuid::Uuid::parse_str(id).map(|id| id.to_string());
    assert_eq!(parsed.as_deref(), Ok(id));
}

#[tokio::test]
async fn the_list_is_a_count_and_users() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    app.user(&owner, "bob").await;
    let list = owner.get(USERS).await;
    assert_eq!(list.status, 200);
    assert_eq!(list.json.as_object().unwrap().len(), 2);
    assert_eq!(list.json["count"], 2);
    for user in list.json["users"].as_array().unwrap() {
        assert_is_documented_user(user);
    }
    assert_eq!(
        list.json["users"][0]["roles"],
        json!([{ "name": "owner", "display_name": "Owner" }])
    );
    assert_eq!(list.json["users"][1]["roles"], json!([]));
}

#[tokio::test]
async fn a_user_is_created_with_the_body_of_the_page() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let organization = app.app.default_organization;
    let created = owner
        .post(
            USERS,
            &json!({
                "email": "user@example.com",
                "organization_id": organization,
                "password": PASSWORD,
                "username": "string",
            }),
        )
        .await;
    assert_eq!(created.status, 201, "{created:?}");
    assert_is_documented_user(&created.json);
    assert_eq!(created.json["email"], "user@example.com");
    assert_eq!(created.json["username"], "string");
    assert_eq!(created.json["status"], "active");
    assert_eq!(created.json["avatar_url"], "");
    assert_eq!(created.json["roles"], json!([]));
    assert_eq!(created.json["organization_ids"], json!([organization]));
}

#[tokio::test]
async fn a_user_has_the_fields_of_later_clients_too() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let wish = wish_with(&app, "bob", &json!({ "name": "Bob B." }));
    let created = owner.post(USERS, &wish).await;
    assert_eq!(created.json["name"], "Bob B.");
    assert_eq!(created.json["login_type"], "password");
    assert_eq!(created.json["has_ai_seat"], false);
    assert_eq!(created.json["updated_at"], created.json["created_at"]);
}

#[tokio::test]
async fn a_name_is_left_out_when_there_is_none() {
    let app = TestApp::start().await;
    let me = app.owner().await.get(ME).await;
    assert_eq!(me.json.get("name"), None);
}

#[tokio::test]
async fn the_ways_to_sign_in_are_three_booleans() {
    let app = TestApp::start().await;
    let methods = app.anonymous().get("/api/v2/users/authmethods").await;
    assert_eq!(methods.status, 200);
    assert_eq!(
        methods.json,
        json!({ "password": true, "github": false, "oidc": false })
    );
}

#[tokio::test]
async fn the_ways_to_sign_in_tell_that_passwords_are_off() {
    let app = TestApp::start_with(|config| config.password_login = false).await;
    let methods = app.anonymous().get("/api/v2/users/authmethods").await;
    assert_eq!(methods.json["password"], false);
}

#[tokio::test]
async fn the_ways_to_sign_in_are_objects_for_whom_it_is_configured() {
    let objects = |config: &mut rollcall::config::Config| {
        config.authmethods_format = AuthmethodsFormat::Objects;
    };
    let app = TestApp::start_with(objects).await;
    let methods = app.anonymous().get("/api/v2/users/authmethods").await;
    assert_eq!(
        methods.json,
        json!({
            "password": { "enabled": true },
            "github": { "enabled": false, "default_provider_configured": false },
            "oidc": { "enabled": false, "signInText": "", "iconUrl": "" },
        })
    );
}

#[tokio::test]
async fn whether_there_is_a_first_user_is_told_by_status_and_message() {
    let app = TestApp::start().await;
    let nobody = app.anonymous().get(FIRST).await;
    assert_refused(&nobody, 404, "has not been created");
    app.owner().await;
    let somebody = app.anonymous().get(FIRST).await;
    assert_eq!(somebody.status, 200);
    assert!(!text(&somebody, "message").is_empty());
}

#[tokio::test]
async fn the_first_user_is_created_with_the_body_of_the_page() {
    let app = TestApp::start().await;
    let body = json!({ "email": "ada@example.com", "password": PASSWORD, "trial": true, "username": "ada" });
    let created = app.anonymous().post(FIRST, &body).await;
    assert_eq!(created.status, 201);
    let organization = app.app.default_organization.to_string();
    assert_eq!(created.json["organization_id"], organization);
    let id = created.json["user_id"].clone();
    assert_eq!(
        created.json,
        json!({ "user_id": id, "organization_id": organization })
    );
    let me = app.sign_in("ada@example.com").await.get(ME).await;
    assert_eq!(me.json["id"], id);
}

#[tokio::test]
async fn signing_out_is_answered_and_the_token_is_dead() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let out = owner.post(LOGOUT, &json!({})).await;
    assert_eq!(out.status, 200);
    assert!(!text(&out, "message").is_empty());
    assert_eq!(owner.get(ME).await.status, 401);
}

#[tokio::test]
async fn callbacks_of_providers_that_are_not_configured_say_so() {
    let app = TestApp::start().await;
    for path in [
        "/api/v2/users/oauth2/github/callback",
        "/api/v2/users/oidc/callback",
        "/api/v2/users/oidc/callback?code=a&state=b",
    ] {
        assert_refused(&app.anonymous().get(path).await, 400, "not configured");
    }
}
