//! Tokens of people who may not come in any more, and tokens that are good for less than everything.

use axum::http::Method;
use rollcall::command_bus::CommandError;
use rollcall_events::{
    Authority, Claim, Metadata,
    ids::Ids,
    user::{LoginType, Scope, UserCommand},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::every::{Named, PAGES, changes, operations};
use crate::{
    given::{LOGIN, ME, USERS, assert_refused, member, post_raw, session, text, wish_with},
    support::{
        PASSWORD, TestApp,
        client::{Answer, Client},
    },
};

/// One token of each kind that this user has, made as clients make them: by signing in, for the command line, for a
/// program, and by that program for a command line of its own.
async fn one_of_each_kind(app: &TestApp, user: &str) -> Vec<Client> {
    let browser = app.sign_in(&format!("{user}@example.com")).await;
    let keys = format!("{USERS}/me/keys");
    let made = |answer: Answer| {
        assert_eq!(answer.status, 201, "{answer:?}");
        app.with_token(text(&answer, "key"))
    };
    let command_line = made(post_raw(&browser, &keys, b"").await);
    let program = made(post_raw(&browser, &format!("{keys}/tokens"), b"{}").await);
    let by_program = made(post_raw(&program, &keys, b"").await);
    vec![browser, command_line, program, by_program]
}

#[tokio::test]
async fn no_kind_of_token_outlives_suspension_deletion_or_the_password_on_any_node() {
    let app = TestApp::start().await;
    let second = app.second_node().await;
    let owner = app.owner().await;
    let new_password = json!({ "password": "a quite different sentence" });
    for (name, method, rest, body) in [
        ("suspended", Method::PUT, "/status/suspend", Value::Null),
        ("deleted", Method::DELETE, "", Value::Null),
        ("changed", Method::PUT, "/password", new_password),
    ] {
        app.user(&owner, name).await;
        let mut tokens = one_of_each_kind(&app, name).await;
        for token in &tokens {
            let elsewhere = second.with_token(token.token());
            assert_eq!(elsewhere.get(ME).await.status, 200, "{name}");
        }
        let path = format!("{USERS}/{name}{rest}");
        let body = serde_json::to_vec(&body).unwrap();
        let ended = owner.send(method, &path, &[], body).await;
        assert!([200, 204].contains(&ended.status), "{ended:?}");
        let elsewhere = tokens
            .iter()
            .map(|token| second.with_token(token.token()))
            .collect::<Vec<_>>();
        tokens.extend(elsewhere);
        for token in tokens {
            assert_eq!(token.get(ME).await.status, 401, "{name}");
            let key = post_raw(&token, &format!("{USERS}/me/keys"), b"").await;
            assert_eq!(key.status, 401, "{name}");
            let cookie = format!("coder_session_token={}", token.token());
            let page = second
                .anonymous()
                .send(Method::GET, "/cli-auth", &[("Cookie", &cookie)], vec![])
                .await;
            assert!(
                page.header("location").starts_with("/login"),
                "{name}: {page:?}"
            );
        }
    }
}

#[tokio::test]
async fn who_was_suspended_as_an_owner_manages_nothing() {
    let app = TestApp::start().await;
    let ada = app.owner().await;
    let (bob, client) = member(&app, &ada, "bob").await;
    let suspend = format!("{USERS}/{bob}/status/suspend");
    assert_eq!(ada.put(&suspend, &Value::Null).await.status, 200);
    let roles = json!({ "roles": ["owner"] });
    let given = ada.put(&format!("{USERS}/{bob}/roles"), &roles).await;
    assert_eq!(given.status, 200, "{given:?}");
    let before = changes(&app).await;
    for operation in operations() {
        if operation.takes_token {
            let named = Named::BOB.with("user", "ada");
            let bypass = [("X-Coder-Bypass-Ratelimit", "true")];
            let answer = operation.send(&client, named, &[], "{}").await;
            assert_refused(&answer, 401, "suspended");
            let answer = operation.send(&client, named, &bypass, "{}").await;
            assert_eq!(answer.status, 428, "{operation:?}");
        }
    }
    assert_eq!(changes(&app).await, before);
    // Nor do they count as the owner who stays behind.
    let id = text(&ada.get(ME).await, "id").parse().unwrap();
    let authority = Authority::system(Metadata::system(Ids.uuid()));
    let users = &app.app.users;
    let deleted = users.execute(id, UserCommand::DeleteUser, authority, Vec::new());
    assert!(matches!(
        deleted.await,
        Err(CommandError::Taken(Claim::AnotherOwner))
    ));
}

#[tokio::test]
async fn a_token_for_applications_opens_no_operation_and_no_page_and_changes_nothing() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let ada = text(&owner.get(ME).await, "id").parse::<Uuid>().unwrap();
    app.user(&owner, "bob").await;
    let token = session(&app, ada, LoginType::Token, Scope::ApplicationConnect).await;
    let before = changes(&app).await;
    for user in ["me", "bob"] {
        let key = token.token().split_once('-').unwrap().0;
        let named = Named::BOB.with("user", user).with("id", key);
        for operation in operations()
            .iter()
            .filter(|operation| operation.takes_token)
        {
            let answer = operation.send(&token, named, &[], "{}").await;
            assert_refused(&answer, 403, "Forbidden.");
            let bypass = [("X-Coder-Bypass-Ratelimit", "true")];
            let answer = operation.send(&token, named, &bypass, "{}").await;
            assert_eq!(answer.status, 428, "{operation:?}");
        }
    }
    let cookie = format!("coder_session_token={}", token.token());
    for (method, path) in PAGES {
        let headers = [("Cookie", cookie.as_str())];
        let page = app
            .anonymous()
            .send(method, path, &headers, b"proof=x".to_vec())
            .await;
        assert!(!page.text.contains("ada@example.com"), "{path}: {page:?}");
    }
    assert_eq!(changes(&app).await, before);
}

#[tokio::test]
async fn who_is_dormant_and_suspended_before_their_first_request_does_not_wake_by_it() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let dormant = json!({ "user_status": "dormant" });
    let created = owner.post(USERS, &wish_with(&app, "bob", &dormant)).await;
    let bob: Uuid = text(&created, "id").parse().unwrap();
    let program = post_raw(&owner, &format!("{USERS}/{bob}/keys/tokens"), b"{}").await;
    let program = app.with_token(text(&program, "key"));
    let suspend = format!("{USERS}/{bob}/status/suspend");
    let answer = owner.put(&suspend, &Value::Null).await;
    assert_eq!(answer.json["status"], "suspended", "{answer:?}");
    assert_refused(&program.get(ME).await, 401, "suspended");
    let sign_in = json!({ "email": "bob@example.com", "password": PASSWORD });
    let answer = app.anonymous().post(LOGIN, &sign_in).await;
    assert_refused(&answer, 401, "suspended");
    let seen = owner.get(&format!("{USERS}/{bob}")).await;
    assert_eq!(seen.json["status"], "suspended");
}
