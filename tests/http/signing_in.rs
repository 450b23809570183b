//! Signing in by e-mail and password.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use rollcall::config::Config;
use rollcall_events::user::UserCommand;
use serde_json::json;
use sha2::Sha256;

use crate::{
    given::{
        LOGIN, ME, USERS, assert_refused, cookie_set, history, member, put_hash, stored_hash, text,
        wish_with, wrong_fields,
    },
    support::{PASSWORD, TestApp, client::Answer},
};

async fn sign_in(app: &TestApp, email: &str, password: &str) -> Answer {
    let wish = json!({ "email": email, "password": password });
    app.anonymous().post(LOGIN, &wish).await
}

#[tokio::test]
async fn an_address_signs_in_in_any_of_its_forms_and_nobody_else_can_have_one_of_them() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let forms = [
        "Jose\u{301}@b\u{fc}cher.example",
        "jos\u{e9}@b\u{fc}cher.example",
        "JOS\u{c9}@BU\u{308}CHER.example",
        "jos\u{e9}@xn--bcher-kva.example",
        "jos\u{e9}@XN--BCHER-KVA.EXAMPLE",
    ];
    let created = owner
        .post(
            USERS,
            &wish_with(&app, "jose", &json!({ "email": forms[0] })),
        )
        .await;
    assert_eq!(created.status, 201, "{created:?}");
    assert_eq!(created.json["email"], forms[0], "as it was given");
    for form in forms {
        assert_eq!(sign_in(&app, form, PASSWORD).await.status, 201, "{form}");
        let second = owner
            .post(USERS, &wish_with(&app, "second", &json!({ "email": form })))
            .await;
        assert_eq!(second.status, 409, "{form}: {second:?}");
    }
    for other in [
        "jose@b\u{fc}cher.example",
        "jos\u{e9}@bucher.example",
        "jos\u{e9}@xn--bcher-kvb.example",
    ] {
        assert_eq!(sign_in(&app, other, PASSWORD).await.status, 401, "{other}");
    }
}

#[tokio::test]
async fn the_token_is_answered_and_set_as_a_cookie() {
    let app = TestApp::start().await;
    app.owner().await;
    let answer = sign_in(&app, "ada@example.com", PASSWORD).await;
    assert_eq!(answer.status, 201);
    let token = text(&answer, "session_token");
    let (id, secret) = token.split_once('-').unwrap();
    assert_eq!((id.len(), secret.len()), (10, 22));
    assert_eq!(cookie_set(&answer, "coder_session_token"), Some(token));
    assert_eq!(answer.json, json!({ "session_token": token }));
}

#[tokio::test]
async fn the_cookie_is_hidden_from_pages_and_other_sites_and_has_no_domain() {
    let app = TestApp::start().await;
    app.owner().await;
    let answer = sign_in(&app, "ada@example.com", PASSWORD).await;
    let token = text(&answer, "session_token");
    assert_eq!(
        answer.cookies()[0],
        format!("coder_session_token={token}; Path=/; HttpOnly; SameSite=Lax")
    );
}

#[tokio::test]
async fn cookies_are_for_https_only_when_so_configured() {
    let app = TestApp::start_with(|config| config.secure_cookies = true).await;
    app.owner().await;
    let answer = sign_in(&app, "ada@example.com", PASSWORD).await;
    for cookie in answer.cookies() {
        assert!(cookie.ends_with("; Secure"), "{cookie}");
    }
}

#[tokio::test]
async fn each_sign_in_begins_a_session_of_its_own() {
    let app = TestApp::start().await;
    let (one, other) = (app.owner().await, app.owner().await);
    assert_ne!(one.token(), other.token());
    assert_eq!(one.get(ME).await.status, 200);
    assert_eq!(other.get(ME).await.status, 200);
}

#[tokio::test]
async fn an_address_in_capitals_is_the_same_address() {
    let app = TestApp::start().await;
    app.owner().await;
    for email in ["ADA@EXAMPLE.COM", "Ada@Example.com"] {
        assert_eq!(sign_in(&app, email, PASSWORD).await.status, 201, "{email}");
    }
}

#[tokio::test]
async fn a_username_is_no_address() {
    let app = TestApp::start().await;
    app.owner().await;
    let answer = sign_in(&app, "ada", PASSWORD).await;
    assert_eq!(wrong_fields(&answer), ["email"]);
}

#[tokio::test]
async fn address_and_password_are_required() {
    let app = TestApp::start().await;
    let answer = app.anonymous().post(LOGIN, &json!({})).await;
    assert_eq!(wrong_fields(&answer), ["email", "password"]);
}

#[tokio::test]
async fn a_password_in_other_capitals_or_with_spaces_is_another() {
    let app = TestApp::start().await;
    app.owner().await;
    for password in [
        PASSWORD.to_uppercase(),
        format!(" {PASSWORD}"),
        format!("{PASSWORD} "),
        PASSWORD[1..].to_owned(),
        "x".repeat(100_000),
    ] {
        let answer = sign_in(&app, "ada@example.com", &password).await;
        assert_refused(&answer, 401, "Incorrect email or password.");
    }
}

#[tokio::test]
async fn a_suspended_user_with_the_right_password_learns_that_they_are_suspended() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    app.command(bob, UserCommand::SuspendUser).await;
    let right = sign_in(&app, "bob@example.com", PASSWORD).await;
    assert_refused(&right, 401, "suspended");
    assert_eq!(right.cookies(), Vec::<&str>::new());
    let wrong = sign_in(&app, "bob@example.com", "wrong").await;
    assert_refused(&wrong, 401, "Incorrect email or password.");
}

#[tokio::test]
async fn a_deleted_user_is_unknown() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    app.command(bob, UserCommand::DeleteUser).await;
    let answer = sign_in(&app, "bob@example.com", PASSWORD).await;
    assert_refused(&answer, 401, "Incorrect email or password.");
}

#[tokio::test]
async fn nobody_signs_in_by_password_where_that_is_switched_off() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let name = app.database.get_database().unwrap();
    let off = |config: &mut Config| config.password_login = false;
    let node = TestApp::on(name, app.clock.clone(), off).await;
    for (email, password) in [
        ("ada@example.com", PASSWORD),
        ("ada@example.com", "wrong"),
        ("nobody@example.com", PASSWORD),
    ] {
        let answer = sign_in(&node, email, password).await;
        assert_refused(&answer, 403, "Password authentication is disabled");
    }
    assert_eq!(node.with_token(owner.token()).get(ME).await.status, 200);
}

#[tokio::test]
async fn a_hash_is_renewed_when_its_cost_has_changed_and_only_then() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    let (old, _) = stored_hash(&app, bob).await;
    app.sign_in("bob@example.com").await;
    assert_eq!(stored_hash(&app, bob).await, (old.clone(), 1));

    let name = app.database.get_database().unwrap();
    let dearer = |config: &mut Config| {
        config.argon2_memory_kib = 16;
        config.argon2_passes = 2;
    };
    let node = TestApp::on(name, app.clock.clone(), dearer).await;
    let wrong = sign_in(&node, "bob@example.com", "wrong").await;
    assert_eq!(wrong.status, 401);
    assert_eq!(stored_hash(&app, bob).await, (old, 1));
    node.sign_in("bob@example.com").await;
    let (new, revision) = stored_hash(&app, bob).await;
    assert!(new.starts_with("$argon2id$v=19$m=16,t=2,p=1$"), "{new}");
    assert_eq!(revision, 2);
    node.sign_in("bob@example.com").await;
    assert_eq!(stored_hash(&app, bob).await, (new, 2));
}

#[tokio::test]
async fn an_imported_hash_is_verified_and_renewed() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    let salt = b"0123456789abcdef";
    let mut key = [0; 64];
    pbkdf2::pbkdf2_hmac::<Sha256>(b"testing", salt, 65_535, &mut key);
    let imported = format!(
        "$pbkdf2-sha256$65535${}${}",
        STANDARD_NO_PAD.encode(salt),
        STANDARD_NO_PAD.encode(key)
    );
    put_hash(&app, bob, &imported).await;
    let old = sign_in(&app, "bob@example.com", PASSWORD).await;
    assert_eq!(old.status, 401);
    let answer = sign_in(&app, "bob@example.com", "testing").await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let (renewed, revision) = stored_hash(&app, bob).await;
    assert!(renewed.starts_with("$argon2id$"), "{renewed}");
    assert_eq!(revision, 2);
    let again = sign_in(&app, "bob@example.com", "testing").await;
    assert_eq!(again.status, 201);
}

#[tokio::test]
async fn of_many_that_sign_in_while_the_hash_is_renewed_none_fails() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    let name = app.database.get_database().unwrap();
    let dearer = |config: &mut Config| config.argon2_passes = 2;
    let node = TestApp::on(name, app.clock.clone(), dearer).await;
    let tries: Vec<_> = (0..20)
        .map(|_| {
            let anonymous = node.anonymous();
            let wish = json!({ "email": "bob@example.com", "password": PASSWORD });
            tokio::spawn(async move { anonymous.post(LOGIN, &wish).await.status })
        })
        .collect();
    for attempt in tries {
        assert_eq!(attempt.await.unwrap(), 201);
    }
    let events = history(&app, bob).await;
    let renewals = events.iter().filter(|kind| kind.contains("Rehashed"));
    assert_eq!(renewals.count(), 1);
    assert_eq!(stored_hash(&app, bob).await.1, 2);
}

#[tokio::test]
async fn a_session_is_an_event_of_its_user() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, _) = member(&app, &owner, "bob").await;
    let events = history(&app, id).await;
    assert_eq!(events.len(), 2, "{events:?}");
    assert!(events[1].contains("SessionStarted"), "{events:?}");
}

#[tokio::test]
async fn a_password_is_the_same_on_every_keyboard() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let composed = "cr\u{e8}me br\u{fb}l\u{e9}e \u{e0} l'\u{e9}t\u{e9}";
    let decomposed = "cre\u{300}me bru\u{302}le\u{301}e a\u{300} l'e\u{301}te\u{301}";
    for (username, set) in [("bob", composed), ("eve", decomposed)] {
        let wish = wish_with(&app, username, &json!({ "password": set }));
        assert_eq!(owner.post(USERS, &wish).await.status, 201);
        let email = format!("{username}@example.com");
        for typed in [composed, decomposed] {
            let answer = sign_in(&app, &email, typed).await;
            assert_eq!(answer.status, 201, "{username}: {answer:?}");
        }
        let wrong = sign_in(&app, &email, "creme brulee a l'ete").await;
        assert_eq!(wrong.status, 401);
    }
}

#[tokio::test]
async fn a_hash_of_a_password_that_was_not_normalized_is_verified_and_renewed() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    let (composed, decomposed) = ("caf\u{e9} au lait", "cafe\u{301} au lait");
    let mut key = [0; 32];
    pbkdf2::pbkdf2_hmac::<Sha256>(decomposed.as_bytes(), b"0123456789abcdef", 1_000, &mut key);
    let old = format!(
        "$pbkdf2-sha256$1000${}${}",
        STANDARD_NO_PAD.encode(b"0123456789abcdef"),
        STANDARD_NO_PAD.encode(key)
    );
    put_hash(&app, bob, &old).await;
    for typed in [decomposed, composed, decomposed] {
        let answer = sign_in(&app, "bob@example.com", typed).await;
        assert_eq!(answer.status, 201, "{answer:?}");
    }
    let (renewed, revision) = stored_hash(&app, bob).await;
    assert!(renewed.starts_with("$argon2id$") && revision == 2);
}

#[tokio::test]
async fn a_stored_hash_that_would_cost_too_much_is_wrong_at_once() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    let (hash, _) = stored_hash(&app, bob).await;
    for cost in ["m=1048576,t=64,p=1", "m=8,t=4000000,p=1", "m=1024,t=1,p=64"] {
        let dear = hash.replace("m=8,t=1,p=1", cost);
        assert_ne!(dear, hash);
        put_hash(&app, bob, &dear).await;
        let answer = sign_in(&app, "bob@example.com", PASSWORD).await;
        assert_refused(&answer, 401, "Incorrect email or password.");
    }
}
