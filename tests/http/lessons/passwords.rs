//! There is one way to set a password, and none around it, in whichever order the steps are tried.

use std::{collections::BTreeSet, time::Duration};

use rollcall_events::user::{LoginType, OrganizationRole, Role, Scope, UserCommand};
use serde_json::{Value, json};
use sqlx::ConnectOptions;

use super::sign_in;
use crate::{
    given::{
        FIRST, LOGOUT, ME, USERS, member, post_raw, session, stored_hash, text, wish_with,
        with_role, wrong_fields,
    },
    support::{
        PASSWORD, TestApp,
        client::{Answer, Client},
    },
};

const NEW: &str = "a quite different sentence";

async fn change(client: &Client, user: &str, old: Option<&str>) -> Answer {
    let body = match old {
        Some(old) => json!({ "old_password": old, "password": NEW }),
        None => json!({ "password": NEW }),
    };
    client.put(&format!("{USERS}/{user}/password"), &body).await
}

/// Waits until so many attempts that came to nothing are in the log.
async fn attempts(app: &TestApp, expected: i64) {
    let mut conn = app.superuser.connect().await.unwrap();
    let mut found = 0;
    for _ in 0..200 {
        found =
            sqlx::query_scalar("SELECT count(*) FROM log.events WHERE aggregate_type = 'attempt'")
                .fetch_one(&mut conn)
                .await
                .unwrap();
        if found == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(found, expected);
}

#[tokio::test]
async fn nobody_without_the_right_sets_a_password_even_if_they_know_the_old_one() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    let (id, org_admin) = member(&app, &owner, "orga").await;
    let assign = UserCommand::AssignOrganizationRoles {
        organization_id: app.app.default_organization,
        roles: BTreeSet::from(OrganizationRole::ALL),
    };
    app.command(id, assign).await;
    let (id, suspended) = member(&app, &owner, "suspended").await;
    let admin = UserCommand::AssignRoles {
        roles: BTreeSet::from([Role::Owner]),
        tokens_end_by: None,
    };
    app.command(id, UserCommand::SuspendUser).await;
    app.command(id, admin.clone()).await;
    let (id, deleted) = member(&app, &owner, "deleted").await;
    app.command(id, admin).await;
    app.command(id, UserCommand::DeleteUser).await;
    let hash = stored_hash(&app, bob).await;
    for (who, client, status) in [
        ("nobody", app.anonymous(), 401),
        ("a suspended owner", suspended, 401),
        ("a deleted owner", deleted, 401),
        ("another member", member(&app, &owner, "eve").await.1, 404),
        ("an organisation's admin", org_admin, 404),
        (
            "an auditor",
            with_role(&app, &owner, "auditor", Role::Auditor).await,
            404,
        ),
        (
            "a template admin",
            with_role(&app, &owner, "templates", Role::TemplateAdmin).await,
            404,
        ),
        (
            "a token of Bob's own for applications",
            session(&app, bob, LoginType::Token, Scope::ApplicationConnect).await,
            403,
        ),
    ] {
        for old in [None, Some(""), Some("wrong"), Some(PASSWORD)] {
            for user in ["bob", &bob.to_string()] {
                let answer = change(&client, user, old).await;
                assert_eq!(answer.status, status, "{who}, {old:?}: {answer:?}");
            }
        }
        assert_eq!(stored_hash(&app, bob).await, hash, "{who}");
    }
    app.sign_in("bob@example.com").await;
}

#[tokio::test]
async fn no_step_of_changing_a_password_is_good_before_or_after_its_turn() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (bob, signed_out) = member(&app, &owner, "bob").await;
    let hash = stored_hash(&app, bob).await;
    // After the session: the old password is no substitute for it.
    assert_eq!(signed_out.post(LOGOUT, &Value::Null).await.status, 200);
    assert_eq!(change(&signed_out, "me", Some(PASSWORD)).await.status, 401);
    // Before the old password was told, or with it in the wrong place.
    let client = app.sign_in("bob@example.com").await;
    for body in [
        json!({ "password": NEW }),
        json!({ "password": NEW, "old_password": null }),
        json!({ "password": NEW, "old_password": "" }),
        json!({ "password": NEW, "oldPassword": PASSWORD }),
        json!({ "password": PASSWORD, "old_password": PASSWORD }),
        json!({ "password": PASSWORD, "old_password": NEW }),
        json!({ "password": "", "old_password": PASSWORD }),
        json!({ "old_password": PASSWORD }),
        json!({}),
    ] {
        for user in ["me", "bob"] {
            let answer = client.put(&format!("{USERS}/{user}/password"), &body).await;
            assert_eq!(answer.status, 400, "{body}: {answer:?}");
        }
    }
    assert_eq!(stored_hash(&app, bob).await, hash);
    // And after it has been used: neither the session nor the old password is good a second time.
    assert_eq!(change(&client, "me", Some(PASSWORD)).await.status, 204);
    assert_eq!(change(&client, "me", Some(NEW)).await.status, 401);
    assert_eq!(sign_in(&app, "bob@example.com", PASSWORD).await.status, 401);
    let again = sign_in(&app, "bob@example.com", NEW).await;
    let again = app.with_token(text(&again, "session_token"));
    assert_eq!(change(&again, "me", Some(PASSWORD)).await.status, 400);
}

#[tokio::test]
async fn being_activated_or_getting_a_role_or_a_key_is_no_new_password() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (bob, _) = member(&app, &owner, "bob").await;
    assert_eq!(change(&owner, "bob", None).await.status, 204);
    let hash = stored_hash(&app, bob).await;
    for (path, body) in [
        ("status/suspend", Value::Null),
        ("status/activate", Value::Null),
        ("roles", json!({ "roles": ["auditor"] })),
        (
            "profile",
            json!({ "username": "bobby", "password": PASSWORD }),
        ),
    ] {
        let answer = owner.put(&format!("{USERS}/{bob}/{path}"), &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    post_raw(&owner, &format!("{USERS}/{bob}/keys"), b"").await;
    assert_eq!(stored_hash(&app, bob).await, hash);
    assert_eq!(sign_in(&app, "bob@example.com", PASSWORD).await.status, 401);
    assert_eq!(sign_in(&app, "bob@example.com", NEW).await.status, 201);
}

#[tokio::test]
async fn a_wrong_old_password_is_recorded_like_a_failed_sign_in_and_outlives_the_request() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    assert_eq!(change(&bob, "me", Some("wrong")).await.status, 400);
    attempts(&app, 1).await;
    let wrong = sign_in(&app, "bob@example.com", "wrong").await;
    assert_eq!(wrong.status, 401);
    attempts(&app, 2).await;
    // More of the same are counted, and told when the minute is over.
    for _ in 0..5 {
        change(&bob, "me", Some("wrong")).await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    app.app.attempts.record_counts().await;
    attempts(&app, 3).await;
    assert_eq!(bob.get(ME).await.status, 200);
}

#[tokio::test]
async fn a_password_made_of_the_names_of_the_service_or_the_organization_is_refused_wherever_it_is_set()
 {
    let app = TestApp::start_with(|config| {
        config.default_organization = "acme".to_owned();
        config.access_url = "https://people.initech.example".parse().ok();
    })
    .await;
    for weak in [
        "Rollcall2026",
        "Rollcall-2026!",
        "acme2026",
        "Initech2026",
        "umbrella99",
    ] {
        let first = json!({ "email": "ada@umbrella.example", "username": "ada", "password": weak });
        let refused = app.anonymous().post(FIRST, &first).await;
        assert_eq!(wrong_fields(&refused), ["password"], "{weak}");
    }
    let owner = app.owner().await;
    let named = json!({ "name": "hooli", "display_name": "Pied Piper" });
    let made = owner.post("/api/v2/organizations", &named).await;
    assert_eq!(made.status, 201, "{made:?}");
    let bob = app.user(&owner, "bob").await;
    let joined = format!("/api/v2/organizations/hooli/members/{bob}");
    assert_eq!(owner.post(&joined, &Value::Null).await.status, 200);
    let client = app.sign_in("bob@example.com").await;
    for weak in [
        "Rollcall2026",
        "acme2026",
        "Initech2026",
        "Hooli2026!",
        "Piper_2026!",
    ] {
        let other = json!({ "password": weak, "organization_ids": [made.json["id"]] });
        let created = owner.post(USERS, &wish_with(&app, "eve", &other)).await;
        assert_eq!(wrong_fields(&created), ["password"], "{weak}");
        for (client, user, old) in [(&client, "me", PASSWORD), (&owner, "bob", "")] {
            let body = json!({ "old_password": old, "password": weak });
            let changed = client.put(&format!("{USERS}/{user}/password"), &body).await;
            assert_eq!(wrong_fields(&changed), ["password"], "{weak}");
        }
    }
}
