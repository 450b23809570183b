//! Signing in otherwise from now on.

use serde_json::{Value, json};

use super::provider::{CALLBACK, Provider, session};
use crate::{
    given::{LOGIN, ME, assert_refused, history, member, wrong_fields},
    support::{
        PASSWORD,
        client::{Answer, Client},
    },
};

async fn convert(client: &Client, to: &str, password: &str) -> Answer {
    let wish = json!({ "to_type": to, "password": password });
    client.post(&format!("{ME}/convert-login"), &wish).await
}

/// Goes to the provider with what converting gave, and comes back.
async fn finish(provider: &Provider, given: &Answer) -> Answer {
    let mut browser = provider.browser();
    if let Some(cookie) = crate::given::cookie_set(given, "oauth_convert") {
        browser.set("oauth_convert", cookie);
    }
    let state = given.json["state_string"].as_str().unwrap();
    let start = browser
        .get(&format!("{CALLBACK}?oidc_merge_state={state}"))
        .await;
    if start.status != 307 {
        return start;
    }
    let location = url::Url::parse(start.header("location")).unwrap();
    let nonce = location.query_pairs().find(|(name, _)| name == "nonce");
    provider.claims(json!({ "nonce": nonce.unwrap().1 }));
    browser.come_back(CALLBACK, state).await
}

#[tokio::test]
async fn a_password_account_is_converted_by_password_and_provider_together() {
    let provider = Provider::start().await;
    let owner = provider.app.owner().await;
    let (id, bob) = member(&provider.app, &owner, "bob").await;
    let given = convert(&bob, "oidc", PASSWORD).await;
    assert_eq!(given.status, 201, "{given:?}");
    assert_eq!(given.json["user_id"], id.to_string());
    assert_eq!(given.json["to_type"], "oidc");
    let answer = finish(&provider, &given).await;
    assert_eq!(answer.status, 307, "{answer:?}");
    let me = provider
        .app
        .with_token(session(&answer).unwrap())
        .get(ME)
        .await;
    assert_eq!(
        (me.json["id"].as_str(), me.json["login_type"].as_str()),
        (Some(&*id.to_string()), Some("oidc"))
    );
    assert_eq!(bob.get(ME).await.status, 401);
    let login = json!({ "email": "bob@example.com", "password": PASSWORD });
    assert_eq!(
        provider.app.anonymous().post(LOGIN, &login).await.status,
        401
    );
    let expected = [
        "UserCreated",
        "SessionStarted",
        "LoginTypeChanged",
        "IdentityLinked",
        "SessionStarted",
    ];
    assert_eq!(history(&provider.app, id).await, expected);
}

#[tokio::test]
async fn nothing_is_converted_without_the_password_or_without_the_cookie_of_that_browser() {
    let provider = Provider::start().await;
    let owner = provider.app.owner().await;
    let (id, bob) = member(&provider.app, &owner, "bob").await;
    assert_eq!(
        wrong_fields(&convert(&bob, "oidc", "not this one").await),
        ["password"]
    );
    assert_eq!(
        wrong_fields(&convert(&bob, "github", PASSWORD).await),
        ["to_type"]
    );
    assert_eq!(
        wrong_fields(&convert(&bob, "none", PASSWORD).await),
        ["to_type"]
    );
    let given = convert(&bob, "oidc", PASSWORD).await;
    let mut other = provider.browser();
    let state = given.json["state_string"].as_str().unwrap();
    let stolen = other
        .get(&format!("{CALLBACK}?oidc_merge_state={state}"))
        .await;
    assert_refused(&stolen, 401, "not yours");
    assert_eq!(
        history(&provider.app, id).await,
        ["UserCreated", "SessionStarted"]
    );
}

#[tokio::test]
async fn nobody_is_converted_for_somebody_else_and_no_account_is_two_users() {
    let provider = Provider::start().await;
    let owner = provider.app.owner().await;
    let (_, bob) = member(&provider.app, &owner, "bob").await;
    let wish = json!({ "to_type": "oidc", "password": PASSWORD });
    let path = "/api/v2/users/bob/convert-login";
    assert_refused(&owner.post(path, &wish).await, 403, "Forbidden");
    provider.signed_in().await;
    let given = convert(&bob, "oidc", PASSWORD).await;
    assert_refused(&finish(&provider, &given).await, 403, "not linked");
    assert_eq!(bob.get(ME).await.json["login_type"], "password");
}

#[tokio::test]
async fn a_password_that_changed_meanwhile_converts_nobody() {
    let provider = Provider::start().await;
    let owner = provider.app.owner().await;
    let (id, bob) = member(&provider.app, &owner, "bob").await;
    let given = convert(&bob, "oidc", PASSWORD).await;
    let path = format!("/api/v2/users/{id}/password");
    let new = json!({ "password": "a quite different sentence" });
    assert_eq!(owner.put(&path, &new).await.status, 204);
    assert_refused(
        &finish(&provider, &given).await,
        403,
        "password has changed",
    );
}

#[tokio::test]
async fn the_way_back_to_a_password_wants_a_fresh_sign_in() {
    let provider = Provider::start().await;
    provider.app.owner().await;
    let robin = provider.signed_in().await;
    provider.app.pass(chrono::TimeDelta::minutes(11));
    let late = convert(&robin, "password", "a quite different sentence").await;
    assert_refused(&late, 403, "again");
    let robin = provider.signed_in().await;
    let weak = convert(&robin, "password", "weak").await;
    assert_eq!(wrong_fields(&weak), ["password"]);
    let done = convert(&robin, "password", "a quite different sentence").await;
    assert_eq!(done.status, 201, "{done:?}");
    assert_eq!(done.json["state_string"], Value::String(String::new()));
    assert_eq!(robin.get(ME).await.status, 401);
    let login = json!({ "email": "robin@example.com", "password": "a quite different sentence" });
    assert_eq!(
        provider.app.anonymous().post(LOGIN, &login).await.status,
        201
    );
    assert_refused(&provider.sign_in().await, 403, "Incorrect login type");
}

#[tokio::test]
async fn nobody_goes_back_to_a_password_where_there_are_none() {
    let provider = Provider::start_with(|config| config.password_login = false).await;
    let robin = provider.signed_in().await;
    let refused = convert(&robin, "password", "a quite different sentence").await;
    assert_refused(&refused, 403, "Password authentication is disabled");
    assert_eq!(robin.get(ME).await.status, 200);
}
