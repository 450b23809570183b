//! How many requests somebody may send. The clock stands until a test moves it, at the beginning of a minute.

use axum::http::Method;
use chrono::TimeDelta;
use rollcall::config::Config;
use rollcall_events::user::{LoginType, Role, Scope, UserCommand};
use serde_json::json;

use crate::{
    given::{
        FIRST, LOGIN, LOGOUT, ME, USERS, assert_refused, member, post_raw, session, with_role,
    },
    support::{
        TestApp, beginning,
        client::{Answer, Client},
    },
};

const BYPASS: &str = "X-Coder-Bypass-Ratelimit";
const BUILD_INFO: &str = "/api/v2/buildinfo";
const GITHUB: &str = "/api/v2/users/oauth2/github/callback";
const OIDC: &str = "/api/v2/users/oidc/callback";

/// A service with these limits.
async fn limited(api: u32, login: u32) -> TestApp {
    TestApp::start_with(|config| set(config, api, login)).await
}

/// The same, behind a proxy: its callers have addresses.
async fn limited_behind_a_proxy(api: u32, login: u32) -> TestApp {
    TestApp::start_with(|config| {
        set(config, api, login);
        config.trusted_proxies = "127.0.0.0/8".parse().into_iter().collect();
    })
    .await
}

fn set(config: &mut Config, api: u32, login: u32) {
    config.api_rate_limit = api;
    config.login_rate_limit = login;
}

/// Lets so much time pass that whatever was done before counts no more.
fn forget_what_was(app: &TestApp) {
    app.pass(TimeDelta::minutes(2));
}

/// How many of so many requests are answered, and not refused because of a limit.
async fn answered(tries: u32, request: impl AsyncFn() -> Answer) -> u32 {
    let mut answered = 0;
    for _ in 0..tries {
        answered += u32::from(request().await.status != 429);
    }
    answered
}

/// A request from an address, which the proxy tells.
async fn get_from(client: &Client, address: &str, path: &str) -> Answer {
    let headers = [("X-Forwarded-For", address)];
    client.send(Method::GET, path, &headers, Vec::new()).await
}

async fn get_with_bypass(client: &Client, path: &str, value: &str) -> Answer {
    let headers = [(BYPASS, value)];
    client.send(Method::GET, path, &headers, Vec::new()).await
}

async fn sign_in_wrongly(client: &Client, email: &str) -> Answer {
    let wish = json!({ "email": email, "password": "wrong" });
    client.post(LOGIN, &wish).await
}

async fn change_password_wrongly(client: &Client, path: &str) -> Answer {
    let wish = json!({ "old_password": "wrong", "password": "purple monkey dishwasher" });
    let body = wish.to_string().into_bytes();
    client.send(Method::PUT, path, &[], body).await
}

/// What an answer says of the limit: how many there may be, how many more, and when the window ends.
fn told(answer: &Answer) -> [&str; 3] {
    ["limit", "remaining", "reset"].map(|what| answer.header(&format!("X-RateLimit-{what}")))
}

#[tokio::test]
async fn every_answer_tells_how_many_more_and_one_too_many_is_refused() {
    let app = limited(3, 0).await;
    let owner = app.owner().await;
    forget_what_was(&app);
    app.pass(TimeDelta::seconds(20));
    let end = (beginning() + TimeDelta::minutes(3))
        .timestamp()
        .to_string();
    for remaining in ["2", "1", "0"] {
        let answer = owner.get(ME).await;
        assert_eq!(answer.status, 200);
        assert_eq!(told(&answer), ["3", remaining, &end]);
        assert_eq!(answer.header("Retry-After"), "");
    }
    let refused = owner.get(ME).await;
    assert_refused(&refused, 429, "More than 3 requests in 60 seconds");
    assert_eq!(told(&refused), ["3", "0", &end]);
    assert_eq!(refused.header("Retry-After"), "60");
    assert!(!refused.header("X-Coder-Build-Version").is_empty());
    assert!(!refused.header("X-Coder-Request-Id").is_empty());
}

#[tokio::test]
async fn the_last_minute_counts_for_its_remaining_share() {
    let app = limited(4, 0).await;
    let owner = app.owner().await;
    forget_what_was(&app);
    assert_eq!(answered(9, async || owner.get(ME).await).await, 4);
    for (seconds, more) in [
        (60, 0),
        (15, 1),
        (15, 1),
        (29, 1),
        (1, 1),
        (60, 3),
        (120, 4),
    ] {
        app.pass(TimeDelta::seconds(seconds));
        let more_of_it = answered(9, async || owner.get(ME).await).await;
        assert_eq!(more_of_it, more, "after {seconds} s more");
    }
}

#[tokio::test]
async fn callers_do_not_share_and_the_sessions_of_one_do() {
    let app = limited(3, 0).await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    let again = app.sign_in("ada@example.com").await;
    forget_what_was(&app);
    let anonymous = app.anonymous();
    assert_eq!(answered(1, async || owner.get(ME).await).await, 1);
    assert_eq!(answered(9, async || again.get(ME).await).await, 2);
    assert_eq!(answered(9, async || bob.get(ME).await).await, 3);
    assert_eq!(answered(9, async || anonymous.get(ME).await).await, 3);
}

#[tokio::test]
async fn routes_do_not_share_and_all_paths_of_a_route_do() {
    let app = limited(2, 0).await;
    let owner = app.owner().await;
    forget_what_was(&app);
    let ada = owner.get(ME).await.json["id"]
        .as_str()
        .unwrap()
        .to_uppercase();
    forget_what_was(&app);
    for (path, more) in [
        (ME, 2),
        ("/api/v2/users/ada", 0),
        ("/api/v2/users/%41da", 0),
        (&format!("/api/v2/users/{ada}"), 0),
        ("/api/v2/users/bob", 2),
        ("/api/v2/users/BOB", 0),
        ("/api/v2/users/%62ob", 0),
        (USERS, 2),
        (BUILD_INFO, 2),
        ("/api/v2/nowhere", 2),
        ("/api/v2/elsewhere", 0),
    ] {
        let of_it = answered(9, async || owner.get(path).await).await;
        assert_eq!(of_it, more, "{path}");
    }
}

#[tokio::test]
async fn a_user_who_reads_others_one_by_one_has_a_limit_for_all_of_them_too() {
    let app = limited(2, 0).await;
    let owner = app.owner().await;
    forget_what_was(&app);
    for nth in 0..40 {
        let answer = owner.get(&format!("/api/v2/users/nobody-{nth}")).await;
        assert_eq!(answer.status, if nth < 32 { 404 } else { 429 }, "{nth}");
    }
}

#[tokio::test]
async fn another_spelling_or_query_or_method_is_the_same_path() {
    let app = limited(7, 0).await;
    let owner = app.owner().await;
    forget_what_was(&app);
    for path in [
        USERS,
        "//api/v2/users",
        "/api//v2///users",
        "/api/v2/users/",
        "/api/v2/users?limit=1",
    ] {
        assert_eq!(owner.get(path).await.status, 200, "{path}");
    }
    for method in [Method::HEAD, Method::DELETE] {
        let answer = owner.send(method, USERS, &[], Vec::new()).await;
        assert_ne!(answer.status, 429);
    }
    assert_eq!(owner.get(USERS).await.status, 429);
    assert_eq!(post_raw(&owner, USERS, b"{}").await.status, 429);
}

#[tokio::test]
async fn strangers_are_told_apart_by_their_address_and_in_ipv6_by_their_network() {
    let app = limited_behind_a_proxy(2, 0).await;
    let anonymous = app.anonymous();
    for (address, more) in [
        ("203.0.113.7", 2),
        ("203.0.113.8", 2),
        ("2001:db8:1:2::1", 2),
        ("2001:db8:1:2:ffff::1", 0),
        ("2001:db8:1:3::1", 2),
        ("::ffff:203.0.113.7", 0),
        ("::ffff:203.0.113.9", 2),
        ("6.6.6.6, 203.0.113.7", 0),
    ] {
        let of_it = answered(9, async || get_from(&anonymous, address, BUILD_INFO).await).await;
        assert_eq!(of_it, more, "{address}");
    }
}

#[tokio::test]
async fn nobody_gets_another_address_by_claiming_one() {
    let app = limited(2, 2).await;
    let anonymous = app.anonymous();
    for (address, more) in [("203.0.113.7", 2), ("203.0.113.8", 0)] {
        let of_it = answered(9, async || get_from(&anonymous, address, BUILD_INFO).await).await;
        assert_eq!(of_it, more, "{address}");
    }
}

#[tokio::test]
async fn a_user_is_the_same_from_every_address() {
    let app = limited_behind_a_proxy(2, 0).await;
    let owner = app.owner().await;
    forget_what_was(&app);
    assert_eq!(get_from(&owner, "203.0.113.7", ME).await.status, 200);
    assert_eq!(get_from(&owner, "203.0.113.8", ME).await.status, 200);
    assert_eq!(get_from(&owner, "203.0.113.9", ME).await.status, 429);
}

#[tokio::test]
async fn a_token_that_is_not_good_makes_nobody_a_caller_of_their_own() {
    let app = limited(5, 0).await;
    let owner = app.owner().await;
    let (_, signed_out) = member(&app, &owner, "gone").await;
    signed_out.post(LOGOUT, &json!({})).await;
    let (_, expired) = member(&app, &owner, "expired").await;
    app.pass(TimeDelta::hours(25));
    let (id, _) = owner.token().split_once('-').unwrap();
    let wrong_secret = format!("{id}-0000000000000000000000");
    for client in [
        app.anonymous(),
        app.with_token("garbage"),
        app.with_token(&wrong_secret),
        signed_out,
        expired,
    ] {
        assert_eq!(client.get(ME).await.status, 401);
    }
    for client in [app.anonymous(), app.with_token("other garbage")] {
        assert_eq!(client.get(ME).await.status, 429);
    }
}

#[tokio::test]
async fn a_token_that_cannot_be_looked_up_closes_no_open_route() {
    let app = limited(2, 0).await;
    let owner = app.owner().await;
    forget_what_was(&app);
    app.pool().close().await;
    let answer = owner.get(BUILD_INFO).await;
    assert_eq!((answer.status, told(&answer)[1]), (200, "1"), "{answer:?}");
    assert_eq!(app.anonymous().get(BUILD_INFO).await.status, 200);
    assert_eq!(app.anonymous().get(BUILD_INFO).await.status, 429);
}

#[tokio::test]
async fn signing_in_counts_before_it_is_known_whose_address_was_given() {
    let app = limited(0, 4).await;
    app.owner().await;
    forget_what_was(&app);
    let anonymous = app.anonymous();
    let mut remaining = Vec::new();
    for answer in [
        sign_in_wrongly(&anonymous, "nobody@example.com").await,
        sign_in_wrongly(&anonymous, "ada@example.com").await,
        sign_in_wrongly(&anonymous, "no address").await,
        post_raw(&anonymous, LOGIN, b"no JSON").await,
    ] {
        assert_ne!(answer.status, 429, "{answer:?}");
        assert_eq!(told(&answer)[0], "4");
        remaining.push(told(&answer)[1].to_owned());
    }
    assert_eq!(remaining, ["3", "2", "1", "0"]);
    let refused = [
        sign_in_wrongly(&anonymous, "ada@example.com").await,
        sign_in_wrongly(&anonymous, "nobody@example.com").await,
        post_raw(&anonymous, LOGIN, b"no JSON").await,
    ];
    for answer in &refused {
        assert_refused(answer, 429, "More than 4 requests in 60 seconds");
        assert_eq!(answer.text, refused[0].text);
        assert_eq!(told(answer), told(&refused[0]));
        assert_eq!(answer.header("Retry-After"), "60");
    }
}

#[tokio::test]
async fn the_right_password_counts_like_a_wrong_one() {
    let app = limited(0, 2).await;
    app.owner().await;
    forget_what_was(&app);
    app.sign_in("ada@example.com").await;
    app.sign_in("ada@example.com").await;
    let answer = sign_in_wrongly(&app.anonymous(), "ada@example.com").await;
    assert_eq!(answer.status, 429);
}

#[tokio::test]
async fn another_spelling_of_the_path_is_no_further_try_to_sign_in() {
    let app = limited(0, 3).await;
    let anonymous = app.anonymous();
    for path in ["//api/v2//users//login", "/api/v2/users/login/", LOGIN] {
        assert_ne!(
            post_raw(&anonymous, path, b"{}").await.status,
            429,
            "{path}"
        );
    }
    for path in [LOGIN, "//api/v2//users//login"] {
        assert_eq!(
            post_raw(&anonymous, path, b"{}").await.status,
            429,
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_good_token_is_no_further_address_to_sign_in_from() {
    let app = limited(0, 3).await;
    let owner = app.owner().await;
    forget_what_was(&app);
    for client in [&app.anonymous(), &owner, &app.anonymous()] {
        let answer = sign_in_wrongly(client, "bob@example.com").await;
        assert_eq!(answer.status, 401);
    }
    let answer = sign_in_wrongly(&owner, "bob@example.com").await;
    assert_eq!(answer.status, 429);
}

#[tokio::test]
async fn many_addresses_are_no_further_users_to_sign_in_as() {
    let app = limited_behind_a_proxy(0, 2).await;
    let owner = app.owner().await;
    forget_what_was(&app);
    for (address, status) in [
        ("203.0.113.7", 401),
        ("203.0.113.8", 401),
        ("203.0.113.9", 429),
    ] {
        let wish = json!({ "email": "ada@example.com", "password": "wrong" });
        let headers = [("X-Forwarded-For", address)];
        let body = wish.to_string().into_bytes();
        let answer = owner.send(Method::POST, LOGIN, &headers, body).await;
        assert_eq!(answer.status, status, "{address}");
    }
}

#[tokio::test]
async fn the_callbacks_of_providers_count_with_signing_in() {
    let app = limited(0, 4).await;
    let anonymous = app.anonymous();
    assert_eq!(
        sign_in_wrongly(&anonymous, "a@example.com").await.status,
        401
    );
    assert_eq!(anonymous.get(GITHUB).await.status, 400);
    assert_eq!(anonymous.get(OIDC).await.status, 400);
    let head = anonymous.send(Method::HEAD, OIDC, &[], Vec::new()).await;
    assert_eq!(head.status, 400);
    assert_eq!(
        sign_in_wrongly(&anonymous, "a@example.com").await.status,
        429
    );
    assert_eq!(anonymous.get(GITHUB).await.status, 429);
    assert_eq!(anonymous.get(OIDC).await.status, 429);
}

/// Elsewhere one way of proving a password was not counted, or its failures were forgotten with the transaction that
/// failed: whoever guesses went that way.
#[tokio::test]
async fn failures_of_every_way_of_proving_a_password_count_on_one_limiter() {
    let app = limited(0, 6).await;
    let owner = app.owner().await;
    let (id, bob) = member(&app, &owner, "bob").await;
    forget_what_was(&app);
    let paths = [
        "/api/v2/users/me/password".to_owned(),
        "/api/v2/users/bob/password".to_owned(),
        format!("/api/v2/users/{id}/password"),
    ];
    for path in &paths {
        assert_eq!(change_password_wrongly(&bob, path).await.status, 400);
        let answer = sign_in_wrongly(&app.anonymous(), "bob@example.com").await;
        assert_eq!(answer.status, 401);
    }
    for path in &paths {
        assert_eq!(change_password_wrongly(&bob, path).await.status, 429);
    }
    let answer = sign_in_wrongly(&app.anonymous(), "bob@example.com").await;
    assert_eq!(answer.status, 429);
    assert_eq!(bob.get(ME).await.status, 200);
}

#[tokio::test]
async fn the_limit_of_signing_in_concerns_nothing_else() {
    let app = limited(9, 1).await;
    let owner = app.owner().await;
    assert_eq!(sign_in_wrongly(&owner, "ada@example.com").await.status, 429);
    let answer = owner.get(ME).await;
    assert_eq!((answer.status, told(&answer)[0]), (200, "9"));
    assert_eq!(app.anonymous().get(FIRST).await.status, 200);
}

#[tokio::test]
async fn of_two_limits_the_one_that_leaves_less_is_told() {
    for (api, login, limit) in [(9, 3, "3"), (3, 9, "3")] {
        let app = limited(api, login).await;
        let answer = sign_in_wrongly(&app.anonymous(), "a@example.com").await;
        assert_eq!(told(&answer)[..2], [limit, "2"]);
        for _ in 0..2 {
            sign_in_wrongly(&app.anonymous(), "a@example.com").await;
        }
        let answer = sign_in_wrongly(&app.anonymous(), "a@example.com").await;
        assert_eq!((answer.status, told(&answer)[0]), (429, limit));
    }
}

#[tokio::test]
async fn a_limit_of_0_is_none() {
    let app = limited(0, 0).await;
    let owner = app.owner().await;
    for answer in [
        owner.get(ME).await,
        sign_in_wrongly(&app.anonymous(), "ada@example.com").await,
    ] {
        assert_eq!(told(&answer), ["", "", ""]);
    }
    assert_eq!(
        answered(600, async || app.anonymous().get(BUILD_INFO).await).await,
        600
    );
}

#[tokio::test]
async fn probes_have_no_limit_and_everything_else_has() {
    let app = limited(1, 1).await;
    for path in ["/healthz", "/readyz"] {
        for _ in 0..3 {
            let answer = app.anonymous().get(path).await;
            assert_eq!(answer.status, 200, "{path}");
            assert_eq!(told(&answer), ["", "", ""], "{path}");
        }
    }
    for (path, more) in [
        ("/nowhere", 1),
        ("/api/v20", 0),
        ("/docs", 1),
        ("/openapi.json", 1),
    ] {
        let of_it = answered(3, async || app.anonymous().get(path).await).await;
        assert_eq!(of_it, more, "{path}");
    }
}

#[tokio::test]
async fn owners_may_send_as_many_requests_as_they_like_if_they_say_so() {
    let app = limited(1, 1).await;
    let owner = app.owner().await;
    for value in ["true", "TRUE", "True", "t", "T", "1"] {
        let answer = get_with_bypass(&owner, ME, value).await;
        assert_eq!(answer.status, 200, "{value}");
        assert_eq!(told(&answer), ["", "", ""]);
    }
    assert_eq!(owner.get(ME).await.status, 200, "none of these counted");
    assert_eq!(owner.get(ME).await.status, 429);
    for value in ["false", "0", "yes", ""] {
        let answer = get_with_bypass(&owner, ME, value).await;
        assert_eq!(answer.status, 429, "{value}");
    }
    assert_eq!(get_with_bypass(&owner, ME, "true").await.status, 200);
}

#[tokio::test]
async fn nobody_else_may_ask_for_that_and_they_are_told_in_plain_text() {
    let app = limited(9, 9).await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    let admin = with_role(&app, &owner, "admin", Role::UserAdmin).await;
    let (id, boss) = member(&app, &owner, "boss").await;
    app.command(id, UserCommand::SuspendUser).await;
    let roles = UserCommand::AssignRoles {
        roles: [Role::Owner].into(),
        tokens_end_by: None,
    };
    app.command(id, roles).await;
    let for_apps = {
        let ada = owner.get(ME).await.json["id"].as_str().unwrap().parse();
        session(
            &app,
            ada.unwrap(),
            LoginType::Password,
            Scope::ApplicationConnect,
        )
        .await
    };
    for (who, client) in [
        ("a member", bob),
        ("a user admin", admin),
        ("a suspended owner", boss),
        ("an owner's token for applications", for_apps),
        ("nobody", app.anonymous()),
        (
            "an unknown token",
            app.with_token("0123456789-0123456789012345678901"),
        ),
    ] {
        for path in [ME, BUILD_INFO, "/api/v2/nowhere"] {
            let refused = get_with_bypass(&client, path, "true").await;
            assert_eq!(refused.status, 428, "{who}: {refused:?}");
            assert!(refused.header("content-type").starts_with("text/plain"));
            assert!(refused.text.contains(BYPASS), "{refused:?}");
        }
        let ignored = get_with_bypass(&client, ME, "false").await;
        assert_ne!(ignored.status, 428, "{who}");
    }
}
