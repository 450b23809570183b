//! A password hash signs in the user whose it is, and nobody else, whoever can write the vault.

use serde_json::json;
use sqlx::{ConnectOptions, Executor, PgConnection};
use uuid::Uuid;

use crate::{
    exports::{Elsewhere, restorable},
    support::{PASSWORD, TestApp, client::Client},
    verify::verified,
};

const NEW_PASSWORD: &str = "another horse battery staple";

async fn status_of(app: &TestApp, email: &str, password: &str) -> u16 {
    let body = json!({ "email": email, "password": password });
    app.anonymous()
        .post("/api/v2/users/login", &body)
        .await
        .status
}

/// Ada and Bob, the ids of both; and the superuser's connection.
async fn two_users(app: &TestApp) -> (Client, Uuid, Uuid, PgConnection) {
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    let ada = owner.get("/api/v2/users/me").await.json["id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    (owner, ada, bob, app.superuser.connect().await.unwrap())
}

async fn wrong(app: &TestApp, user: Uuid) -> Vec<String> {
    let found = verified(app, None, false).await;
    let wrong = found.credentials.into_iter();
    wrong
        .filter(|says| says.contains(&user.to_string()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn anothers_hash_does_not_sign_in_and_is_named() {
    let app = TestApp::start().await;
    let (owner, ada, bob, mut superuser) = two_users(&app).await;
    assert!(verified(&app, None, false).await.is_good());
    for columns in [
        // The hash alone, as one would; with its binding; with all that stands beside it.
        "password_hash",
        "password_hash, binding",
        "password_hash, revision, binding, changed_at",
    ] {
        superuser
            .execute("CREATE TEMPORARY TABLE kept AS SELECT * FROM vault.credentials")
            .await
            .unwrap();
        superuser
            .execute(
                format!(
                    "UPDATE vault.credentials SET ({columns}) = (SELECT {columns} FROM kept WHERE subject_id <> credentials.subject_id)"
                )
                .as_str(),
            )
            .await
            .unwrap();
        for email in ["ada@example.com", "bob@example.com"] {
            assert_eq!(status_of(&app, email, PASSWORD).await, 401, "{columns}");
        }
        for user in [ada, bob] {
            assert_eq!(wrong(&app, user).await.len(), 1, "{columns}");
        }
        // Nor does it prove who changes a password.
        let body = json!({ "old_password": PASSWORD, "password": NEW_PASSWORD });
        let changed = owner.put("/api/v2/users/me/password", &body).await;
        assert_eq!(changed.status, 400, "{columns}: {changed:?}");
        superuser
            .execute(
                "UPDATE vault.credentials SET (password_hash, revision, binding, changed_at)
                      = (SELECT password_hash, revision, binding, changed_at FROM kept WHERE kept.subject_id = credentials.subject_id);
                 DROP TABLE kept",
            )
            .await
            .unwrap();
        assert_eq!(status_of(&app, "ada@example.com", PASSWORD).await, 201);
        assert!(verified(&app, None, false).await.is_good());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_hash_of_the_same_user_does_not_sign_in_and_is_named() {
    let app = TestApp::start().await;
    let (owner, _, bob, mut superuser) = two_users(&app).await;
    superuser
        .execute("CREATE TEMPORARY TABLE kept AS SELECT * FROM vault.credentials")
        .await
        .unwrap();
    let body = json!({ "password": NEW_PASSWORD });
    let changed = owner
        .put(&format!("/api/v2/users/{bob}/password"), &body)
        .await;
    assert_eq!(changed.status, 204, "{changed:?}");
    superuser
        .execute(
            "UPDATE vault.credentials SET (password_hash, revision, binding)
                  = (SELECT password_hash, revision, binding FROM kept WHERE kept.subject_id = credentials.subject_id)",
        )
        .await
        .unwrap();
    assert_ne!(status_of(&app, "bob@example.com", PASSWORD).await, 201);
    let told = wrong(&app, bob).await;
    assert!(
        told[0].contains("revision 1, and the log says 2"),
        "{told:?}"
    );
    // With the revision that the log knows, it is not bound.
    superuser
        .execute("UPDATE vault.credentials SET revision = 2 WHERE revision = 1")
        .await
        .unwrap();
    assert_eq!(status_of(&app, "bob@example.com", PASSWORD).await, 401);
    assert!(wrong(&app, bob).await[0].contains("altered"));
    // A new one can be set.
    let changed = owner
        .put(
            &format!("/api/v2/users/{bob}/password"),
            &json!({ "password": NEW_PASSWORD }),
        )
        .await;
    assert_eq!(changed.status, 204, "{changed:?}");
    assert_eq!(status_of(&app, "bob@example.com", NEW_PASSWORD).await, 201);
    assert!(wrong(&app, bob).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn hashes_of_old_are_bound_once_and_never_again() {
    let app = TestApp::start().await;
    let (_, _, bob, mut superuser) = two_users(&app).await;
    // As an earlier version left it.
    superuser
        .execute(
            "SET session_replication_role = replica;
             UPDATE vault.credentials SET binding = NULL; DELETE FROM log.credentials_bound;
             SET session_replication_role = DEFAULT",
        )
        .await
        .unwrap();
    assert!(verified(&app, None, false).await.is_good());
    let node = app.second_node().await;
    assert_eq!(status_of(&node, "bob@example.com", PASSWORD).await, 201);
    assert!(verified(&app, None, false).await.is_good());
    // Taken away, it does not come again.
    superuser
        .execute("UPDATE vault.credentials SET binding = NULL")
        .await
        .unwrap();
    let node = app.second_node().await;
    assert_eq!(status_of(&node, "bob@example.com", PASSWORD).await, 401);
    assert_eq!(wrong(&app, bob).await.len(), 1);
    for undo in [
        "DELETE FROM log.credentials_bound",
        "UPDATE log.credentials_bound SET is_done = true",
        "TRUNCATE log.credentials_bound",
    ] {
        superuser.execute(undo).await.unwrap_err();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_binding_goes_along_with_the_vault() {
    let app = TestApp::start().await;
    app.owner().await;
    let there = Elsewhere::empty().await;
    there.import(&restorable(&app).await).await.unwrap();
    assert!(there.verified().await.is_good());
    let name = there.owner.get_database().unwrap().to_owned();
    let node = TestApp::on(&name, app.clock.clone(), |_| {}).await;
    assert_eq!(status_of(&node, "ada@example.com", PASSWORD).await, 201);
}
