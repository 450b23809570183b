//! What many of these tests begin with, and how they look at what comes back.

use std::{collections::BTreeSet, fmt::Write as _};

use axum::http::Method;
use chrono::TimeDelta;
use rollcall::auth::Token;
use rollcall_events::{
    clock::Clock,
    ids::Ids,
    user::{LoginType, Role, Scope, Session, StartSession, UserCommand},
    vault::VaultWrite,
};
use serde_json::{Value, json};
use sqlx::ConnectOptions;
use uuid::Uuid;

use crate::support::{
    PASSWORD, TestApp,
    client::{Answer, Client},
};

pub const USERS: &str = "/api/v2/users";
pub const FIRST: &str = "/api/v2/users/first";
pub const LOGIN: &str = "/api/v2/users/login";
pub const LOGOUT: &str = "/api/v2/users/logout";
pub const ME: &str = "/api/v2/users/me";
pub const NEVER: &str = "0001-01-01T00:00:00Z";

/// The body that creates a user of this name.
pub fn wish(app: &TestApp, username: &str) -> Value {
    json!({
        "email": format!("{username}@example.com"),
        "username": username,
        "password": PASSWORD,
        "organization_ids": [app.app.default_organization],
    })
}

/// The same, with some of it otherwise.
pub fn wish_with(app: &TestApp, username: &str, other: &Value) -> Value {
    let mut wish = wish(app, username);
    for (key, value) in other.as_object().unwrap() {
        wish[key] = value.clone();
    }
    wish
}

/// A user without roles, signed in.
pub async fn member(app: &TestApp, owner: &Client, username: &str) -> (Uuid, Client) {
    let id = app.user(owner, username).await;
    (id, app.sign_in(&format!("{username}@example.com")).await)
}

/// A user with this role, signed in.
pub async fn with_role(app: &TestApp, owner: &Client, username: &str, role: Role) -> Client {
    let (id, client) = member(app, owner, username).await;
    app.command(
        id,
        UserCommand::AssignRoles {
            roles: BTreeSet::from([role]),
            tokens_end_by: None,
        },
    )
    .await;
    client
}

/// A session as no endpoint makes it.
pub async fn session(app: &TestApp, user: Uuid, login_type: LoginType, scope: Scope) -> Client {
    let token = Token::generate(Ids);
    let now = app.clock.now();
    let session = Session {
        id: token.id(),
        secret_sha256: token.secret_hash(),
        login_type,
        scope,
        lifetime_s: TimeDelta::days(1).num_seconds(),
        expires_at: now + TimeDelta::days(1),
        ends_at: now + TimeDelta::days(30),
    };
    app.command(
        user,
        UserCommand::StartSession(StartSession {
            session,
            token_name: None,
            password_revision: None,
            owner_limit_s: None,
            at: now,
        }),
    )
    .await;
    app.with_token(&token.expose())
}

/// Runs a statement as the superuser.
pub async fn as_superuser(app: &TestApp, statement: &str) {
    let mut conn = app.superuser.connect().await.unwrap();
    sqlx::raw_sql(statement).execute(&mut conn).await.unwrap();
}

/// The hash of a user's password, as it is stored.
pub async fn stored_hash(app: &TestApp, user: Uuid) -> (String, i64) {
    let mut conn = app.superuser.connect().await.unwrap();
    sqlx::query_as("SELECT password_hash, revision FROM vault.credentials WHERE subject_id = $1")
        .bind(user)
        .fetch_one(&mut conn)
        .await
        .unwrap()
}

/// Puts a hash in place of a user's, bound to them as an imported one is.
pub async fn put_hash(app: &TestApp, user: Uuid, hash: &str) {
    let (_, revision) = stored_hash(app, user).await;
    let mut writes = [VaultWrite::PasswordHash {
        subject: user,
        hash: hash.to_owned(),
        revision,
    }];
    app.app.log.vault().bind(&mut writes);
    let [VaultWrite::BoundPasswordHash { hash, binding, .. }] = writes else {
        panic!("the hash is not bound");
    };
    let mut conn = app.superuser.connect().await.unwrap();
    sqlx::query(
        "UPDATE vault.credentials SET password_hash = $2, binding = $3 WHERE subject_id = $1",
    )
    .bind(user)
    .bind(hash)
    .bind(binding.as_slice())
    .execute(&mut conn)
    .await
    .unwrap();
}

/// The types of a user's events, from the first.
pub async fn history(app: &TestApp, user: Uuid) -> Vec<String> {
    let mut conn = app.superuser.connect().await.unwrap();
    sqlx::query_scalar(
        "SELECT event_type FROM log.events WHERE aggregate_id = $1 ORDER BY position",
    )
    .bind(user)
    .fetch_all(&mut conn)
    .await
    .unwrap()
}

/// A request with a body that is sent as it stands.
pub async fn post_raw(client: &Client, path: &str, body: &[u8]) -> Answer {
    client.send(Method::POST, path, &[], body.to_vec()).await
}

/// The list's address with this search.
pub fn search(q: &str) -> String {
    let mut path = format!("{USERS}?q=");
    for byte in q.bytes() {
        write!(path, "%{byte:02X}").unwrap();
    }
    path
}

/// Who is on a list.
pub fn usernames(answer: &Answer) -> Vec<&str> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let users = answer.json["users"].as_array().unwrap();
    users
        .iter()
        .map(|user| user["username"].as_str().unwrap())
        .collect()
}

/// The fields that a refusal complains about, sorted.
pub fn wrong_fields(answer: &Answer) -> Vec<&str> {
    assert_eq!(answer.status, 400, "{answer:?}");
    let Some(validations) = answer.json["validations"].as_array() else {
        return Vec::new();
    };
    let mut fields: Vec<&str> = validations
        .iter()
        .map(|validation| validation["field"].as_str().unwrap())
        .collect();
    fields.sort_unstable();
    fields
}

/// What a refusal says of its first field.
pub fn first_complaint(answer: &Answer) -> &str {
    answer.json["validations"][0]["detail"]
        .as_str()
        .unwrap_or_default()
}

/// A text of the answer.
pub fn text<'a>(answer: &'a Answer, field: &str) -> &'a str {
    answer.json[field].as_str().unwrap_or_default()
}

/// The value of a cookie that an answer sets.
pub fn cookie_set<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer
        .cookies()
        .into_iter()
        .find_map(|cookie| cookie.strip_prefix(name)?.strip_prefix('='))
        .map(|rest| rest.split(';').next().unwrap())
}

/// Whether a refusal has the form that clients rely on.
#[track_caller]
pub fn assert_refused(answer: &Answer, status: u16, message: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(
        answer.header("content-type"),
        "application/json; charset=utf-8",
        "{answer:?}"
    );
    assert!(text(answer, "message").contains(message), "{answer:?}");
}
