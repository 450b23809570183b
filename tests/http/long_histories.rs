//! A user with very many events is asked about at the price of a user with few.

use std::time::Duration;

use serde_json::Value;
use sqlx::ConnectOptions;
use uuid::Uuid;

use crate::{
    given::{USERS, as_superuser, member, text},
    support::{TestApp, client::Client},
};

/// As many as an attacker would make in an hour without limits; each changes the user's row.
const CHANGES: i64 = 20_000;

/// Gives a user many events, as they would be if they had been suspended and activated all the time: in the log, in the past
/// of the user, and in the audit log.
async fn change_often(app: &TestApp, id: Uuid) {
    as_superuser(
        app,
        &format!(
            "CREATE TEMP TABLE given AS
             SELECT head.position + nth AS position
                  , own.version + nth AS version
                  , CASE nth % 2 WHEN 1 THEN 'UserSuspended' ELSE 'UserActivated' END AS event_type
                  , CASE nth % 2 WHEN 1 THEN 'suspended' ELSE 'active' END AS status
                  , CASE nth % 2 WHEN 1 THEN 'active' ELSE 'suspended' END AS status_before
                  , nth
                  , head.recorded_at
               FROM generate_series(1, {CHANGES}) AS nth
                  , log.head
                  , (SELECT max(version) AS version FROM log.events WHERE aggregate_id = '{id}') AS own;
             INSERT INTO log.events
             SELECT position, 'user', '{id}', version, event_type, 1
                  , convert_to(CASE event_type WHEN 'UserSuspended' THEN '{{\"UserSuspended\":{{}}}}'
                                    ELSE '{{\"UserActivated\":{{\"cause\":\"administrator\"}}}}' END, 'UTF8')
                  , convert_to('{{\"actor\":\"user:{id}\",\"command_id\":\"{id}\",\"correlation_id\":\"{id}\",\"causation_id\":\"{id}\"}}', 'UTF8')
                  , recorded_at
               FROM given;
             INSERT INTO read.past_users
                    (id, since, until, version, username, username_key, email, email_key, name, name_key, avatar_url
                   , status, login_type, roles, organization_ids, organization_roles, created_at, updated_at)
             SELECT users.id, CASE nth WHEN 1 THEN users.position ELSE given.position - 1 END, given.position
                  , CASE nth WHEN 1 THEN users.version ELSE given.version - 1 END
                  , username, username_key, email, email_key, name, name_key, avatar_url, given.status_before, login_type
                  , roles, organization_ids, organization_roles, created_at, updated_at
               FROM given, read.users
              WHERE users.id = '{id}';
             UPDATE read.users
                SET (version, position, status) = (
                        SELECT version, position, status FROM given ORDER BY nth DESC LIMIT 1)
              WHERE id = '{id}';
             INSERT INTO read.audit (at, position, kind, user_id, resource_id, organization_id, request_id)
             SELECT recorded_at, position, 68, '{id}', '{id}', NULL, '{id}' FROM given;
             INSERT INTO read.audit_counts (kind, day, count)
             SELECT 68, max(recorded_at)::date, count(*) FROM given
                 ON CONFLICT (kind, day) DO UPDATE SET count = audit_counts.count + excluded.count;
             UPDATE log.head
                SET position = head.position + {CHANGES}
                  , frontier = decode(repeat('00', 32 * bit_count((head.position + {CHANGES})::bit(64))::integer), 'hex');
             DROP TABLE given;
             ANALYZE log.events, read.users, read.past_users, read.audit, read.audit_counts;"
        ),
    )
    .await;
}

/// How many rows of the log the service fetched since the statistics were reset. What a connection has counted is known
/// when it ends, and then there are at least so many.
async fn events_fetched(app: &TestApp, least: i64) -> i64 {
    app.pool().close().await;
    let mut superuser = app.superuser.connect().await.unwrap();
    let counting = async {
        loop {
            let fetched: i64 = sqlx::query_scalar(
                "SELECT coalesce(seq_tup_read + idx_tup_fetch, 0)::bigint FROM pg_stat_user_tables
                  WHERE schemaname = 'log' AND relname = 'events'",
            )
            .fetch_one(&mut superuser)
            .await
            .unwrap();
            if fetched >= least {
                return fetched;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), counting)
        .await
        .unwrap()
}

async fn history(client: &Client, id: Uuid, query: &str) -> Value {
    let answer = client.get(&format!("{USERS}/{id}/history?{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json
}

#[tokio::test]
async fn no_question_about_a_user_reads_more_of_their_events_than_it_shows() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, _) = member(&app, &owner, "bob").await;
    let number = CHANGES + 2;
    change_often(&app, id).await;
    as_superuser(&app, "SELECT pg_stat_reset()").await;

    let newest = history(&owner, id, "limit=25").await;
    assert_eq!(newest["count"], number);
    assert_eq!(newest["entries"][0]["version"], number);
    let status = &newest["entries"][0]["diff"]["status"];
    assert_eq!(
        (&status["old"], &status["new"]),
        (&"suspended".into(), &"active".into())
    );
    let last = newest["entries"][24]["id"].as_str().unwrap();
    let next = history(&owner, id, &format!("limit=25&after_id={last}")).await;
    assert_eq!(next["entries"][0]["version"], number - 25);
    assert_eq!(next["count"], number);
    let oldest = history(&owner, id, "order=oldest&limit=25").await;
    assert_eq!(oldest["entries"][0]["kind"], "UserCreated");
    let none = history(&owner, id, "limit=25&until=2026-01-01T12:00:00Z").await;
    assert_eq!(none["count"], 0);

    for version in [1, number / 2, number] {
        let then = owner.get(&format!("{USERS}/{id}?version={version}")).await;
        assert_eq!(text(&then, "username"), "bob", "{then:?}");
    }
    let then = owner
        .get(&format!("{USERS}/{id}?at=2026-01-01T12:00:00Z"))
        .await;
    assert_eq!(text(&then, "status"), "active");
    let sessions = owner.get(&format!("{USERS}/{id}/sessions")).await;
    assert_eq!(
        sessions.json["sessions"].as_array().unwrap().len(),
        1,
        "{sessions:?}"
    );
    for q in [
        "username:bob",
        "resource_target:bob",
        "username:bob%20action:write",
    ] {
        let audit = owner.get(&format!("/api/v2/audit?limit=25&q={q}")).await;
        assert_eq!(
            audit.json["audit_logs"].as_array().unwrap().len(),
            25,
            "{audit:?}"
        );
        assert_eq!(
            audit.json["audit_logs"][0]["diff"]["status"]["old"],
            "suspended"
        );
    }
    let fetched = events_fetched(&app, 150).await;
    // Seven pages of 25, the acts in which the use of sessions is looked for, and some searches by halves.
    assert!(fetched < 4_000, "{fetched} events were fetched");
}
