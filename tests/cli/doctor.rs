//! `rollcall doctor`: what it looks at, and what it says.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop where it is"
)]

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::{Value, json};

use crate::{
    databases,
    program::{Folder, MASTER_KEY, Program, Said, command, said},
};

/// A secret that nobody may ever read.
const SECRET: &str = "swordfish";
/// A public key of somebody's.
const KEY: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

/// A provider that answers what it was told to.
struct FakeProvider {
    address: SocketAddr,
    answers: Answers,
}

type Answers = Arc<Mutex<HashMap<String, (u16, Value)>>>;

impl FakeProvider {
    /// One that is well, but for these answers.
    fn new(changes: &[(&str, u16, Value)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let here = |path: &str| format!("http://{address}{path}");
        let document = json!({
            "issuer": here(""),
            "authorization_endpoint": here("/authorize"),
            "token_endpoint": here("/token"),
            "jwks_uri": here("/keys"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["EdDSA"],
        });
        let key = json!({ "kty": "OKP", "crv": "Ed25519", "x": KEY, "kid": "a" });
        let unknown_code = json!({ "error": "bad_verification_code" });
        let mut answers: HashMap<String, (u16, Value)> = [
            ("/.well-known/openid-configuration", 200, document),
            ("/keys", 200, json!({ "keys": [key] })),
            ("/authorize", 200, json!("Who are you?")),
            ("/token", 400, json!({ "error": "invalid_grant" })),
            ("/", 200, json!({})),
            ("/login/oauth/authorize", 200, json!("Who are you?")),
            ("/login/oauth/access_token", 200, unknown_code),
        ]
        .into_iter()
        .map(|(path, status, body)| (path.to_owned(), (status, body)))
        .collect();
        for (path, status, body) in changes {
            answers.insert((*path).to_owned(), (*status, body.clone()));
        }
        let answers: Answers = Arc::new(Mutex::new(answers));
        let known = Arc::clone(&answers);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let answers = known.lock().unwrap().clone();
                answer(stream.unwrap(), &answers);
            }
        });
        Self { address, answers }
    }

    /// From now on it answers this.
    fn says(&self, path: &str, status: u16, body: Value) {
        let mut answers = self.answers.lock().unwrap();
        answers.insert(path.to_owned(), (status, body));
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn answer(mut stream: TcpStream, answers: &HashMap<String, (u16, Value)>) {
    let mut reader = BufReader::new(&mut stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        let header = header.trim().to_ascii_lowercase();
        if let Some(value) = header.strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        }
        if header.is_empty() {
            break;
        }
    }
    reader.read_exact(&mut vec![0; length]).unwrap();
    let target = line.split(' ').nth(1).unwrap();
    let path = target.split('?').next().unwrap();
    let (status, body) = answers.get(path).cloned().unwrap_or((404, json!({})));
    // A change named `date` is the time that it tells.
    let date = answers.get("date").map_or_else(String::new, |(_, date)| {
        format!("Date: {}\r\n", date.as_str().unwrap())
    });
    let (body, location) = match body {
        // The body of a redirect is where it leads.
        Value::String(target) if status == 301 => {
            (String::new(), format!("Location: {target}\r\n"))
        }
        // A text that is no JSON is sent as it stands.
        Value::String(text) if text.starts_with('\u{FEFF}') => (text, String::new()),
        body => (body.to_string(), String::new()),
    };
    let head = format!(
        "HTTP/1.1 {status} X\r\n{date}{location}Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream
        .write_all(format!("{head}{body}").as_bytes())
        .unwrap();
}

fn doctor(arguments: &[&str], environment: &[(&str, &str)]) -> Said {
    let mut all = vec!["doctor"];
    all.extend(arguments);
    let said = said(command(&all).envs(environment.iter().copied()));
    assert!(!said.out.contains(SECRET) && !said.err.contains(SECRET));
    said
}

/// What it says of a provider, when nothing else is there.
fn of_oidc(issuer: &str, access_url: &str) -> Said {
    let folder = Folder::new();
    let data_dir = folder.join("data");
    let said = doctor(
        &["--data-dir", &data_dir],
        &[
            ("ROLLCALL_OIDC_ISSUER_URL", issuer),
            ("ROLLCALL_OIDC_CLIENT_ID", "rollcall"),
            ("ROLLCALL_OIDC_CLIENT_SECRET", SECRET),
            ("ROLLCALL_ACCESS_URL", access_url),
        ],
    );
    assert!(!std::fs::exists(data_dir).unwrap(), "a database was made");
    said
}

#[track_caller]
fn found_wrong(said: &Said, about: &str, words: &str) {
    assert_eq!(said.status, Some(1), "{said:?}");
    let found = said
        .out
        .lines()
        .any(|line| line.starts_with("WRONG") && line.contains(about) && line.contains(words));
    assert!(found, "{about:?} {words:?}: {said:#?}");
    assert!(said.err.starts_with("rollcall: "), "{said:?}");
}

#[test]
fn all_is_well() {
    let url = databases::url(&databases::empty());
    Program::on(&url).stop();
    let provider = FakeProvider::new(&[]);
    let provider = provider.url();
    let environment = [
        ("ROLLCALL_DATABASE_URL", url.as_str()),
        ("ROLLCALL_MASTER_KEY", MASTER_KEY),
        ("ROLLCALL_ACCESS_URL", "https://rollcall.example.com"),
        ("ROLLCALL_OIDC_ISSUER_URL", &provider),
        ("ROLLCALL_OIDC_CLIENT_ID", "rollcall"),
        ("ROLLCALL_OIDC_CLIENT_SECRET", SECRET),
        ("ROLLCALL_GITHUB_URL", &provider),
        ("ROLLCALL_GITHUB_API_URL", &provider),
        ("ROLLCALL_GITHUB_CLIENT_ID", "rollcall"),
        ("ROLLCALL_GITHUB_CLIENT_SECRET", SECRET),
        ("ROLLCALL_GITHUB_ALLOW_EVERYONE", "true"),
    ];
    let text = doctor(&[], &environment);
    assert_eq!((text.status, &*text.err), (Some(0), ""), "{text:?}");
    assert!(
        text.out.lines().all(|line| line.starts_with("well ")),
        "{text:?}"
    );

    let json = doctor(&["--format", "json"], &environment);
    assert_eq!(json.status, Some(0), "{json:?}");
    let answer: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(answer["well"], true);
    let checks = answer["checks"].as_array().unwrap();
    let names: Vec<_> = checks
        .iter()
        .map(|check| check["check"].as_str().unwrap())
        .collect();
    let expected = [
        "database",
        "schema",
        "clock",
        "log",
        "projections",
        "master key",
        "oidc discovery",
        "oidc keys",
        "oidc clock",
        "oidc redirect address",
        "oidc client",
        "github api",
        "github clock",
        "github redirect address",
        "github client",
    ];
    assert_eq!(names, expected);
}

#[test]
fn nothing_is_made_where_there_is_nothing() {
    let folder = Folder::new();
    let said = doctor(&["--data-dir", &folder.join("data")], &[]);
    assert_eq!(said.status, Some(0), "{said:?}");
    assert!(said.out.contains("There is none yet"), "{said:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn its_own_database_is_looked_at_and_stopped_again() {
    let folder = Folder::new();
    Program::in_folder(&folder).stop();
    let arguments = ["--data-dir", &folder.join("data")];
    let said = doctor(&arguments, &[]);
    assert_eq!(said.status, Some(0), "{said:?}");
    assert_eq!(folder.postgres(), None);
    std::fs::remove_file(folder.path().join("data/master.key")).unwrap();
    found_wrong(&doctor(&arguments, &[]), "master key", "Its file is gone");
    assert!(!std::fs::exists(folder.path().join("data/master.key")).unwrap());
}

#[test]
fn a_database_that_cannot_be_used_is_told() {
    let key = ("ROLLCALL_MASTER_KEY", MASTER_KEY);
    let nobody = "postgres://nobody@127.0.0.1:1/nothing";
    found_wrong(
        &doctor(&["--database-url", nobody], &[key]),
        "database",
        "refused",
    );

    let url = databases::url(&databases::empty());
    let arguments = ["--database-url", &*url];
    let said = doctor(&arguments, &[key]);
    found_wrong(&said, "schema", "`rollcall migrate`");

    Program::on(&url).stop();
    found_wrong(
        &doctor(&arguments, &[]),
        "master key",
        "a master key is needed",
    );
    let other = MASTER_KEY.replace('A', "B");
    let said = doctor(&arguments, &[("ROLLCALL_MASTER_KEY", &other)]);
    found_wrong(&said, "master key", "It is the wrong one");
    assert!(!said.out.contains(&other), "{said:?}");
}

#[test]
fn a_provider_that_is_down_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let down = format!("http://{address}");
    let said = of_oidc(&down, "https://rollcall.example.com");
    found_wrong(&said, "oidc discovery", "refused");
}

#[test]
fn a_provider_that_is_another_is_told() {
    let provider = FakeProvider::new(&[]);
    let issuer = format!("{}/", provider.url());
    let said = of_oidc(&issuer, "https://rollcall.example.com");
    found_wrong(&said, "oidc discovery", "it calls itself");
}

#[test]
fn what_is_wrong_with_a_provider_is_told_one_by_one() {
    let error = |code: &str| json!({ "error": code });
    for (change, about, words) in [
        (("/keys", 200, json!({ "keys": [] })), "oidc keys", "no key"),
        (("/keys", 404, json!({})), "oidc keys", "status 404"),
        (
            ("date", 0, json!("Tue, 01 Jan 2019 00:00:00 GMT")),
            "oidc clock",
            "behind this machine's",
        ),
        (
            ("/authorize", 400, json!("invalid_redirect_uri")),
            "oidc redirect address",
            "register https://rollcall.example.com/api/v2/users/oidc/callback",
        ),
        (
            ("/token", 401, error("invalid_client")),
            "oidc client",
            "does not know us",
        ),
        (("/token", 502, json!({})), "oidc client", "cannot be used"),
        (
            (
                "/token",
                200,
                json!({ "access_token": "a", "token_type": "bearer" }),
            ),
            "oidc client",
            "anybody could sign in",
        ),
    ] {
        let provider = FakeProvider::new(&[change]);
        let said = of_oidc(&provider.url(), "https://rollcall.example.com");
        found_wrong(&said, about, words);
    }
    let provider = FakeProvider::new(&[]);
    let said = of_oidc(&provider.url(), "http://rollcall.example.com");
    found_wrong(&said, "oidc redirect address", "is not https");
    // On one's own machine that is no fault.
    let said = of_oidc(&provider.url(), "http://localhost:8080");
    assert_eq!(said.status, Some(0), "{said:?}");
}

#[test]
fn what_is_wrong_with_github_is_told() {
    let folder = Folder::new();
    for (path, status, body, about, words) in [
        ("/", 500, json!({}), "github api", "status 500"),
        (
            "/login/oauth/access_token",
            200,
            json!({ "error": "incorrect_client_credentials" }),
            "github client",
            "does not know us",
        ),
        (
            "/login/oauth/access_token",
            200,
            json!({ "error": "redirect_uri_mismatch" }),
            "github client",
            "/api/v2/users/oauth2/github/callback",
        ),
    ] {
        let provider = FakeProvider::new(&[(path, status, body)]).url();
        let said = doctor(
            &["--data-dir", &folder.join("data")],
            &[
                ("ROLLCALL_ACCESS_URL", "https://rollcall.example.com"),
                ("ROLLCALL_GITHUB_URL", &provider),
                ("ROLLCALL_GITHUB_API_URL", &provider),
                ("ROLLCALL_GITHUB_CLIENT_ID", "rollcall"),
                ("ROLLCALL_GITHUB_CLIENT_SECRET", SECRET),
                ("ROLLCALL_GITHUB_ALLOWED_ORGS", "example"),
            ],
        );
        found_wrong(&said, about, words);
    }
}

#[test]
fn what_a_provider_says_of_itself_is_read_before_anybody_signs_in() {
    let document = |provider: &FakeProvider, changes: &Value| {
        let here = |path: &str| format!("{}{path}", provider.url());
        let mut document = json!({
            "issuer": here(""), "authorization_endpoint": here("/authorize"),
            "token_endpoint": here("/token"), "jwks_uri": here("/keys"),
        });
        for (name, value) in changes.as_object().unwrap() {
            document[name] = value.clone();
        }
        document
    };
    let place = "/.well-known/openid-configuration";
    for (changes, words) in [
        (
            json!({ "token_endpoint": null }),
            "`token_endpoint` is missing",
        ),
        (json!({ "jwks_uri": 7 }), "`jwks_uri` is a number"),
        (
            json!({ "authorization_endpoint": "here" }),
            "`authorization_endpoint` is not a URL",
        ),
        (
            json!({ "id_token_signing_alg_values_supported": ["HS256"] }),
            "HS256",
        ),
        (
            json!({ "response_modes_supported": ["form_post"] }),
            "form_post",
        ),
    ] {
        let provider = FakeProvider::new(&[]);
        provider.says(place, 200, document(&provider, &changes));
        let said = of_oidc(&provider.url(), "https://rollcall.example.com");
        found_wrong(&said, "oidc discovery", words);
    }
    for (target, words) in [
        (
            "https://elsewhere.example/x?secret=1",
            "it redirects to https://elsewhere.example/x, ",
        ),
        (place, "it redirects more than"),
    ] {
        let provider = FakeProvider::new(&[(place, 301, json!(target))]);
        let said = of_oidc(&provider.url(), "https://rollcall.example.com");
        found_wrong(&said, "oidc discovery", words);
        assert!(!said.out.contains("secret=1"), "{said:?}");
    }
    let provider = FakeProvider::new(&[(place, 301, json!("/moved"))]);
    let moved = format!(
        "\u{FEFF}{}",
        document(&provider, &json!({ "userinfo_endpoint": "" }))
    );
    provider.says("/moved", 200, json!(moved));
    let said = of_oidc(&provider.url(), "https://rollcall.example.com");
    assert_eq!(said.status, Some(0), "{said:?}");
    for words in [
        format!("redirects to {}/moved", provider.url()),
        "byte order mark".to_owned(),
    ] {
        assert!(said.out.contains(&words), "{said:#?}");
    }
}

#[test]
fn only_keys_that_can_be_used_are_counted() {
    let good = json!({ "kty": "OKP", "crv": "Ed25519", "x": KEY, "kid": "a" });
    let padded =
        json!({ "kty": "OKP", "crv": "Ed25519", "x": format!("{}=\n", KEY.replace('_', "/")) });
    let weak = json!({ "kty": "RSA", "n": "8".repeat(171), "e": "AQAB", "kid": "weak" });
    let provider = FakeProvider::new(&[(
        "/keys",
        200,
        json!({ "keys": [weak.clone(), good, null, padded] }),
    )]);
    let said = of_oidc(&provider.url(), "https://rollcall.example.com");
    assert_eq!(said.status, Some(0), "{said:?}");
    let line = said
        .out
        .lines()
        .find(|line| line.contains("oidc keys"))
        .unwrap();
    for words in [
        "2 can be used",
        "\"weak\" is an RSA key of 1024 bits",
        "number 3",
    ] {
        assert!(line.contains(words), "{line}");
    }
    let provider = FakeProvider::new(&[("/keys", 200, json!({ "keys": [weak] }))]);
    let said = of_oidc(&provider.url(), "https://rollcall.example.com");
    found_wrong(&said, "oidc keys", "1024 bits");
}
