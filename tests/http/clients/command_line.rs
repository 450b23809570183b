//! The `coder` command line.

use axum::http::Method;
use serde_json::{Value, json};

use super::sdk::{
    ApiKey, ApiKeyWithOwner, AssignableRole, BuildInfo, Entitlements, FirstUser, GeneratedKey,
    Organization, Sdk, SignedIn, TokenConfig, User, UserRoles, Users,
};
use crate::{
    given::member,
    support::{PASSWORD, TestApp},
};

/// Signed in as the first user.
async fn owner(app: &TestApp) -> Sdk {
    Sdk::new(app, app.owner().await.token())
}

#[tokio::test]
async fn login_to_a_new_deployment_makes_the_first_user() {
    let app = TestApp::start().await;
    let nobody = Sdk::new(&app, "");
    let build: BuildInfo = nobody.get("/buildinfo").await.unwrap();
    assert!(build.version.starts_with("v2."));
    assert_eq!(build.external_url, build.dashboard_url);
    let none = nobody.get::<Value>("/users/first").await.unwrap_err();
    assert_eq!(none.status, 404);
    let wish = json!({
        "email": "ada@example.com", "username": "ada", "name": "Ada", "password": PASSWORD, "trial": false,
        "trial_info": {
            "first_name": "", "last_name": "", "phone_number": "", "job_title": "", "company_name": "", "country": "",
            "developers": "",
        },
        "onboarding_info": null,
    });
    let first: FirstUser = nobody.post("/users/first", wish).await.unwrap();
    let login = json!({ "email": "ada@example.com", "password": PASSWORD });
    let signed_in: SignedIn = nobody.post("/users/login", login).await.unwrap();
    let me: User = Sdk::new(&app, &signed_in.session_token)
        .get("/users/me")
        .await
        .unwrap();
    assert_eq!(me.id, first.user_id);
    assert_eq!(me.organization_ids, [first.organization_id]);
    assert_eq!(
        (me.name.as_str(), me.login_type.as_str()),
        ("Ada", "password")
    );
    assert_eq!(me.roles[0].name, "owner");
}

#[tokio::test]
async fn login_to_a_known_deployment_takes_a_pasted_token() {
    let app = TestApp::start().await;
    let token = app.owner().await.token().to_owned();
    let nobody = Sdk::new(&app, "");
    nobody.get::<Value>("/users/first").await.unwrap();
    let wrong = Sdk::new(&app, "0123456789-0123456789012345678901");
    assert_eq!(
        wrong.get::<User>("/users/me").await.unwrap_err().status,
        401
    );
    let pasted = Sdk::new(&app, &token);
    for _ in 0..2 {
        assert_eq!(
            pasted.get::<User>("/users/me").await.unwrap().username,
            "ada"
        );
    }
}

#[tokio::test]
async fn login_with_a_token_mints_a_key_of_its_own() {
    let app = TestApp::start().await;
    let given = owner(&app).await;
    let minted: GeneratedKey = given.post_nothing("/users/me/keys").await.unwrap();
    let own = Sdk::new(&app, &minted.key);
    assert_eq!(own.get::<User>("/users/me").await.unwrap().username, "ada");
    // Signing out there leaves the token alone that was given.
    own.tell(Method::POST, "/users/logout", None).await.unwrap();
    let signed_out = own.get::<User>("/users/me").await.unwrap_err();
    assert_eq!(signed_out.status, 401);
    assert!(signed_out.message.contains("session has expired"));
    assert!(!signed_out.detail.is_empty() && signed_out.validations.is_empty());
    given.get::<User>("/users/me").await.unwrap();
}

#[tokio::test]
async fn whoami_tells_whose_token_it_is() {
    let app = TestApp::start().await;
    let me: User = owner(&app).await.get("/users/me").await.unwrap();
    assert_eq!(
        (me.username.as_str(), me.email.as_str()),
        ("ada", "ada@example.com")
    );
    assert_eq!(me.organization_ids.len(), 1);
}

#[tokio::test]
async fn logout_ends_this_session_and_no_other() {
    let app = TestApp::start().await;
    let (here, elsewhere) = (owner(&app).await, owner(&app).await);
    here.tell(Method::POST, "/users/logout", None)
        .await
        .unwrap();
    for _ in 0..2 {
        let again = here.tell(Method::POST, "/users/logout", None).await;
        assert_eq!(again.unwrap_err().status, 401);
    }
    elsewhere.get::<User>("/users/me").await.unwrap();
}

#[tokio::test]
async fn the_first_generation_asks_for_build_and_entitlements_before_anything() {
    let app = TestApp::start().await;
    let ada = owner(&app).await;
    ada.get::<BuildInfo>("/buildinfo").await.unwrap();
    let entitlements: Entitlements = ada.get("/entitlements").await.unwrap();
    assert!(entitlements.features.is_empty() && entitlements.warnings.is_empty());
    assert!(entitlements.errors.is_empty());
    assert!(!entitlements.has_license && !entitlements.trial && !entitlements.require_telemetry);
    assert!(entitlements.refreshed_at.timestamp() > 0);
}

#[tokio::test]
async fn users_list_shows_everybody() {
    let app = TestApp::start().await;
    let ada = owner(&app).await;
    let client = app.owner().await;
    for name in ["bob", "cleo"] {
        app.user(&client, name).await;
    }
    let listed: Users = ada.get("/users?q=").await.unwrap();
    let names: Vec<&str> = listed
        .users
        .iter()
        .map(|user| user.username.as_str())
        .collect();
    assert_eq!(names, ["ada", "bob", "cleo"]);
    assert_eq!(listed.count, 3);
    let linked: Users = ada.get("/users?q=github_com_user_id%3A1234").await.unwrap();
    assert!(linked.users.is_empty());
}

#[tokio::test]
async fn users_create_show_suspend_activate_and_delete() {
    let app = TestApp::start().await;
    let ada = owner(&app).await;
    let mine: Vec<Organization> = ada.get("/users/me/organizations").await.unwrap();
    assert_eq!(mine.len(), 1);
    assert!(mine[0].is_default && mine[0].name == "default");
    let wish = json!({
        "email": "bob@example.com", "username": "bob", "name": "Bob", "password": PASSWORD, "login_type": "password",
        "user_status": null, "organization_ids": [mine[0].id],
    });
    let created: User = ada.post("/users", wish).await.unwrap();
    let shown: User = ada.get("/users/bob").await.unwrap();
    assert_eq!(shown, created);
    assert_eq!(shown.last_seen_at.to_rfc3339(), "0001-01-01T00:00:00+00:00");
    for id in &shown.organization_ids {
        let shown: Organization = ada.get(&format!("/organizations/{id}")).await.unwrap();
        assert_eq!((shown.id, shown.display_name.is_empty()), (*id, false));
        assert!(shown.created_at <= shown.updated_at);
        assert_eq!((shown.description.as_str(), shown.icon.as_str()), ("", ""));
    }
    let by_name: Organization = ada.get("/organizations/default").await.unwrap();
    assert_eq!(by_name.id, mine[0].id);

    let path = |rest: &str| format!("/users/{}{rest}", created.id);
    let suspended: User = ada.put(&path("/status/suspend"), None).await.unwrap();
    assert_eq!(suspended.status, "suspended");
    let active: User = ada.put(&path("/status/activate"), None).await.unwrap();
    assert_eq!(active.status, "active");
    ada.tell(Method::DELETE, &path(""), None).await.unwrap();
    assert_eq!(ada.get::<User>("/users/bob").await.unwrap_err().status, 404);
}

#[tokio::test]
async fn users_edit_roles_offers_what_there_is_and_replaces_what_was() {
    let app = TestApp::start().await;
    let ada = owner(&app).await;
    member(&app, &app.owner().await, "bob").await;
    let bob: User = ada.get("/users/bob").await.unwrap();
    let held: UserRoles = ada.get("/users/bob/roles").await.unwrap();
    assert!(held.roles.is_empty());
    assert!(
        held.organization_roles
            .contains_key(&bob.organization_ids[0])
    );
    let offered: Vec<AssignableRole> = ada.get("/users/roles").await.unwrap();
    let auditor = offered.iter().find(|role| role.name == "auditor").unwrap();
    assert!(auditor.assignable && auditor.built_in && auditor.display_name == "Auditor");
    let permissions = [
        &auditor.site_permissions,
        &auditor.user_permissions,
        &auditor.organization_permissions,
    ];
    assert!(permissions.iter().all(|none| none.is_empty()));
    let wish = json!({ "roles": ["auditor"] });
    let changed: User = ada.put("/users/bob/roles", Some(wish)).await.unwrap();
    assert_eq!(changed.roles[0].name, "auditor");
    assert_eq!(changed.roles[0].organization_id, "");
}

#[tokio::test]
async fn tokens_are_created_listed_and_removed() {
    let app = TestApp::start().await;
    let ada = owner(&app).await;
    let config: TokenConfig = ada.get("/users/me/keys/tokens/tokenconfig").await.unwrap();
    let wish = json!({ "lifetime": config.max_token_lifetime, "token_name": "ci" });
    let made: GeneratedKey = ada
        .post("/users/me/keys/tokens", wish.clone())
        .await
        .unwrap();
    let again = ada
        .post::<GeneratedKey>("/users/me/keys/tokens", wish)
        .await
        .unwrap_err();
    assert_eq!(
        (again.status, again.validations[0].field.as_str()),
        (409, "name")
    );
    assert!(!again.validations[0].detail.is_empty());

    let ls = "/users/me/keys/tokens?include_all=false&include_expired=false";
    let listed: Vec<ApiKeyWithOwner> = ada.get(ls).await.unwrap();
    assert_eq!(listed.len(), 1);
    let ApiKeyWithOwner { key, username } = &listed[0];
    assert_eq!((username.as_str(), key.token_name.as_str()), ("ada", "ci"));
    assert_eq!(
        (key.login_type.as_str(), key.scope.as_str()),
        ("token", "all")
    );
    assert_eq!(key.scopes, ["coder:all"]);
    assert_eq!(key.allow_list, ["*:*"]);
    assert_eq!(
        key.lifetime_seconds,
        config.max_token_lifetime / 1_000_000_000
    );
    assert_eq!(key.last_used.timestamp(), 0);
    assert!(key.created_at == key.updated_at && key.created_at < key.expires_at);
    assert!(made.key.starts_with(&key.id));
    let me: User = Sdk::new(&app, &made.key).get("/users/me").await.unwrap();
    assert_eq!(me.id, key.user_id);

    let found: ApiKey = ada.get("/users/me/keys/tokens/ci").await.unwrap();
    assert_eq!(found.id, key.id);
    let expire = format!("/users/me/keys/{}/expire", found.id);
    ada.tell(Method::PUT, &expire, None).await.unwrap();
    assert!(
        ada.get::<Vec<ApiKeyWithOwner>>(ls)
            .await
            .unwrap()
            .is_empty()
    );
    let expired = Sdk::new(&app, &made.key).get::<User>("/users/me").await;
    assert_eq!(expired.unwrap_err().status, 401);

    // By its id, and for good, as the first generation does.
    let by_id: ApiKey = ada
        .get(&format!("/users/me/keys/{}", found.id))
        .await
        .unwrap();
    assert_eq!(by_id.token_name, "ci");
    let delete = format!("/users/me/keys/{}", found.id);
    ada.tell(Method::DELETE, &delete, None).await.unwrap();
    assert_eq!(ada.get::<ApiKey>(&delete).await.unwrap_err().status, 404);
}
