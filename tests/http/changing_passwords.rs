//! Passwords: one's own with the old one, others' by who manages them.

use rollcall_events::user::Role;
use serde_json::{Value, json};

use crate::{
    given::{
        LOGIN, ME, USERS, assert_refused, first_complaint, history, member, stored_hash, with_role,
        wrong_fields,
    },
    support::{PASSWORD, TestApp},
};

const NEW: &str = "a quite different sentence";

fn password_of(user: impl std::fmt::Display) -> String {
    format!("{USERS}/{user}/password")
}

fn change(old: &str, new: &str) -> Value {
    json!({ "old_password": old, "password": new })
}

#[tokio::test]
async fn ones_own_password_changes_and_all_sessions_end_with_the_old_one() {
    let app = TestApp::start().await;
    let second = app.second_node().await;
    let owner = app.owner().await;
    let (id, bob) = member(&app, &owner, "bob").await;
    let another = app.sign_in("bob@example.com").await;
    let elsewhere = second.with_token(another.token());
    assert_eq!(elsewhere.get(ME).await.status, 200);
    let answer = bob.put(&password_of("me"), &change(PASSWORD, NEW)).await;
    assert_eq!(answer.status, 204, "{answer:?}");
    assert!(answer.text.is_empty());
    for client in [&bob, &another, &elsewhere] {
        assert_eq!(client.get(ME).await.status, 401);
    }
    let login = |password: &str| json!({ "email": "bob@example.com", "password": password });
    let old = app.anonymous().post(LOGIN, &login(PASSWORD)).await;
    assert_refused(&old, 401, "Incorrect email or password.");
    let new = app.anonymous().post(LOGIN, &login(NEW)).await;
    assert_eq!(new.status, 201, "{new:?}");
    let (hash, revision) = stored_hash(&app, id).await;
    assert!(hash.starts_with("$argon2id$") && revision == 2);
}

#[tokio::test]
async fn ones_own_password_wants_the_old_one_even_from_owners() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    for client in [&owner, &bob] {
        let without = client
            .put(&password_of("me"), &json!({ "password": NEW }))
            .await;
        assert_refused(&without, 400, "Old password is required.");
        let wrong = client
            .put(&password_of("me"), &change("not this one", NEW))
            .await;
        assert_eq!(wrong_fields(&wrong), ["old_password"]);
        assert_eq!(client.get(ME).await.status, 200);
    }
}

#[tokio::test]
async fn a_weak_or_missing_password_is_refused_by_name_and_nothing_ends() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, bob) = member(&app, &owner, "bob").await;
    for weak in ["", "short", "password", "bob@example.com"] {
        let answer = bob.put(&password_of("me"), &change(PASSWORD, weak)).await;
        assert_eq!(wrong_fields(&answer), ["password"], "{weak:?}");
        assert!(!first_complaint(&answer).is_empty());
    }
    assert_eq!(bob.get(ME).await.status, 200);
    assert_eq!(history(&app, id).await, ["UserCreated", "SessionStarted"]);
}

#[tokio::test]
async fn the_old_password_is_no_new_one() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, bob) = member(&app, &owner, "bob").await;
    let literal = "New password cannot match old password.";
    let own = bob
        .put(&password_of("me"), &change(PASSWORD, PASSWORD))
        .await;
    assert_eq!(own.json["message"], literal, "{own:?}");
    let reset = owner
        .put(&password_of(id), &json!({ "password": PASSWORD }))
        .await;
    assert_refused(&reset, 400, literal);
}

#[tokio::test]
async fn owners_and_user_admins_reset_passwords_without_the_old_one() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, bob) = member(&app, &owner, "bob").await;
    let admin = with_role(&app, &owner, "cleo", Role::UserAdmin).await;
    let passwords = ["the first of two sentences", "the second of two sentences"];
    for (client, password) in [&owner, &admin].into_iter().zip(passwords) {
        let answer = client
            .put(&password_of(id), &json!({ "password": password }))
            .await;
        assert_eq!(answer.status, 204, "{answer:?}");
    }
    assert_eq!(bob.get(ME).await.status, 401);
    assert_eq!(owner.get(ME).await.status, 200);
}

#[tokio::test]
async fn only_owners_set_the_password_of_an_owner() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let admin = with_role(&app, &owner, "cleo", Role::UserAdmin).await;
    with_role(&app, &owner, "zoe", Role::Owner).await;
    for user in ["ada", "zoe"] {
        let answer = admin
            .put(&password_of(user), &json!({ "password": NEW }))
            .await;
        assert_refused(&answer, 403, "Forbidden");
    }
    let answer = owner
        .put(&password_of("zoe"), &json!({ "password": NEW }))
        .await;
    assert_eq!(answer.status, 204, "{answer:?}");
}

#[tokio::test]
async fn nobody_else_sets_anybodys_password() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, _) = member(&app, &owner, "bob").await;
    let (_, mallory) = member(&app, &owner, "mallory").await;
    let auditor = with_role(&app, &owner, "ann", Role::Auditor).await;
    for client in [&mallory, &auditor] {
        for body in [json!({ "password": NEW }), change(PASSWORD, NEW)] {
            let answer = client.put(&password_of(id), &body).await;
            assert_refused(&answer, 404, "Resource not found");
        }
    }
    assert_eq!(stored_hash(&app, id).await.1, 1);
}

#[tokio::test]
async fn who_signs_in_otherwise_has_no_password_to_change() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let wish = json!({
        "email": "robot@example.com", "username": "robot", "login_type": "none",
        "organization_ids": [app.app.default_organization],
    });
    assert_eq!(owner.post(USERS, &wish).await.status, 201);
    let answer = owner
        .put(&password_of("robot"), &json!({ "password": NEW }))
        .await;
    assert_refused(&answer, 400, "does not sign in with a password");
}

#[tokio::test]
async fn of_two_changes_at_once_from_one_password_the_second_finds_the_old_one_wrong() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, bob) = member(&app, &owner, "bob").await;
    let another = app.sign_in("bob@example.com").await;
    let changes = [
        change(PASSWORD, "the first of two sentences"),
        change(PASSWORD, "the second of two sentences"),
    ];
    let path = password_of("me");
    let (first, second) =
        tokio::join!(bob.put(&path, &changes[0]), another.put(&path, &changes[1]),);
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    // Whoever comes second is signed out already, or holds an old password that is none any more.
    assert!(
        statuses == [204, 400] || statuses == [204, 401],
        "{statuses:?}"
    );
    assert_eq!(stored_hash(&app, id).await.1, 2);
}

#[tokio::test]
async fn neither_password_is_in_any_event() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, bob) = member(&app, &owner, "bob").await;
    bob.put(&password_of("me"), &change(PASSWORD, NEW)).await;
    assert_eq!(
        history(&app, id).await,
        ["UserCreated", "SessionStarted", "PasswordChanged"]
    );
    let answer = owner.get(&format!("{USERS}/{id}")).await;
    assert!(!answer.text.contains("argon2"), "{answer:?}");
}
