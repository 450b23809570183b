//! The service below a path of a host that it shares: nothing that it says leads out of there, whether the proxy in front
//! passes the path on or removes it.

use std::collections::{BTreeSet, VecDeque};

use super::*;

const BASE: &str = "/sub";

/// What the proxy does with the path.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Proxy {
    PassesItOn,
    RemovesIt,
}

/// A browser behind a proxy, which looks at every answer.
struct Walker<'a> {
    browser: Browser<'a>,
    proxy: Proxy,
}

async fn start(change: impl FnOnce(&mut Config)) -> TestApp {
    TestApp::start_with(|config| {
        config.access_url = format!("http://rollcall.example{BASE}")
            .parse::<AccessUrl>()
            .ok();
        change(config);
    })
    .await
}

/// Every address in a page.
fn addresses(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    for attribute in ["href=\"", "action=\"", "src=\"", "data-base=\""] {
        for rest in page.split(attribute).skip(1) {
            let address = rest.split('"').next().unwrap().replace("&amp;", "&");
            if !address.starts_with("data:") {
                found.push(address);
            }
        }
    }
    found
}

#[track_caller]
fn assert_inside(address: &str, said_by: &str) {
    let rest = address.strip_prefix(BASE);
    let is_inside = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
    assert!(is_inside, "{address:?}, which {said_by} says, leads out");
}

impl<'a> Walker<'a> {
    fn new(app: &'a TestApp, proxy: Proxy) -> Self {
        let browser = Browser::new(app);
        Self { browser, proxy }
    }

    async fn send(&mut self, method: Method, address: &str, body: String) -> Answer {
        assert_inside(address, "the test");
        let path = match (self.proxy, address.strip_prefix(BASE)) {
            (Proxy::RemovesIt, Some("")) => "/",
            (Proxy::RemovesIt, Some(rest)) => rest,
            _ => address,
        };
        let said_by = format!("{method} {address}");
        let answer = self.browser.send(method, path, &[], body).await;
        for cookie in answer.cookies() {
            assert!(
                cookie.contains(&format!("; Path={BASE};")),
                "{said_by}: {cookie}"
            );
        }
        let is_page = answer.header("content-type").starts_with("text/html");
        for address in addresses(if is_page { &answer.text } else { "" }) {
            assert_inside(&address, &said_by);
        }
        let location = answer.header("location");
        if !location.is_empty() && !location.starts_with("https://github.com/") {
            assert_inside(location, &said_by);
        }
        answer
    }

    async fn open(&mut self, address: &str) -> Answer {
        self.send(Method::GET, address, String::new()).await
    }

    /// Opens a page and sends its form, with these fields beside the hidden ones.
    async fn submit(&mut self, page: &str, action: &str, fields: &[(&str, &str)]) -> Answer {
        let page = self.open(page).await;
        let proof = hidden(&page, action, "proof");
        let fields: Vec<_> = [("proof", &*proof)]
            .into_iter()
            .chain(fields.iter().copied())
            .collect();
        self.send(Method::POST, action, encoded(&fields)).await
    }

    /// Follows every link from the start page; where that leads.
    async fn walk(&mut self) -> BTreeSet<String> {
        let mut seen = BTreeSet::new();
        let mut ahead = VecDeque::from([format!("{BASE}/"), BASE.to_owned()]);
        while let Some(address) = ahead.pop_front() {
            if !seen.insert(address.clone()) {
                continue;
            }
            let answer = self.open(&address).await;
            let is_page = answer.header("content-type").starts_with("text/html");
            ahead.extend(addresses(if is_page { &answer.text } else { "" }));
            let location = answer.header("location");
            if location.starts_with(BASE) {
                ahead.push_back(location.to_owned());
            }
        }
        seen
    }
}

#[tokio::test]
async fn no_link_action_location_or_cookie_leads_out_of_the_path() {
    for proxy in [Proxy::PassesItOn, Proxy::RemovesIt] {
        let app = start(|_| {}).await;
        let mut browser = Walker::new(&app, proxy);
        // Nobody is here yet.
        browser.walk().await;
        let owner = [
            ("email", "ada@example.com"),
            ("username", "ada"),
            ("password", PASSWORD),
        ];
        let weak = [
            ("email", "ada@example.com"),
            ("username", "ada"),
            ("password", "ada"),
        ];
        let refused = browser
            .submit("/sub/login", "/sub/login/first", &weak)
            .await;
        assert_eq!(refused.status, 400);
        let created = browser
            .submit("/sub/login", "/sub/login/first", &owner)
            .await;
        assert_eq!(location(&created), "/sub/");
        // Signed in.
        let seen = browser.walk().await;
        for page in [
            "/sub/",
            "/sub/cli-auth",
            "/sub/docs",
            "/sub/openapi.json",
            "/sub/logout",
        ] {
            assert!(seen.contains(page), "{page} is not among {seen:?}");
        }
        let key = browser.submit("/sub/cli-auth", "/sub/cli-auth", &[]).await;
        assert_page(&key, 200, "Paste this key");
        let late = browser
            .send(Method::POST, "/sub/logout", String::new())
            .await;
        assert_page(&late, 400, "To the start page");
        let out = browser.submit("/sub/", "/sub/logout", &[]).await;
        assert!(location(&out).starts_with("/sub/login?message="));
        // Signed out: to the page that was wanted, by way of signing in.
        let wanted = browser.open("/sub/cli-auth").await;
        let sign_in = location(&wanted).to_owned();
        let page = browser.open(&sign_in).await;
        let redirect = hidden(&page, "/sub/login", "redirect");
        let wrong = [
            ("email", "ada@example.com"),
            ("password", "wrong"),
            ("redirect", &*redirect),
        ];
        assert_eq!(
            browser.submit(&sign_in, "/sub/login", &wrong).await.status,
            401
        );
        let fields = [
            ("email", "ada@example.com"),
            ("password", PASSWORD),
            ("redirect", &*redirect),
        ];
        let answer = browser.submit(&sign_in, "/sub/login", &fields).await;
        assert_eq!(location(&answer), "/sub/cli-auth");
        let me = browser.open("/sub/api/v2/users/me").await;
        assert_eq!(me.json["username"], "ada", "{proxy:?}");
    }
}

#[tokio::test]
async fn nobody_is_sent_out_of_the_path_after_signing_in() {
    let app = start(|_| {}).await;
    app.owner().await;
    let mut browser = Walker::new(&app, Proxy::PassesItOn);
    for (redirect, target) in [
        ("/", "/sub/"),
        ("/sub", "/sub/"),
        ("/sub/cli-auth?a=b", "/sub/cli-auth?a=b"),
        ("/cli-auth", "/sub/cli-auth"),
        ("http://rollcall.example/sub/cli-auth", "/sub/cli-auth"),
        ("http://rollcall.example/other", "/sub/other"),
        ("/subway", "/sub/subway"),
        ("/sub/../other", "/sub/"),
        ("//evil.example/sub/x", "/sub/x"),
        ("/sub//evil.example", "/sub/"),
    ] {
        let fields = [
            ("email", "ada@example.com"),
            ("password", PASSWORD),
            ("redirect", redirect),
        ];
        browser.browser.cookies.remove(SESSION);
        let answer = browser.submit("/sub/login", "/sub/login", &fields).await;
        assert_eq!(location(&answer), target, "{redirect}");
    }
}

#[tokio::test]
async fn providers_send_browsers_back_below_the_path_and_buttons_begin_there() {
    for proxy in [Proxy::PassesItOn, Proxy::RemovesIt] {
        let app = start(|config| {
            config.github_client_id = Some("rollcall".to_owned());
            config.github_client_secret = Some(rollcall::config::Secret::new("secret".to_owned()));
            config.github_allow_everyone = true;
        })
        .await;
        app.owner().await;
        let mut browser = Walker::new(&app, proxy);
        let page = browser.open("/sub/login?redirect=%2Fcli-auth").await;
        let mut buttons = addresses(&page.text);
        buttons.retain(|address| address.contains("github"));
        let [button] = &buttons[..] else {
            panic!("{buttons:?}");
        };
        let answer = browser.open(button).await;
        assert_eq!(answer.status, 307, "{answer:?}");
        let address = url::Url::parse(answer.header("location")).unwrap();
        let (_, back) = address
            .query_pairs()
            .find(|(name, _)| name == "redirect_uri")
            .unwrap();
        assert_eq!(
            back,
            "http://rollcall.example/sub/api/v2/users/oauth2/github/callback"
        );
        assert_eq!(cookie_set(&answer, "oauth_redirect"), Some("/sub/cli-auth"));
        let back = browser
            .open("/sub/api/v2/users/oauth2/github/callback?error=access_denied")
            .await;
        assert_eq!(back.status, 400);
    }
}

#[tokio::test]
async fn the_api_is_served_with_the_path_and_without_it_and_says_where_it_is() {
    let app = start(|_| {}).await;
    let owner = app.owner().await;
    for path in [
        "/sub/api/v2/users/me",
        "//sub//api/v2/users/me/",
        "/api/v2/users/me",
    ] {
        assert_eq!(owner.get(path).await.json["username"], "ada", "{path}");
    }
    for path in [
        "/subapi/v2/users/me",
        "/sub/sub/api/v2/users/me",
        "/other/api/v2/users/me",
    ] {
        assert_eq!(owner.get(path).await.status, 404, "{path}");
    }
    let cookie = format!("{SESSION}={}", owner.token());
    let forged = app
        .anonymous()
        .send(
            Method::POST,
            "/sub/api/v2/users/logout",
            &[("Cookie", &cookie)],
            Vec::new(),
        )
        .await;
    assert_eq!(forged.status, 400, "the path hides no change: {forged:?}");
    let description = app.anonymous().get("/sub/openapi.json").await;
    assert_eq!(
        description.json["servers"],
        json!([{ "url": "http://rollcall.example/sub" }])
    );
    assert_eq!(description.json["openapi"], "3.1.0");
    let build = app.anonymous().get("/sub/api/v2/buildinfo").await;
    assert_eq!(build.json["external_url"], "http://rollcall.example/sub");
    let docs = app.anonymous().get("/sub/docs").await;
    assert!(docs.text.contains("<body data-base=\"/sub\">"), "{docs:?}");
    assert!(
        !docs.text.contains("fetch(\"/"),
        "the script asks at the top of the host"
    );
}

#[tokio::test]
async fn without_a_path_nothing_is_said_of_one() {
    let app = TestApp::start().await;
    let description = app.anonymous().get("/openapi.json").await;
    assert_eq!(description.json.get("servers"), None);
    assert_eq!(
        app.anonymous().get("/sub/api/v2/buildinfo").await.status,
        404
    );
}
