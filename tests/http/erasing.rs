//! Forgetting a person.

use rollcall_events::user::Role;
use serde_json::json;
use sqlx::ConnectOptions;

use axum::http::Method;

use crate::{
    given::{ME, USERS, assert_refused, history, member, usernames, wish, with_role, wrong_fields},
    support::{
        TestApp,
        client::{Answer, Client},
    },
};

async fn erase(client: &Client, user: impl std::fmt::Display, confirm: &str) -> Answer {
    let path = format!("{USERS}/{user}/personal-data");
    let body = serde_json::to_vec(&json!({ "confirm": confirm })).unwrap();
    client.send(Method::DELETE, &path, &[], body).await
}

/// Every row of every table, as text.
async fn everything(app: &TestApp) -> String {
    let mut conn = app.superuser.connect().await.unwrap();
    sqlx::query_scalar(
        "SELECT string_agg(query_to_xml(format('SELECT * FROM %I.%I', schemaname, tablename), true, false, '')::text, '')
           FROM pg_tables WHERE schemaname IN ('log', 'vault', 'read', 'live')",
    )
    .fetch_one(&mut conn)
    .await
    .unwrap()
}

#[tokio::test]
async fn an_erased_person_is_nowhere_any_more_and_the_history_stays() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, robin) = member(&app, &owner, "robin-hood").await;
    let profile = json!({ "username": "robin-hood", "name": "Robin Of Sherwood", "avatar_url": "https://example.com/sherwood.png" });
    robin.put(&format!("{ME}/profile"), &profile).await;
    let token = json!({ "token_name": "bow and arrow" });
    robin.post(&format!("{ME}/keys/tokens"), &token).await;
    assert!(everything(&app).await.contains("Sherwood"));
    let before = history(&app, id).await;

    let answer = erase(&owner, id, "Robin-Hood").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let left = everything(&app).await;
    for trace in [
        "robin-hood",
        "Robin",
        "Sherwood",
        "sherwood",
        "bow and arrow",
    ] {
        assert!(!left.contains(trace), "{trace} is still there");
    }
    let mut expected = before;
    expected.push("UserErased".to_owned());
    assert_eq!(history(&app, id).await, expected);
    assert_eq!(robin.get(ME).await.status, 401);
}

#[tokio::test]
async fn the_names_of_an_erased_person_are_free_and_the_id_means_nobody() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let id = app.user(&owner, "bob").await;
    erase(&owner, "bob", &id.to_string()).await;
    assert_eq!(usernames(&owner.get(USERS).await), ["ada"]);
    let blank = owner.get(&format!("{USERS}/{id}")).await;
    assert_eq!(
        (
            blank.json["username"].as_str(),
            blank.json["email"].as_str()
        ),
        (Some(""), Some(""))
    );
    assert_eq!(owner.post(USERS, &wish(&app, "bob")).await.status, 201);
    assert_eq!(erase(&owner, id, &id.to_string()).await.status, 200);
}

#[tokio::test]
async fn who_was_deleted_can_still_be_erased() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let id = app.user(&owner, "bob").await;
    owner.delete(&format!("{USERS}/{id}")).await;
    assert_eq!(erase(&owner, id, "bob").await.status, 200);
    assert!(!everything(&app).await.contains("bob@example.com"));
}

#[tokio::test]
async fn erasing_wants_to_be_confirmed() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let id = app.user(&owner, "bob").await;
    for confirm in ["", "bobby", "me", "00000000-0000-0000-0000-000000000000"] {
        assert_eq!(wrong_fields(&erase(&owner, id, confirm).await), ["confirm"]);
    }
    assert_eq!(history(&app, id).await, ["UserCreated"]);
}

#[tokio::test]
async fn only_owners_erase_and_not_themselves_and_not_the_last_of_them() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, bob) = member(&app, &owner, "bob").await;
    let admin = with_role(&app, &owner, "cleo", Role::UserAdmin).await;
    let (_, mallory) = member(&app, &owner, "mallory").await;
    assert_refused(&erase(&app.anonymous(), id, "bob").await, 401, "expired");
    assert_refused(&erase(&mallory, id, "bob").await, 404, "Resource not found");
    assert_refused(&erase(&admin, id, "bob").await, 403, "Forbidden");
    assert_refused(&erase(&owner, "me", "ada").await, 403, "erase yourself");
    assert_refused(&erase(&bob, "me", "bob").await, 403, "erase yourself");
    let second = with_role(&app, &owner, "zoe", Role::Owner).await;
    assert_eq!(erase(&second, "ada", "ada").await.status, 200);
    assert_eq!(owner.get(ME).await.status, 401);
    assert_eq!(second.get(ME).await.status, 200);
}

#[tokio::test]
async fn another_node_that_remembers_the_key_seals_and_shows_nothing_more_of_the_person() {
    let app = TestApp::start().await;
    let second = app.second_node().await;
    let owner = app.owner().await;
    let (id, bob) = member(&app, &owner, "bob").await;
    let there = second.with_token(bob.token());
    let profile = json!({ "username": "bob", "name": "Bob" });
    assert_eq!(
        there.put(&format!("{ME}/profile"), &profile).await.status,
        200
    );
    erase(&owner, id, "bob").await;
    assert_eq!(
        there.put(&format!("{ME}/profile"), &profile).await.status,
        401
    );
    let owner_there = second.with_token(owner.token());
    let blank = owner_there.get(&format!("{USERS}/{id}")).await;
    assert_eq!(blank.json["username"], "");
    let answer = owner_there
        .put(&format!("{USERS}/{id}/profile"), &profile)
        .await;
    assert_refused(&answer, 404, "Resource not found");
}
