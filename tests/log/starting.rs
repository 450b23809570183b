//! The service and the database that it is started on.

use rollcall::app::{App, StartError};
use rollcall_events::vault::{MasterKey, VaultError};

use crate::support::{TestApp, master_key};

async fn start(app: &TestApp, key: MasterKey) -> Result<rollcall::app::AppState, StartError> {
    App::start(
        app.app.config.clone(),
        app.database.clone(),
        key,
        app.clock.clone(),
    )
    .await
}

#[tokio::test]
async fn the_wrong_master_key_is_refused_and_both_fingerprints_are_told() {
    let app = TestApp::start().await;
    let wrong = MasterKey::new([43; 32]);
    let fingerprints = [wrong.id().to_owned(), master_key().id().to_owned()];
    let Err(refusal) = start(&app, wrong).await else {
        panic!("it started");
    };
    assert!(
        matches!(
            refusal,
            StartError::Vault(VaultError::WrongMasterKey { .. })
        ),
        "{refusal:?}"
    );
    for fingerprint in fingerprints {
        assert!(refusal.to_string().contains(&fingerprint), "{refusal}");
    }
    // It left no trace.
    let known: Vec<String> = sqlx::query_scalar("SELECT id FROM vault.master_keys")
        .fetch_all(app.pool())
        .await
        .unwrap();
    assert_eq!(known, [master_key().id()]);
    start(&app, master_key()).await.unwrap();
}

#[tokio::test]
async fn nodes_that_start_together_make_one_default_organization() {
    let name = crate::support::cluster::fresh_database().await;
    let starting: Vec<_> = (0..5)
        .map(|_| {
            let name = name.clone();
            tokio::spawn(async move {
                let clock = rollcall_events::clock::ManualClock::at(crate::support::beginning());
                TestApp::on(&name, std::sync::Arc::new(clock), |_| {}).await
            })
        })
        .collect();
    let mut organizations = Vec::new();
    for node in starting {
        organizations.push(node.await.unwrap().app.default_organization);
    }
    organizations.dedup();
    assert_eq!(organizations.len(), 1);
}
