//! Deleting users.

use rollcall_events::{
    Authority, Metadata,
    ids::Ids,
    user::{Identity, LoginType, Role, UserCommand},
    vault::ProviderTokens,
};
use serde_json::json;
use sqlx::ConnectOptions;

use crate::{
    given::{ME, USERS, assert_refused, history, member, usernames, wish, with_role},
    support::{PASSWORD, TestApp},
};

fn user(user: impl std::fmt::Display) -> String {
    format!("{USERS}/{user}")
}

#[tokio::test]
async fn a_deleted_user_is_off_the_list_and_their_names_are_free() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let id = app.user(&owner, "bob").await;
    let answer = owner.delete(&user(id)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.json["message"].is_string());
    assert_eq!(usernames(&owner.get(USERS).await), ["ada"]);
    let again = owner.post(USERS, &wish(&app, "bob")).await;
    assert_eq!(again.status, 201, "{again:?}");
    assert_ne!(again.json["id"], id.to_string());
}

#[tokio::test]
async fn every_key_of_a_deleted_user_is_dead_at_the_next_request_on_every_node() {
    let app = TestApp::start().await;
    let second = app.second_node().await;
    let owner = app.owner().await;
    let (id, bob) = member(&app, &owner, "bob").await;
    let another = app.sign_in("bob@example.com").await;
    let elsewhere = second.with_token(bob.token());
    assert_eq!(elsewhere.get(ME).await.status, 200);
    owner.delete(&user("bob")).await;
    for client in [&elsewhere, &bob, &another] {
        assert_refused(&client.get(ME).await, 401, "session has expired");
    }
    let mut conn = app.superuser.connect().await.unwrap();
    let left: i64 = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM read.sessions WHERE user_id = $1)
              + (SELECT count(*) FROM vault.credentials WHERE subject_id = $1)",
    )
    .bind(id)
    .fetch_one(&mut conn)
    .await
    .unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn nothing_that_a_provider_gave_outlives_its_user() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    let conversion = UserCommand::ConvertToProvider {
        provider: LoginType::Github,
        identity: Identity {
            issuer: "https://github.com".to_owned(),
            subject: "583231".to_owned(),
        },
        revision: 1,
    };
    let tokens = ProviderTokens {
        access_token: "access".to_owned(),
        refresh_token: None,
    };
    let vault = app.app.log.vault();
    let tokens = vault.provider_tokens_write(bob, tokens, None);
    let secrets = vec![tokens.await.unwrap()];
    let authority = Authority::system(Metadata::system(Ids.uuid()));
    let users = &app.app.users;
    users
        .execute(bob, conversion, authority, secrets)
        .await
        .unwrap();
    let left = async || -> i64 {
        sqlx::query_scalar(
            "SELECT (SELECT count(*) FROM read.identities WHERE user_id = $1)
                  + (SELECT count(*) FROM vault.provider_tokens WHERE subject_id = $1)",
        )
        .bind(bob)
        .fetch_one(app.pool())
        .await
        .unwrap()
    };
    assert_eq!(left().await, 2);
    assert_eq!(owner.delete(&user("bob")).await.status, 200);
    assert_eq!(left().await, 0);
}

#[tokio::test]
async fn who_was_deleted_cannot_sign_in_and_is_told_no_more_than_a_stranger() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    app.user(&owner, "bob").await;
    owner.delete(&user("bob")).await;
    let login = |email: &str| json!({ "email": email, "password": PASSWORD });
    let anonymous = app.anonymous();
    let gone = anonymous
        .post("/api/v2/users/login", &login("bob@example.com"))
        .await;
    let stranger = anonymous
        .post("/api/v2/users/login", &login("nobody@example.com"))
        .await;
    assert_refused(&gone, 401, "Incorrect email or password.");
    assert_eq!(gone.json, stranger.json);
}

#[tokio::test]
async fn nobody_deletes_themselves() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    for (client, name) in [(&owner, "me"), (&owner, "ada"), (&bob, "me")] {
        assert_refused(&client.delete(&user(name)).await, 403, "delete yourself");
    }
}

#[tokio::test]
async fn who_may_not_see_a_user_learns_nothing_by_deleting_and_who_may_is_told_no() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, _) = member(&app, &owner, "bob").await;
    let (_, mallory) = member(&app, &owner, "mallory").await;
    let auditor = with_role(&app, &owner, "ann", Role::Auditor).await;
    assert_refused(&mallory.delete(&user(id)).await, 404, "Resource not found");
    assert_refused(&auditor.delete(&user(id)).await, 403, "Forbidden");
    assert_eq!(history(&app, id).await, ["UserCreated", "SessionStarted"]);
}

#[tokio::test]
async fn a_user_admin_deletes_users() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let id = app.user(&owner, "bob").await;
    let admin = with_role(&app, &owner, "cleo", Role::UserAdmin).await;
    assert_eq!(admin.delete(&user(id)).await.status, 200);
}

#[tokio::test]
async fn an_owner_is_deleted_by_owners_alone_and_never_as_the_last_one() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let admin = with_role(&app, &owner, "cleo", Role::UserAdmin).await;
    assert_refused(&admin.delete(&user("ada")).await, 403, "Forbidden");
    let second = with_role(&app, &owner, "zoe", Role::Owner).await;
    let demoted = second
        .put("/api/v2/users/ada/roles", &json!({ "roles": [] }))
        .await;
    assert_eq!(demoted.status, 200, "{demoted:?}");
    assert_refused(&admin.delete(&user("zoe")).await, 403, "Forbidden");
    assert_eq!(second.get(ME).await.status, 200);
}

#[tokio::test]
async fn deleting_again_changes_nothing() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let id = app.user(&owner, "bob").await;
    for _ in 0..2 {
        assert_eq!(owner.delete(&user(id)).await.status, 200);
    }
    assert_eq!(history(&app, id).await, ["UserCreated", "UserDeleted"]);
    assert_refused(&owner.delete(&user("bob")).await, 404, "Resource not found");
}
