//! GitHub: who may come in by it, and as whom.

use std::sync::{Arc, Mutex};

use std::collections::BTreeMap;

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
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
    /// Pages of the addresses, of which each but the last names the next one.
    pages_of_emails: Vec<Value>,
    /// Where the next page is said to be, in place of here.
    next_page_at: Option<String>,
    /// Refuses a path, with this status, header and message.
    refuses: BTreeMap<&'static str, (u16, Option<&'static str>, &'static str)>,
    /// The value of that header.
    header_value: &'static str,
}

impl Default for Says {
    fn default() -> Self {
        Self {
            user: json!({ "id": 1234, "login": "mona_lisa", "name": "Mona", "avatar_url": "https://example.com/m.png" }),
            emails: json!([{ "email": "mona@example.com", "primary": true, "verified": true }]),
            memberships: json!([{ "state": "active", "organization": { "login": "Example" } }]),
            membership_of_team: json!({ "state": "active" }),
            pages_of_emails: Vec::new(),
            next_page_at: None,
            refuses: BTreeMap::new(),
            header_value: "0",
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
                .route("/user/emails", get(emails))
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
                .layer(middleware::from_fn_with_state(Arc::clone(&says), refuse))
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

async fn refuse(State(says): State<Spoken>, request: Request, next: Next) -> Response {
    let says = says.lock().unwrap().clone();
    let Some((status, header, message)) = says.refuses.get(request.uri().path()) else {
        return next.run(request).await;
    };
    let status = StatusCode::from_u16(*status).unwrap();
    let mut response = (status, Json(json!({ "message": message }))).into_response();
    if let Some(name) = header {
        let value = says.header_value.parse().unwrap();
        response.headers_mut().insert(*name, value);
    }
    response
}

async fn emails(State(says): State<Spoken>, request: Request) -> Response {
    let says = says.lock().unwrap().clone();
    if says.pages_of_emails.is_empty() {
        return Json(says.emails).into_response();
    }
    let query = request.uri().query().unwrap_or_default();
    let pairs: BTreeMap<_, _> = url::form_urlencoded::parse(query.as_bytes()).collect();
    assert_eq!(pairs["per_page"], "100");
    let page: usize = pairs.get("page").map_or(1, |page| page.parse().unwrap());
    let mut response = Json(says.pages_of_emails[page - 1].clone()).into_response();
    if page < says.pages_of_emails.len() {
        let here = "/user/emails".to_owned();
        let place = says.next_page_at.unwrap_or(here);
        let link = format!(
            "<{place}?per_page=100&page={}>; rel=\"next\", <{place}>; rel=\"last\"",
            page + 1
        );
        response.headers_mut().insert("link", link.parse().unwrap());
    }
    response
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

#[tokio::test]
async fn an_address_on_a_later_page_is_found() {
    let github = GitHub::start(|_| {}).await;
    let other = json!([{ "email": "old@example.com", "primary": false, "verified": true }]);
    let primary = json!([{ "email": "mona@example.com", "primary": true, "verified": true, "visibility": null }]);
    github.says(|says| says.pages_of_emails = vec![other.clone(), other.clone(), primary]);
    assert_eq!(github.sign_in().await.status, 307);
    // Pages have an end, and the token goes to GitHub alone.
    github.says(|says| says.pages_of_emails = vec![other.clone(); 50]);
    assert_refused(&github.sign_in().await, 400, "e-mail address");
    github.says(|says| says.next_page_at = Some("https://evil.example/user/emails".to_owned()));
    assert_refused(&github.sign_in().await, 500, "");
}

#[tokio::test]
async fn pages_are_followed_where_a_proxy_drops_the_header_that_names_them() {
    let github = GitHub::start(|_| {}).await;
    let member = |name: &str| json!({ "state": "active", "organization": { "login": name } });
    let full: Vec<Value> = (0..100)
        .map(|number| member(&format!("other-{number}")))
        .collect();
    github.says(|says| says.memberships = json!(full));
    // The same page again and again: not a member, after so many pages.
    assert_refused(&github.sign_in().await, 401, "");
}

#[tokio::test]
async fn what_github_refuses_has_a_reason_for_the_person() {
    let github = GitHub::start(|config| {
        config.github_allowed_teams = vec!["example/core".parse().unwrap()];
    })
    .await;
    let team = "/orgs/example/teams/core/memberships/mona_lisa";
    for (path, status, header, message, expected, words) in [
        ("/user/emails", 404, None, "Not Found", 403, "permissions"),
        (
            "/user/emails",
            403,
            None,
            "Resource not accessible by integration",
            403,
            "permissions",
        ),
        (
            "/user/memberships/orgs",
            403,
            None,
            "Resource protected by organization SAML enforcement.",
            403,
            "single sign-on",
        ),
        (
            "/user/memberships/orgs",
            403,
            None,
            "the `example` organization has enabled OAuth App access restrictions",
            403,
            "approve",
        ),
        (
            team,
            403,
            Some("x-ratelimit-remaining"),
            "API rate limit exceeded",
            503,
            "Try again",
        ),
        (team, 403, Some("x-github-sso"), "", 403, "single sign-on"),
        (
            "/user",
            429,
            Some("retry-after"),
            "Too many requests",
            503,
            "Try again",
        ),
        ("/user", 503, None, "", 503, "just now"),
        ("/user", 401, None, "Bad credentials", 500, ""),
        // Not to be a member is another thing than not to be shown it.
        (team, 404, None, "Not Found", 401, "no team"),
    ] {
        github.says(|says| says.refuses = [(path, (status, header, message))].into());
        let answer = github.sign_in().await;
        assert_refused(&answer, expected, words);
        assert_eq!(session(&answer), None);
        assert!(
            message.is_empty() || !answer.text.contains(message),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn the_wait_that_github_asks_for_is_passed_on() {
    let github = GitHub::start(|_| {}).await;
    for (status, value, expected) in [
        (429, "42", "42"),
        (403, "7", "7"),
        (429, "0", "1"),
        (429, "99999", "3600"),
        (429, "99999999999999999999", ""),
        (429, "Tue, 01 Dec 2026 12:00:00 GMT", ""),
        (429, "-5", ""),
    ] {
        github.says(|says| {
            says.refuses = [("/user", (status, Some("retry-after"), ""))].into();
            says.header_value = value;
        });
        let answer = github.sign_in().await;
        assert_refused(&answer, 503, "Try again");
        assert_eq!(answer.header("Retry-After"), expected, "{status} {value}");
    }
    github.says(|says| says.refuses = [("/user", (429, None, ""))].into());
    assert_eq!(github.sign_in().await.header("Retry-After"), "");
}

#[tokio::test]
async fn a_login_becomes_the_nearest_username() {
    let github = GitHub::start(|_| {}).await;
    let long = "a".repeat(39);
    for (id, (login, expected)) in [
        ("Chagui-", "Chagui"),
        (long.as_str(), &long[..32]),
        ("mona_acme", "mona-acme"),
        ("1984--x", "1984-x"),
    ]
    .into_iter()
    .enumerate()
    {
        github.says(|says| {
            says.user = json!({ "id": id, "login": login, "name": null });
            says.emails = json!([{ "email": format!("u{id}@example.com"), "primary": true, "verified": true }]);
        });
        let answer = github.sign_in().await;
        assert_eq!(answer.status, 307, "{login}: {answer:?}");
        let me = github
            .app
            .with_token(session(&answer).unwrap())
            .get(ME)
            .await;
        assert_eq!(me.json["username"], expected, "{login}");
    }
}

#[tokio::test]
async fn what_github_says_in_vain_does_not_matter() {
    let github = GitHub::start(|_| {}).await;
    github.says(|says| {
        says.user = json!({ "id": 7, "login": "mona", "name": null, "avatar_url": 7, "bio": {}, "plan": [1e300] });
        says.emails = json!([
            null, { "email": null, "primary": null, "verified": 1 }, 7,
            { "email": "mona@example.com", "primary": true, "verified": true, "visibility": null },
        ]);
        says.memberships = json!([
            { "state": null, "organization": null }, [],
            { "state": "active", "organization": { "login": "EXAMPLE", "id": null } },
        ]);
    });
    let answer = github.sign_in().await;
    assert_eq!(answer.status, 307, "{answer:?}");
    for user in [
        json!({ "login": "mona" }),
        json!({ "id": "7", "login": "mona" }),
        json!([]),
    ] {
        github.says(|says| says.user = user);
        assert_refused(&github.sign_in().await, 500, "");
    }
}
