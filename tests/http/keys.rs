//! Keys: sessions for the command line, and what can be done to any key of a user's.

use axum::http::Method;
use chrono::{DateTime, TimeDelta, Utc};
use rollcall::{config::Config, upkeep};
use rollcall_events::user::{EndReason, LoginType, Role, Scope, SessionId, UserCommand};
use serde_json::{Value, json};
use sqlx::ConnectOptions;
use uuid::Uuid;

use crate::{
    given::{
        LOGOUT, ME, USERS, assert_refused, history, member, post_raw, session, text, with_role,
    },
    support::{
        TestApp, beginning,
        client::{Answer, Client},
    },
};

pub const NOT_FOUND: &str = "Resource not found or you do not have access";
const KEYS: &str = "/api/v2/users/me/keys";

/// The address of this user's keys.
pub fn keys_of(user: &str) -> String {
    format!("{USERS}/{user}/keys")
}

/// The public half of a token.
pub fn id_of(client: &Client) -> &str {
    client.token().split_once('-').unwrap().0
}

pub async fn put(client: &Client, path: &str) -> Answer {
    client.send(Method::PUT, path, &[], Vec::new()).await
}

pub async fn delete(client: &Client, path: &str) -> Answer {
    client.send(Method::DELETE, path, &[], Vec::new()).await
}

/// Whoever calls with the key that was just made.
#[track_caller]
pub fn with_new_key(app: &TestApp, answer: &Answer) -> Client {
    assert_eq!(answer.status, 201, "{answer:?}");
    app.with_token(text(answer, "key"))
}

/// A new session for the command line, of this user.
async fn new_key(app: &TestApp, client: &Client, user: &str) -> Client {
    with_new_key(app, &post_raw(client, &keys_of(user), b"").await)
}

/// A key as its owner sees it.
pub async fn seen(client: &Client, id: &str) -> Value {
    let answer = client.get(&format!("{KEYS}/{id}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json
}

pub fn time(key: &Value, field: &str) -> DateTime<Utc> {
    key[field].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_key_is_made_without_a_body_and_without_a_cookie() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let answer = post_raw(&owner, KEYS, b"").await;
    let key = with_new_key(&app, &answer);
    assert_eq!(answer.json, json!({ "key": key.token() }));
    let (id, secret) = key.token().split_once('-').unwrap();
    assert_eq!((id.len(), secret.len()), (10, 22));
    assert_eq!(answer.cookies(), Vec::<&str>::new());
    assert!(answer.header("rollcall-position").parse::<i64>().unwrap() > 0);
    assert_eq!(key.get(ME).await.json["username"], "ada");
}

#[tokio::test]
async fn each_request_makes_another_key() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (one, other) = (
        new_key(&app, &owner, "me").await,
        new_key(&app, &owner, "me").await,
    );
    assert_ne!(one.token(), other.token());
    assert_eq!(one.get(ME).await.status, 200);
    assert_eq!(other.get(ME).await.status, 200);
}

#[tokio::test]
async fn a_key_is_seen_with_all_fields_that_clients_decode_and_without_its_secret() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let me = owner.get(ME).await;
    app.pass(TimeDelta::minutes(5));
    let key = new_key(&app, &owner, "me").await;
    let expected = json!({
        "id": id_of(&key),
        "user_id": me.json["id"],
        "username": "ada",
        "last_used": "1970-01-01T00:00:00Z",
        "expires_at": "2026-01-08T12:05:00Z",
        "created_at": "2026-01-01T12:05:00Z",
        "updated_at": "2026-01-01T12:05:00Z",
        "login_type": "password",
        "scope": "all",
        "scopes": ["coder:all"],
        "token_name": "",
        "allow_list": ["*:*"],
        "lifetime_seconds": 604_800,
    });
    assert_eq!(seen(&owner, id_of(&key)).await, expected);
}

#[tokio::test]
async fn a_key_tells_when_it_was_last_used_and_slides_with_that() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let key = new_key(&app, &owner, "me").await;
    app.pass(TimeDelta::hours(3));
    key.get(ME).await;
    let used = beginning() + TimeDelta::hours(3);
    let after = seen(&owner, id_of(&key)).await;
    assert_eq!(time(&after, "last_used"), used);
    assert_eq!(time(&after, "expires_at"), used + TimeDelta::days(7));
}

#[tokio::test]
async fn a_key_that_is_not_used_ends_after_a_week() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (last, late) = (
        new_key(&app, &owner, "me").await,
        new_key(&app, &owner, "me").await,
    );
    app.pass(TimeDelta::days(7) - TimeDelta::microseconds(1));
    assert_eq!(last.get(ME).await.status, 200);
    app.pass(TimeDelta::microseconds(1));
    assert_refused(&late.get(ME).await, 401, "session has expired");
}

#[tokio::test]
async fn a_key_ends_at_the_age_at_which_every_session_does_however_much_it_is_used() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let key = new_key(&app, &owner, "me").await;
    for day in 0..30 {
        assert_eq!(key.get(ME).await.status, 200, "day {day}");
        app.pass(TimeDelta::days(1));
    }
    assert_eq!(key.get(ME).await.status, 401);
}

#[tokio::test]
async fn a_key_lasts_as_long_as_is_configured() {
    let short = |config: &mut Config| {
        config.cli_session_duration = std::time::Duration::from_mins(90);
    };
    let app = TestApp::start_with(short).await;
    let owner = app.owner().await;
    let key = new_key(&app, &owner, "me").await;
    assert_eq!(seen(&owner, id_of(&key)).await["lifetime_seconds"], 5_400);
    app.pass(TimeDelta::minutes(90));
    assert_eq!(key.get(ME).await.status, 401);
    assert_eq!(owner.get(ME).await.status, 200);
}

#[tokio::test]
async fn any_session_can_be_looked_at_and_ended_as_a_key() {
    let app = TestApp::start().await;
    let (here, there) = (app.owner().await, app.owner().await);
    let key = seen(&here, id_of(&there)).await;
    assert_eq!(key["lifetime_seconds"], 86_400);
    let path = format!("{KEYS}/{}", id_of(&there));
    assert_eq!(delete(&here, &path).await.status, 204);
    assert_eq!(there.get(ME).await.status, 401);
    assert_eq!(here.get(ME).await.status, 200);
}

#[tokio::test]
async fn a_key_can_delete_itself() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let path = format!("{KEYS}/{}", id_of(&owner));
    assert_eq!(delete(&owner, &path).await.status, 204);
    assert_eq!(owner.get(ME).await.status, 401);
}

#[tokio::test]
async fn a_deleted_key_opens_nothing_on_any_node_from_the_next_request_on() {
    let app = TestApp::start().await;
    let other_node = app.second_node().await;
    let owner = app.owner().await;
    let key = new_key(&app, &owner, "me").await;
    let there = other_node.with_token(key.token());
    assert_eq!(there.get(ME).await.status, 200);
    let path = format!("{KEYS}/{}", id_of(&key));
    let deleted = delete(&owner, &path).await;
    assert_eq!((deleted.status, deleted.text.as_str()), (204, ""));
    assert!(deleted.header("rollcall-position").parse::<i64>().unwrap() > 0);
    assert_eq!(there.get(ME).await.status, 401);
    assert_eq!(key.get(ME).await.status, 401);
    assert_refused(&owner.get(&path).await, 404, NOT_FOUND);
    assert_refused(&delete(&owner, &path).await, 404, NOT_FOUND);
}

#[tokio::test]
async fn of_many_who_delete_one_key_at_once_one_does() {
    let app = TestApp::start().await;
    let other_node = app.second_node().await;
    let owner = app.owner().await;
    let key = new_key(&app, &owner, "me").await;
    let nodes = [&app, &other_node];
    let tries: Vec<_> = (0..16)
        .map(|nth| {
            let client = nodes[nth % 2].with_token(owner.token());
            let path = format!("{KEYS}/{}", id_of(&key));
            tokio::spawn(async move { delete(&client, &path).await.status })
        })
        .collect();
    let mut statuses = Vec::new();
    for attempt in tries {
        statuses.push(attempt.await.unwrap());
    }
    let done = statuses.iter().filter(|status| **status == 204).count();
    let late = statuses.iter().filter(|status| **status == 404).count();
    assert_eq!((done, late), (1, 15), "{statuses:?}");
}

#[tokio::test]
async fn a_key_that_was_expired_opens_nothing_and_is_still_seen() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let key = new_key(&app, &owner, "me").await;
    assert_eq!(key.get(ME).await.status, 200);
    app.pass(TimeDelta::minutes(10));
    let path = format!("{KEYS}/{}/expire", id_of(&key));
    let expired = put(&owner, &path).await;
    assert_eq!((expired.status, expired.text.as_str()), (204, ""));
    assert_refused(&key.get(ME).await, 401, "session has expired");
    let now = beginning() + TimeDelta::minutes(10);
    let after = seen(&owner, id_of(&key)).await;
    assert_eq!(time(&after, "expires_at"), now);
    app.pass(TimeDelta::minutes(10));
    assert_eq!(put(&owner, &path).await.status, 204);
    let again = seen(&owner, id_of(&key)).await;
    assert_eq!(time(&again, "expires_at"), now);
}

#[tokio::test]
async fn a_key_that_ended_by_itself_can_be_expired_too() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let key = new_key(&app, &owner, "me").await;
    app.pass(TimeDelta::days(8));
    let owner = app.owner().await;
    let path = format!("{KEYS}/{}/expire", id_of(&key));
    assert_eq!(put(&owner, &path).await.status, 204);
    let ended = time(&seen(&owner, id_of(&key)).await, "expires_at");
    assert_eq!(ended, beginning() + TimeDelta::days(7));
}

#[tokio::test]
async fn a_key_that_is_not_there_is_not_found() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for id in [
        "0000000000",
        "x",
        "%00",
        "a%00b",
        "%27%20OR%201%3D1",
        "..%2F..",
        "%F0%9F%94%91",
        owner.token(),
        &"a".repeat(5_000),
    ] {
        let path = format!("{KEYS}/{id}");
        assert_refused(&owner.get(&path).await, 404, NOT_FOUND);
        assert_refused(&delete(&owner, &path).await, 404, NOT_FOUND);
        let path = format!("{path}/expire");
        assert_refused(&put(&owner, &path).await, 404, NOT_FOUND);
    }
}

#[tokio::test]
async fn a_key_is_found_under_its_own_user_only() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    let wrong = [
        (&bob, format!("{KEYS}/{}", id_of(&owner))),
        (&owner, format!("{KEYS}/{}", id_of(&bob))),
        (&owner, format!("{}/{}", keys_of("bob"), id_of(&owner))),
    ];
    for (client, path) in wrong {
        assert_refused(&client.get(&path).await, 404, NOT_FOUND);
        assert_refused(&delete(client, &path).await, 404, NOT_FOUND);
        let path = format!("{path}/expire");
        assert_refused(&put(client, &path).await, 404, NOT_FOUND);
    }
    assert_eq!(owner.get(ME).await.status, 200);
    assert_eq!(bob.get(ME).await.status, 200);
}

/// What each endpoint answers who asks for the keys of `user`, one of which has this id.
async fn statuses(client: &Client, user: &str, id: &str) -> Vec<(String, u16)> {
    let keys = keys_of(user);
    let mut statuses = Vec::new();
    for (method, path) in [
        ("POST", keys.clone()),
        ("POST", format!("{keys}/tokens")),
        ("GET", format!("{keys}/tokens")),
        ("GET", format!("{keys}/tokens?include_all=true")),
        ("GET", format!("{keys}/tokens/tokenconfig")),
        ("GET", format!("{keys}/tokens/ci")),
        ("GET", format!("{keys}/{id}")),
        ("PUT", format!("{keys}/{id}/expire")),
        ("DELETE", format!("{keys}/{id}")),
    ] {
        let body = br#"{"token_name":"ci"}"#.to_vec();
        let verb = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = client.send(verb, &path, &[], body).await;
        statuses.push((format!("{method} {path}"), answer.status));
    }
    statuses
}

#[track_caller]
fn assert_all(statuses: &[(String, u16)], expected: u16) {
    for (request, status) in statuses {
        assert_eq!(*status, expected, "{request}");
    }
}

#[tokio::test]
async fn a_member_cannot_tell_that_others_have_keys() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    for user in ["ada", "nobody"] {
        assert_all(&statuses(&bob, user, id_of(&owner)).await, 404);
    }
}

#[tokio::test]
async fn who_sees_others_may_still_not_touch_their_keys() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    let key = new_key(&app, &owner, "bob").await;
    for (name, role) in [
        ("admin", Role::UserAdmin),
        ("audit", Role::Auditor),
        ("templates", Role::TemplateAdmin),
    ] {
        let client = with_role(&app, &owner, name, role).await;
        for user in ["bob", "ada", &bob.to_string()] {
            assert_all(&statuses(&client, user, id_of(&key)).await, 403);
        }
        assert_all(&statuses(&client, "nobody", id_of(&key)).await, 404);
    }
    assert_eq!(key.get(ME).await.status, 200);
}

#[tokio::test]
async fn an_owner_does_to_the_keys_of_others_what_they_could_do_themselves() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    for client in [&owner, &bob] {
        let key = new_key(&app, &owner, "bob").await;
        let expected = [201, 201, 200, 200, 200, 200, 200, 204, 204];
        let statuses = statuses(client, "bob", id_of(&key)).await;
        for ((request, status), expected) in statuses.iter().zip(expected) {
            assert_eq!(*status, expected, "{request}");
        }
        let token = format!("{}/tokens/ci", keys_of("bob"));
        let id = text(&bob.get(&token).await, "id").to_owned();
        delete(&bob, &format!("{KEYS}/{id}")).await;
    }
}

/// Who, as the log has it, began the user's last session.
async fn maker_of_last_session(app: &TestApp, user: Uuid) -> (String, String) {
    let mut conn = app.superuser.connect().await.unwrap();
    sqlx::query_as(
        "SELECT metadata->>'actor', metadata->>'authentication' FROM log.readable
          WHERE aggregate_id = $1 AND event_type = 'SessionStarted' ORDER BY position DESC LIMIT 1",
    )
    .bind(user)
    .fetch_one(&mut conn)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_key_that_an_owner_makes_for_another_acts_as_them_and_says_who_made_it() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    let key = new_key(&app, &owner, "bob").await;
    assert_eq!(key.get(ME).await.json["username"], "bob");
    assert_eq!(key.get("/api/v2/users/ada").await.status, 404);
    let ada = text(&owner.get(ME).await, "id").to_owned();
    let maker = (format!("user:{ada}"), format!("session:{}", id_of(&owner)));
    assert_eq!(maker_of_last_session(&app, bob).await, maker);
}

#[tokio::test]
async fn a_suspended_user_gets_no_keys_and_can_lose_those_there_are() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, bob) = member(&app, &owner, "bob").await;
    app.command(id, UserCommand::SuspendUser).await;
    let before = history(&app, id).await;
    assert_refused(
        &post_raw(&owner, &keys_of("bob"), b"").await,
        400,
        "suspended",
    );
    let tokens = format!("{}/tokens", keys_of("bob"));
    assert_refused(&owner.post(&tokens, &json!({})).await, 400, "suspended");
    assert_eq!(history(&app, id).await, before);
    let path = format!("{}/{}", keys_of("bob"), id_of(&bob));
    assert_eq!(owner.get(&path).await.status, 200);
    assert_eq!(delete(&owner, &path).await.status, 204);
    app.command(
        id,
        UserCommand::ActivateUser(rollcall_events::user::ActivationCause::Administrator),
    )
    .await;
    assert_eq!(bob.get(ME).await.status, 401);
}

#[tokio::test]
async fn a_deleted_user_has_no_keys_and_gets_none() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, bob) = member(&app, &owner, "bob").await;
    app.command(id, UserCommand::DeleteUser).await;
    let before = history(&app, id).await;
    let gone = statuses(&owner, &id.to_string(), id_of(&bob)).await;
    assert_all(&gone, 404);
    assert_eq!(history(&app, id).await, before);
}

#[tokio::test]
async fn suspending_or_deleting_a_user_stops_every_key_on_every_node_at_once() {
    let app = TestApp::start().await;
    let other_node = app.second_node().await;
    let owner = app.owner().await;
    for (name, command) in [
        ("bob", UserCommand::SuspendUser),
        ("eve", UserCommand::DeleteUser),
    ] {
        let id = app.user(&owner, name).await;
        let key = new_key(&app, &owner, name).await;
        let tokens = format!("{}/tokens", keys_of(name));
        let token = with_new_key(&app, &owner.post(&tokens, &json!({})).await);
        let there = [&key, &token].map(|client| other_node.with_token(client.token()));
        for client in &there {
            assert_eq!(client.get(ME).await.status, 200, "{name}");
        }
        app.command(id, command).await;
        for client in there.iter().chain([&key, &token]) {
            assert_eq!(client.get(ME).await.status, 401, "{name}");
        }
    }
}

#[tokio::test]
async fn a_key_for_applications_opens_none_of_this_api() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    let key = session(&app, bob, LoginType::Token, Scope::ApplicationConnect).await;
    assert_all(&statuses(&key, "me", id_of(&key)).await, 403);
    for (method, path) in [
        (Method::GET, USERS),
        (Method::POST, USERS),
        (Method::GET, ME),
        (Method::GET, "/api/v2/users/bob"),
        (Method::POST, LOGOUT),
    ] {
        let answer = key.send(method, path, &[], b"{}".to_vec()).await;
        assert_refused(&answer, 403, "Forbidden");
        assert!(
            answer
                .header("www-authenticate")
                .contains("insufficient_scope"),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn signing_out_ends_the_keys_for_applications_and_no_other() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    let leaving = app.sign_in("bob@example.com").await;
    let command_line = new_key(&app, &owner, "bob").await;
    let program = session(&app, bob, LoginType::Token, Scope::All).await;
    let browser = session(&app, bob, LoginType::Password, Scope::ApplicationConnect).await;
    let token = session(&app, bob, LoginType::Token, Scope::ApplicationConnect).await;
    assert_eq!(leaving.post(LOGOUT, &json!({})).await.status, 200);
    assert_eq!(leaving.get(ME).await.status, 401);
    for (client, status) in [
        (command_line, 200),
        (program, 200),
        (browser, 401),
        (token, 401),
    ] {
        assert_eq!(client.get(ME).await.status, status);
    }
}

#[tokio::test]
async fn deleting_a_key_ends_no_other() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    let gone = new_key(&app, &owner, "bob").await;
    let token = session(&app, bob, LoginType::Token, Scope::ApplicationConnect).await;
    let path = format!("{}/{}", keys_of("bob"), id_of(&gone));
    assert_eq!(delete(&owner, &path).await.status, 204);
    assert_eq!(token.get(ME).await.status, 403);
}

#[tokio::test]
async fn a_changed_password_ends_every_key() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, browser) = member(&app, &owner, "bob").await;
    let key = new_key(&app, &owner, "bob").await;
    let tokens = format!("{}/tokens", keys_of("bob"));
    let token = with_new_key(&app, &owner.post(&tokens, &json!({})).await);
    let (_, revision) = crate::given::stored_hash(&app, id).await;
    let change = UserCommand::ChangePassword {
        scheme: "argon2id".to_owned(),
        revision,
    };
    app.command(id, change).await;
    for client in [browser, key, token] {
        assert_eq!(client.get(ME).await.status, 401);
    }
    assert_eq!(owner.get(&tokens).await.json, json!([]));
}

/// How many sessions the read model has of this user.
async fn rows(app: &TestApp, user: Uuid) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM read.sessions WHERE user_id = $1")
        .bind(user)
        .fetch_one(app.pool())
        .await
        .unwrap()
}

#[tokio::test]
async fn sessions_are_swept_a_week_after_their_end_without_an_event() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (bob, _) = member(&app, &owner, "bob").await;
    let eve = app.user(&owner, "eve").await;
    let day = json!({ "lifetime": 86_400_000_000_000_i64, "token_name": "a day" });
    let month = json!({ "lifetime": 2_592_000_000_000_000_i64, "token_name": "a month" });
    for name in ["bob", "eve"] {
        for wish in [&day, &month] {
            let path = format!("{}/tokens", keys_of(name));
            assert_eq!(owner.post(&path, wish).await.status, 201);
        }
    }
    let done = history(&app, bob).await;
    let sweep = async || {
        // Something happens, so that the log knows how late it is.
        app.sign_in("ada@example.com").await;
        upkeep::tidy_up(&app.app).await.unwrap();
    };
    app.pass(TimeDelta::days(8));
    sweep().await;
    assert_eq!((rows(&app, bob).await, rows(&app, eve).await), (3, 2));
    app.pass(TimeDelta::microseconds(1));
    sweep().await;
    assert_eq!((rows(&app, bob).await, rows(&app, eve).await), (2, 1));
    assert_eq!(history(&app, bob).await, done, "an end needs no event");
    app.pass(TimeDelta::days(60));
    sweep().await;
    assert_eq!((rows(&app, bob).await, rows(&app, eve).await), (0, 0));
}

#[tokio::test]
async fn ending_a_key_that_ended_meanwhile_records_nothing() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    let key = new_key(&app, &owner, "bob").await;
    let command = UserCommand::EndSession {
        session_id: SessionId(id_of(&key).to_owned()),
        reason: EndReason::Revoked,
    };
    app.command(bob, command).await;
    let before = history(&app, bob).await;
    let path = format!("{}/{}", keys_of("bob"), id_of(&key));
    assert_eq!(delete(&owner, &path).await.status, 404);
    assert_eq!(put(&owner, &format!("{path}/expire")).await.status, 404);
    assert_eq!(history(&app, bob).await, before);
}
