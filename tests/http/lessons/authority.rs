//! What somebody may do is decided when it is recorded: by their status, roles and session then, and by the rank of the
//! user whom it is about.

use std::collections::BTreeSet;

use axum::http::Method;
use chrono::TimeDelta;
use rollcall_events::{
    Authority, Metadata,
    ids::Ids,
    user::{ActivationCause, LoginType, Role, Scope, UserCommand},
};
use serde_json::{Value, json};
use sqlx::{ConnectOptions, Connection, Executor, PgConnection};
use uuid::Uuid;

use super::every::{Named, Operation, events, operations};
use crate::{
    given::{ME, USERS, assert_refused, member, session, text, with_role},
    support::{TestApp, client::Client},
};

/// Races for each operation: more than 200 in all.
const ROUNDS: usize = 10;
const NEW: &str = "a quite different sentence";

/// A body with which the operation succeeds for an owner. An operation that is not here must be added.
fn body(operation: &Operation, name: &str, app: &TestApp) -> Value {
    let path = operation.path.strip_prefix("/api/v2").unwrap();
    match (operation.method.as_str(), path) {
        ("POST", "/users") => json!({
            "email": format!("{name}-new@example.com"),
            "username": format!("{name}-new"),
            "login_type": "none",
            "organization_ids": [app.app.default_organization],
        }),
        ("PUT", "/users/{user}/profile") => json!({ "username": format!("{name}-renamed") }),
        ("PUT", "/users/{user}/password") => json!({ "password": NEW }),
        ("PUT", "/users/{user}/roles") => json!({ "roles": ["auditor"] }),
        ("DELETE", "/users/{user}/personal-data") => json!({ "confirm": name }),
        ("POST", "/users/{user}/convert-login") => json!({ "to_type": "oidc", "password": NEW }),
        ("POST", "/organizations") => json!({ "name": format!("{name}-organization") }),
        ("PUT", "/organizations/{organization}/members/{user}/roles") => {
            json!({ "roles": ["organization-auditor"] })
        }
        ("POST", "/authcheck") => json!({ "checks": {} }),
        (
            "PUT",
            "/users/{user}/status/suspend"
            | "/users/{user}/status/activate"
            | "/users/{user}/keys/{id}/expire",
        )
        | ("DELETE", "/users/{user}" | "/users/{user}/keys/{id}")
        | (
            "POST",
            "/users/{user}/keys"
            | "/users/{user}/keys/tokens"
            | "/users/logout"
            | "/audit/testgenerate",
        )
        | ("POST" | "DELETE", "/organizations/{organization}/members/{user}") => json!({}),
        (method, path) => panic!("{method} {path} is raced with nobody's suspension: add it"),
    }
}

/// What an administrator and their target are in one race.
struct Race {
    admin: Uuid,
    client: Client,
    target: String,
    key: String,
}

impl Race {
    async fn begin(app: &TestApp, owner: &Client, name: &str) -> Self {
        let admin = app.user(owner, &format!("{name}-admin")).await;
        assign(app, admin, &[Role::Owner]).await;
        let client = session(app, admin, LoginType::Password, Scope::All).await;
        let target = app.user(owner, name).await;
        let key = session(app, target, LoginType::Token, Scope::All).await;
        let (key, _) = key.token().split_once('-').unwrap();
        Self {
            admin,
            client,
            target: name.to_owned(),
            key: key.to_owned(),
        }
    }

    /// Suspends the administrator while their request is under way: it was let in before, and is decided afterwards.
    async fn suspend_during(&self, app: &TestApp, operation: &Operation) -> u16 {
        let mut looker = app.superuser.connect().await.unwrap();
        let mut holder = app.superuser.connect().await.unwrap();
        holder
            .execute("BEGIN; SELECT FROM log.head FOR UPDATE")
            .await
            .unwrap();
        let node = app.app.clone();
        let admin = self.admin;
        let suspending = tokio::spawn(async move {
            let execute = |command| {
                let authority = Authority::system(Metadata::system(Ids.uuid()));
                node.users.execute(admin, command, authority, Vec::new())
            };
            let demotion = UserCommand::AssignRoles {
                roles: BTreeSet::new(),
                tokens_end_by: None,
            };
            let (demoted, suspended) =
                tokio::join!(execute(demotion), execute(UserCommand::SuspendUser));
            demoted.unwrap();
            suspended.unwrap();
        });
        while !is_waited_for(&mut looker).await {}
        let (client, operation_path) = (self.client.clone(), self.path(operation));
        let method = operation.method.clone();
        let body = body(operation, &self.target, app).to_string().into_bytes();
        let asking =
            tokio::spawn(async move { client.send(method, &operation_path, &[], body).await });
        for _ in 0..16 {
            looker.execute("SELECT 1").await.unwrap();
        }
        holder.execute("COMMIT").await.unwrap();
        suspending.await.unwrap();
        holder.close().await.unwrap();
        asking.await.unwrap().status
    }

    fn path(&self, operation: &Operation) -> String {
        let named = Named::BOB.with("user", &self.target).with("id", &self.key);
        operation.path(named)
    }

    /// How many events of the administrator there are after their suspension.
    async fn after_suspension(&self, conn: &mut PgConnection) -> i64 {
        sqlx::query_scalar(
            "SELECT count(*) FROM log.events
              WHERE convert_from(metadata, 'UTF8')::jsonb ->> 'actor' = $1
                AND aggregate_type <> 'attempt'
                AND position > (SELECT max(position) FROM log.events
                                 WHERE aggregate_id = $2 AND event_type = 'UserSuspended')",
        )
        .bind(format!("user:{}", self.admin))
        .bind(self.admin)
        .fetch_one(conn)
        .await
        .unwrap()
    }
}

async fn is_waited_for(conn: &mut PgConnection) -> bool {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_stat_activity
                         WHERE datname = current_database() AND wait_event_type = 'Lock')",
    )
    .fetch_one(conn)
    .await
    .unwrap()
}

async fn assign(app: &TestApp, user: Uuid, roles: &[Role]) {
    let roles = roles.iter().copied().collect();
    let command = UserCommand::AssignRoles {
        roles,
        tokens_end_by: None,
    };
    app.command(user, command).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_command_of_a_suspended_administrator_is_recorded_by_any_operation() {
    let app = TestApp::start_with(|config| config.audit_test_entries = true).await;
    let owner = app.owner().await;
    let mut conn = app.superuser.connect().await.unwrap();
    let mut races = 0;
    for operation in operations() {
        if !operation.changes_something() || !operation.takes_token {
            continue;
        }
        for round in 0..ROUNDS {
            races += 1;
            let race = Race::begin(&app, &owner, &format!("r{races}")).await;
            let status = race.suspend_during(&app, &operation).await;
            // Signing out always works, and is then recorded as Rollcall's own doing.
            let is_harmless = operation.path.ends_with("/logout")
                || operation.path.ends_with("/authcheck")
                || operation.path.ends_with("/convert-login");
            assert!(
                status == 401 || is_harmless,
                "{operation:?} {round}: {status}"
            );
            let recorded = race.after_suspension(&mut conn).await;
            assert_eq!(recorded, 0, "{operation:?} {round}: {status}");
        }
    }
    assert!(races >= 200, "{races}");
}

/// What a manager of users does to one, with what it is answered if it is done.
fn managing(user: &str, key: &str) -> Vec<(Method, String, Value)> {
    let path = |rest: &str| format!("{USERS}/{user}{rest}");
    let nothing = Value::Null;
    vec![
        (
            Method::PUT,
            path("/profile"),
            json!({ "username": "renamed" }),
        ),
        (
            Method::PUT,
            path("/profile"),
            json!({ "username": user, "name": "Somebody" }),
        ),
        (Method::PUT, path("/password"), json!({ "password": NEW })),
        (Method::PUT, path("/roles"), json!({ "roles": [] })),
        (Method::PUT, path("/roles"), json!({ "roles": ["member"] })),
        (Method::PUT, path("/status/suspend"), nothing.clone()),
        (Method::PUT, path("/status/activate"), nothing.clone()),
        (Method::POST, path("/keys"), nothing.clone()),
        (Method::POST, path("/keys/tokens"), json!({})),
        (Method::GET, path("/keys/tokens"), nothing.clone()),
        (Method::GET, path(&format!("/keys/{key}")), nothing.clone()),
        (
            Method::PUT,
            path(&format!("/keys/{key}/expire")),
            nothing.clone(),
        ),
        (
            Method::DELETE,
            path(&format!("/keys/{key}")),
            nothing.clone(),
        ),
        (
            Method::DELETE,
            path("/personal-data"),
            json!({ "confirm": user }),
        ),
        (
            Method::DELETE,
            format!("/api/v2/organizations/default/members/{user}"),
            nothing.clone(),
        ),
        (Method::DELETE, path(""), nothing),
    ]
}

#[tokio::test]
async fn a_user_admin_reaches_no_user_with_a_role_that_they_could_not_assign() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let admin = with_role(&app, &owner, "cleo", Role::UserAdmin).await;
    let (_, stranger) = member(&app, &owner, "mallory").await;
    for role in [
        Role::Owner,
        Role::UserAdmin,
        Role::Auditor,
        Role::TemplateAdmin,
    ] {
        let name = format!("a-{}", role.name());
        let (id, _) = member(&app, &owner, &name).await;
        assign(&app, id, &[Role::Member, role]).await;
        let key = session(&app, id, LoginType::Token, Scope::All).await;
        let (key_id, _) = key.token().split_once('-').unwrap();
        let before = super::every::changes(&app).await;
        for (method, path, body) in managing(&name, key_id) {
            let body = body.to_string().into_bytes();
            let answer = admin.send(method.clone(), &path, &[], body.clone()).await;
            assert_refused(&answer, 403, "Forbidden");
            let answer = stranger.send(method, &path, &[], body).await;
            assert_refused(&answer, 404, "Resource not found");
        }
        assert_eq!(super::every::changes(&app).await, before, "{role:?}");
        assert_eq!(key.get(ME).await.status, 200);
    }
    // A plain member is theirs to manage.
    let (_, _) = member(&app, &owner, "bob").await;
    let renamed = json!({ "username": "bobby" });
    let answer = admin.put(&format!("{USERS}/bob/profile"), &renamed).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let password = json!({ "password": NEW });
    let answer = admin
        .put(&format!("{USERS}/bobby/password"), &password)
        .await;
    assert_eq!(answer.status, 204, "{answer:?}");
    let answer = admin.delete(&format!("{USERS}/bobby")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn who_keeps_their_own_name_does_not_take_it_back_from_whoever_renamed_them() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    let mine = json!({ "username": "bob", "name": "Bob" });
    let profile = format!("{ME}/profile");
    let renamed = json!({ "username": "robert" });
    let theirs = format!("{USERS}/bob/profile");
    let (_, _) = tokio::join!(owner.put(&theirs, &renamed), bob.put(&profile, &mine));
    assert_eq!(bob.get(ME).await.json["username"], "robert");
}

/// Makes a token; the refusal's status, or its client.
async fn mint(app: &TestApp, by: &Client, lifetime: TimeDelta) -> Result<Client, u16> {
    let wish = json!({ "lifetime": lifetime.num_nanoseconds().unwrap() });
    let answer = by.post(&format!("{ME}/keys/tokens"), &wish).await;
    match answer.status {
        201 => Ok(app.with_token(text(&answer, "key"))),
        status => Err(status),
    }
}

#[tokio::test]
async fn a_token_makes_no_token_that_lives_longer_than_itself_by_whatever_detour() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    let day = TimeDelta::days(1);
    let token = mint(&app, &bob, day).await.unwrap();
    app.pass(TimeDelta::hours(12));
    // Its whole lifetime, so that it can be replaced in time.
    let successor = mint(&app, &token, day).await.unwrap();
    for longer in [day + TimeDelta::seconds(1), TimeDelta::days(100)] {
        assert_eq!(mint(&app, &token, longer).await.err(), Some(400));
    }
    let limit = token.get(&format!("{ME}/keys/tokens/tokenconfig")).await;
    let nanoseconds = day.num_nanoseconds().unwrap();
    assert_eq!(limit.json["max_token_lifetime"], nanoseconds);
    let by_default = token.post(&format!("{ME}/keys/tokens"), &json!({})).await;
    assert_eq!(by_default.status, 201, "{by_default:?}");
    // By way of a session for the command line, and of one that this makes.
    let mut detour = token;
    for _ in 0..2 {
        let made = detour.post(&format!("{ME}/keys"), &Value::Null).await;
        detour = app.with_token(text(&made, "key"));
        assert_eq!(mint(&app, &detour, day).await.err(), Some(400));
    }
    app.pass(TimeDelta::hours(13));
    assert_eq!(detour.get(ME).await.status, 401);
    assert_eq!(successor.get(ME).await.status, 200);
    // Who signed in is not bound.
    let bob = app.sign_in("bob@example.com").await;
    let made = bob.post(&format!("{ME}/keys"), &Value::Null).await;
    let command_line = app.with_token(text(&made, "key"));
    for client in [bob, command_line] {
        assert!(mint(&app, &client, TimeDelta::days(100)).await.is_ok());
    }
}

#[tokio::test]
async fn whoever_becomes_an_owner_has_tokens_that_end_as_an_owners_must() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, bob) = member(&app, &owner, "bob").await;
    let long = mint(&app, &bob, TimeDelta::days(10_000)).await.unwrap();
    let short = mint(&app, &bob, TimeDelta::days(2)).await.unwrap();
    let before = events(&app).await;
    let roles = json!({ "roles": ["auditor"] });
    let path = format!("{USERS}/bob/roles");
    assert_eq!(owner.put(&path, &roles).await.status, 200);
    assert_eq!(events(&app).await, before + 1);
    let roles = json!({ "roles": ["owner"] });
    assert_eq!(owner.put(&path, &roles).await.status, 200);
    // One commit: the role and the end of the long token.
    assert_eq!(events(&app).await, before + 3);
    let kinds = crate::given::history(&app, id).await;
    assert!(kinds.ends_with(&["RolesAssigned".to_owned(), "SessionShortened".to_owned()]));
    app.pass(TimeDelta::days(1));
    for token in [&long, &short] {
        assert_eq!(token.get(ME).await.status, 200);
    }
    app.pass(TimeDelta::days(7));
    assert_eq!(long.get(ME).await.status, 401);
}

#[tokio::test]
async fn a_token_for_applications_wakes_no_dormant_user() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let wish = crate::given::wish_with(&app, "bob", &json!({ "user_status": "dormant" }));
    let created = owner.post(USERS, &wish).await;
    let id = text(&created, "id").parse().unwrap();
    let connection = session(&app, id, LoginType::Token, Scope::ApplicationConnect).await;
    let before = events(&app).await;
    assert_refused(&connection.get(ME).await, 403, "Forbidden");
    assert_eq!(events(&app).await, before);
    let bob = owner.get(&format!("{USERS}/bob")).await.json;
    assert_eq!(bob["status"], "dormant");
    assert_eq!(bob["last_seen_at"], crate::given::NEVER);
}

#[tokio::test]
async fn a_members_history_names_no_other_user_no_session_of_theirs_and_no_position() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, bob) = member(&app, &owner, "bob").await;
    owner
        .post(&format!("{USERS}/bob/keys/tokens"), &json!({}))
        .await;
    let suspend = format!("{USERS}/bob/status/suspend");
    owner.put(&suspend, &Value::Null).await;
    app.command(
        id,
        UserCommand::ActivateUser(ActivationCause::Administrator),
    )
    .await;
    let ada = text(&owner.get(ME).await, "id").to_owned();
    let (session_id, _) = owner.token().split_once('-').unwrap();
    for path in ["history", "sessions"] {
        let answer = bob.get(&format!("{ME}/{path}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(!answer.text.contains(&ada), "{answer:?}");
        assert!(!answer.text.contains(session_id), "{answer:?}");
        let seen = owner.get(&format!("{USERS}/bob/{path}")).await;
        assert!(seen.text.contains(&ada), "{seen:?}");
    }
    let history = bob.get(&format!("{ME}/history")).await.json;
    let entries = history["entries"].as_array().unwrap();
    assert!(entries.iter().all(|entry| entry["position"] == 0));
    assert!(entries.iter().any(|entry| entry["actor"] == "user"));
    // Pages go on by the identifiers that are shown, and these hold no position.
    let theirs = owner.get(&format!("{USERS}/bob/history")).await.json;
    for (entry, theirs) in entries.iter().zip(theirs["entries"].as_array().unwrap()) {
        assert_ne!(entry["id"], theirs["id"]);
    }
    let (first, rest) = entries.split_first().unwrap();
    let page = format!("{ME}/history?after_id={}", first["id"].as_str().unwrap());
    let page = bob.get(&page).await.json;
    assert_eq!(page["entries"].as_array().unwrap(), rest);
    for path in [
        format!("{ME}?position=1"),
        format!("{ME}/sessions?position=1"),
        format!("{ME}/difference?from_position=1"),
        format!("{ME}/difference?position=1000000"),
        format!("{USERS}?position=1"),
    ] {
        assert_refused(&bob.get(&path).await, 403, "Forbidden");
    }
}

#[tokio::test]
async fn only_readers_of_the_log_are_given_positions_of_it() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    let auditor = with_role(&app, &owner, "ann", Role::Auditor).await;
    let admin = with_role(&app, &owner, "cleo", Role::UserAdmin).await;
    let profile = |name: &str| json!({ "username": name, "name": "Another" });
    for (client, name, is_reader) in [
        (&owner, "ada", true),
        (&auditor, "ann", true),
        (&admin, "cleo", false),
        (&bob, "bob", false),
    ] {
        let answer = client.put(&format!("{ME}/profile"), &profile(name)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let is_given = !answer.header("rollcall-position").is_empty();
        assert_eq!(is_given, is_reader, "{name}");
    }
    let wish = json!({ "email": "bob@example.com", "password": crate::support::PASSWORD });
    let answer = app.anonymous().post(crate::given::LOGIN, &wish).await;
    assert_eq!(answer.header("rollcall-position"), "");
}

#[tokio::test]
async fn a_hidden_name_and_a_missing_one_are_noted_alike_in_every_spelling() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    member(&app, &owner, "hidden").await;
    let (_, bob) = member(&app, &owner, "bob").await;
    let mut counts = Vec::new();
    for spellings in [
        ["hidden", "HIDDEN", "%68idden", "h%49dden", "hiddeN"],
        ["absent", "ABSENT", "%61bsent", "%41bsent", "absenT"],
    ] {
        let before = events(&app).await;
        for name in spellings {
            let answer = bob.delete(&format!("{USERS}/{name}")).await;
            assert_refused(&answer, 404, "Resource not found");
        }
        // Each is noted beside its answer: the first is recorded at once, those like it are counted for a minute.
        while events(&app).await == before {}
        counts.push(events(&app).await - before);
    }
    assert_eq!(counts, [1, 1]);
}
