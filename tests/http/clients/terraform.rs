//! The Terraform provider: its resource `coderd_user`, and its data source of the same name.

use axum::http::Method;
use serde_json::json;
use uuid::Uuid;

use super::sdk::{Entitlements, Sdk, User, Users};
use crate::support::{PASSWORD, TestApp};

/// Configures the provider: it takes the first organisation of whoever runs it, and crashes if there is none.
async fn provider(app: &TestApp) -> (Sdk, Uuid) {
    let sdk = Sdk::new(app, app.owner().await.token());
    let me: User = sdk.get("/users/me").await.unwrap();
    sdk.get::<Entitlements>("/entitlements").await.unwrap();
    (sdk, me.organization_ids[0])
}

async fn create(sdk: &Sdk, wish: serde_json::Value, name: &str) -> User {
    let me: User = sdk.get("/users/me").await.unwrap();
    assert!(!me.organization_ids.is_empty());
    let created: User = sdk.post("/users", wish).await.unwrap();
    let profile = json!({ "username": created.username, "name": name });
    let path = format!("/users/{}/profile", created.id);
    sdk.put(&path, Some(profile)).await.unwrap()
}

/// Reads the resource: the same user by id and by name, who belongs somewhere.
async fn read(sdk: &Sdk, id: Uuid) -> User {
    let by_id: User = sdk.get(&format!("/users/{id}")).await.unwrap();
    let by_name: User = sdk
        .get(&format!("/users/{}", by_id.username))
        .await
        .unwrap();
    assert_eq!(by_id, by_name);
    assert!(!by_id.organization_ids.is_empty());
    by_id
}

#[tokio::test]
async fn a_user_is_created_read_updated_and_deleted() {
    let app = TestApp::start().await;
    let (sdk, organization) = provider(&app).await;
    let wish = json!({
        "email": "bob@example.com", "username": "bob", "password": PASSWORD, "login_type": "password",
        "user_status": "active", "organization_ids": [organization],
    });
    let created = create(&sdk, wish, "bob").await;
    assert_eq!(created.name, "bob");
    let path = |rest: &str| format!("/users/{}{rest}", created.id);
    let roles = json!({ "roles": ["auditor", "user-admin"] });
    let with_roles: User = sdk.put(&path("/roles"), Some(roles)).await.unwrap();
    let mut names: Vec<&str> = with_roles
        .roles
        .iter()
        .map(|role| role.name.as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["auditor", "user-admin"]);
    let suspended: User = sdk.put(&path("/status/suspend"), None).await.unwrap();
    assert_eq!(read(&sdk, created.id).await, suspended);

    let profile = json!({ "username": "bobby", "name": "Bobby" });
    sdk.put::<User>(&path("/profile"), Some(profile))
        .await
        .unwrap();
    let roles = json!({ "roles": [] });
    sdk.put::<User>(&path("/roles"), Some(roles)).await.unwrap();
    let same = json!({ "old_password": "", "password": PASSWORD });
    let unchanged = sdk.tell(Method::PUT, &path("/password"), Some(same)).await;
    let unchanged = unchanged.unwrap_err();
    assert_eq!(unchanged.status, 400);
    assert_eq!(unchanged.message, "New password cannot match old password.");
    let other = json!({ "old_password": "", "password": "a quite different sentence" });
    sdk.tell(Method::PUT, &path("/password"), Some(other))
        .await
        .unwrap();
    // It is suspended already: again is well.
    sdk.put::<User>(&path("/status/suspend"), None)
        .await
        .unwrap();
    let updated = read(&sdk, created.id).await;
    assert_eq!(
        (updated.username.as_str(), updated.name.as_str()),
        ("bobby", "Bobby")
    );
    assert!(updated.roles.is_empty() && updated.status == "suspended");

    sdk.tell(Method::DELETE, &path(""), None).await.unwrap();
    let gone = sdk.get::<User>("/users/bobby").await.unwrap_err();
    assert_eq!(gone.status, 404);
}

#[tokio::test]
async fn a_user_without_a_password_is_the_default() {
    let app = TestApp::start().await;
    let (sdk, organization) = provider(&app).await;
    let wish = json!({
        "email": "robot@example.com", "username": "robot", "password": "", "login_type": "none",
        "user_status": "active", "organization_ids": [organization],
    });
    let created = create(&sdk, wish, "robot").await;
    assert_eq!(
        (created.login_type.as_str(), created.status.as_str()),
        ("none", "active")
    );
    assert_eq!(read(&sdk, created.id).await.name, "robot");
}

#[tokio::test]
async fn the_data_source_finds_a_user_by_email_page_by_page() {
    let app = TestApp::start().await;
    let (sdk, _) = provider(&app).await;
    let owner = app.owner().await;
    for number in 0..7 {
        app.user(&owner, &format!("robin{number}")).await;
    }
    let limit = 3;
    let mut found = Vec::new();
    let mut after = String::new();
    loop {
        let path = format!("/users?q=robin&limit={limit}{after}");
        let page: Users = sdk.get(&path).await.unwrap();
        let length = page.users.len();
        assert_eq!(page.count, i64::try_from(7 - found.len()).unwrap());
        found.extend(page.users.into_iter().map(|user| (user.id, user.email)));
        if length < limit {
            break;
        }
        after = format!("&after_id={}", found.last().unwrap().0);
    }
    let emails: Vec<&str> = found.iter().map(|(_, email)| email.as_str()).collect();
    let expected: Vec<String> = (0..7)
        .map(|number| format!("robin{number}@example.com"))
        .collect();
    assert_eq!(emails, expected);
    let one: Users = sdk
        .get("/users?q=robin3%40example.com&limit=10")
        .await
        .unwrap();
    assert_eq!(one.users.len(), 1);
}
