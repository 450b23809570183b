//! Profiles: whose name, username and picture who may change.

use rollcall_events::user::Role;
use serde_json::json;

use crate::{
    given::{
        ME, USERS, assert_refused, history, member, search, text, usernames, with_role,
        wrong_fields,
    },
    support::TestApp,
};

const NOT_FOUND: &str = "Resource not found or you do not have access";

fn profile(user: impl std::fmt::Display) -> String {
    format!("{USERS}/{user}/profile")
}

#[tokio::test]
async fn an_administrator_changes_all_of_a_profile() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let id = app.user(&owner, "bob").await;
    let wish = json!({ "username": "Robert", "name": "Robert B.", "avatar_url": "https://example.com/r.png" });
    let answer = owner.put(&profile(id), &wish).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json["username"], "Robert");
    assert_eq!(answer.json["name"], "Robert B.");
    assert_eq!(answer.json["avatar_url"], "https://example.com/r.png");
    assert_eq!(answer.json["email"], "bob@example.com");
    assert!(!answer.header("rollcall-position").is_empty());
    let read = owner.get(&format!("{USERS}/robert")).await;
    assert_eq!(read.json, answer.json);
    assert_eq!(owner.get(&format!("{USERS}/bob")).await.status, 404);
}

#[tokio::test]
async fn a_user_admin_may_rename_others() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let id = app.user(&owner, "bob").await;
    let admin = with_role(&app, &owner, "cleo", Role::UserAdmin).await;
    let answer = admin
        .put(&profile(id), &json!({ "username": "bobby" }))
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn everybody_changes_their_own_name_and_picture_and_nobody_their_own_username() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    let mine = json!({ "username": "bob", "name": "Bob", "avatar_url": "/emojis/1.png" });
    let answer = bob.put(&profile("me"), &mine).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json["name"], "Bob");
    for username in ["bobby", "BOB"] {
        let other = json!({ "username": username, "name": "Bob" });
        assert_refused(&bob.put(&profile("me"), &other).await, 404, NOT_FOUND);
    }
    assert_eq!(bob.get(ME).await.json["username"], "bob");
}

#[tokio::test]
async fn nobody_but_administrators_changes_anybody_elses() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, _) = member(&app, &owner, "bob").await;
    let (_, mallory) = member(&app, &owner, "mallory").await;
    let auditor = with_role(&app, &owner, "ann", Role::Auditor).await;
    let templates = with_role(&app, &owner, "tim", Role::TemplateAdmin).await;
    for caller in [&mallory, &auditor, &templates] {
        let answer = caller
            .put(&profile(id), &json!({ "username": "bob", "name": "Owned" }))
            .await;
        assert_refused(&answer, 404, NOT_FOUND);
    }
    assert_eq!(history(&app, id).await, ["UserCreated", "SessionStarted"]);
}

#[tokio::test]
async fn a_username_that_somebody_has_is_a_conflict_and_ones_own_in_another_case_is_not() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    app.user(&owner, "cleo").await;
    let taken = owner
        .put(&profile(bob), &json!({ "username": "CLEO" }))
        .await;
    assert_refused(&taken, 409, "already exists");
    assert_eq!(taken.json["validations"][0]["field"], "username");
    let own = owner
        .put(&profile(bob), &json!({ "username": "BOB" }))
        .await;
    assert_eq!(own.json["username"], "BOB", "{own:?}");
}

#[tokio::test]
async fn what_is_left_out_stays_and_what_is_empty_goes() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    let full = json!({ "username": "bob", "name": "Bob", "avatar_url": "/b.png" });
    owner.put(&profile(bob), &full).await;
    let kept = owner
        .put(&profile(bob), &json!({ "username": "bob" }))
        .await;
    assert_eq!(kept.json["name"], "Bob");
    assert_eq!(kept.json["avatar_url"], "/b.png");
    let nothing = json!({ "username": "bob", "name": "", "avatar_url": "" });
    let gone = owner.put(&profile(bob), &nothing).await;
    assert!(gone.json.get("name").is_none(), "{gone:?}");
    assert_eq!(gone.json["avatar_url"], "");
}

#[tokio::test]
async fn the_same_profile_again_is_no_event() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    let same = json!({ "username": "bob", "name": "Bob" });
    for _ in 0..2 {
        assert_eq!(owner.put(&profile(bob), &same).await.status, 200);
    }
    assert_eq!(history(&app, bob).await, ["UserCreated", "ProfileChanged"]);
}

#[tokio::test]
async fn every_bad_field_is_named_and_nothing_is_changed() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    let bad = json!({ "username": "a_b", "name": " x", "avatar_url": "javascript:alert(1)" });
    let answer = owner.put(&profile(bob), &bad).await;
    assert_eq!(wrong_fields(&answer), ["avatar_url", "name", "username"]);
    let empty = owner.put(&profile(bob), &json!({})).await;
    assert_eq!(wrong_fields(&empty), ["username"]);
    assert_eq!(history(&app, bob).await, ["UserCreated"]);
}

#[tokio::test]
async fn an_email_address_never_changes_by_the_profile() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    let wish = json!({ "username": "bob", "email": "evil@example.com", "roles": ["owner"], "status": "suspended", "email_verified": true });
    let answer = owner.put(&profile(bob), &wish).await;
    assert_eq!(answer.json["email"], "bob@example.com");
    assert_eq!(answer.json["roles"], json!([]));
    assert_eq!(answer.json["status"], "active");
}

#[tokio::test]
async fn a_new_username_is_found_and_sorted_at_once() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    owner
        .put(&profile(bob), &json!({ "username": "aaron" }))
        .await;
    assert_eq!(usernames(&owner.get(USERS).await), ["aaron", "ada"]);
    assert_eq!(usernames(&owner.get(&search("aaron")).await), ["aaron"]);
}

#[tokio::test]
async fn the_profile_of_who_is_gone_is_not_found() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    owner.delete(&format!("{USERS}/{bob}")).await;
    let answer = owner
        .put(&profile(bob), &json!({ "username": "bob" }))
        .await;
    assert_refused(&answer, 404, NOT_FOUND);
    assert!(text(&answer, "message").contains(NOT_FOUND));
}
