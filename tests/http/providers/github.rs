//! GitHub: who may come in by it, and as whom.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use rollcall::config::{Config, Secret};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::provider::{Json, session};
use crate::{
    given::{ME, assert_refused, cookie_set, search, usernames},
    support::{TestApp, client::Answer},
};

const CALLBACK: &str = "/api/v2/users/oauth2/github/callback";

/// What GitHub says.
#[derive(Clone)]
struct Says {
    user: Value,
    emails: Value,
    memberships: Value,
    membership_of_team: Value,
}

impl Default for Says {
    fn default() -> Self {
        Self {
            user: json!({ "id": 1234, "login": "mona_lisa", "name": "Mona", "avatar_url": "https://example.com/m.png" }),
            emails: json!([{ "email": "mona@example.com", "primary": true, "verified": true }]),
            memberships: json!([{ "state": "active", "organization": { "login": "Example" } }]),
            membership_of_team: json!({ "state": "active" }),
        }
    }
}

type Spoken = Arc<Mutex<Says>>;

struct GitHub {
    app: TestApp,
    says: Spoken,
}

impl GitHub {
    async fn start(change: impl FnOnce(&mut Config)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let says = Spoken::default();
        let router =
            Router::new()
                .route("/login/oauth/access_token", post(token))
                .route(
                    "/user",
                    get(|State(says): State<Spoken>| async move {
                        Json(says.lock().unwrap().user.clone())
                    }),
                )
                .route(
                    "/user/emails",
                    get(|State(says): State<Spoken>| async move {
                        Json(says.lock().unwrap().emails.clone())
                    }),
                )
                .route(
                    "/user/memberships/orgs",
                    get(|State(says): State<Spoken>| async move {
                        Json(says.lock().unwrap().memberships.clone())
                    }),
                )
                .route(
                    "/orgs/example/teams/core/memberships/mona_lisa",
                    get(|State(says): State<Spoken>| async move {
                        let membership = says.lock().unwrap().membership_of_team.clone();
                        let is_known = membership != Value::Null;
                        let status = if is_known {
                            StatusCode::OK
                        } else {
                            StatusCode::NOT_FOUND
                        };
                        (status, Json(membership))
                    }),
                )
                .with_state(Arc::clone(&says));
        tokio::spawn(axum::serve(listener, router).into_future());
        let app = TestApp::start_with(|config| {
            config.access_url = Some("https://rollcall.example.com".parse().unwrap());
            config.github_client_id = Some("rollcall".to_owned());
            config.github_client_secret = Some(Secret::new("secret".to_owned()));
            config.github_url = address.parse().unwrap();
            config.github_api_url = address.parse().unwrap();
            config.github_allowed_orgs = vec!["example".to_owned()];
            config.github_allow_signups = true;
            change(config);
        })
        .await;
        app.owner().await;
        Self { app, says }
    }

    async fn sign_in(&self) -> Answer {
        let browser = self.app.anonymous();
        let start = browser.get(CALLBACK).await;
        assert_eq!(start.status, 307, "{start:?}");
        let location = url::Url::parse(start.header("location")).unwrap();
        assert!(location.path() == "/login/oauth/authorize", "{location}");
        assert!(
            location
                .query()
                .unwrap()
                .contains("code_challenge_method=S256")
        );
        let names = ["oauth_state", "oauth_redirect", "oauth_flow"];
        let cookies = names.map(|name| format!("{name}={}", cookie_set(&start, name).unwrap()));
        let state = cookie_set(&start, "oauth_state").unwrap();
        let path = format!("{CALLBACK}?code=abc&state={state}");
        let headers = [("Cookie", &*cookies.join("; "))];
        let method = axum::http::Method::GET;
        browser.send(method, &path, &headers, Vec::new()).await
    }

    fn says(&self, change: impl FnOnce(&mut Says)) {
        change(&mut self.says.lock().unwrap());
    }
}

async fn token() -> Json {
    Json(
        json!({ "access_token": "gho_abc", "token_type": "bearer", "scope": "read:org,read:user,user:email" }),
    )
}

#[tokio::test]
async fn a_member_of_an_allowed_organization_signs_up_and_is_found_by_number() {
    let github = GitHub::start(|_| {}).await;
    let answer = github.sign_in().await;
    assert_eq!(answer.status, 307, "{answer:?}");
    let mona = github.app.with_token(session(&answer).unwrap());
    let me = mona.get(ME).await.json;
    assert_eq!(me["username"], "mona-lisa");
    assert_eq!(me["login_type"], "github");
    assert_eq!(me["email"], "mona@example.com");
    let again = github.sign_in().await;
    let again = github
        .app
        .with_token(session(&again).unwrap())
        .get(ME)
        .await;
    assert_eq!(again.json["id"], me["id"]);
    // The number is one of github.com, and this is another server.
    let owner = github.app.sign_in("ada@example.com").await;
    let found = owner.get(&search("github_com_user_id:1234")).await;
    assert!(usernames(&found).is_empty());
}

#[tokio::test]
async fn whoever_is_no_active_member_stays_outside() {
    let github = GitHub::start(|_| {}).await;
    for memberships in [
        json!([]),
        json!([{ "state": "pending", "organization": { "login": "example" } }]),
        json!([{ "state": "active", "organization": { "login": "example-evil" } }]),
    ] {
        github.says(|says| says.memberships = memberships);
        let answer = github.sign_in().await;
        assert_refused(&answer, 401, "");
        assert_eq!(session(&answer), None);
    }
}

#[tokio::test]
async fn teams_are_asked_for_where_they_are_named() {
    let github = GitHub::start(|config| {
        config.github_allowed_teams = vec!["example/core".parse().unwrap()];
    })
    .await;
    assert_eq!(github.sign_in().await.status, 307);
    for membership in [json!({ "state": "pending" }), Value::Null] {
        github.says(|says| says.membership_of_team = membership);
        assert_refused(&github.sign_in().await, 401, "");
    }
}

#[tokio::test]
async fn an_address_that_is_not_primary_and_verified_is_none() {
    let github = GitHub::start(|_| {}).await;
    for emails in [
        json!([]),
        json!([{ "email": "mona@example.com", "primary": true, "verified": false }]),
        json!([{ "email": "mona@example.com", "primary": false, "verified": true }]),
    ] {
        github.says(|says| says.emails = emails);
        assert_refused(&github.sign_in().await, 400, "");
    }
}

#[tokio::test]
async fn another_account_with_the_same_address_is_not_let_in() {
    let github = GitHub::start(|_| {}).await;
    assert_eq!(github.sign_in().await.status, 307);
    github.says(|says| says.user["id"] = json!(99));
    assert_refused(&github.sign_in().await, 403, "not linked");
}

#[tokio::test]
async fn anybody_comes_in_where_everybody_may() {
    let github = GitHub::start(|config| {
        config.github_allowed_orgs = Vec::new();
        config.github_allow_everyone = true;
    })
    .await;
    github.says(|says| says.memberships = json!([]));
    assert_eq!(github.sign_in().await.status, 307);
}
