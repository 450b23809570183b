//! The pages for people: as a browser uses them, and as others abuse them.

use std::{collections::BTreeMap, fmt::Write as _};

use axum::http::Method;
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::TimeDelta;
use rollcall::config::{AccessUrl, Config};
use rollcall_events::user::{LoginType, Scope, UserCommand};
use serde_json::json;
use sha2::{Digest, Sha256};
use sqlx::ConnectOptions;

use crate::{
    given::{LOGIN as API_LOGIN, ME, USERS, cookie_set, history, member, session, text, wish_with},
    support::{PASSWORD, TestApp, client::Answer},
};

#[path = "pages/below_a_path.rs"]
mod below_a_path;

const HOME: &str = "/";
const LOGIN: &str = "/login";
const FIRST: &str = "/login/first";
const LOGOUT: &str = "/logout";
const CLI_AUTH: &str = "/cli-auth";
const SESSION: &str = "coder_session_token";

/// Every page and every form's address.
const PAGES: [(Method, &str); 7] = [
    (Method::GET, HOME),
    (Method::GET, LOGIN),
    (Method::POST, LOGIN),
    (Method::POST, FIRST),
    (Method::POST, LOGOUT),
    (Method::GET, CLI_AUTH),
    (Method::POST, CLI_AUTH),
];

/// A browser: it keeps cookies, and sends them whoever makes it ask.
struct Browser<'a> {
    app: &'a TestApp,
    cookies: BTreeMap<String, String>,
}

impl<'a> Browser<'a> {
    fn new(app: &'a TestApp) -> Self {
        Self {
            app,
            cookies: BTreeMap::new(),
        }
    }

    /// With Ada signed in, the first user.
    async fn of_ada(app: &'a TestApp) -> Self {
        app.owner().await;
        let mut browser = Self::new(app);
        let answer = browser.sign_in("ada@example.com", PASSWORD).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        browser
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Answer {
        let cookies = self.cookies.iter();
        let cookies: Vec<_> = cookies
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let cookies = cookies.join("; ");
        let mut headers = headers.to_vec();
        headers.push(("Cookie", &cookies));
        let anonymous = self.app.anonymous();
        let answer = anonymous
            .send(method, path, &headers, body.into_bytes())
            .await;
        for cookie in answer.cookies() {
            let (name, value) = cookie.split_once('=').unwrap();
            let value = value.split(';').next().unwrap();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    async fn open(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], String::new()).await
    }

    async fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(Method::POST, path, &[], encoded(fields)).await
    }

    /// Opens a page and presses its button.
    async fn press(&mut self, page: &str, action: &str) -> Answer {
        let page = self.open(page).await;
        let proof = hidden(&page, action, "proof");
        self.submit(action, &[("proof", &proof)]).await
    }

    /// Signs in by the form.
    async fn sign_in(&mut self, email: &str, password: &str) -> Answer {
        let page = self.open(LOGIN).await;
        let proof = hidden(&page, LOGIN, "proof");
        let fields = [("proof", &*proof), ("email", email), ("password", password)];
        self.submit(LOGIN, &fields).await
    }

    fn token(&self) -> &str {
        &self.cookies[SESSION]
    }
}

/// The body of a form.
fn encoded(fields: &[(&str, &str)]) -> String {
    let mut body = String::new();
    for (name, value) in fields {
        write!(body, "&{name}=").unwrap();
        for byte in value.bytes() {
            write!(body, "%{byte:02X}").unwrap();
        }
    }
    body
}

/// A hidden field of the form that goes to this address.
#[track_caller]
fn hidden(page: &Answer, action: &str, name: &str) -> String {
    let form = format!("action=\"{action}\"");
    let field = format!("type=\"hidden\" name=\"{name}\" value=\"");
    let (_, form) = page
        .text
        .split_once(&form)
        .unwrap_or_else(|| panic!("{page:?}"));
    let (_, value) = form.split_once(&field).unwrap();
    value.split('"').next().unwrap().to_owned()
}

fn location(answer: &Answer) -> &str {
    assert_eq!(answer.status, 303, "{answer:?}");
    answer.header("location")
}

/// What is between these tags.
fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    text.split_once(start)?.1.split(end).next()
}

/// The key that a page shows.
fn key(answer: &Answer) -> Option<&str> {
    between(&answer.text, "id=\"key\"", ">").and_then(|field| between(field, "value=\"", "\""))
}

#[track_caller]
fn assert_page(answer: &Answer, status: u16, says: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert!(answer.text.contains(says), "{says} is not in {answer:?}");
}

/// Every page as it looks to nobody, to the owner, and to who is just being shown a key.
async fn all_answers(app: &TestApp) -> Vec<Answer> {
    let mut answers = Vec::new();
    answers.push(Browser::new(app).open(LOGIN).await);
    let mut ada = Browser::of_ada(app).await;
    for (method, path) in PAGES {
        for browser in [&mut Browser::new(app), &mut ada] {
            let answer = browser.send(method.clone(), path, &[], String::new()).await;
            answers.push(answer);
        }
    }
    answers.push(ada.press(CLI_AUTH, CLI_AUTH).await);
    answers.push(ada.press(HOME, LOGOUT).await);
    answers.push(ada.sign_in("ada@example.com", "wrong").await);
    answers.push(ada.send(Method::PUT, LOGIN, &[], String::new()).await);
    answers
}

#[tokio::test]
async fn every_answer_keeps_frames_caches_and_foreign_code_out() {
    let app = TestApp::start().await;
    for answer in all_answers(&app).await {
        for (name, value) in [
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), value, "{answer:?}");
        }
        let policy = answer.header("content-security-policy");
        for rule in [
            "default-src 'none'",
            "frame-ancestors 'none'",
            "form-action 'self'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(rule), "{policy}");
        }
        for loophole in ["unsafe", "http", "*", "strict-dynamic"] {
            assert!(!policy.contains(loophole), "{policy}");
        }
    }
}

#[tokio::test]
async fn what_a_page_needs_is_in_it_and_allowed_by_its_hash() {
    let app = TestApp::start().await;
    let mut scripts = 0;
    for answer in all_answers(&app)
        .await
        .iter()
        .filter(|answer| !answer.text.is_empty())
    {
        let policy = answer.header("content-security-policy");
        for (tag, rule) in [("style", "style-src"), ("script", "script-src")] {
            let Some(code) = between(&answer.text, &format!("<{tag}>"), &format!("</{tag}>"))
            else {
                assert_eq!(tag, "script", "{answer:?}");
                continue;
            };
            let hash = STANDARD.encode(Sha256::digest(code));
            assert!(
                policy.contains(&format!("{rule} 'sha256-{hash}'")),
                "{policy}"
            );
            scripts += usize::from(tag == "script");
        }
        for foreign in [
            "http:",
            "https:",
            "src=",
            "@import",
            "url(",
            " style=",
            " onclick=",
            "{",
            "//",
        ] {
            let markup = answer.text.split("<style>").next().unwrap().to_owned()
                + answer
                    .text
                    .split("</style>")
                    .nth(1)
                    .unwrap()
                    .split("<script>")
                    .next()
                    .unwrap();
            assert!(!markup.contains(foreign), "{foreign} is in {markup}");
        }
    }
    assert_eq!(scripts, 1, "only the page that shows a key has a script");
}

#[tokio::test]
async fn no_page_names_a_host_whatever_the_headers_say() {
    let configured = |config: &mut Config| {
        config.access_url = "https://rollcall.example".parse::<AccessUrl>().ok();
    };
    let app = TestApp::start_with(configured).await;
    let mut ada = Browser::of_ada(&app).await;
    let evil = [
        ("Host", "evil.test"),
        ("X-Forwarded-Host", "evil.test"),
        ("X-Forwarded-Proto", "evil"),
        ("Forwarded", "host=evil.test"),
        ("Origin", "https://evil.test"),
        ("Referer", "https://evil.test/login"),
        ("User-Agent", "evil"),
    ];
    for (method, path) in PAGES {
        for browser in [&mut Browser::new(&app), &mut ada] {
            let answer = browser
                .send(method.clone(), path, &evil, String::new())
                .await;
            let whole = format!("{:?}{}", answer.headers, answer.text);
            assert!(!whole.contains("evil"), "{method} {path}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn who_signs_in_by_the_form_gets_the_session_that_the_api_gives() {
    let app = TestApp::start().await;
    app.owner().await;
    let mut browser = Browser::new(&app);
    let answer = browser.sign_in("Ada@Example.com", PASSWORD).await;
    assert_eq!(location(&answer), "/");
    let wish = json!({ "email": "ada@example.com", "password": PASSWORD });
    let of_api = app.anonymous().post(API_LOGIN, &wish).await;
    let attributes = |answer: &Answer| -> Vec<String> {
        let cookies = answer.cookies().into_iter();
        let parts = cookies.map(|cookie| cookie.split_once(';').unwrap().1.to_owned());
        parts.collect()
    };
    assert_eq!(attributes(&answer), attributes(&of_api));
    assert_eq!(cookie_set(&answer, SESSION), Some(browser.token()));
    assert_eq!(browser.open(ME).await.json["username"], "ada");
}

#[tokio::test]
async fn blanks_around_what_was_pasted_into_a_form_do_not_matter_except_in_a_password() {
    let app = TestApp::start().await;
    let mut browser = Browser::new(&app);
    let page = browser.open(LOGIN).await;
    let proof = hidden(&page, FIRST, "proof");
    let fields = [
        ("proof", &*proof),
        ("email", " ada@example.com\t"),
        ("username", " ada "),
        ("password", PASSWORD),
    ];
    let answer = browser.submit(FIRST, &fields).await;
    assert_eq!(location(&answer), "/", "{answer:?}");
    for email in [
        "ada@example.com ",
        " ada@example.com",
        "\u{a0}Ada@Example.com\r\n",
    ] {
        let answer = Browser::new(&app).sign_in(email, PASSWORD).await;
        assert_eq!(location(&answer), "/", "{email:?}");
    }
    let answer = Browser::new(&app)
        .sign_in("ada@example.com", &format!("{PASSWORD} "))
        .await;
    assert_eq!(answer.status, 401);
    let body = json!({ "email": "ada@example.com ", "password": PASSWORD });
    assert_eq!(
        app.anonymous().post(API_LOGIN, &body).await.status,
        400,
        "the API takes it as it is"
    );
}

#[tokio::test]
async fn a_form_that_is_not_unicode_signs_nobody_in() {
    let app = TestApp::start().await;
    app.owner().await;
    let mut browser = Browser::new(&app);
    let proof = hidden(&browser.open(LOGIN).await, LOGIN, "proof");
    for password in ["%ff", "correct%20horse%ed%a0%80", "%EF%BF%BD"] {
        let body = format!("proof={proof}&email=ada%40example.com&password={password}");
        let answer = browser.send(Method::POST, LOGIN, &[], body).await;
        assert_page(&answer, 400, "password");
    }
}

#[tokio::test]
async fn the_start_page_says_who_is_signed_in_and_sends_others_to_sign_in() {
    let app = TestApp::start().await;
    let mut ada = Browser::of_ada(&app).await;
    let home = ada.open(HOME).await;
    assert_page(&home, 200, "Signed in as <strong>ada</strong>");
    for link in ["href=\"/cli-auth\"", "href=\"/docs\""] {
        assert!(home.text.contains(link), "{home:?}");
    }
    assert_eq!(location(&Browser::new(&app).open(HOME).await), LOGIN);
}

#[tokio::test]
async fn who_is_signed_in_goes_straight_on() {
    let app = TestApp::start().await;
    let mut ada = Browser::of_ada(&app).await;
    for (query, target) in [
        ("", "/"),
        ("?redirect=%2Fcli-auth", CLI_AUTH),
        ("?redirect=//evil.example", "/"),
    ] {
        let answer = ada.open(&format!("{LOGIN}{query}")).await;
        assert_eq!(location(&answer), target);
    }
}

#[tokio::test]
async fn a_wrong_password_is_told_on_the_page_and_the_address_stays_in_the_form() {
    let app = TestApp::start().await;
    app.owner().await;
    let mut browser = Browser::new(&app);
    let answer = browser.sign_in("ada@example.com", "hunter2").await;
    assert_page(&answer, 401, "Incorrect email or password.");
    assert!(
        answer.text.contains("value=\"ada@example.com\""),
        "{answer:?}"
    );
    assert!(!answer.text.contains("hunter2"), "{answer:?}");
    assert_eq!(cookie_set(&answer, SESSION), None);
    let empty = browser.sign_in("", "").await;
    assert_page(&empty, 400, "Something is not right yet:");
    assert!(
        empty
            .text
            .contains("<li>password: a password is required</li>"),
        "{empty:?}"
    );
}

#[tokio::test]
async fn an_unknown_address_and_a_wrong_password_get_the_same_page() {
    let app = TestApp::start().await;
    app.owner().await;
    let mut browser = Browser::new(&app);
    let wrong = browser.sign_in("ada@example.com", "wrong").await;
    let unknown = browser.sign_in("eve@example.com", "wrong").await;
    assert_eq!(wrong.status, unknown.status);
    assert_eq!(wrong.text.replace("ada@", "eve@"), unknown.text);
}

#[tokio::test]
async fn a_suspended_user_learns_of_it_and_gets_no_session() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    app.command(bob, UserCommand::SuspendUser).await;
    let answer = Browser::new(&app)
        .sign_in("bob@example.com", PASSWORD)
        .await;
    assert_page(&answer, 401, "suspended");
    assert_eq!(cookie_set(&answer, SESSION), None);
}

/// How many attempts that came to nothing are in the log.
async fn attempts(app: &TestApp) -> i64 {
    let mut conn = app.superuser.connect().await.unwrap();
    sqlx::query_scalar("SELECT count(*) FROM log.events WHERE aggregate_type = 'attempt'")
        .fetch_one(&mut conn)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_sign_in_that_failed_is_recorded_whichever_way_it_was_tried() {
    let app = TestApp::start().await;
    app.owner().await;
    let mut browser = Browser::new(&app);
    browser.sign_in("ada@example.com", "wrong").await;
    assert_eq!(attempts(&app).await, 1);
    browser.sign_in("nobody@example.com", "wrong").await;
    assert_eq!(attempts(&app).await, 2);
    // The same attempts once more, by the API: they count as more of the same.
    for email in ["ada@example.com", "nobody@example.com"] {
        let wish = json!({ "email": email, "password": "wrong" });
        assert_eq!(app.anonymous().post(API_LOGIN, &wish).await.status, 401);
    }
    assert_eq!(attempts(&app).await, 2);
    let wish = json!({ "email": "else@example.com", "password": "wrong" });
    app.anonymous().post(API_LOGIN, &wish).await;
    assert_eq!(attempts(&app).await, 3);
}

#[tokio::test]
async fn nobody_can_be_signed_in_by_a_form_that_is_not_ours() {
    let app = TestApp::start().await;
    app.owner().await;
    let mut eve = Browser::new(&app);
    let eves = hidden(&eve.open(LOGIN).await, LOGIN, "proof");
    let mut ada = Browser::new(&app);
    let own = hidden(&ada.open(LOGIN).await, LOGIN, "proof");
    assert_ne!(own, eves);
    let name = ada.cookies["sign_in_form"].clone();
    let fields = |proof| {
        encoded(&[
            ("proof", proof),
            ("email", "ada@example.com"),
            ("password", PASSWORD),
        ])
    };
    for (proof, why) in [
        ("", "no proof"),
        (&*eves, "the proof of another browser"),
        (&*name, "the browser's name"),
    ] {
        let answer = ada.send(Method::POST, LOGIN, &[], fields(proof)).await;
        assert_page(&answer, 400, "Please try again.");
        assert_eq!(cookie_set(&answer, SESSION), None, "{why}");
    }
    for site in ["cross-site", "same-site", "nonsense"] {
        let headers = [("Sec-Fetch-Site", site)];
        let answer = ada.send(Method::POST, LOGIN, &headers, fields(&own)).await;
        assert_page(&answer, 400, "Please try again.");
        assert_eq!(cookie_set(&answer, SESSION), None, "{site}");
    }
    let without_cookie = Browser::new(&app)
        .send(Method::POST, LOGIN, &[], fields(&own))
        .await;
    assert_page(&without_cookie, 400, "Please try again.");
    let headers = [("Sec-Fetch-Site", "same-origin")];
    let answer = ada.send(Method::POST, LOGIN, &headers, fields(&own)).await;
    assert_eq!(answer.status, 303, "{answer:?}");
}

#[tokio::test]
async fn a_second_tab_does_not_spoil_the_form_of_the_first() {
    let app = TestApp::start().await;
    app.owner().await;
    let mut browser = Browser::new(&app);
    let first = hidden(&browser.open(LOGIN).await, LOGIN, "proof");
    let second = browser.open(LOGIN).await;
    assert_eq!(second.cookies(), Vec::<&str>::new());
    let fields = [
        ("proof", &*first),
        ("email", "ada@example.com"),
        ("password", PASSWORD),
    ];
    assert_eq!(browser.submit(LOGIN, &fields).await.status, 303);
}

#[tokio::test]
async fn the_cookie_of_the_form_is_for_this_host_alone() {
    for (secure, cookie, end) in [
        (false, "sign_in_form=", "; Path=/; HttpOnly; SameSite=Lax"),
        (
            true,
            "__Host-sign_in_form=",
            "; Path=/; HttpOnly; SameSite=Lax; Secure",
        ),
    ] {
        let app = TestApp::start_with(|config| config.secure_cookies = secure).await;
        app.owner().await;
        let answer = Browser::new(&app).open(LOGIN).await;
        let set = answer.cookies()[0];
        assert!(set.starts_with(cookie) && set.ends_with(end), "{set}");
    }
}

#[tokio::test]
async fn after_signing_in_one_always_stays_on_our_own_origin() {
    let app = TestApp::start().await;
    app.owner().await;
    for (wanted, target) in [
        ("/cli-auth", "/cli-auth"),
        (
            "/api/v2/users?q=a&limit=1#top",
            "/api/v2/users?q=a&limit=1#top",
        ),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("https://evil.example/x", "/x"),
        ("///evil.example", "/evil.example"),
        ("/%2Fevil.example", "/"),
        ("%2F%2Fevil.example", "/"),
        ("%252F%252Fevil.example", "/%252F%252Fevil.example"),
        ("/%5Cevil.example", "/"),
        ("/\t/evil.example", "/"),
        ("/x\r\nSet-Cookie: a=b", "/"),
        ("javascript:alert(1)", "/"),
        (
            "/login?redirect=//evil.example",
            "/login?redirect=//evil.example",
        ),
        ("/\"><script>", "/%22%3E%3Cscript%3E"),
    ] {
        let mut browser = Browser::new(&app);
        let query = encoded(&[("redirect", wanted)]);
        let page = browser.open(&format!("{LOGIN}?{query}")).await;
        let written = hidden(&page, LOGIN, "redirect").replace("&amp;", "&");
        assert_eq!(written, target, "{wanted:?}");
        // Nor does it help to change the form.
        for field in [wanted, &written] {
            let proof = hidden(&page, LOGIN, "proof");
            let fields = [
                ("proof", &*proof),
                ("email", "ada@example.com"),
                ("password", PASSWORD),
                ("redirect", field),
            ];
            let answer = browser.submit(LOGIN, &fields).await;
            assert_eq!(location(&answer), target, "{wanted:?}");
        }
    }
}

#[tokio::test]
async fn whatever_comes_from_the_request_is_shown_as_text() {
    let app = TestApp::start().await;
    app.owner().await;
    let code = "'\"><script>alert(1)</script>&amp;";
    let shown = "&#39;&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;amp;";
    let mut browser = Browser::new(&app);
    let query = encoded(&[("message", code), ("redirect", &format!("/{code}"))]);
    let page = browser.open(&format!("{LOGIN}?{query}")).await;
    assert_page(&page, 200, shown);
    let wrong = browser.sign_in(code, "x").await;
    assert_page(&wrong, 400, shown);
    for answer in [page, wrong] {
        assert!(!answer.text.contains("<script"), "{answer:?}");
        assert!(!answer.text.contains("alert(1)</"), "{answer:?}");
    }
    let long = encoded(&[("message", &"x".repeat(9_999))]);
    let long = browser.open(&format!("{LOGIN}?{long}")).await;
    assert!(long.text.contains(&"x".repeat(300)) && !long.text.contains(&"x".repeat(301)));
}

#[tokio::test]
async fn a_name_is_shown_as_text() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let email = "o'hara&sons@example.com";
    let wish = wish_with(&app, "bob", &json!({ "email": email }));
    assert_eq!(owner.post(USERS, &wish).await.status, 201);
    let mut bob = Browser::new(&app);
    assert_eq!(bob.sign_in(email, PASSWORD).await.status, 303);
    assert_page(
        &bob.open(HOME).await,
        200,
        "o&#39;hara&amp;sons@example.com",
    );
}

#[tokio::test]
async fn where_passwords_are_off_there_is_no_form_and_none_is_taken() {
    let app = TestApp::start().await;
    app.owner().await;
    let name = app.database.get_database().unwrap();
    let off = |config: &mut Config| config.password_login = false;
    let node = TestApp::on(name, app.clock.clone(), off).await;
    let page = Browser::new(&node).open(LOGIN).await;
    assert_page(&page, 200, "Nobody can sign in here");
    assert!(!page.text.contains("<form"), "{page:?}");
    let mut browser = Browser::new(&app);
    let proof = hidden(&browser.open(LOGIN).await, LOGIN, "proof");
    browser.app = &node;
    let fields = [
        ("proof", &*proof),
        ("email", "ada@example.com"),
        ("password", PASSWORD),
    ];
    let answer = browser.submit(LOGIN, &fields).await;
    assert_page(&answer, 403, "Password authentication is disabled.");
    assert_eq!(cookie_set(&answer, SESSION), None);
}

#[tokio::test]
async fn the_form_counts_on_the_limit_of_sign_ins_like_the_api_and_looking_does_not() {
    let app = TestApp::start_with(|config| config.login_rate_limit = 4).await;
    app.owner().await;
    let mut browser = Browser::new(&app);
    for _ in 0..9 {
        assert_eq!(browser.open(LOGIN).await.status, 200);
    }
    for _ in 0..3 {
        let wrong = browser.sign_in("ada@example.com", "wrong").await;
        assert_eq!(wrong.status, 401);
    }
    let too_many = browser.sign_in("ada@example.com", PASSWORD).await;
    assert_page(&too_many, 429, "too many");
    assert_eq!(too_many.header("retry-after"), "60");
    let wish = json!({ "email": "ada@example.com", "password": PASSWORD });
    let api = app.anonymous().post(API_LOGIN, &wish).await;
    assert_eq!(
        api.status, 429,
        "what was tried by the form counts for the API"
    );
}

#[tokio::test]
async fn while_there_is_nobody_the_first_can_become_the_owner() {
    let app = TestApp::start().await;
    let mut browser = Browser::new(&app);
    let page = browser.open(LOGIN).await;
    assert_page(&page, 200, "Create the first user");
    let proof = hidden(&page, FIRST, "proof");
    let fields = |password| {
        [
            ("proof", &*proof),
            ("email", "ada@example.com"),
            ("username", "ada"),
            ("password", password),
        ]
    };
    let weak = browser.submit(FIRST, &fields("password")).await;
    assert_page(&weak, 400, "<li>password: ");
    for kept in ["value=\"ada@example.com\"", "value=\"ada\""] {
        assert!(weak.text.contains(kept), "{weak:?}");
    }
    let created = browser.submit(FIRST, &fields(PASSWORD)).await;
    assert_eq!(location(&created), "/");
    let me = browser.open(ME).await;
    assert_eq!(me.json["roles"][0]["name"], "owner", "{me:?}");
    let again = browser.submit(FIRST, &fields(PASSWORD)).await;
    assert_page(&again, 409, "already been created");
    let page = Browser::new(&app).open(LOGIN).await;
    assert!(!page.text.contains(FIRST), "{page:?}");
}

#[tokio::test]
async fn nobody_becomes_the_owner_by_a_form_that_is_not_ours() {
    let app = TestApp::start().await;
    let mut browser = Browser::new(&app);
    let proof = hidden(&browser.open(LOGIN).await, FIRST, "proof");
    let fields = |proof| {
        encoded(&[
            ("proof", proof),
            ("email", "eve@example.com"),
            ("username", "eve"),
            ("password", PASSWORD),
        ])
    };
    let headers = [("Sec-Fetch-Site", "cross-site")];
    let from_elsewhere = browser
        .send(Method::POST, FIRST, &headers, fields(&proof))
        .await;
    let unproven = browser.send(Method::POST, FIRST, &[], fields("")).await;
    for answer in [from_elsewhere, unproven] {
        assert_page(&answer, 400, "Please try again.");
    }
    assert_eq!(app.anonymous().get("/api/v2/users/first").await.status, 404);
}

#[tokio::test]
async fn the_key_that_is_shown_signs_a_program_in_for_a_week() {
    let app = TestApp::start().await;
    let mut ada = Browser::of_ada(&app).await;
    let shown = ada.press(CLI_AUTH, CLI_AUTH).await;
    assert_page(&shown, 200, "not been used for 7 days");
    let key = key(&shown).unwrap();
    assert_ne!(key, ada.token());
    assert_eq!(shown.text.matches(key).count(), 1);
    assert_eq!(shown.cookies(), Vec::<&str>::new());
    let program = app.with_token(key);
    assert_eq!(program.get(ME).await.json["username"], "ada");
    app.pass(TimeDelta::days(6));
    assert_eq!(program.get(ME).await.status, 200);
    app.pass(TimeDelta::days(8));
    assert_eq!(program.get(ME).await.status, 401);
}

#[tokio::test]
async fn opening_the_page_makes_no_key() {
    let app = TestApp::start().await;
    let mut ada = Browser::of_ada(&app).await;
    let me = ada.open(ME).await.json["id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let before = history(&app, me).await;
    for method in [Method::GET, Method::HEAD] {
        let page = ada
            .send(
                method,
                CLI_AUTH,
                &[("Sec-Fetch-Site", "cross-site")],
                String::new(),
            )
            .await;
        assert_eq!(page.status, 200);
        assert_eq!(key(&page), None);
    }
    assert_eq!(history(&app, me).await, before);
}

#[tokio::test]
async fn no_key_is_made_and_nobody_signed_out_by_a_form_that_is_not_ours() {
    let app = TestApp::start().await;
    let mut ada = Browser::of_ada(&app).await;
    let own = hidden(&ada.open(CLI_AUTH).await, CLI_AUTH, "proof");
    let mut other = Browser::of_ada(&app).await;
    let others = hidden(&other.open(CLI_AUTH).await, CLI_AUTH, "proof");
    let of_form = hidden(&Browser::new(&app).open(LOGIN).await, LOGIN, "proof");
    let me = ada.open(ME).await.json["id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let before = history(&app, me).await;
    let token = ada.token().to_owned();
    for action in [CLI_AUTH, LOGOUT] {
        for proof in ["", "made-up", &others, &of_form, &token] {
            let answer = ada.submit(action, &[("proof", proof)]).await;
            assert_page(&answer, 400, "Please try again.");
            assert_eq!(key(&answer), None);
        }
        for site in ["cross-site", "same-site"] {
            let headers = [("Sec-Fetch-Site", site)];
            let body = encoded(&[("proof", &own)]);
            let answer = ada.send(Method::POST, action, &headers, body).await;
            assert_page(&answer, 400, "Please try again.");
        }
        // A proof counts in the form alone: the header is for the API.
        let headers = [("X-CSRF-TOKEN", &*own)];
        let answer = ada
            .send(Method::POST, action, &headers, String::new())
            .await;
        assert_page(&answer, 400, "Please try again.");
    }
    assert_eq!(history(&app, me).await, before);
    assert_eq!(ada.open(ME).await.status, 200);
}

#[tokio::test]
async fn who_is_not_signed_in_is_sent_to_sign_in_and_back() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, expired) = member(&app, &owner, "expired").await;
    app.pass(TimeDelta::hours(25));
    let owner = app.sign_in("ada@example.com").await;
    let (id, suspended) = member(&app, &owner, "suspended").await;
    app.command(id, UserCommand::SuspendUser).await;
    let (id, deleted) = member(&app, &owner, "deleted").await;
    app.command(id, UserCommand::DeleteUser).await;
    let (id, _) = member(&app, &owner, "bob").await;
    let narrow = session(&app, id, LoginType::Token, Scope::ApplicationConnect).await;
    for token in [
        "",
        "garbage",
        expired.token(),
        suspended.token(),
        deleted.token(),
        narrow.token(),
    ] {
        let mut browser = Browser::new(&app);
        browser.cookies.insert(SESSION.to_owned(), token.to_owned());
        for method in [Method::GET, Method::POST] {
            let answer = browser.send(method, CLI_AUTH, &[], String::new()).await;
            assert_eq!(location(&answer), "/login?redirect=%2Fcli-auth", "{token}");
        }
        assert_eq!(location(&browser.open(HOME).await), LOGIN, "{token}");
        assert_page(&browser.open(LOGIN).await, 200, "Sign in");
    }
}

#[tokio::test]
async fn only_the_sessions_cookie_makes_a_page_somebodys() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let token = owner.token();
    let old = format!("coder_devurl_session_token={token}");
    let bearer = format!("Bearer {token}");
    for headers in [
        ("Coder-Session-Token", token),
        ("Authorization", &*bearer),
        ("Cookie", &*old),
        ("X-Nothing", ""),
    ] {
        let path = format!("{CLI_AUTH}?coder_session_token={token}&access_token={token}");
        let answer = app
            .anonymous()
            .send(Method::GET, &path, &[headers], Vec::new())
            .await;
        assert_eq!(location(&answer), "/login?redirect=%2Fcli-auth");
    }
}

#[tokio::test]
async fn the_button_signs_out_and_the_session_is_over() {
    let app = TestApp::start().await;
    let mut ada = Browser::of_ada(&app).await;
    let token = ada.token().to_owned();
    let answer = ada.press(HOME, LOGOUT).await;
    let login = location(&answer).to_owned();
    assert_eq!(cookie_set(&answer, SESSION), Some(""));
    assert_eq!(app.with_token(&token).get(ME).await.status, 401);
    assert_page(&ada.open(&login).await, 200, "You are signed out.");
    let again = ada.submit(LOGOUT, &[]).await;
    assert!(location(&again).starts_with(LOGIN));
}

#[tokio::test]
async fn who_signs_in_anew_is_not_held_up_by_a_stale_session() {
    let app = TestApp::start().await;
    let mut ada = Browser::of_ada(&app).await;
    let stale = ada.token().to_owned();
    app.pass(TimeDelta::hours(25));
    assert_eq!(ada.sign_in("ada@example.com", PASSWORD).await.status, 303);
    assert_ne!(ada.token(), stale);
    assert_eq!(ada.open(HOME).await.status, 200);
}

#[tokio::test]
async fn a_body_that_is_no_form_is_refused_with_a_page() {
    let app = TestApp::start_with(|config| config.body_limit = 1024).await;
    app.owner().await;
    let mut browser = Browser::new(&app);
    for (body, status) in [
        ("{}".to_owned(), 400),
        ("%".to_owned(), 400),
        ("proof=%FF".to_owned(), 400),
        ("x".repeat(1025), 413),
    ] {
        let answer = browser.send(Method::POST, LOGIN, &[], body).await;
        assert_page(&answer, status, "<h1>");
    }
}

#[tokio::test]
async fn when_the_database_is_silent_the_page_says_so() {
    let app = TestApp::start().await;
    app.owner().await;
    app.pool().close().await;
    let answer = Browser::new(&app).open(LOGIN).await;
    assert_page(&answer, 503, "The database does not answer.");
    assert_eq!(text(&answer, "message"), "", "it is no JSON");
}
