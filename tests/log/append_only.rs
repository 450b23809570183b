//! The database itself keeps the log append-only.

use sqlx::{ConnectOptions, Executor};

use crate::support::TestApp;

#[tokio::test]
async fn neither_the_service_nor_the_superuser_changes_an_event() {
    let app = TestApp::start().await;
    app.owner().await;
    for options in [&app.database, &app.superuser] {
        let mut conn = options.connect().await.unwrap();
        for change in [
            "UPDATE log.events SET event_type = 'Forged'",
            "DELETE FROM log.events",
            "TRUNCATE log.events",
            "UPDATE log.head SET position = 0",
            "DELETE FROM log.head",
            "UPDATE log.imports SET with_vault = true",
            "DELETE FROM log.imports",
        ] {
            let refusal = conn.execute(change).await.unwrap_err().to_string();
            let is_refused = ["append-only", "only moves forward", "permission denied"]
                .iter()
                .any(|reason| refusal.contains(reason));
            assert!(is_refused, "{change}: {refusal}");
        }
    }
}
