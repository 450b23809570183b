//! What is served and did not happen is found, named and mended, and so is what is wrong with the log.

use std::sync::Arc;

use chrono::TimeDelta;
use rollcall_events::{clock::Clock, user::ENDED_SESSIONS_KEPT};
use rollcall_projections::verify::{Verified, Wish, verify};
use sqlx::{ConnectOptions, Connection, Executor, PgConnection};
use uuid::Uuid;

use crate::{
    rebuild::{log_of, some_history},
    support::{Readable as _, TestApp},
    tools::{READ_MODELS, bytes_of, execute, renaming, sessions_of, sign_in, sign_in_at, user},
};

pub async fn verified(app: &TestApp, user: Option<Uuid>, repair: bool) -> Verified {
    let wish = Wish {
        user,
        workers: 2,
        repair,
    };
    verify(&app.superuser, &log_of(app).await, &wish, &Arc::default())
        .await
        .unwrap()
}

/// Every column of every table, with its type, and whether it belongs to the primary key.
async fn columns(conn: &mut PgConnection) -> Vec<(String, String, String, bool)> {
    sqlx::query_as(
        "SELECT relname, quote_ident(attname), format_type(atttypid, NULL)
              , EXISTS (SELECT FROM pg_index WHERE indrelid = attrelid AND indisprimary AND attnum = ANY (indkey))
           FROM pg_attribute
           JOIN pg_class ON pg_class.oid = attrelid
          WHERE relnamespace = 'read'::regnamespace AND relkind = 'r' AND attnum > 0 AND relname <> 'projections'
          ORDER BY attrelid, attnum",
    )
    .fetch_all(conn)
    .await
    .unwrap()
}

/// A table that verification does not know would not be among those that the tests below tamper with.
#[tokio::test(flavor = "multi_thread")]
async fn no_table_of_the_read_models_is_forgotten() {
    let app = TestApp::start().await;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT 'read.' || relname
           FROM pg_class
          WHERE relnamespace = 'read'::regnamespace AND relkind IN ('r', 'p', 'm', 'f') AND relname <> 'projections'
          ORDER BY 1",
    )
    .fetch_all(app.pool())
    .await
    .unwrap();
    let mut known = READ_MODELS.to_vec();
    known.sort_unstable();
    assert_eq!(tables, known);
}

/// Another value than the one that is there.
fn another(column: &str, kind: &str) -> String {
    match kind {
        "uuid" => "'00000000-0000-4000-8000-00000000dead'".to_owned(),
        "bigint" | "smallint" | "integer" => format!("coalesce({column}, 0) + 1"),
        "boolean" => format!("NOT {column}"),
        "text" => format!("coalesce({column}, '') || 'x'"),
        "bytea" => "decode(repeat('07', 31) || '08', 'hex')".to_owned(),
        "timestamp with time zone" => {
            format!("coalesce({column}, 'epoch') + interval '1 microsecond'")
        }
        "date" => format!("{column} + 1"),
        "text[]" => format!("{column} || '{{x}}'"),
        "uuid[]" => format!("{column} || '{{00000000-0000-4000-8000-00000000dead}}'"),
        other => panic!("{column} is of the type {other}, which no test tampers with yet"),
    }
}

async fn rows(conn: &mut PgConnection) -> Vec<Vec<u8>> {
    let mut rows = Vec::new();
    for table in READ_MODELS {
        rows.push(bytes_of(conn, table).await);
    }
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_served_is_what_happened() {
    let app = TestApp::start().await;
    some_history(&app).await;
    let found = verified(&app, None, false).await;
    assert!(found.is_good(), "{found:#?}");
    let head = rollcall_events::log::head(app.pool()).await.unwrap();
    assert_eq!(found.events, head.position.unsigned_abs());
    let mut conn = app.superuser.connect().await.unwrap();
    let mut rows = 0;
    for table in READ_MODELS {
        let count = format!("SELECT count(*) FROM {table}");
        rows += sqlx::query_scalar::<_, i64>(&count)
            .fetch_one(&mut conn)
            .await
            .unwrap();
    }
    assert_eq!(found.rows, rows.unsigned_abs());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_altered_value_of_every_table_is_named_and_mended() {
    let app = TestApp::start().await;
    some_history(&app).await;
    let mut conn = app.superuser.connect().await.unwrap();
    let before = rows(&mut conn).await;
    for (table, column, kind, is_key) in columns(&mut conn).await {
        let value = another(&column, &kind);
        let tamper = format!(
            "UPDATE read.{table} SET {column} = {value} WHERE ctid = (SELECT max(ctid) FROM read.{table})"
        );
        let done = conn.execute(tamper.as_str()).await.unwrap();
        assert_eq!(done.rows_affected(), 1, "{table}.{column}");
        let found = verified(&app, None, true).await;
        let told: Vec<String> = found.differences.iter().map(ToString::to_string).collect();
        assert!(found.flaws.is_empty(), "{:?}", found.flaws);
        if is_key {
            // The row is another: the true one is missing, and this one should not be there.
            assert_eq!(found.differences.len(), 2, "{table}.{column}: {told:?}");
            assert!(
                told.iter().any(|text| text.contains("is missing (event ")),
                "{told:?}"
            );
            assert!(
                told.iter().any(|text| text.contains("should not be there")),
                "{told:?}"
            );
        } else {
            assert_eq!(found.differences.len(), 1, "{table}.{column}: {told:?}");
            let difference = &found.differences[0];
            assert_eq!(difference.table, table);
            assert_eq!(
                difference.field.map(str::to_owned),
                Some(column.replace('"', ""))
            );
            assert_ne!(difference.served, difference.truth);
            assert!(difference.position.is_some(), "{told:?}");
        }
        assert!(found.repaired > 0);
        assert!(
            rows(&mut conn).await == before,
            "{table}.{column} was not mended"
        );
        assert!(verified(&app, None, false).await.is_good());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_that_was_removed_or_added_is_named_and_mended() {
    let app = TestApp::start().await;
    some_history(&app).await;
    let mut conn = app.superuser.connect().await.unwrap();
    let before = rows(&mut conn).await;
    for table in READ_MODELS {
        let removed = conn
            .execute(
                format!("DELETE FROM {table} WHERE ctid = (SELECT min(ctid) FROM {table})")
                    .as_str(),
            )
            .await
            .unwrap();
        assert_eq!(removed.rows_affected(), 1, "{table}");
        let found = verified(&app, None, true).await;
        assert_eq!(
            found.differences.len(),
            1,
            "{table}: {:?}",
            found.differences
        );
        assert!(
            found.differences[0]
                .to_string()
                .contains("is missing (event "),
            "{table}"
        );
        assert!(rows(&mut conn).await == before, "{table}");
    }
    let added = [
        "INSERT INTO read.users (id, version, status, login_type, roles, organization_ids, created_at, updated_at)
         VALUES (gen_random_uuid(), 1, 'active', 'none', '{owner}', '{}', now(), now())",
        "INSERT INTO read.past_users (id, since, until, version, status, login_type, roles, organization_ids, organization_roles, created_at, updated_at)
         VALUES (gen_random_uuid(), 1, 2, 1, 'active', 'none', '{owner}', '{}', '{}', now(), now())",
        "INSERT INTO read.sessions (id, user_id, secret_sha256, login_type, scope, lifetime_s, created_at, expires_at, ends_at)
         SELECT 'it''s \\ mine', id, sha256('x'), 'token', 'all', 1, now(), now(), now() FROM read.users WHERE username = 'ada'",
        "INSERT INTO read.identities (key, user_id, provider, issuer, subject, linked_at)
         SELECT 'mine', id, 'oidc', 'me', 'me', now() FROM read.users WHERE username = 'ada'",
        "INSERT INTO read.organizations (id, version, name, name_key, display_name, is_default, created_at, updated_at)
         VALUES (gen_random_uuid(), 1, 'mine', 'mine', '', false, now(), now())",
        "INSERT INTO read.members (organization_id, user_id, roles, created_at, updated_at)
         SELECT gen_random_uuid(), id, '{organization-admin}', now(), now() FROM read.users WHERE username = 'ada'",
        "INSERT INTO read.audit (at, position, kind, request_id) VALUES (now(), 1000, 66, gen_random_uuid())",
        "INSERT INTO read.audit_counts (kind, day, count) VALUES (66, 'epoch', 7)",
    ];
    assert_eq!(added.len(), READ_MODELS.len());
    for (table, insert) in READ_MODELS.iter().zip(added) {
        conn.execute(insert).await.unwrap();
        let found = verified(&app, None, true).await;
        assert_eq!(
            found.differences.len(),
            1,
            "{table}: {:?}",
            found.differences
        );
        assert!(
            found.differences[0]
                .to_string()
                .contains("should not be there"),
            "{table}"
        );
        assert_eq!(format!("read.{}", found.differences[0].table), *table);
        assert!(rows(&mut conn).await == before, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_event_that_decides_about_a_field_is_the_last_that_changed_it() {
    let app = TestApp::start().await;
    let id = user(&app, "ada").await;
    let created = position_of(&app, id).await;
    execute(&app, id, renaming("lovelace")).await.unwrap();
    let renamed = position_of(&app, id).await;
    execute(
        &app,
        id,
        crate::tools::new_avatar("https://example.com/a.png"),
    )
    .await
    .unwrap();
    let mut conn = app.superuser.connect().await.unwrap();
    conn.execute("UPDATE read.users SET username = 'Eve', email = 'eve@example.com'")
        .await
        .unwrap();
    let found = verified(&app, Some(id), false).await;
    let told: Vec<_> = found
        .differences
        .iter()
        .map(|difference| (difference.field.unwrap(), difference.position.unwrap()))
        .collect();
    assert_eq!(told, [("username", renamed), ("email", created)]);
    assert_eq!(
        found.differences[0].to_string(),
        format!(
            "users id={id}: username is \"Eve\" and should be \"lovelace\" (event {renamed} decides)"
        )
    );
}

async fn position_of(app: &TestApp, id: Uuid) -> i64 {
    let events = app.app.log.stream(id, 0).await.unwrap().readable();
    events.last().unwrap().position
}

#[tokio::test(flavor = "multi_thread")]
async fn one_user_can_be_verified_alone() {
    let app = TestApp::start().await;
    some_history(&app).await;
    let id = user(&app, "carol").await;
    let mut conn = app.superuser.connect().await.unwrap();
    conn.execute("UPDATE read.users SET status = 'suspended' WHERE username <> 'carol'; DELETE FROM read.sessions")
        .await
        .unwrap();
    let found = verified(&app, Some(id), false).await;
    assert!(found.is_good(), "{found:#?}");
    assert_eq!(found.events, 1);
    conn.execute(
        "UPDATE read.audit SET kind = 7 WHERE position = (SELECT max(position) FROM read.audit)",
    )
    .await
    .unwrap();
    let found = verified(&app, Some(id), true).await;
    assert_eq!(found.differences.len(), 1, "{found:#?}");
    assert!(verified(&app, Some(id), false).await.is_good());
    assert!(!verified(&app, None, false).await.is_good());
}

#[tokio::test(flavor = "multi_thread")]
async fn swapped_names_are_mended() {
    let app = TestApp::start().await;
    let one = user(&app, "one").await;
    user(&app, "two").await;
    let mut conn = app.superuser.connect().await.unwrap();
    let before = rows(&mut conn).await;
    conn.execute(
        format!(
            "UPDATE read.users SET username_key = username_key || '?';
             UPDATE read.users SET username_key = CASE id WHEN '{one}' THEN 'two' ELSE 'one' END"
        )
        .as_str(),
    )
    .await
    .unwrap();
    assert_eq!(verified(&app, None, true).await.repaired, 2);
    assert!(rows(&mut conn).await == before);
}

/// Whoever has the database's superuser can do this; the tree tells.
async fn tamper_with_the_log(app: &TestApp, statement: &str) -> Vec<String> {
    let mut conn = app.superuser.connect().await.unwrap();
    let mut tx = conn.begin().await.unwrap();
    tx.execute("SET LOCAL session_replication_role = replica")
        .await
        .unwrap();
    tx.execute(statement).await.unwrap();
    tx.commit().await.unwrap();
    let found = verified(app, None, false).await;
    found.flaws.iter().map(ToString::to_string).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tampered_log_is_noticed() {
    for (statement, says) in [
        (
            "UPDATE log.events SET payload = convert_to(replace(convert_from(payload, 'UTF8'), 'administrator', 'use'), 'UTF8')
              WHERE position = 3; UPDATE log.events SET metadata = metadata || '\\x20' WHERE position = 3",
            "the tree of all events up to here is not the one of the head",
        ),
        ("DELETE FROM log.events WHERE position = 3", "log: event 4: comes after event 2"),
        (
            "DELETE FROM log.events WHERE position = (SELECT max(position) FROM log.events)",
            "the head of the log says that event",
        ),
        (
            "UPDATE log.events SET recorded_at = recorded_at - interval '1 day' WHERE position = 4",
            "log: event 4: was recorded before the event before it",
        ),
        (
            "UPDATE log.events SET version = version + 5 WHERE position = (SELECT max(position) FROM log.events WHERE aggregate_type = 'user')",
            "of its stream, which was at",
        ),
        (
            "UPDATE log.events SET payload = '{}' WHERE position = 3",
            "log: event 3: the event at position 3 cannot be read",
        ),
        (
            "DELETE FROM vault.subject_keys WHERE subject_id = (SELECT id FROM read.users WHERE username = 'ada')",
            "is gone, who was never erased",
        ),
    ] {
        let app = TestApp::start().await;
        some_history(&app).await;
        let flaws = tamper_with_the_log(&app, statement).await;
        assert!(flaws.iter().any(|flaw| flaw.contains(says)), "{statement}: {flaws:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_service_that_goes_on_is_verified_as_of_a_moment() {
    let app = Arc::new(TestApp::start().await);
    some_history(&app).await;
    let writing = {
        let app = Arc::clone(&app);
        tokio::spawn(async move {
            for nth in 0..200 {
                let id = user(&app, &format!("user-{nth}")).await;
                execute(&app, id, renaming(&format!("renamed-{nth}")))
                    .await
                    .unwrap();
            }
        })
    };
    let mut rounds = 0;
    while !writing.is_finished() {
        let found = verified(&app, None, true).await;
        assert!(found.is_good(), "{found:#?}");
        rounds += 1;
    }
    writing.await.unwrap();
    assert!(rounds > 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_person_is_in_order() {
    let app = TestApp::start().await;
    some_history(&app).await;
    let id = user(&app, "carol").await;
    execute(&app, id, rollcall_events::user::UserCommand::EraseUser)
        .await
        .unwrap();
    let mut conn = app.superuser.connect().await.unwrap();
    conn.execute(format!("DELETE FROM vault.subject_keys WHERE subject_id = '{id}'").as_str())
        .await
        .unwrap();
    let found = verified(&app, None, false).await;
    assert!(found.is_good(), "{found:#?}");
    crate::rebuild::rebuild_of(&app, &[]).await.unwrap();
    assert!(verified(&app, None, false).await.is_good());
}

/// A sweep may have run or not; whoever makes a session last longer is still found.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ended_long_ago_may_be_swept_or_not_but_not_prolonged() {
    let app = TestApp::start().await;
    let ada = user(&app, "ada").await;
    execute(&app, ada, sign_in("before")).await.unwrap();
    app.pass(TimeDelta::days(1) + ENDED_SESSIONS_KEPT + TimeDelta::microseconds(1));
    user(&app, "bob").await;
    assert!(verified(&app, None, false).await.is_good(), "not swept yet");

    let mut conn = app.superuser.connect().await.unwrap();
    conn.execute("UPDATE read.sessions SET ends_at = ends_at + interval '100 years'")
        .await
        .unwrap();
    let found = verified(&app, None, true).await;
    let said: Vec<String> = found.differences.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("should not be there"), "{said:?}");

    execute(&app, ada, sign_in_at("now", app.clock.now()))
        .await
        .unwrap();
    rollcall::upkeep::tidy_up(&app.app).await.unwrap();
    assert_eq!(sessions_of(&app, ada).await, ["now".to_owned()].into());
    assert!(verified(&app, None, false).await.is_good(), "swept");
}

/// A node whose clock is ahead by years would else sign everybody out.
#[tokio::test]
async fn a_sweep_goes_by_the_time_of_the_log_and_not_by_a_clock_that_is_ahead() {
    let app = TestApp::start().await;
    let ada = user(&app, "ada").await;
    execute(&app, ada, sign_in("one")).await.unwrap();
    app.pass(TimeDelta::days(3_650));
    rollcall::upkeep::tidy_up(&app.app).await.unwrap();
    assert_eq!(sessions_of(&app, ada).await, ["one".to_owned()].into());
}
