//! A database that was restored in part is not served as if it were whole.

use rollcall::{
    app::{App, StartError},
    config::Config,
};
use rollcall_events::log::Unfit;
use rollcall_projections::fit::misfit;
use serde_json::json;
use sqlx::{ConnectOptions, Executor, postgres::PgConnectOptions};

use crate::{
    rebuild::{rebuild_of, some_history},
    support::{PASSWORD, TestApp, master_key},
};

async fn started(app: &TestApp) -> Result<(), StartError> {
    let database: PgConnectOptions = app.superuser.clone();
    App::start(Config::default(), database, master_key(), app.clock.clone())
        .await
        .map(|_| ())
}

async fn restore(app: &TestApp, statements: &str) {
    let mut superuser = app.superuser.connect().await.unwrap();
    superuser
        .execute(format!("SET session_replication_role = replica; {statements}").as_str())
        .await
        .unwrap();
}

/// A frontier of as many hashes as a log of that size has.
const FITTING: &str =
    "decode(repeat('00', 32 * length(replace(position::bit(64)::text, '0', ''))), 'hex')";

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_is_not_the_last_event_is_refused_and_reported() {
    for statements in [
        // The row that the migrations made stood in the way of the one in the backup.
        "UPDATE log.head SET position = 0, frontier = ''".to_owned(),
        format!(
            "UPDATE log.head SET position = position + 5; UPDATE log.head SET frontier = {FITTING}"
        ),
        format!(
            "UPDATE log.head SET position = position - 1; UPDATE log.head SET frontier = {FITTING}"
        ),
        // The log was not in it.
        "TRUNCATE log.events".to_owned(),
    ] {
        let app = TestApp::start().await;
        some_history(&app).await;
        restore(&app, &statements).await;
        let refusal = started(&app).await.unwrap_err();
        let is_told = matches!(refusal, StartError::Unfit(Unfit::Head { .. }));
        assert!(is_told, "{statements}: {refusal:?}");
        assert!(
            refusal.to_string().contains("restored in part"),
            "{refusal}"
        );
        // A node that runs says so, too.
        let body = json!({ "email": "ada@example.com", "password": PASSWORD });
        let written = app.anonymous().post("/api/v2/users/login", &body).await;
        assert_eq!(written.status, 503, "{statements}: {written:?}");
        let detail = written.json["detail"].as_str().unwrap();
        assert!(detail.contains("restored in part"), "{detail}");
        assert_eq!(
            app.anonymous().get("/readyz").await.status,
            503,
            "{statements}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn read_models_that_are_not_of_the_log_are_reported_until_they_are_rebuilt() {
    let truncated = "TRUNCATE read.users, read.past_users, read.sessions, read.identities, read.organizations, read.members
                            , read.audit, read.audit_counts";
    for (statements, starts) in [
        (truncated, false),
        ("TRUNCATE read.users", true),
        ("TRUNCATE read.audit", true),
        (
            "DELETE FROM read.audit WHERE position = (SELECT max(position) FROM read.audit)",
            true,
        ),
        ("UPDATE read.audit SET at = at + interval '1 day'", true),
        (
            "INSERT INTO read.audit (at, position, kind, request_id)
             SELECT now(), position + 10, 66, gen_random_uuid() FROM log.head",
            true,
        ),
    ] {
        let app = TestApp::start().await;
        some_history(&app).await;
        let mut conn = app.superuser.connect().await.unwrap();
        assert_eq!(misfit(&mut conn).await.unwrap(), None);
        restore(&app, statements).await;
        assert!(misfit(&mut conn).await.unwrap().is_some(), "{statements}");
        match started(&app).await {
            Ok(()) => assert!(starts, "{statements}"),
            Err(refusal) => {
                assert!(!starts, "{statements}: {refusal:?}");
                assert!(
                    refusal.to_string().contains("rollcall rebuild"),
                    "{refusal}"
                );
            }
        }
        rebuild_of(&app, &[]).await.unwrap();
        assert_eq!(misfit(&mut conn).await.unwrap(), None, "{statements}");
        started(&app).await.unwrap();
    }
}
