//! What went wrong in other identity services, and must not go wrong here: each test is named after its lesson.

#[path = "lessons/authority.rs"]
mod authority;
#[path = "lessons/bodies.rs"]
mod bodies;
#[path = "lessons/browsers.rs"]
mod browsers;
#[path = "lessons/enumeration.rs"]
mod enumeration;
#[path = "lessons/every.rs"]
mod every;
#[path = "lessons/floods.rs"]
mod floods;
#[path = "lessons/guessing.rs"]
mod guessing;
#[path = "lessons/lockout.rs"]
mod lockout;
#[path = "lessons/names.rs"]
mod names;
#[path = "lessons/noise.rs"]
mod noise;
#[path = "lessons/odd_requests.rs"]
mod odd_requests;
#[path = "lessons/passwords.rs"]
mod passwords;
#[path = "lessons/races.rs"]
mod races;
#[path = "lessons/slow_bodies.rs"]
mod slow_bodies;
#[path = "lessons/slow_readers.rs"]
mod slow_readers;
#[path = "lessons/tenants.rs"]
mod tenants;
#[path = "lessons/tokens.rs"]
mod tokens;

use std::time::{Duration, Instant};

use axum::http::Method;
use chrono::TimeDelta;
use rollcall::{
    command_bus::CommandError,
    config::{AccessUrl, Config},
};
use rollcall_events::{
    Authority, Metadata,
    ids::Ids,
    user::{
        CreateUser, DisplayName, EmailAddress, LoginType, Person, Role, Scope, Status, UserCommand,
        UserError, Username,
    },
};
use serde_json::{Value, json};

use crate::{
    given::{
        FIRST, LOGIN, ME, NEVER, USERS, assert_refused, cookie_set, member, session, text, wish,
        wish_with, with_role, wrong_fields,
    },
    support::{PASSWORD, TestApp, client::Answer},
};

async fn sign_in(app: &TestApp, email: &str, password: &str) -> Answer {
    let wish = json!({ "email": email, "password": password });
    app.anonymous().post(LOGIN, &wish).await
}

/// All headers but those that name one request.
fn headers(answer: &Answer) -> Vec<(String, String)> {
    let mut headers: Vec<_> = answer
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), format!("{value:?}")))
        .filter(|(name, _)| name != "x-coder-request-id" && name != "date")
        .collect();
    headers.sort();
    headers
}

/// The proof that the form of a page holds that goes to this address.
fn proof(page: &Answer, action: &str) -> String {
    let form = page
        .text
        .split_once(&format!("action=\"{action}\""))
        .unwrap()
        .1;
    let after = form.split_once("name=\"proof\" value=\"").unwrap().1;
    after.split_once('"').unwrap().0.to_owned()
}

#[tokio::test]
async fn a_deleted_users_tokens_of_every_kind_are_dead_and_stay_dead() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, browser) = member(&app, &owner, "bob").await;
    let program = session(&app, id, LoginType::Token, Scope::All).await;
    assert_eq!(program.get(ME).await.status, 200);
    app.command(id, UserCommand::DeleteUser).await;
    app.user(&owner, "bob").await;
    for client in [browser, program] {
        assert_eq!(client.get(ME).await.status, 401);
    }
}

#[tokio::test]
async fn a_suspended_users_tokens_of_every_kind_are_refused() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, browser) = member(&app, &owner, "bob").await;
    let program = session(&app, id, LoginType::Token, Scope::All).await;
    app.command(id, UserCommand::SuspendUser).await;
    for client in [browser, program] {
        assert_refused(&client.get(ME).await, 401, "suspended");
    }
}

#[tokio::test]
async fn a_session_ends_at_its_hard_age_however_much_it_is_used() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for half_day in 0..60 {
        assert_eq!(owner.get(ME).await.status, 200, "half day {half_day}");
        app.pass(TimeDelta::hours(12));
    }
    assert_refused(&owner.get(ME).await, 401, "session has expired");
}

#[tokio::test]
async fn addresses_that_are_handed_out_come_from_the_configuration_and_never_from_a_header() {
    let configured = |config: &mut Config| {
        config.access_url = "https://rollcall.example".parse::<AccessUrl>().ok();
    };
    let app = TestApp::start_with(configured).await;
    app.owner().await;
    let evil = [
        ("Host", "evil.test"),
        ("X-Forwarded-Host", "evil.test"),
        ("X-Forwarded-Proto", "evil"),
        ("Forwarded", "host=evil.test"),
        ("X-Original-Host", "evil.test"),
        ("Origin", "https://evil.test"),
    ];
    let body = json!({ "email": "ada@example.com", "password": PASSWORD }).to_string();
    for (method, path) in [
        (Method::GET, "/api/v2/buildinfo"),
        (
            Method::GET,
            "/api/v2/users/oidc/callback?redirect=//evil.test",
        ),
        (Method::GET, "/api/v2/users/authmethods"),
        (Method::POST, LOGIN),
    ] {
        let answer = app
            .anonymous()
            .send(method, path, &evil, body.clone().into_bytes())
            .await;
        assert!(!answer.text.contains("evil"), "{path}: {answer:?}");
        assert!(
            !format!("{:?}", answer.headers).contains("evil"),
            "{path}: {answer:?}"
        );
    }
    let build = app
        .anonymous()
        .send(Method::GET, "/api/v2/buildinfo", &evil, Vec::new())
        .await;
    assert_eq!(build.json["external_url"], "https://rollcall.example");
}

#[tokio::test]
async fn a_body_sets_nothing_but_what_it_is_asked_for() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let forbidden = json!({
        "id": "497f6eca-6276-4993-bfeb-53cbbbba6f08",
        "user_id": "497f6eca-6276-4993-bfeb-53cbbbba6f08",
        "created_at": "2000-01-01T00:00:00Z",
        "last_seen_at": "2000-01-01T00:00:00Z",
        "status": "suspended",
        "avatar_url": "https://evil.test/a.png",
        "verified": true,
        "email_verified": true,
        "is_system": true,
        "deleted": true,
        "is_service_account": true,
        "has_ai_seat": true,
        "hashed_password": "$argon2id$",
        "password_scheme": "none",
        "first": true,
        "rbac_roles": ["owner"],
        "site_roles": ["owner"],
        "role": "owner",
    });
    let created = owner.post(USERS, &wish_with(&app, "bob", &forbidden)).await;
    assert_eq!(created.status, 201, "{created:?}");
    let id = &created.json["id"];
    assert_ne!(*id, forbidden["id"]);
    assert_eq!(created.json["created_at"], "2026-01-01T12:00:00Z");
    assert_eq!(created.json["last_seen_at"], NEVER);
    assert_eq!(created.json["status"], "active");
    assert_eq!(created.json["avatar_url"], "");
    assert_eq!(created.json["has_ai_seat"], false);
    assert_eq!(created.json["roles"], json!([]));
    assert_eq!(owner.get("/api/v2/users/bob").await.json, created.json);
    app.sign_in("bob@example.com").await;
}

#[tokio::test]
async fn the_first_users_body_sets_nothing_but_the_person_and_the_password() {
    let app = TestApp::start().await;
    let wish = json!({
        "email": "ada@example.com",
        "username": "ada",
        "password": PASSWORD,
        "id": "497f6eca-6276-4993-bfeb-53cbbbba6f08",
        "roles": ["member"],
        "status": "suspended",
        "user_status": "dormant",
        "login_type": "none",
        "organization_id": "497f6eca-6276-4993-bfeb-53cbbbba6f08",
    });
    let created = app.anonymous().post(FIRST, &wish).await;
    assert_eq!(created.status, 201, "{created:?}");
    assert_ne!(created.json["user_id"], wish["id"]);
    let me = app.sign_in("ada@example.com").await.get(ME).await;
    assert_eq!(me.json["status"], "active");
    assert_eq!(me.json["login_type"], "password");
    let organization = app.app.default_organization;
    assert_eq!(me.json["organization_ids"], json!([organization]));
}

#[tokio::test]
async fn who_may_create_users_may_not_create_somebody_more_powerful_than_themselves() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let admin = with_role(&app, &owner, "admin", Role::UserAdmin).await;
    for roles in [json!(["owner"]), json!(["member", "owner"])] {
        let wish = wish_with(&app, "eve", &json!({ "roles": roles, "Roles": roles }));
        assert_refused(&admin.post(USERS, &wish).await, 403, "Forbidden.");
    }
}

#[tokio::test]
async fn a_stream_is_never_used_again_not_even_a_deleted_ones() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let living = app.user(&owner, "bob").await;
    let deleted = app.user(&owner, "eve").await;
    app.command(deleted, UserCommand::DeleteUser).await;
    for id in [living, deleted] {
        let person = Person {
            email: EmailAddress::parse("new@example.com").unwrap(),
            username: Username::parse("newcomer").unwrap(),
            name: DisplayName::default(),
            avatar_url: String::new(),
        };
        let create = UserCommand::CreateUser(CreateUser {
            person,
            login_type: LoginType::None,
            status: Status::Active,
            roles: [Role::Owner].into(),
            organizations: vec![app.app.default_organization],
            password_scheme: None,
            identity: None,
            first: false,
        });
        let authority = Authority::system(Metadata::system(Ids.uuid()));
        let executed = app
            .app
            .users
            .execute(id, create, authority, Vec::new())
            .await;
        assert!(
            matches!(
                executed,
                Err(CommandError::Refused(UserError::AlreadyExists))
            ),
            "{executed:?}"
        );
    }
}

#[tokio::test]
async fn a_successor_of_the_same_name_inherits_nothing() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let bob = with_role(&app, &owner, "bob", Role::Auditor).await;
    let me = bob.get(ME).await;
    let old = me.json["id"].as_str().unwrap().parse().unwrap();
    app.command(old, UserCommand::DeleteUser).await;
    let other = json!({ "password": "another horse battery staple" });
    let new = owner.post(USERS, &wish_with(&app, "bob", &other)).await;
    assert_eq!(new.status, 201);
    assert_ne!(new.json["id"], me.json["id"]);
    assert_eq!(new.json["roles"], json!([]));
    assert_eq!(new.json["last_seen_at"], NEVER);
    assert_eq!(bob.get(ME).await.status, 401);
    let old_password = sign_in(&app, "bob@example.com", PASSWORD).await;
    assert_eq!(old_password.status, 401);
}

#[tokio::test]
async fn a_username_cannot_look_like_somebodys_email() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for username in ["ada@example.com", "ada@", "@ada", "ada@localhost"] {
        let other = json!({ "username": username, "email": "eve@example.com" });
        let answer = owner.post(USERS, &wish_with(&app, "eve", &other)).await;
        assert_eq!(wrong_fields(&answer), ["username"], "{username}");
    }
}

#[tokio::test]
async fn wrong_passwords_lock_nobody_out() {
    let app = TestApp::start().await;
    app.owner().await;
    for _ in 0..30 {
        let wrong = sign_in(&app, "ada@example.com", "wrong").await;
        assert_eq!(wrong.status, 401);
    }
    app.sign_in("ada@example.com").await;
}

#[tokio::test]
async fn an_unknown_address_and_a_wrong_password_get_the_same_answer() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    app.command(bob, UserCommand::SuspendUser).await;
    let none = json!({ "login_type": "none", "password": "" });
    owner.post(USERS, &wish_with(&app, "eve", &none)).await;
    let gone = app.user(&owner, "dan").await;
    app.command(gone, UserCommand::DeleteUser).await;
    let wrong = sign_in(&app, "ada@example.com", "wrong").await;
    assert_refused(&wrong, 401, "Incorrect email or password.");
    for email in [
        "nobody@example.com",
        "bob@example.com",
        "eve@example.com",
        "dan@example.com",
    ] {
        let answer = sign_in(&app, email, "wrong").await;
        assert_eq!(answer.status, wrong.status, "{email}");
        assert_eq!(answer.text, wrong.text, "{email}");
        assert_eq!(headers(&answer), headers(&wrong), "{email}");
    }
}

/// Hashing is made so dear that everything else is small beside it. The quickest tries are compared, and on a busy
/// machine it takes more of them until they are alike: where there is a shortcut they never are.
#[tokio::test]
async fn an_unknown_address_takes_as_long_as_a_wrong_password() {
    let dear = |config: &mut Config| {
        config.argon2_memory_kib = 32 * 1024;
        config.argon2_passes = 3;
    };
    let app = TestApp::start_with(dear).await;
    let owner = app.owner().await;
    let none = json!({ "login_type": "none", "password": "" });
    owner.post(USERS, &wish_with(&app, "eve", &none)).await;
    let mut quickest = [Duration::MAX; 3];
    for round in 1..=20 {
        for (nth, email) in ["ada@example.com", "nobody@example.com", "eve@example.com"]
            .into_iter()
            .enumerate()
        {
            let began = Instant::now();
            assert_eq!(sign_in(&app, email, "wrong").await.status, 401);
            quickest[nth] = quickest[nth].min(began.elapsed());
        }
        let [wrong, others @ ..] = quickest;
        let is_alike = |other: Duration| other < wrong * 2 && wrong < other * 2;
        if round >= 3 && others.into_iter().all(is_alike) {
            return;
        }
    }
    panic!("a wrong password, an unknown address and one without a password take {quickest:?}");
}

#[tokio::test]
async fn the_decoys_password_cannot_be_known() {
    let app = TestApp::start().await;
    app.owner().await;
    for password in ["hunter2", "SomeSecurePassword!", "password", "decoy"] {
        let answer = sign_in(&app, "nobody@example.com", password).await;
        assert_refused(&answer, 401, "Incorrect email or password.");
    }
}

#[tokio::test]
async fn an_unreadable_forwarded_address_from_a_proxy_is_refused_and_never_skipped() {
    let behind_a_proxy = |config: &mut Config| {
        config.trusted_proxies = "127.0.0.0/8".parse().into_iter().collect();
    };
    let app = TestApp::start_with(behind_a_proxy).await;
    let owner = app.owner().await;
    for (header, status) in [
        ("203.0.113.7", 200),
        ("203.0.113.7, 127.0.0.2", 200),
        ("unknown", 200),
        ("203.0.113.7,", 200),
        ("", 200),
        ("nonsense", 400),
        ("203.0.113.7, nonsense", 400),
        ("203.0.113.7\tx", 400),
        ("203.0.113.7:http", 400),
    ] {
        let headers = [("X-Forwarded-For", header)];
        let answer = owner.send(Method::GET, ME, &headers, Vec::new()).await;
        assert_eq!(answer.status, status, "{header}");
        if status == 400 {
            assert_refused(&answer, 400, "X-Forwarded-For");
            assert!(!answer.header("x-coder-build-version").is_empty());
            assert!(!answer.header("x-coder-request-id").is_empty());
        }
    }
}

#[tokio::test]
async fn a_forwarded_address_from_anybody_else_is_not_even_read() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let headers = [("X-Forwarded-For", "nonsense")];
    let answer = owner.send(Method::GET, ME, &headers, Vec::new()).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn signing_in_never_continues_a_session_that_somebody_else_planted() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, attacker) = member(&app, &owner, "eve").await;
    let cookie = format!("coder_session_token={}", attacker.token());
    let wish = json!({ "email": "ada@example.com", "password": PASSWORD }).to_string();
    let headers = [
        ("Cookie", cookie.as_str()),
        ("Coder-Session-Token", attacker.token()),
    ];
    let answer = app
        .anonymous()
        .send(Method::POST, LOGIN, &headers, wish.into_bytes())
        .await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let token = text(&answer, "session_token");
    assert_ne!(token, attacker.token());
    assert_eq!(cookie_set(&answer, "coder_session_token"), Some(token));
    assert_eq!(attacker.get(ME).await.json["username"], "eve");
}

#[tokio::test]
async fn no_cookie_slips_past_the_guard_against_forged_requests() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let body = wish(&app, "eve").to_string();
    for (name, status) in [
        ("coder_session_token", 400),
        ("coder_devurl_session_token", 400),
        ("Coder_Session_Token", 401),
        ("__Host-coder_session_token", 401),
        ("session_token", 401),
    ] {
        let cookie = format!("{name}={}", owner.token());
        let answer = app
            .anonymous()
            .send(
                Method::POST,
                USERS,
                &[("Cookie", &cookie)],
                body.clone().into_bytes(),
            )
            .await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
    }
    assert_eq!(owner.get("/api/v2/users/eve").await.status, 404);
}

#[tokio::test]
async fn no_cookie_is_shared_with_subdomains() {
    let app = TestApp::start().await;
    app.owner().await;
    let headers = [("Host", "login.example.com")];
    let wish = json!({ "email": "ada@example.com", "password": PASSWORD }).to_string();
    let answer = app
        .anonymous()
        .send(Method::POST, LOGIN, &headers, wish.into_bytes())
        .await;
    for cookie in answer.cookies() {
        assert!(!cookie.to_lowercase().contains("domain"), "{cookie}");
        assert!(cookie.contains("; Path=/;"), "{cookie}");
    }
}

#[tokio::test]
async fn registration_is_closed_to_strangers_whatever_they_send() {
    let app = TestApp::start().await;
    app.owner().await;
    for path in [USERS, FIRST] {
        let answer = app.anonymous().post(path, &wish(&app, "eve")).await;
        assert!([401, 409].contains(&answer.status), "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn no_answer_shows_a_hash_a_secret_or_a_password() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let created = owner.post(USERS, &wish(&app, "bob")).await;
    let answers = [
        created,
        owner.get(USERS).await,
        owner.get(ME).await,
        owner.get("/api/v2/users/bob").await,
    ];
    let (_, secret) = owner.token().split_once('-').unwrap();
    for answer in answers {
        for hidden in [
            "argon2",
            "password_hash",
            "hashed",
            "sha256",
            PASSWORD,
            secret,
        ] {
            assert!(!answer.text.contains(hidden), "{hidden}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_failed_lookup_tells_no_cause_of_ours() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let answer = owner.get("/api/v2/users/nobody").await;
    assert_eq!(answer.json.get("detail"), None::<&Value>);
}
