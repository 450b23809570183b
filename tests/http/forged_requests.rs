//! Changes that come with a session's cookie must prove that our own page asked for them.

use axum::http::Method;
use serde_json::json;

use crate::{
    given::{FIRST, LOGIN, LOGOUT, ME, USERS, cookie_set, wish},
    support::{PASSWORD, TestApp, client::Answer},
};

/// A browser: it sends its cookies whether a page wants it or not.
struct Browser<'a> {
    app: &'a TestApp,
    session: String,
    proof: String,
}

impl<'a> Browser<'a> {
    async fn sign_in(app: &'a TestApp) -> Self {
        app.owner().await;
        let body = json!({ "email": "ada@example.com", "password": PASSWORD });
        let answer = app.anonymous().post(LOGIN, &body).await;
        let cookie = |name| cookie_set(&answer, name).unwrap_or_default().to_owned();
        Self {
            app,
            session: cookie("coder_session_token"),
            proof: cookie("csrf_token"),
        }
    }

    async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        let cookie = format!("coder_session_token={}", self.session);
        let mut headers = headers.to_vec();
        headers.push(("Cookie", &cookie));
        self.app
            .anonymous()
            .send(method, path, &headers, b"{}".to_vec())
            .await
    }

    /// Signs out, with these headers.
    async fn sign_out(&self, headers: &[(&str, &str)]) -> u16 {
        self.send(Method::POST, LOGOUT, headers).await.status
    }
}

#[tokio::test]
async fn a_change_with_nothing_but_the_cookie_is_refused_and_not_made() {
    let app = TestApp::start().await;
    let browser = Browser::sign_in(&app).await;
    let answer = browser.send(Method::POST, LOGOUT, &[]).await;
    assert_eq!(answer.status, 400);
    assert!(answer.header("content-type").starts_with("text/plain"));
    assert!(!answer.header("x-coder-build-version").is_empty());
    assert!(!answer.header("x-coder-request-id").is_empty());
    assert_eq!(browser.send(Method::GET, ME, &[]).await.status, 200);
}

#[tokio::test]
async fn no_user_is_created_by_a_forged_request() {
    let app = TestApp::start().await;
    let browser = Browser::sign_in(&app).await;
    let cookie = format!("coder_session_token={}", browser.session);
    let body = serde_json::to_vec(&wish(&app, "eve")).unwrap();
    let answer = app
        .anonymous()
        .send(Method::POST, USERS, &[("Cookie", &cookie)], body)
        .await;
    assert_eq!(answer.status, 400);
    let list = browser.send(Method::GET, USERS, &[]).await;
    assert_eq!(list.json["count"], 1);
}

#[tokio::test]
async fn every_method_that_changes_something_needs_a_proof_on_any_path() {
    let app = TestApp::start().await;
    let browser = Browser::sign_in(&app).await;
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        for path in [USERS, ME, "/api/v2/nowhere", "//api//v2//users/logout/"] {
            let answer = browser.send(method.clone(), path, &[]).await;
            assert_eq!(answer.status, 400, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn the_proof_in_its_header_is_enough() {
    let app = TestApp::start().await;
    let browser = Browser::sign_in(&app).await;
    assert_eq!(
        browser.sign_out(&[("X-CSRF-TOKEN", &browser.proof)]).await,
        200
    );
}

#[tokio::test]
async fn the_proof_of_another_session_and_a_made_up_one_are_not() {
    let app = TestApp::start().await;
    let browser = Browser::sign_in(&app).await;
    let other = Browser::sign_in(&app).await;
    assert_ne!(browser.proof, other.proof);
    for proof in [other.proof.as_str(), "", "made-up", &browser.session] {
        assert_eq!(browser.sign_out(&[("X-CSRF-TOKEN", proof)]).await, 400);
    }
}

#[tokio::test]
async fn the_proof_in_its_cookie_alone_is_not_enough() {
    let app = TestApp::start().await;
    let browser = Browser::sign_in(&app).await;
    let cookies = format!("csrf_token={}", browser.proof);
    assert_eq!(browser.sign_out(&[("Cookie", &cookies)]).await, 400);
}

#[tokio::test]
async fn the_token_of_the_cookie_in_the_header_is_enough_and_another_is_not() {
    let app = TestApp::start().await;
    let browser = Browser::sign_in(&app).await;
    let other = Browser::sign_in(&app).await;
    for (token, status) in [(&other.session, 400), (&browser.session, 200)] {
        assert_eq!(
            browser.sign_out(&[("Coder-Session-Token", token)]).await,
            status
        );
    }
}

#[tokio::test]
async fn the_token_of_the_cookie_in_the_query_is_enough_and_another_is_not() {
    let app = TestApp::start().await;
    let browser = Browser::sign_in(&app).await;
    let other = Browser::sign_in(&app).await;
    for (token, status) in [(&other.session, 400), (&browser.session, 200)] {
        let path = format!("{LOGOUT}?coder_session_token={token}");
        let answer = browser.send(Method::POST, &path, &[]).await;
        assert_eq!(answer.status, status);
    }
}

#[tokio::test]
async fn any_bearer_is_enough_as_no_page_of_others_can_send_one() {
    let app = TestApp::start().await;
    let browser = Browser::sign_in(&app).await;
    for (header, status) in [("Basic YTpi", 400), ("Bearer ", 400), ("bearer any", 200)] {
        let answer = browser.sign_out(&[("Authorization", header)]).await;
        assert_eq!(answer, status, "{header}");
    }
}

#[tokio::test]
async fn reading_needs_no_proof() {
    let app = TestApp::start().await;
    let browser = Browser::sign_in(&app).await;
    for path in [ME, USERS, FIRST] {
        assert_eq!(browser.send(Method::GET, path, &[]).await.status, 200);
    }
}

#[tokio::test]
async fn who_sends_no_cookie_needs_no_proof() {
    let app = TestApp::start().await;
    let browser = Browser::sign_in(&app).await;
    let header = app.with_token(&browser.session);
    assert_eq!(header.post(LOGOUT, &json!({})).await.status, 200);
}

#[tokio::test]
async fn an_empty_cookie_is_no_session_and_needs_no_proof() {
    let app = TestApp::start().await;
    let answer = app
        .owner()
        .await
        .send(
            Method::POST,
            LOGOUT,
            &[("Cookie", "coder_session_token=")],
            Vec::new(),
        )
        .await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn the_first_user_needs_no_proof() {
    let app = TestApp::start().await;
    let browser = Browser::sign_in(&app).await;
    let answer = browser.send(Method::POST, FIRST, &[]).await;
    assert!(
        answer
            .header("content-type")
            .starts_with("application/json"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn signing_in_over_an_old_session_needs_its_proof() {
    let app = TestApp::start().await;
    let browser = Browser::sign_in(&app).await;
    let cookie = format!("coder_session_token={}", browser.session);
    let body = json!({ "email": "ada@example.com", "password": PASSWORD });
    let body = serde_json::to_vec(&body).unwrap();
    for (proof, status) in [("", 400), (browser.proof.as_str(), 201)] {
        let headers = [("Cookie", cookie.as_str()), ("X-CSRF-TOKEN", proof)];
        let anonymous = app.anonymous();
        let answer = anonymous
            .send(Method::POST, LOGIN, &headers, body.clone())
            .await;
        assert_eq!(answer.status, status);
    }
}

#[tokio::test]
async fn a_browser_without_its_proof_is_handed_it_with_any_answer() {
    let app = TestApp::start().await;
    let browser = Browser::sign_in(&app).await;
    let answer = browser.send(Method::GET, ME, &[]).await;
    assert_eq!(cookie_set(&answer, "csrf_token"), Some(&*browser.proof));
    let cookies = format!(
        "coder_session_token={}; csrf_token={}",
        browser.session, browser.proof
    );
    let again = app
        .anonymous()
        .send(Method::GET, ME, &[("Cookie", &cookies)], Vec::new())
        .await;
    assert_eq!(again.cookies(), Vec::<&str>::new());
}

#[tokio::test]
async fn pages_may_read_the_proof_and_not_the_session() {
    let app = TestApp::start().await;
    app.owner().await;
    let body = json!({ "email": "ada@example.com", "password": PASSWORD });
    let answer = app.anonymous().post(LOGIN, &body).await;
    for cookie in answer.cookies() {
        let is_hidden = cookie.contains("HttpOnly");
        assert_eq!(is_hidden, !cookie.starts_with("csrf_token="), "{cookie}");
    }
}

#[tokio::test]
async fn a_proof_of_one_node_is_good_on_another() {
    let app = TestApp::start().await;
    let browser = Browser::sign_in(&app).await;
    let node = app.second_node().await;
    let elsewhere = Browser {
        app: &node,
        session: browser.session.clone(),
        proof: browser.proof.clone(),
    };
    assert_eq!(
        elsewhere
            .sign_out(&[("X-CSRF-TOKEN", &elsewhere.proof)])
            .await,
        200
    );
}

/// Where a session, or the first user, begins without one.
const BEGINNINGS: [&str; 3] = [LOGIN, FIRST, "//api//v2//users/login/"];

/// Tries to sign in, or to become the first user, with these headers.
async fn begin(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> Answer {
    let body = json!({ "email": "ada@example.com", "username": "ada", "password": PASSWORD });
    let body = serde_json::to_vec(&body).unwrap();
    app.anonymous()
        .send(Method::POST, path, headers, body)
        .await
}

#[tokio::test]
async fn a_page_of_another_site_signs_nobody_in() {
    let app = TestApp::start().await;
    for path in BEGINNINGS {
        for headers in [
            &[("Sec-Fetch-Site", "cross-site")][..],
            &[("Sec-Fetch-Site", "same-site")],
            &[
                ("Sec-Fetch-Site", "cross-site"),
                ("Origin", "https://evil.example"),
                ("Content-Type", "text/plain"),
            ],
            &[
                ("Sec-Fetch-Site", "cross-site"),
                ("Coder-Session-Token", ""),
            ],
            // Over plain http, and by browsers of long ago.
            &[
                ("Host", "rollcall.example"),
                ("Origin", "https://evil.example"),
            ],
            &[
                ("Host", "rollcall.example"),
                ("Origin", "http://rollcall.example:8080"),
            ],
            &[
                ("Host", "rollcall.example"),
                ("Origin", "http://rollcall.example.evil.example"),
            ],
            &[("Host", "rollcall.example"), ("Origin", "null")],
        ] {
            let answer = begin(&app, path, headers).await;
            assert_eq!(answer.status, 403, "{path} {headers:?}: {answer:?}");
            assert_eq!(
                answer.header("content-type"),
                "application/json; charset=utf-8"
            );
            assert!(answer.cookies().is_empty(), "{answer:?}");
        }
    }
    assert_eq!(
        app.anonymous().get(FIRST).await.status,
        404,
        "nobody has become the first"
    );
}

#[tokio::test]
async fn our_own_pages_and_programs_sign_in() {
    let app = TestApp::start_with(|config| {
        config.access_url = Some("https://rollcall.example".parse().unwrap());
    })
    .await;
    app.owner().await;
    for headers in [
        &[][..],
        &[("Coder-Session-Token", ""), ("User-Agent", "coder-cli/2.0")],
        &[
            ("Sec-Fetch-Site", "same-origin"),
            ("Origin", "https://rollcall.example"),
        ],
        &[("Sec-Fetch-Site", "none")],
        &[
            ("Host", "10.0.0.1:8080"),
            ("Origin", "https://rollcall.example"),
        ],
        &[
            ("Host", "10.0.0.1:8080"),
            ("Origin", "http://10.0.0.1:8080"),
        ],
    ] {
        let answer = begin(&app, LOGIN, headers).await;
        assert_eq!(answer.status, 201, "{headers:?}: {answer:?}");
    }
}

#[tokio::test]
async fn a_provider_sends_a_browser_back_from_its_own_site() {
    let app = TestApp::start().await;
    let callback = "/api/v2/users/oidc/callback?code=x&state=y";
    let headers = [
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Mode", "navigate"),
    ];
    let answer = app
        .anonymous()
        .send(Method::GET, callback, &headers, Vec::new())
        .await;
    assert!(answer.text.contains("not configured"), "{answer:?}");
    let page = app
        .anonymous()
        .send(Method::GET, "/login", &headers, Vec::new())
        .await;
    assert_eq!(page.status, 200, "a link from elsewhere");
}

#[tokio::test]
async fn a_cookie_that_another_host_of_the_domain_planted_is_not_taken_for_ours() {
    let app = TestApp::start_with(|config| {
        config.access_url = Some("https://rollcall.example".parse().unwrap());
        config.secure_cookies = true;
        config.host_cookies = true;
    })
    .await;
    let owner = app.owner().await;
    let answer = begin(&app, LOGIN, &[]).await;
    let cookies = answer.cookies();
    assert_eq!(cookies.len(), 2, "{cookies:?}");
    for cookie in cookies {
        assert!(cookie.starts_with("__Host-"), "{cookie}");
        assert!(
            cookie.contains("; Path=/;") && cookie.ends_with("; Secure"),
            "{cookie}"
        );
        assert!(!cookie.to_lowercase().contains("domain"), "{cookie}");
    }
    let session = cookie_set(&answer, "__Host-coder_session_token").unwrap();
    let proof = cookie_set(&answer, "__Host-csrf_token").unwrap();
    let get = async |cookies: &str| {
        let headers = [("Cookie", cookies)];
        app.anonymous()
            .send(Method::GET, ME, &headers, Vec::new())
            .await
            .status
    };
    assert_eq!(
        get(&format!("__Host-coder_session_token={session}")).await,
        200
    );
    assert_eq!(
        get(&format!(
            "coder_session_token=planted; __Host-coder_session_token={session}"
        ))
        .await,
        200
    );
    for planted in ["coder_session_token", "coder_devurl_session_token"] {
        assert_eq!(get(&format!("{planted}={session}")).await, 401, "{planted}");
    }
    let out = async |headers: &[(&str, &str)]| {
        let cookies = format!("__Host-coder_session_token={session}");
        let headers: Vec<_> = headers
            .iter()
            .copied()
            .chain([("Cookie", &*cookies)])
            .collect();
        app.anonymous()
            .send(Method::POST, LOGOUT, &headers, Vec::new())
            .await
    };
    assert_eq!(out(&[]).await.status, 400);
    let gone = out(&[("X-CSRF-TOKEN", proof)]).await;
    assert_eq!(gone.status, 200);
    assert!(
        gone.cookies()[0].starts_with("__Host-coder_session_token=; Path=/; Max-Age=0"),
        "{gone:?}"
    );
    // Programs know of no cookies.
    assert_eq!(owner.get(ME).await.status, 200);
}
