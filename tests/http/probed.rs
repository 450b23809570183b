//! What clients look for before they do anything else, and are content to find.

use serde_json::json;

use crate::{
    given::{assert_refused, member},
    support::TestApp,
};

const ENTITLEMENTS: &str = "/api/v2/entitlements";
const UPDATE_CHECK: &str = "/api/v2/updatecheck";

#[tokio::test]
async fn nothing_is_licensed_and_everybody_who_is_signed_in_may_know() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    for client in [owner, bob] {
        let answer = client.get(ENTITLEMENTS).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(
            answer.json,
            json!({
                "features": {},
                "warnings": [],
                "errors": [],
                "has_license": false,
                "trial": false,
                "require_telemetry": false,
                "refreshed_at": "2026-01-01T12:00:00Z",
                "experimental": false,
            })
        );
    }
}

#[tokio::test]
async fn nobody_else_may_know_what_is_licensed() {
    let app = TestApp::start().await;
    let answer = app.anonymous().get(ENTITLEMENTS).await;
    assert_refused(&answer, 401, "session has expired");
}

#[tokio::test]
async fn the_newest_version_is_the_one_that_tells() {
    let app = TestApp::start().await;
    let answer = app.anonymous().get(UPDATE_CHECK).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let build = app.anonymous().get("/api/v2/buildinfo").await;
    let version = &build.json["version"];
    let expected = json!({ "current": true, "version": version, "url": "" });
    assert_eq!(answer.json, expected);
    assert_eq!(answer.header("x-coder-build-version"), version);
}
