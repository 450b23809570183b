//! Signing out ends the session that the request came with, and no other.

use serde_json::json;

use crate::{
    given::{LOGOUT, ME, assert_refused, cookie_set, history, member},
    support::TestApp,
};

#[tokio::test]
async fn who_is_not_signed_in_cannot_sign_out() {
    let app = TestApp::start().await;
    let answer = app.anonymous().post(LOGOUT, &json!({})).await;
    assert_refused(&answer, 401, "session has expired");
}

#[tokio::test]
async fn signing_out_needs_no_body() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let answer = crate::given::post_raw(&owner, LOGOUT, b"").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn signing_out_removes_the_cookie() {
    let app = TestApp::start().await;
    let answer = app.owner().await.post(LOGOUT, &json!({})).await;
    assert_eq!(cookie_set(&answer, "coder_session_token"), Some(""));
    let cookies = answer.cookies();
    let cookie = cookies
        .iter()
        .find(|cookie| cookie.starts_with("coder_session_token="))
        .unwrap();
    assert!(cookie.contains("; Max-Age=0"), "{cookie}");
    assert!(cookie.contains("; Path=/;"), "{cookie}");
}

#[tokio::test]
async fn a_token_cannot_sign_out_twice() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    assert_eq!(owner.post(LOGOUT, &json!({})).await.status, 200);
    assert_eq!(owner.post(LOGOUT, &json!({})).await.status, 401);
}

#[tokio::test]
async fn the_other_sessions_of_a_user_go_on() {
    let app = TestApp::start().await;
    let (one, other) = (app.owner().await, app.owner().await);
    one.post(LOGOUT, &json!({})).await;
    assert_eq!(one.get(ME).await.status, 401);
    assert_eq!(other.get(ME).await.status, 200);
}

#[tokio::test]
async fn of_many_that_sign_out_at_once_with_one_token_nobody_is_told_that_it_failed() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, bob) = member(&app, &owner, "bob").await;
    let tries: Vec<_> = (0..20)
        .map(|_| {
            let bob = bob.clone();
            tokio::spawn(async move { bob.post(LOGOUT, &json!({})).await.status })
        })
        .collect();
    for attempt in tries {
        let status = attempt.await.unwrap();
        assert!([200, 401].contains(&status), "{status}");
    }
    let ended = history(&app, id).await;
    let ended = ended.iter().filter(|kind| kind.contains("SessionEnded"));
    assert_eq!(ended.count(), 1);
}
