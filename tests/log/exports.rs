//! The log leaves as a file and comes back as it was; whatever else the file would be, is refused.

use std::io::{self, Write};

use axum::http::Method;
use chrono::{DateTime, TimeDelta, Utc};
use rollcall::erasure;
use rollcall_events::{
    Authority, Metadata,
    clock::{Clock, SystemClock},
    evidence::export::{Reader, Verified, verify as verify_export},
    ids::Ids,
    log::{self, Export, ExportError, Head, ImportError, LogReader, Upcasters},
    user::LoginType,
    vault::{MasterKey, ProviderTokens, Vault, VaultError},
};
use rollcall_projections::{
    inline::InlineProjections,
    verify::{Verified as VerifiedRows, Wish, verify},
};
use serde_json::{Value, json};
use sqlx::{
    ConnectOptions,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use uuid::Uuid;

use crate::{
    rebuild::{log_of, some_history},
    secrecy::{assert_holds_none, dump, holds, with_bytes_decoded},
    support::{TestApp, beginning, client::Client, cluster, master_key},
    tools::{
        assert_same_rows, creation_at_provider, execute, execute_with, raw_events, spawn, user,
        vouched_at,
    },
};

/// Everything, as of a fixed now.
pub const WHOLE: Export = Export {
    made_at: DateTime::<Utc>::MAX_UTC,
    as_of: None,
    open: false,
    with_vault: false,
};

fn now() -> DateTime<Utc> {
    beginning() + TimeDelta::days(30)
}

pub async fn exported(log: &LogReader, wish: Export) -> Result<Vec<u8>, ExportError> {
    let wish = Export {
        made_at: wish.made_at.min(now()),
        ..wish
    };
    let mut conn = log.pool().acquire().await.unwrap();
    let (file, _) = log::export(&mut conn, log, wish, Vec::new(), |_| {}).await?;
    Ok(file)
}

async fn export_of(app: &TestApp, wish: Export) -> Vec<u8> {
    exported(&log_of(app).await, wish).await.unwrap()
}

pub async fn restorable(app: &TestApp) -> Vec<u8> {
    let wish = Export {
        with_vault: true,
        ..WHOLE
    };
    export_of(app, wish).await
}

/// A database where nothing has happened, as the console works on it.
pub struct Elsewhere {
    pub owner: PgConnectOptions,
    log: LogReader,
}

impl Elsewhere {
    pub async fn empty() -> Self {
        Self::with_key(master_key()).await
    }

    async fn with_key(key: MasterKey) -> Self {
        let owner = cluster::connect_options("postgres", &cluster::fresh_database().await);
        let pool = PgPoolOptions::new()
            .max_connections(2)
            .connect_lazy_with(owner.clone());
        let vault = Vault::open(pool.clone(), key, &SystemClock).await.unwrap();
        let log = LogReader::new(pool, vault, Upcasters::current());
        Self { owner, log }
    }

    pub async fn import(&self, file: &[u8]) -> Result<Head, ImportError> {
        let export = Reader::open(io::Cursor::new(file.to_vec())).unwrap();
        let mut conn = self.owner.connect().await.unwrap();
        log::import(
            &mut conn,
            &self.log,
            export,
            &InlineProjections,
            now(),
            |_| {},
        )
        .await
    }

    pub async fn verified(&self) -> VerifiedRows {
        let wish = Wish {
            user: None,
            workers: 2,
            repair: false,
        };
        verify(&self.owner, &self.log, &wish, &std::sync::Arc::default())
            .await
            .unwrap()
    }

    async fn is_empty(&self) -> bool {
        let mut conn = self.owner.connect().await.unwrap();
        let rows: i64 = sqlx::query_scalar(
            "SELECT (SELECT count(*) FROM log.events) + (SELECT position FROM log.head) + (SELECT count(*) FROM log.imports)
                  + (SELECT count(*) FROM vault.subject_keys) + (SELECT count(*) FROM read.users)",
        )
        .fetch_one(&mut conn)
        .await
        .unwrap();
        rows == 0
    }

    /// The service on it.
    async fn served(&self, app: &TestApp) -> TestApp {
        let name = self.owner.get_database().unwrap();
        TestApp::on(name, app.clock.clone(), |_| {}).await
    }
}

pub fn checked(file: &[u8]) -> Verified {
    let verified = verify_export(file, Vec::new(), || {}).unwrap();
    assert!(verified.is_good(), "{:?}", verified.flaws);
    verified
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_exported_and_imported_is_the_same_to_the_byte() {
    let app = TestApp::start().await;
    some_history(&app).await;
    let head = log::head(app.pool()).await.unwrap();
    let file = restorable(&app).await;
    assert_eq!(checked(&file).root, head.frontier.root());

    let there = Elsewhere::empty().await;
    assert_eq!(there.import(&file).await.unwrap(), head);
    assert_eq!(log::head(there.log.pool()).await.unwrap(), head);
    let (mut here, mut conn) = (
        app.superuser.connect().await.unwrap(),
        there.owner.connect().await.unwrap(),
    );
    assert_eq!(raw_events(&mut conn).await, raw_events(&mut here).await);
    assert_same_rows(&app.superuser, &there.owner).await;
    let found = there.verified().await;
    assert!(found.is_good(), "{found:#?}");
    let wish = Export {
        with_vault: true,
        ..WHOLE
    };
    assert!(exported(&there.log, wish).await.unwrap() == file);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_their_vault_people_go_on_where_they_were() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    app.user(&owner, "grace").await;
    let there = Elsewhere::empty().await;
    there.import(&restorable(&app).await).await.unwrap();
    let served = there.served(&app).await;
    let still = served.with_token(owner.token());
    assert_eq!(still.get("/api/v2/users/me").await.json["username"], "ada");
    let grace = served.sign_in("grace@example.com").await;
    let answer = grace
        .put(
            "/api/v2/users/me/profile",
            &json!({ "username": "grace", "name": "Grace Hopper" }),
        )
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let taken = json!({ "email": "ada@example.com", "username": "other", "password": "tumbling-Walrus-9431",
        "organization_ids": [served.app.default_organization] });
    assert_eq!(still.post("/api/v2/users", &taken).await.status, 409);
    assert_eq!(
        served.app.default_organization,
        app.app.default_organization
    );
    let found = there.verified().await;
    assert!(found.is_good(), "{found:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_their_vault_people_are_blank_and_that_is_in_order() {
    let app = TestApp::start().await;
    some_history(&app).await;
    let file = export_of(&app, WHOLE).await;
    // Whatever its master key: there is nothing to be opened.
    let there = Elsewhere::with_key(MasterKey::new([1; 32])).await;
    let head = there.import(&file).await.unwrap();
    assert_eq!(head, log::head(app.pool()).await.unwrap());
    let names: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM read.users WHERE username IS NOT NULL OR email IS NOT NULL",
    )
    .fetch_one(there.log.pool())
    .await
    .unwrap();
    assert_eq!(names, 0);
    let found = there.verified().await;
    assert!(found.is_good(), "{found:#?}");
    // Who loses a key afterwards is told all the same.
    let mut conn = there.owner.connect().await.unwrap();
    sqlx::query("DELETE FROM log.imports")
        .execute(&mut conn)
        .await
        .unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_goes_missing_later_is_still_told() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let id = app.user(&owner, "grace").await;
    for with_vault in [true, false] {
        let file = export_of(
            &app,
            Export {
                with_vault,
                ..WHOLE
            },
        )
        .await;
        let there = Elsewhere::empty().await;
        there.import(&file).await.unwrap();
        let served = there.served(&app).await;
        let late = user(&served, "kurt").await;
        for gone in [id, late] {
            let mut conn = there.owner.connect().await.unwrap();
            sqlx::query("DELETE FROM vault.subject_keys WHERE subject_id = $1")
                .bind(gone)
                .execute(&mut conn)
                .await
                .unwrap();
        }
        let told: Vec<String> = there
            .verified()
            .await
            .flaws
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(told.len(), if with_vault { 2 } else { 1 }, "{told:?}");
        assert!(
            told.iter().any(|flaw| flaw.contains(&late.to_string())),
            "{told:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_empty_log_takes_an_import() {
    let app = TestApp::start().await;
    some_history(&app).await;
    let file = restorable(&app).await;
    let there = Elsewhere::empty().await;
    there.import(&file).await.unwrap();
    let again = there.import(&file).await.unwrap_err();
    assert!(matches!(again, ImportError::NotEmpty(_)), "{again}");
    let found = there.verified().await;
    assert!(found.is_good(), "{found:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_export_leaves_the_log_empty() {
    let app = TestApp::start().await;
    some_history(&app).await;
    let file = restorable(&app).await;
    let there = Elsewhere::empty().await;
    let lines: Vec<&[u8]> = file.split_inclusive(|byte| *byte == b'\n').collect();
    let without = |nth: usize| [&lines[..nth], &lines[nth + 1..]].concat().concat();
    let mut flipped = file.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    for damaged in [
        flipped,
        without(3),
        without(lines.len() - 2),
        without(lines.len() - 1),
        file[..file.len() / 2].to_vec(),
        b"something else".to_vec(),
    ] {
        let refusal = there.import(&damaged).await.unwrap_err();
        assert!(matches!(refusal, ImportError::Damaged(_)), "{refusal}");
        assert!(there.is_empty().await);
    }
    there.import(&file).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_opens_nowhere_but_under_its_master_key() {
    let app = TestApp::start().await;
    app.owner().await;
    let there = Elsewhere::with_key(MasterKey::new([1; 32])).await;
    let refusal = there.import(&restorable(&app).await).await.unwrap_err();
    let is_key = matches!(
        refusal,
        ImportError::Vault(VaultError::WrongMasterKey { .. })
    );
    assert!(is_key, "{refusal}");
    assert!(there.is_empty().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn as_of_a_moment_it_is_the_beginning_of_the_log() {
    let app = TestApp::start().await;
    let mut heads = Vec::new();
    for nth in 0..5 {
        user(&app, &format!("user{nth}")).await;
        user(&app, &format!("twin{nth}")).await;
        heads.push((app.clock.now(), log::head(app.pool()).await.unwrap()));
        app.pass(TimeDelta::hours(1));
    }
    for (moment, head) in heads {
        for late in [TimeDelta::zero(), TimeDelta::minutes(59)] {
            let as_of = Some(moment + late);
            let file = export_of(&app, Export { as_of, ..WHOLE }).await;
            let verified = checked(&file);
            assert_eq!(verified.root, head.frontier.root());
            assert_eq!(verified.events, head.position.unsigned_abs());
            assert_eq!(verified.header.unwrap().as_of, as_of);
        }
    }
    let early = Some(beginning() - TimeDelta::days(1));
    let file = export_of(
        &app,
        Export {
            as_of: early,
            ..WHOLE
        },
    )
    .await;
    assert_eq!(checked(&file).events, 0);
    let there = Elsewhere::empty().await;
    let nothing = there.import(&file).await.unwrap_err();
    assert!(matches!(nothing, ImportError::Nothing), "{nothing}");
    let late = Some(now() + TimeDelta::days(1));
    let log = log_of(&app).await;
    let refusal = exported(
        &log,
        Export {
            as_of: late,
            ..WHOLE
        },
    )
    .await
    .unwrap_err();
    assert!(matches!(refusal, ExportError::Future(_)), "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_appended_meanwhile_is_not_in_it() {
    let app = TestApp::start().await;
    user(&app, "bob").await;
    let log = log_of(&app).await;
    let mut files = Vec::new();
    for round in 0..10 {
        let writing: Vec<_> = (0..20)
            .map(|nth| {
                let name = format!("user-{round}-{nth}");
                let creation = crate::tools::creation(&name, &format!("{name}@example.com"));
                spawn(&app, Ids.uuid(), creation)
            })
            .collect();
        files.push(exported(&log, WHOLE).await.unwrap());
        for answer in writing {
            answer.await.unwrap().unwrap();
        }
    }
    let counts: Vec<u64> = files.iter().map(|file| checked(file).events).collect();
    assert!(counts.is_sorted(), "{counts:?}");
    assert!(counts[0] < counts[9], "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opened_export_can_be_read_by_everybody_and_still_be_imported() {
    let app = TestApp::start().await;
    some_history(&app).await;
    let sealed = export_of(&app, WHOLE).await;
    let file = export_of(
        &app,
        Export {
            open: true,
            ..WHOLE
        },
    )
    .await;
    for known in ["grace@example.com", "barbara-again", "127.0.0.1"] {
        assert!(holds(&file, known.as_bytes()), "{known} should be there");
        assert!(
            !holds(&sealed, known.as_bytes()),
            "{known} should be sealed"
        );
    }
    assert_eq!(checked(&file).root, checked(&sealed).root);
    for line in String::from_utf8(file.clone()).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let Some(event) = line.get("event") else {
            continue;
        };
        // But for what is sealed it says the same.
        let payload: Value = serde_json::from_str(event["payload"].as_str().unwrap()).unwrap();
        let (kind, opened) = (payload.as_object().unwrap().keys().next(), &event["opened"]);
        assert_eq!(kind, opened["payload"].as_object().unwrap().keys().next());
        assert!(opened["metadata"]["actor"].is_string(), "{opened}");
    }
    let there = Elsewhere::empty().await;
    let head = there.import(&file).await.unwrap();
    assert_eq!(head, log::head(app.pool()).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_altered_is_not_exported() {
    let app = TestApp::start().await;
    some_history(&app).await;
    let mut conn = app.superuser.connect().await.unwrap();
    for statement in [
        "ALTER TABLE log.events DISABLE TRIGGER events_are_append_only",
        "UPDATE log.events SET payload = payload || ' '::bytea WHERE position = 3",
    ] {
        sqlx::query(statement).execute(&mut conn).await.unwrap();
    }
    let log = log_of(&app).await;
    let head = log::head(log.pool()).await.unwrap();
    let before_the_last = Export {
        as_of: Some(head.recorded_at - TimeDelta::microseconds(1)),
        ..WHOLE
    };
    for wish in [WHOLE, before_the_last] {
        let refusal = exported(&log, wish).await.unwrap_err();
        assert!(matches!(refusal, ExportError::Altered), "{refusal}");
    }
    sqlx::query("DELETE FROM log.events WHERE position = 5")
        .execute(&mut conn)
        .await
        .unwrap();
    let refusal = exported(&log, WHOLE).await.unwrap_err();
    assert!(
        refusal
            .to_string()
            .contains("after the event at position 4 comes the one at position 6"),
        "{refusal}"
    );
}

/// Takes so many bytes and no more.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0 -= bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told() {
    let app = TestApp::start().await;
    some_history(&app).await;
    let log = log_of(&app).await;
    let wish = Export {
        made_at: now(),
        with_vault: true,
        ..WHOLE
    };
    let whole = exported(&log, wish).await.unwrap().len();
    for room in [0, 100, 2_000, whole - 1] {
        let mut conn = log.pool().acquire().await.unwrap();
        let failure = log::export(&mut conn, &log, wish, Full(room), |_| {}).await;
        let failure = failure.map(|_| ()).unwrap_err();
        assert!(
            matches!(failure, ExportError::Write(_)),
            "{room}: {failure}"
        );
    }
}

/// Of a person who was erased: nothing of this occurs by chance.
const EMAIL: &str = "Zephyrina.Quillfeather@post.Xanadu-Works.example";
const USERNAME: &str = "Quillfeather77";
const NAME: &str = "Zephyrina Ölander-Quill";
const AVATAR: &str = "https://pictures.xanadu-works.example/zephyrina.png";
const TOKEN_NAME: &str = "Gizmotronic-workbench";
const ACCOUNT: &str = "zitronella|5f7c8ec7c33c6c004bbafe82";
const ACCESS_TOKEN: &str = "access-Zamboanga-16C7e42F292c6912E7710c838347Ae178B4a";
const AGENT: &str = "Grommetbrowser/7.31 (Teapot; rv:418)";
const ADDRESS: &str = "203.0.113.177";
const PASSWORD: &str = "tumbling-Walrus-Embargo-9431";

/// A request from the person's browser and address, by way of a proxy.
async fn from_them(client: &Client, method: Method, path: &str, body: &Value) -> (u16, Value) {
    let headers = [("user-agent", AGENT), ("x-forwarded-for", ADDRESS)];
    let body = serde_json::to_vec(body).unwrap();
    let answer = client.send(method, path, &headers, body).await;
    (answer.status, answer.json)
}

/// Everything that a person leaves behind; their id, and the id of their account by a provider.
async fn lead_a_life(app: &TestApp, owner: &Client) -> [Uuid; 2] {
    let wish = json!({ "email": EMAIL, "username": USERNAME, "name": NAME, "password": PASSWORD,
        "organization_ids": [app.app.default_organization] });
    let created = owner.post("/api/v2/users", &wish).await;
    assert_eq!(created.status, 201, "{created:?}");
    let id = created.json["id"].as_str().unwrap().parse().unwrap();
    let wish = json!({ "email": EMAIL, "password": PASSWORD });
    let (status, answer) =
        from_them(&app.anonymous(), Method::POST, "/api/v2/users/login", &wish).await;
    assert_eq!(status, 201);
    let them = app.with_token(answer["session_token"].as_str().unwrap());
    let profile = json!({ "username": USERNAME, "name": NAME, "avatar_url": AVATAR });
    let path = "/api/v2/users/me/profile";
    assert_eq!(from_them(&them, Method::PUT, path, &profile).await.0, 200);
    let token = json!({ "token_name": TOKEN_NAME });
    let path = "/api/v2/users/me/keys/tokens";
    assert_eq!(from_them(&them, Method::POST, path, &token).await.0, 201);
    // What was refused to them, and in their name.
    let roles = json!({ "roles": ["owner"] });
    let path = "/api/v2/users/me/roles";
    let refused = from_them(&them, Method::PUT, path, &roles).await;
    assert!(refused.0 >= 400, "{refused:?}");
    let wish = json!({ "email": EMAIL, "password": "a wrong one" });
    let path = "/api/v2/users/login";
    let refused = from_them(&app.anonymous(), Method::POST, path, &wish).await;
    assert_eq!(refused.0, 401, "{refused:?}");
    [id, come_by_a_provider(app).await]
}

async fn come_by_a_provider(app: &TestApp) -> Uuid {
    let id = Ids.uuid();
    execute(app, id, creation_at_provider("fennimore", Some(ACCOUNT)))
        .await
        .unwrap();
    let tokens = ProviderTokens {
        access_token: ACCESS_TOKEN.to_owned(),
        refresh_token: None,
    };
    let vault = app.app.log.vault();
    let secrets = vec![vault.provider_tokens_write(id, tokens, None).await.unwrap()];
    let session = vouched_at("fennimore1", LoginType::Oidc, app.clock.now());
    execute_with(app, id, session, secrets).await.unwrap();
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_person_is_in_no_dump_and_in_no_export() {
    let app = TestApp::start_with(|config| {
        config.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    })
    .await;
    let owner = app.owner().await;
    let people = lead_a_life(&app, &owner).await;
    app.app.attempts.record_counts().await;
    let everything = Export {
        open: true,
        with_vault: true,
        ..WHOLE
    };
    let before = export_of(&app, everything).await;
    for known in [USERNAME, AVATAR, AGENT, ADDRESS, TOKEN_NAME, ACCOUNT] {
        assert!(holds(&before, known.as_bytes()), "{known} should be there");
    }
    for id in people {
        let authority = Authority::system(Metadata::system(Ids.uuid()));
        erasure::erase(&app.app, id, authority).await.unwrap();
    }
    let secrets = [
        ("e-mail", EMAIL),
        ("username", USERNAME),
        ("name", NAME),
        ("avatar", AVATAR),
        ("token name", TOKEN_NAME),
        ("account", ACCOUNT),
        ("access token", ACCESS_TOKEN),
        ("agent", AGENT),
        ("address", ADDRESS),
        ("password", PASSWORD),
        ("other username", "fennimore@"),
    ]
    .map(|(what, text)| (what.to_owned(), text.to_owned()));
    let dump = with_bytes_decoded(&dump(&app.superuser, &[]).await);
    assert!(holds(&dump, b"UserErased"), "this should be a dump");
    assert_holds_none(&dump, &secrets);
    for (open, with_vault) in [(false, false), (true, false), (true, true)] {
        let file = export_of(
            &app,
            Export {
                open,
                with_vault,
                ..WHOLE
            },
        )
        .await;
        checked(&file);
        assert!(holds(&file, b"UserErased"));
        assert_holds_none(&file, &secrets);
        // Neither is the key to what is sealed.
        for id in people {
            assert!(!holds(
                &file,
                format!(r#""subject_key":{{"subject_id":"{id}""#).as_bytes()
            ));
        }
    }
    // Nor does anybody else read it: from where somebody failed to sign in as them is sealed under the key of the day.
    let audit = owner.get("/api/v2/audit?limit=0").await;
    assert_eq!(audit.status, 200, "{audit:?}");
    assert!(audit.text.contains("login"), "{audit:?}");
    assert_holds_none(audit.text.as_bytes(), &secrets);
    let there = Elsewhere::empty().await;
    there.import(&restorable(&app).await).await.unwrap();
    let found = there.verified().await;
    assert!(found.is_good(), "{found:#?}");
    assert_same_rows(&app.superuser, &there.owner).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_hash_that_no_sign_in_can_afford_is_not_imported() {
    let app = TestApp::start().await;
    app.owner().await;
    let file = String::from_utf8(restorable(&app).await).unwrap();
    for cost in ["m=1048576,t=64,p=1", "m=65536,t=3,p=64"] {
        let mut conn = app.superuser.connect().await.unwrap();
        let update = format!(
            "UPDATE vault.credentials SET password_hash = regexp_replace(password_hash, 'm=[^$]*', '{cost}')"
        );
        sqlx::query(&update).execute(&mut conn).await.unwrap();
        let there = Elsewhere::empty().await;
        let refusal = there.import(&restorable(&app).await).await.unwrap_err();
        assert!(
            refusal
                .to_string()
                .contains("more than a sign-in can afford"),
            "{refusal}"
        );
        assert!(there.is_empty().await);
    }
    Elsewhere::empty()
        .await
        .import(file.as_bytes())
        .await
        .unwrap();
}
