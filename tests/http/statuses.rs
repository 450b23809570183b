//! Suspending and activating.

use rollcall_events::user::Role;
use serde_json::{Value, json};

use crate::{
    given::{ME, USERS, assert_refused, history, member, with_role},
    support::{PASSWORD, TestApp},
};

fn suspend(user: impl std::fmt::Display) -> String {
    format!("{USERS}/{user}/status/suspend")
}

fn activate(user: impl std::fmt::Display) -> String {
    format!("{USERS}/{user}/status/activate")
}

#[tokio::test]
async fn a_suspended_user_is_kept_out_from_the_next_request_on_at_every_node() {
    let app = TestApp::start().await;
    let second = app.second_node().await;
    let owner = app.owner().await;
    let (id, bob) = member(&app, &owner, "bob").await;
    let elsewhere = second.with_token(bob.token());
    assert_eq!(elsewhere.get(ME).await.status, 200);
    let answer = owner.put(&suspend(id), &Value::Null).await;
    assert_eq!(answer.json["status"], "suspended", "{answer:?}");
    for client in [&elsewhere, &bob] {
        let refused = client.get(ME).await;
        assert_refused(&refused, 401, "status = \"suspended\"");
        assert_refused(&refused, 401, "Contact an admin");
    }
    let wish = json!({ "email": "bob@example.com", "password": PASSWORD });
    let sign_in = app.anonymous().post("/api/v2/users/login", &wish).await;
    assert_refused(&sign_in, 401, "suspended");
}

#[tokio::test]
async fn an_activated_user_comes_back_with_the_same_sessions() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, bob) = member(&app, &owner, "bob").await;
    owner.put(&suspend("bob"), &Value::Null).await;
    let answer = owner.put(&activate(id), &Value::Null).await;
    assert_eq!(answer.json["status"], "active", "{answer:?}");
    assert_eq!(bob.get(ME).await.status, 200);
}

#[tokio::test]
async fn suspending_and_activating_twice_is_well_and_happens_once() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let id = app.user(&owner, "bob").await;
    for path in [suspend(id), suspend(id), activate(id), activate(id)] {
        assert_eq!(owner.put(&path, &Value::Null).await.status, 200, "{path}");
    }
    let expected = ["UserCreated", "UserSuspended", "UserActivated"];
    assert_eq!(history(&app, id).await, expected);
}

#[tokio::test]
async fn nobody_suspends_themselves() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    for (client, user) in [(&owner, "me"), (&owner, "ada"), (&bob, "me")] {
        let answer = client.put(&suspend(user), &Value::Null).await;
        assert_refused(&answer, 400, "suspend yourself");
    }
}

#[tokio::test]
async fn owners_lose_their_role_before_they_can_be_suspended() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, _) = member(&app, &owner, "bob").await;
    let admin = with_role(&app, &owner, "cleo", Role::UserAdmin).await;
    let roles = format!("{USERS}/{id}/roles");
    owner.put(&roles, &json!({ "roles": ["owner"] })).await;
    let refused = owner.put(&suspend(id), &Value::Null).await;
    assert_refused(&refused, 400, "owner");
    let refused = admin.put(&suspend(id), &Value::Null).await;
    assert_refused(&refused, 403, "Forbidden");
    owner.put(&roles, &json!({ "roles": [] })).await;
    assert_eq!(admin.put(&suspend(id), &Value::Null).await.status, 200);
}

#[tokio::test]
async fn only_who_manages_users_suspends_and_activates() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, _) = member(&app, &owner, "bob").await;
    let (_, mallory) = member(&app, &owner, "mallory").await;
    let auditor = with_role(&app, &owner, "ann", Role::Auditor).await;
    for caller in [&mallory, &auditor] {
        for path in [suspend(id), activate(id)] {
            let answer = caller.put(&path, &Value::Null).await;
            assert_refused(&answer, 404, "Resource not found");
        }
    }
    assert_eq!(history(&app, id).await, ["UserCreated", "SessionStarted"]);
}

#[tokio::test]
async fn a_dormant_user_becomes_active_by_an_administrator_too() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let wish = crate::given::wish_with(&app, "bob", &json!({ "user_status": "dormant" }));
    let created = owner.post(USERS, &wish).await;
    assert_eq!(created.json["status"], "dormant");
    let answer = owner.put(&activate("bob"), &Value::Null).await;
    assert_eq!(answer.json["status"], "active");
}

#[tokio::test]
async fn who_is_gone_can_be_neither_suspended_nor_activated() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let id = app.user(&owner, "bob").await;
    owner.delete(&format!("{USERS}/{id}")).await;
    for path in [suspend(id), activate(id)] {
        let answer = owner.put(&path, &Value::Null).await;
        assert_refused(&answer, 404, "Resource not found");
    }
}
