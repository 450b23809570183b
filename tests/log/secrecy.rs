//! Nothing of a person is in the log in the clear, nor in what is saved beside it, nor in what the service writes about
//! its work.

use std::{
    io,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
};

use axum::http::Method;
use base64::{
    Engine,
    alphabet::{STANDARD, URL_SAFE},
    engine::{GeneralPurpose, general_purpose::NO_PAD},
};
use rollcall_events::{
    clock::{Clock, SystemClock},
    ids::Ids,
    log::{Appender, Store},
    user::{DisplayName, EmailAddress, LoginType, ProfileChange, User, UserCommand},
    vault::ProviderTokens,
};
use rollcall_projections::inline::InlineProjections;
use serde_json::{Value, json};
use sqlx::{ConnectOptions, postgres::PgConnectOptions};
use uuid::Uuid;

use crate::{
    support::{TestApp, client::Client},
    tools::{creation_at_provider, execute, execute_with, token_at, vouched_at},
};

/// Who must not be found: nothing of this occurs by chance.
const EMAIL: &str = "Zephyrina.Quillfeather@post.Xanadu-Works.example";
const USERNAME: &str = "Quillfeather77";
const NEW_USERNAME: &str = "Moonwhistler88";
const DISPLAY_NAME: &str = "Zephyrina Ölander-Quill";
const NEW_DISPLAY_NAME: &str = "Madame Xylophonica";
const AVATAR: &str = "https://pictures.xanadu-works.example/zephyrina.png";
const TOKEN_NAME: &str = "Gizmotronic workbench";
/// Whom a provider knows, and what it gave.
const ACCOUNT: &str = "zitronella|5f7c8ec7c33c6c004bbafe82";
const PROVIDERS_EMAIL: &str = "Zitronella.Fennimore@post.example";
const ACCESS_TOKEN: &str = "access-Zamboanga-16C7e42F292c6912E7710c838347Ae178B4a";
const REFRESH_TOKEN: &str = "refresh-Zamboanga-r1_a1b2c3d4e5f60718293a4b5c6d7e8f90";
const USER_AGENT: &str = "Grommetbrowser/7.31 (Teapot; rv:418)";
const ADDRESS: &str = "203.0.113.177";
const PASSWORD: &str = "tumbling-Walrus-Embargo-9431";
const WRONG_PASSWORD: &str = "forgotten-Herring-Parade-2260";
const UNKNOWN_EMAIL: &str = "nobody.known@elsewhere-Xanadu.example";

/// A part of what must stay secret, and what to call it.
type Secret = (String, String);

/// A life, as users lead them; and what of it must not be found.
async fn lead_a_life(app: &TestApp) -> Vec<Secret> {
    let anonymous = app.anonymous();
    let first =
        json!({ "email": EMAIL, "username": USERNAME, "name": DISPLAY_NAME, "password": PASSWORD });
    assert_eq!(post(&anonymous, "/api/v2/users/first", &first).await.0, 201);
    let mut secrets: Vec<Secret> = [
        ("e-mail", EMAIL),
        ("username", USERNAME),
        ("new username", NEW_USERNAME),
        ("display name", DISPLAY_NAME),
        ("new display name", NEW_DISPLAY_NAME),
        ("avatar", AVATAR),
        ("token name", TOKEN_NAME),
        ("account", ACCOUNT),
        ("provider's e-mail", PROVIDERS_EMAIL),
        ("access token", ACCESS_TOKEN),
        ("refresh token", REFRESH_TOKEN),
        ("user agent", USER_AGENT),
        ("address", ADDRESS),
        ("password", PASSWORD),
        ("wrong password", WRONG_PASSWORD),
        ("unknown e-mail", UNKNOWN_EMAIL),
        ("other e-mail", "hedgerow.pimpernel@post.example"),
        ("other username", "HedgerowPimpernel"),
    ]
    .map(|(what, text)| (what.to_owned(), text.to_owned()))
    .to_vec();
    let (token, owner) = sign_in(app).await;
    secrets.push((
        "token".to_owned(),
        token.split_once('-').unwrap().1.to_owned(),
    ));
    let me = owner.get("/api/v2/users/me").await.json["id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    for (email, password) in [(EMAIL, WRONG_PASSWORD), (UNKNOWN_EMAIL, PASSWORD)] {
        let wish = json!({ "email": email, "password": password });
        assert_eq!(post(&anonymous, "/api/v2/users/login", &wish).await.0, 401);
    }
    make_another(app, &owner).await;
    change_everything(app, me).await;
    come_by_a_provider(app).await;
    let (second, leaving) = sign_in(app).await;
    secrets.push((
        "second token".to_owned(),
        second.split_once('-').unwrap().1.to_owned(),
    ));
    assert_eq!(
        post(&leaving, "/api/v2/users/logout", &Value::Null).await.0,
        200
    );
    let found = owner.get(&format!("/api/v2/users?q={NEW_USERNAME}")).await;
    assert_eq!(
        found.json["users"].as_array().unwrap().len(),
        1,
        "{found:?}"
    );
    secrets.extend(hashes(app).await);
    secrets
}

async fn make_another(app: &TestApp, owner: &Client) {
    let wish = json!({
        "email": "Hedgerow.Pimpernel@post.example",
        "username": "HedgerowPimpernel",
        "password": PASSWORD,
        "organization_ids": [app.app.default_organization],
    });
    assert_eq!(post(owner, "/api/v2/users", &wish).await.0, 201);
    assert_eq!(post(owner, "/api/v2/users", &wish).await.0, 409);
}

async fn change_everything(app: &TestApp, id: Uuid) {
    let change = UserCommand::ChangeProfile(ProfileChange {
        name: Some(DisplayName::parse(NEW_DISPLAY_NAME).unwrap()),
        avatar_url: Some(AVATAR.to_owned()),
        ..ProfileChange::default()
    });
    execute(app, id, change).await.unwrap();
    execute(app, id, crate::tools::renaming(NEW_USERNAME))
        .await
        .unwrap();
    execute(
        app,
        id,
        token_at("workbench1", Some(TOKEN_NAME), app.clock.now()),
    )
    .await
    .unwrap();
    save_snapshot(app, id).await;
}

async fn come_by_a_provider(app: &TestApp) {
    let id = Ids.uuid();
    let creation = creation_at_provider("fennimore", Some(ACCOUNT));
    execute(app, id, creation).await.unwrap();
    let address = UserCommand::ChangeProfile(ProfileChange {
        email: Some(EmailAddress::parse(PROVIDERS_EMAIL).unwrap()),
        ..ProfileChange::default()
    });
    execute(app, id, address).await.unwrap();
    let tokens = || ProviderTokens {
        access_token: ACCESS_TOKEN.to_owned(),
        refresh_token: Some(REFRESH_TOKEN.to_owned()),
    };
    let vault = app.app.log.vault();
    let secrets = vec![
        vault
            .provider_tokens_write(id, tokens(), None)
            .await
            .unwrap(),
    ];
    let session = vouched_at("fennimore1", LoginType::Oidc, app.clock.now());
    execute_with(app, id, session, secrets).await.unwrap();
    assert!(
        vault
            .renew_provider_tokens(id, 1, tokens(), None)
            .await
            .unwrap()
    );
    save_snapshot(app, id).await;
}

async fn save_snapshot(app: &TestApp, id: Uuid) {
    let clock = Arc::new(SystemClock);
    let appender = Appender::start(app.pool(), InlineProjections, clock);
    let store = Store::<User>::new(app.app.log.clone(), appender);
    let loaded = store.load(id).await.unwrap();
    store.save_snapshot(id, &loaded).await.unwrap();
}

/// The password hashes, whole and in their parts.
async fn hashes(app: &TestApp) -> Vec<Secret> {
    let hashes: Vec<String> = sqlx::query_scalar("SELECT password_hash FROM vault.credentials")
        .fetch_all(app.pool())
        .await
        .unwrap();
    assert_eq!(hashes.len(), 2);
    let parts = hashes.iter().flat_map(|hash| {
        let long = hash.split('$').filter(|part| part.len() > 16);
        long.chain([hash.as_str()]).map(str::to_owned)
    });
    parts
        .map(|part| ("password hash".to_owned(), part))
        .collect()
}

async fn sign_in(app: &TestApp) -> (String, Client) {
    let wish = json!({ "email": EMAIL, "password": PASSWORD });
    let (status, answer) = post(&app.anonymous(), "/api/v2/users/login", &wish).await;
    assert_eq!(status, 201);
    let token = answer["session_token"].as_str().unwrap().to_owned();
    (token.clone(), app.with_token(&token))
}

/// A request from that browser and that address, by way of a proxy.
async fn post(client: &Client, path: &str, body: &Value) -> (u16, Value) {
    let headers = [("user-agent", USER_AGENT), ("x-forwarded-for", ADDRESS)];
    let body = if body.is_null() {
        Vec::new()
    } else {
        serde_json::to_vec(body).unwrap()
    };
    let answer = client.send(Method::POST, path, &headers, body).await;
    (answer.status, answer.json)
}

async fn behind_a_proxy() -> TestApp {
    TestApp::start_with(|config| config.trusted_proxies = vec!["127.0.0.1".parse().unwrap()]).await
}

/// What Postgres itself would hand to whoever makes a backup.
pub async fn dump(database: &PgConnectOptions, what: &[&str]) -> Vec<u8> {
    let mut conn = database.connect().await.unwrap();
    let folder: String = sqlx::query_scalar("SELECT setting FROM pg_config WHERE name = 'BINDIR'")
        .fetch_one(&mut conn)
        .await
        .unwrap();
    let program = Path::new(&folder).join("pg_dump");
    assert!(
        program.is_file(),
        "{} is needed for this test",
        program.display()
    );
    let socket: &PathBuf = database.get_socket().unwrap();
    let output = Command::new(program)
        .arg("--host")
        .arg(socket)
        .args(["--port", &database.get_port().to_string()])
        .args(["--username", database.get_username()])
        .args(["--dbname", database.get_database().unwrap()])
        .args(what)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// The dump, and after it the bytes of every `\x...` in it.
pub fn with_bytes_decoded(dump: &[u8]) -> Vec<u8> {
    let mut all = dump.to_vec();
    for (at, mark) in dump.windows(2).enumerate() {
        if mark == b"\\x" {
            let digits = dump[at + 2..]
                .iter()
                .map_while(|digit| char::from(*digit).to_digit(16));
            let digits: Vec<u32> = digits.collect();
            all.push(b'\n');
            all.extend(
                digits
                    .chunks_exact(2)
                    .map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()),
            );
        }
    }
    all
}

/// The ways in which a secret can lie in bytes: as it is, in other cases, in hexadecimal digits, and in base64,
/// wherever in it it begins.
fn disguises(secret: &str) -> Vec<Vec<u8>> {
    let mut disguises = Vec::new();
    for text in [
        secret.to_owned(),
        secret.to_lowercase(),
        secret.to_uppercase(),
    ] {
        let bytes = text.as_bytes();
        disguises.push(bytes.to_vec());
        let hex = hexadecimal(bytes);
        disguises.push(hex.to_uppercase().into_bytes());
        disguises.push(hex.into_bytes());
        for alphabet in [STANDARD, URL_SAFE] {
            let engine = GeneralPurpose::new(&alphabet, NO_PAD);
            for shift in 0..3 {
                let shifted = [vec![0; shift], bytes.to_vec()].concat();
                let encoded = engine.encode(&shifted).into_bytes();
                // The digits at both ends also depend on the neighbours.
                let from = [0, 2, 3][shift];
                let to = shifted.len() / 3 * 4;
                disguises.push(encoded[from..to].to_vec());
            }
        }
    }
    disguises
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap();
    let pairs = bytes
        .iter()
        .map(|byte| [digit(byte >> 4), digit(byte & 15)]);
    pairs.flatten().collect()
}

pub fn assert_holds_none(text: &[u8], secrets: &[Secret]) {
    for (what, secret) in secrets {
        for disguise in disguises(secret) {
            assert!(disguise.len() >= 8, "{what} is too short to be looked for");
            assert!(
                !holds(text, &disguise),
                "{what} {secret:?} was found as {}",
                String::from_utf8_lossy(&disguise)
            );
        }
    }
}

pub fn holds(text: &[u8], needle: &[u8]) -> bool {
    let first = needle[0];
    text.windows(needle.len())
        .any(|window| window[0] == first && window == needle)
}

#[tokio::test]
async fn a_dump_of_the_log_holds_nothing_of_anybody() {
    let app = behind_a_proxy().await;
    let secrets = lead_a_life(&app).await;
    let dump = with_bytes_decoded(&dump(&app.superuser, &["--schema", "log"]).await);
    for known in [
        "UserCreated",
        "ProfileChanged",
        "SessionStarted",
        "SessionEnded",
        "\"actor\":\"user:",
    ] {
        assert!(holds(&dump, known.as_bytes()), "{known} should be there");
    }
    assert_holds_none(&dump, &secrets);
}

#[tokio::test]
async fn snapshots_and_answers_kept_for_retries_hold_nothing_of_anybody() {
    let app = behind_a_proxy().await;
    let secrets = lead_a_life(&app).await;
    let tables = ["--table", "live.snapshots", "--table", "live.commands"];
    let dump = with_bytes_decoded(&dump(&app.superuser, &tables).await);
    assert!(
        holds(&dump, b"{\"Live\":{\"person\":\""),
        "there should be a snapshot"
    );
    assert_holds_none(&dump, &secrets);
}

#[tokio::test]
async fn no_table_at_all_holds_what_would_open_a_door() {
    let app = behind_a_proxy().await;
    let mut keys = lead_a_life(&app).await;
    let is_key = |what: &str| what.ends_with("token") || what.ends_with("password");
    keys.retain(|(what, _)| is_key(what));
    assert_eq!(
        keys.len(),
        6,
        "two tokens, two of a provider, two passwords"
    );
    let dump = with_bytes_decoded(&dump(&app.superuser, &[]).await);
    for known in ["vault.provider_tokens", "fennimore1", ACCOUNT] {
        assert!(holds(&dump, known.as_bytes()), "{known} should be there");
    }
    assert_holds_none(&dump, &keys);
}

/// Where the service's log lines go.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn what_the_service_writes_about_its_work_holds_nothing_of_anybody() {
    let lines = Lines::default();
    let writer = lines.clone();
    // On a runtime of one thread all of the service's tasks run here, and all they say is heard.
    let heard = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let listening = tracing::subscriber::set_default(heard);
    // While there is only one, `tracing` asks nobody but the thread that comes first whether a line is wanted at all,
    // and that may be another test's.
    let _another = tracing::Dispatch::new(tracing_subscriber::registry());
    let app = behind_a_proxy().await;
    let secrets = lead_a_life(&app).await;
    break_something(&app).await;
    drop(listening);
    let text = lines.0.lock().unwrap().clone();
    for known in ["answered", "a batch was not committed"] {
        assert!(holds(&text, known.as_bytes()), "{known} should be there");
    }
    assert_holds_none(&text, &secrets);
}

/// Errors tell of values: the database's too.
async fn break_something(app: &TestApp) {
    let id = crate::tools::user(app, "HedgerowPimpernel2").await;
    let broken = crate::tools::new_avatar(&format!("{AVATAR}\0"));
    assert!(execute(app, id, broken).await.is_err());
}

#[test]
fn a_secret_is_found_in_every_disguise() {
    let secret = vec![("it".to_owned(), "Grommetbrowser/7.31".to_owned())];
    let hex = hexadecimal(secret[0].1.as_bytes());
    let base64 = |prefix: &str| {
        let engine = GeneralPurpose::new(&STANDARD, NO_PAD);
        engine.encode(format!("{prefix}{} and more", secret[0].1))
    };
    for leak in [
        "he says Grommetbrowser/7.31!".to_owned(),
        "GROMMETBROWSER/7.31".to_owned(),
        format!("1\\t\\\\x00{hex}"),
        format!("1\\t\\\\x00{}", hexadecimal(hex.as_bytes())),
        base64(""),
        base64("a"),
        base64("ab"),
        base64("abc"),
        format!("\\\\x{}", hexadecimal(base64("a").as_bytes())),
    ] {
        let text = with_bytes_decoded(leak.as_bytes());
        let found = std::panic::catch_unwind(|| assert_holds_none(&text, &secret));
        assert!(found.is_err(), "not found in {leak}");
    }
    assert_holds_none(b"Grommet browser 7.31", &secret);
}
