//! Who sends as much as they can costs themselves refusals, and nobody else.

use std::net::SocketAddr;

use axum::{
    body::Body,
    extract::ConnectInfo,
    http::{Method, Request},
};
use chrono::TimeDelta;
use proptest::prelude::*;
use rollcall::{
    config::Config,
    http::{self, HttpService},
};
use rollcall_events::user::{LoginType, Scope};
use serde_json::json;
use tower::ServiceExt;

use crate::{
    given::{FIRST, LOGIN, LOGOUT, ME, USERS, member, session},
    support::{
        PASSWORD, TestApp,
        client::{Answer, Client},
    },
};

const LIMIT: u32 = 20;

/// A service behind a proxy: its callers have addresses.
async fn limited() -> TestApp {
    TestApp::start_with(|config: &mut Config| {
        config.api_rate_limit = LIMIT;
        config.login_rate_limit = LIMIT;
        config.trusted_proxies = "127.0.0.0/8".parse().into_iter().collect();
    })
    .await
}

async fn get_from(client: &Client, address: &str, path: &str) -> Answer {
    let headers = [("X-Forwarded-For", address)];
    client.send(Method::GET, path, &headers, Vec::new()).await
}

/// Sends requests without a token, as fast as it can.
struct Flood(HttpService);

impl Flood {
    fn new(app: &TestApp) -> Self {
        Self(http::service(app.app.clone()))
    }

    /// The status of the answer.
    async fn send(&self, address: &str, method: Method, path: &str) -> u16 {
        let proxy = ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 40_000)));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("X-Forwarded-For", address)
            .extension(proxy)
            .body(Body::empty())
            .unwrap();
        let response = self.0.clone().oneshot(request).await;
        response.unwrap().status().as_u16()
    }
}

/// What newcomers do, from an address that was not there before.
async fn newcomer_is_served(app: &TestApp, address: &str) {
    let anonymous = app.anonymous();
    for path in [
        FIRST,
        "/login",
        "/",
        "/healthz",
        "/readyz",
        "/api/v2/buildinfo",
    ] {
        let answer = get_from(&anonymous, address, path).await;
        assert!(answer.status < 400, "{path} from {address}: {answer:?}");
    }
    let body = json!({ "email": "ada@example.com", "password": PASSWORD }).to_string();
    let headers = [("X-Forwarded-For", address)];
    let signed_in = anonymous
        .send(Method::POST, LOGIN, &headers, body.into_bytes())
        .await;
    assert_eq!(signed_in.status, 201, "{address}: {signed_in:?}");
}

/// A path that nobody has asked for before, in the API, beside it, or with a name in it.
fn made_up(nth: u32) -> String {
    match nth % 5 {
        0 => format!("/api/v2/nowhere/{nth}"),
        1 => format!("/nowhere-{nth}"),
        2 => format!("/api/v2/users/made-up-{nth}"),
        3 => format!("/api/v3/%6e{nth}/"),
        _ => format!("/api/v2/organizations/o{nth}/members/m{nth}"),
    }
}

#[tokio::test]
async fn made_up_paths_share_one_budget_and_keep_no_newcomer_out() {
    let app = limited().await;
    app.owner().await;
    app.pass(TimeDelta::minutes(2));
    let flood = Flood::new(&app);
    let mut answered = 0;
    for nth in 0..2_000 {
        let status = flood.send("203.0.113.7", Method::GET, &made_up(nth)).await;
        answered += u32::from(status != 429);
    }
    // Those without a route, and two routes.
    assert_eq!(answered, 3 * LIMIT);
    for newcomer in ["203.0.113.8", "198.51.100.1", "2001:db8::1"] {
        newcomer_is_served(&app, newcomer).await;
    }
}

#[tokio::test]
async fn every_spelling_of_a_user_is_one_budget() {
    let app = limited().await;
    let owner = app.owner().await;
    let (id, bob) = member(&app, &owner, "bob").await;
    app.pass(TimeDelta::minutes(2));
    let spellings = [
        "me".to_owned(),
        "bob".to_owned(),
        "BOB".to_owned(),
        "%62ob".to_owned(),
        id.to_string(),
        id.to_string().to_uppercase(),
        "/bob/".to_owned(),
    ];
    let mut answered = 0;
    for nth in 0..100 {
        let spelling = &spellings[nth % spellings.len()];
        let answer = bob.get(&format!("{USERS}/{spelling}")).await;
        answered += u32::from(answer.status != 429);
    }
    assert_eq!(answered, LIMIT);
}

#[tokio::test]
async fn a_refused_request_asks_the_database_nothing() {
    let app = limited().await;
    let owner = app.owner().await;
    assert_eq!(owner.get(ME).await.status, 200);
    app.pass(TimeDelta::minutes(2));
    let unknown = |nth: u32| app.with_token(&format!("{nth:010}-{nth:022}"));
    for nth in 0..LIMIT {
        assert_eq!(owner.get(ME).await.status, 200);
        let refused = get_from(&unknown(nth), "203.0.113.7", USERS).await;
        assert_eq!(refused.status, 401);
        assert_eq!(app.anonymous().get(FIRST).await.status, 200);
    }
    // Whoever asks now is told that it does not answer.
    app.pool().close().await;
    assert_eq!(owner.get(ME).await.status, 429);
    assert_eq!(app.anonymous().get(FIRST).await.status, 429);
    for (address, path) in [("203.0.113.7", USERS), ("203.0.113.99", ME)] {
        let refused = get_from(&unknown(1_000), address, path).await;
        assert_eq!(refused.status, 429, "{address}");
    }
    let elsewhere = get_from(&unknown(1_000), "198.51.100.1", ME).await;
    assert_eq!(elsewhere.status, 503);
}

#[tokio::test]
async fn bad_tokens_of_a_network_keep_no_good_token_out() {
    let app = limited().await;
    let owner = app.owner().await;
    assert_eq!(get_from(&owner, "203.0.113.7", ME).await.status, 200);
    for nth in 0..2 * LIMIT {
        let unknown = app.with_token(&format!("{nth:010}-{nth:022}"));
        get_from(&unknown, "203.0.113.9", USERS).await;
    }
    assert_eq!(get_from(&owner, "203.0.113.7", ME).await.status, 200);
    newcomer_is_served(&app, "203.0.113.8").await;
}

#[tokio::test]
async fn good_tokens_use_up_nothing_of_their_network() {
    let app = limited().await;
    let owner = app.owner().await;
    for nth in 0..2 * LIMIT {
        let name = format!("user{nth}");
        let id = app.user(&owner, &name).await;
        let user = session(&app, id, LoginType::Password, Scope::All).await;
        assert_eq!(get_from(&user, "203.0.113.7", ME).await.status, 200);
        app.pass(TimeDelta::seconds(5));
    }
}

#[tokio::test]
async fn who_holds_a_token_that_was_revoked_uses_up_nothing_of_its_user() {
    let app = limited().await;
    let owner = app.owner().await;
    let stolen = app.sign_in("ada@example.com").await;
    assert_eq!(stolen.get(ME).await.status, 200);
    assert_eq!(stolen.post(LOGOUT, &json!({})).await.status, 200);
    app.pass(TimeDelta::minutes(2));
    for _ in 0..3 * LIMIT {
        let refused = get_from(&stolen, "203.0.113.7", ME).await;
        assert!([401, 429].contains(&refused.status));
    }
    let served = owner.get(ME).await;
    let remaining: u32 = served.header("X-RateLimit-Remaining").parse().unwrap();
    assert_eq!(served.status, 200);
    assert!(remaining >= LIMIT - 3, "{remaining}");
}

#[tokio::test]
async fn who_asks_for_no_limits_and_may_not_is_limited() {
    let app = limited().await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    app.pass(TimeDelta::minutes(2));
    for client in [
        app.anonymous(),
        bob,
        app.with_token("0123456789-0123456789012345678901"),
    ] {
        let mut statuses = Vec::new();
        for _ in 0..2 * LIMIT {
            let headers = [
                ("X-Coder-Bypass-Ratelimit", "true"),
                ("X-Forwarded-For", "203.0.113.7"),
            ];
            let answer = client.send(Method::GET, ME, &headers, Vec::new()).await;
            statuses.push(answer.status);
        }
        statuses.dedup();
        assert!(
            [&[428, 429][..], &[429]].contains(&&*statuses),
            "{statuses:?}"
        );
    }
}

#[tokio::test]
async fn a_header_that_cannot_be_read_is_limited_too_and_leaves_the_probes_alone() {
    let app = limited().await;
    let anonymous = app.anonymous();
    for _ in 0..LIMIT {
        assert_eq!(get_from(&anonymous, "nonsense", FIRST).await.status, 400);
    }
    for path in [FIRST, LOGIN, "/", "/nowhere"] {
        assert_eq!(
            get_from(&anonymous, "nonsense", path).await.status,
            429,
            "{path}"
        );
    }
    for path in ["/healthz", "/readyz"] {
        for _ in 0..2 * LIMIT {
            assert_eq!(get_from(&anonymous, "nonsense", path).await.status, 200);
        }
    }
    let address = "203.0.113.7:51234";
    assert_eq!(get_from(&anonymous, address, FIRST).await.status, 404);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    /// Whatever one address asks for, another one is served.
    #[test]
    fn whatever_one_address_asks_for_another_one_is_served(
        paths in proptest::collection::vec("(/api/v2)?(/users|/login|/organizations|/x)?(/[a-z%./]{0,8})?", 50..200),
        method in prop::sample::select(vec![Method::GET, Method::POST, Method::DELETE, Method::HEAD]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let app = limited().await;
            app.owner().await;
            let flood = Flood::new(&app);
            for path in paths.iter().filter(|path| path.parse::<axum::http::Uri>().is_ok()) {
                for _ in 0..3 {
                    flood.send("203.0.113.7", method.clone(), path).await;
                }
            }
            newcomer_is_served(&app, "203.0.113.8").await;
        });
    }
}
