//! A rebuild makes the same rows, in tables that serve as the old ones did, and whatever interrupts it harms nothing.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use rollcall_events::{
    clock::SystemClock,
    ids::Ids,
    log::{LogReader, Upcasters},
    user::{LoginType, UserCommand},
    vault::Vault,
};
use rollcall_projections::{
    rebuild::{Progress, RebuildError, Rebuilt, STREAMS_IN_MEMORY, Wish, names, rebuild},
    rules,
};
use sqlx::{ConnectOptions, Executor, PgConnection, PgPool, postgres::PgPoolOptions};

use crate::{
    support::{TestApp, beginning, master_key},
    tools::{
        READ_MODELS, bytes_of, creation, execute, link, renaming, rows_of, sign_in_at, token_at,
        until_true, user, vouched_at,
    },
};

/// The log as the owner reads it.
pub async fn log_of(app: &TestApp) -> LogReader {
    let pool = PgPoolOptions::new()
        .max_connections(2)
        .connect_lazy_with(app.superuser.clone());
    let vault = Vault::open(pool.clone(), master_key(), &SystemClock)
        .await
        .unwrap();
    LogReader::new(pool, vault, Upcasters::current())
}

pub async fn rebuild_of(app: &TestApp, projections: &[&str]) -> Result<Rebuilt, RebuildError> {
    rebuild_with(app, &wish(projections)).await
}

pub fn wish(projections: &[&str]) -> Wish {
    Wish {
        projections: projections.iter().map(ToString::to_string).collect(),
        workers: 2,
        streams_in_memory: STREAMS_IN_MEMORY,
        skip_unreadable: false,
    }
}

pub async fn rebuild_with(app: &TestApp, wish: &Wish) -> Result<Rebuilt, RebuildError> {
    let log = log_of(app).await;
    rebuild(&app.superuser, &log, wish, &Arc::default()).await
}

/// Some of everything: users with sessions and tokens, linked, renamed, suspended, deleted, and refused attempts.
pub async fn some_history(app: &TestApp) {
    let owner = app.owner().await;
    app.user(&owner, "grace").await;
    for name in ["kurt", "barbara", "edsger"] {
        let id = Ids.uuid();
        let mut creation = creation(name, &format!("{name}@example.com"));
        if let UserCommand::CreateUser(wish) = &mut creation {
            wish.login_type = LoginType::Oidc;
        }
        for command in [
            creation,
            vouched_at(&format!("{name}-1"), LoginType::Oidc, beginning()),
            token_at(&format!("{name}-2"), Some("laptop"), beginning()),
            renaming(&format!("{name}-again")),
            link(name),
        ] {
            execute(app, id, command).await.unwrap();
        }
        if name == "edsger" {
            execute(app, id, UserCommand::DeleteUser).await.unwrap();
        }
        if name == "barbara" {
            execute(app, id, UserCommand::SuspendUser).await.unwrap();
        }
        app.pass(TimeDelta::hours(13));
    }
    let refused = app.with_token("wrong").get("/api/v2/users/me").await;
    assert_eq!(refused.status, 401);
}

/// All rows of the read models, and what their tables are like.
async fn picture(app: &TestApp) -> (Vec<Vec<u8>>, Vec<String>) {
    let mut conn = app.superuser.connect().await.unwrap();
    let mut rows = Vec::new();
    for table in READ_MODELS {
        rows.push(bytes_of(&mut conn, table).await);
    }
    (rows, structure(&mut conn).await)
}

/// Columns, constraints, indexes, settings, owners, grants and views, in words.
async fn structure(conn: &mut PgConnection) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT concat_ws(' ', attrelid::regclass, attname, format_type(atttypid, atttypmod), attnotnull
                        , attcollation::regcollation, pg_get_expr(adbin, adrelid))
           FROM pg_attribute
           JOIN pg_class ON pg_class.oid = attrelid
           LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
          WHERE relnamespace = 'read'::regnamespace AND relkind = 'r' AND attnum > 0
          UNION ALL
         SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid))
           FROM pg_constraint WHERE connamespace = 'read'::regnamespace
          UNION ALL
         SELECT pg_get_indexdef(indexrelid)
           FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
          WHERE relnamespace = 'read'::regnamespace
          UNION ALL
         SELECT concat_ws(' ', oid::regclass, relowner::regrole, relacl, reloptions)
           FROM pg_class WHERE relnamespace = 'read'::regnamespace AND relkind = 'r'
          UNION ALL
         SELECT concat_ws(' ', nspname, nspowner::regrole, nspacl) FROM pg_namespace WHERE nspname LIKE 'read%'
          UNION ALL
         SELECT pg_get_viewdef('cqrs.user_view'::regclass)
          ORDER BY 1",
    )
    .fetch_all(conn)
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_makes_the_same_rows_in_tables_that_are_alike() {
    let app = TestApp::start().await;
    some_history(&app).await;
    let before = picture(&app).await;
    let rebuilt = rebuild_of(&app, &[]).await.unwrap();
    assert_eq!(rebuilt.position, rebuilt.events);
    let after = picture(&app).await;
    assert_eq!(after.1, before.1);
    let mut conn = app.superuser.connect().await.unwrap();
    for (nth, table) in READ_MODELS.iter().enumerate() {
        assert!(
            before.0[nth] == after.0[nth],
            "{table}: {:?}",
            rows_of(&mut conn, table).await
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_more_streams_than_fit_in_memory_is_read_several_times_and_makes_the_same_rows() {
    let app = TestApp::start().await;
    some_history(&app).await;
    let before = picture(&app).await;
    let wish = Wish {
        streams_in_memory: 1,
        skip_unreadable: false,
        ..wish(&[])
    };
    rebuild_with(&app, &wish).await.unwrap();
    assert!(picture(&app).await == before);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_of_the_read_models_is_rebuilt() {
    let app = TestApp::start().await;
    let mut conn = app.superuser.connect().await.unwrap();
    let tables = "SELECT relname, oid FROM pg_class
                   WHERE relnamespace = 'read'::regnamespace AND relkind = 'r' AND relname <> 'projections' ORDER BY 1";
    let before: Vec<(String, sqlx::postgres::types::Oid)> =
        sqlx::query_as(tables).fetch_all(&mut conn).await.unwrap();
    rebuild_of(&app, &[]).await.unwrap();
    let after: Vec<(String, sqlx::postgres::types::Oid)> =
        sqlx::query_as(tables).fetch_all(&mut conn).await.unwrap();
    assert_eq!(before.len(), after.len());
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before.0, after.0);
        assert_ne!(before.1, after.1, "{} is no new table", before.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_were_lost_or_altered_are_right_again() {
    let app = TestApp::start().await;
    some_history(&app).await;
    let before = picture(&app).await;
    app.superuser
        .connect()
        .await
        .unwrap()
        .execute(
            "UPDATE read.users SET name = 'Mallory', name_key = 'mallory';
             DELETE FROM read.sessions; DELETE FROM read.members; TRUNCATE read.audit, read.audit_counts, read.identities;
             UPDATE read.projections SET version = 0;",
        )
        .await
        .unwrap();
    assert_eq!(
        rules::outdated(app.pool()).await.unwrap().len(),
        names().len()
    );
    rebuild_of(&app, &[]).await.unwrap();
    assert!(picture(&app).await == before);
    assert!(rules::outdated(app.pool()).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_projection_can_be_rebuilt_and_the_others_stay() {
    let app = TestApp::start().await;
    some_history(&app).await;
    let before = picture(&app).await;
    let mut conn = app.superuser.connect().await.unwrap();
    conn.execute(
        "TRUNCATE read.audit, read.audit_counts; UPDATE read.sessions SET scope = 'tampered';
         UPDATE read.projections SET version = 0",
    )
    .await
    .unwrap();
    rebuild_of(&app, &["audit"]).await.unwrap();
    let tampered: i64 =
        sqlx::query_scalar("SELECT count(*) FROM read.sessions WHERE scope = 'tampered'")
            .fetch_one(&mut conn)
            .await
            .unwrap();
    assert!(tampered > 0);
    assert!(
        !rules::outdated(app.pool())
            .await
            .unwrap()
            .contains(&"audit".to_owned())
    );
    rebuild_of(&app, &["sessions"]).await.unwrap();
    assert!(picture(&app).await == before);
    let unknown = rebuild_of(&app, &["nothing"]).await.unwrap_err();
    assert!(
        unknown
            .to_string()
            .contains("there is no projection \"nothing\""),
        "{unknown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_rebuilds_at_once_the_second_says_so() {
    let app = TestApp::start().await;
    some_history(&app).await;
    // The first one waits before its end for somebody who reads what it wants to drop.
    let mut reader = app.superuser.connect().await.unwrap();
    reader
        .execute("BEGIN; SELECT FROM read.users LIMIT 1")
        .await
        .unwrap();
    let first = {
        let (log, owner) = (log_of(&app).await, app.superuser.clone());
        tokio::spawn(async move {
            rebuild(&owner, &log, &wish(&[]), &Arc::new(Progress::default())).await
        })
    };
    until_true(
        &mut app.superuser.connect().await.unwrap(),
        "SELECT to_regnamespace('read_old') IS NOT NULL",
    )
    .await;
    let second = rebuild_of(&app, &[]).await.unwrap_err();
    assert!(matches!(second, RebuildError::Busy), "{second}");
    // Whoever still reads the old tables is in nobody's way, and is read to.
    user(&app, "late").await;
    reader
        .execute("SELECT FROM read.users; COMMIT")
        .await
        .unwrap();
    first.await.unwrap().unwrap();
    rebuild_of(&app, &[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_interrupted_rebuild_left_is_cleared_away() {
    let app = TestApp::start().await;
    some_history(&app).await;
    let before = picture(&app).await;
    app.superuser
        .connect()
        .await
        .unwrap()
        .execute("CREATE SCHEMA read_next; CREATE TABLE read_next.users (id int); CREATE SCHEMA read_old; CREATE TABLE read_old.x (id int)")
        .await
        .unwrap();
    rebuild_of(&app, &[]).await.unwrap();
    assert!(picture(&app).await == before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_fails_leaves_everything_as_it_was() {
    let app = TestApp::start().await;
    some_history(&app).await;
    let before = picture(&app).await;
    let id = Ids.uuid();
    // An event that nobody can read.
    app.superuser
        .connect()
        .await
        .unwrap()
        .execute(
            format!(
                "BEGIN;
                 INSERT INTO log.events SELECT position + 1, 'user', '{id}', 1, 'Nonsense', 1, '{{}}', '{{}}', recorded_at FROM log.head;
                 UPDATE log.head SET position = position + 1, frontier = decode(repeat('00', 32 * length(replace((position + 1)::bit(64)::text, '0', ''))), 'hex');
                 COMMIT;"
            )
            .as_str(),
        )
        .await
        .unwrap();
    let failure = rebuild_of(&app, &[]).await.unwrap_err();
    let is_counted = matches!(failure, RebuildError::Unreadable { count: 1, .. });
    assert!(is_counted, "{failure}");
    assert!(picture(&app).await == before);
}

/// The service's own connections, with their prepared statements, go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_notices_a_rebuild_but_by_its_rows() {
    let app = Arc::new(TestApp::start().await);
    some_history(&app).await;
    let owner = app.owner().await;
    let writers: Vec<_> = (0..8)
        .map(|nth| tokio::spawn(write_and_read(Arc::clone(&app), nth)))
        .collect();
    for _ in 0..6 {
        rebuild_of(&app, &[]).await.unwrap();
    }
    rebuild_of(&app, &["users"]).await.unwrap();
    rebuild_of(&app, &["audit"]).await.unwrap();
    app.app.log.pool().execute("SELECT 1").await.unwrap();
    STOP.store(true, std::sync::atomic::Ordering::Relaxed);
    let mut longest = Duration::ZERO;
    let mut rounds = 0;
    for writer in writers {
        let (stall, count) = writer.await.unwrap();
        longest = longest.max(stall);
        rounds += count;
    }
    assert!(rounds > 50, "{rounds}");
    println!("{rounds} rounds; the longest write took {longest:?}");
    assert_eq!(owner.get("/api/v2/users/me").await.status, 200);
    let before = picture(&app).await;
    rebuild_of(&app, &[]).await.unwrap();
    assert!(picture(&app).await == before);
}

static STOP: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// Creates, changes and looks, over and over: what was acknowledged is seen by the very next question.
async fn write_and_read(app: Arc<TestApp>, writer: usize) -> (Duration, usize) {
    let mut longest = Duration::ZERO;
    for round in 0.. {
        if STOP.load(std::sync::atomic::Ordering::Relaxed) {
            return (longest, round);
        }
        let since = std::time::Instant::now();
        let id = user(&app, &format!("writer-{writer}-{round}")).await;
        longest = longest.max(since.elapsed());
        let name = format!("renamed-{writer}-{round}");
        execute(&app, id, renaming(&name)).await.unwrap();
        assert_eq!(
            username(app.pool(), id).await.as_deref(),
            Some(name.as_str())
        );
        let session = format!("s-{writer}-{round}");
        let at = beginning() + TimeDelta::days(2);
        execute(&app, id, sign_in_at(&session, at)).await.unwrap();
        assert_eq!(sessions(app.pool(), id).await, 1);
        execute(&app, id, UserCommand::DeleteUser).await.unwrap();
        assert_eq!(sessions(app.pool(), id).await, 0);
    }
    unreachable!("it counts without end")
}

async fn username(pool: &PgPool, id: uuid::Uuid) -> Option<String> {
    sqlx::query_scalar("SELECT username FROM read.users WHERE id = $1")
        .bind(id)
        .fetch_one(pool)
        .await
        .unwrap()
}

async fn sessions(pool: &PgPool, id: uuid::Uuid) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM read.sessions WHERE user_id = $1")
        .bind(id)
        .fetch_one(pool)
        .await
        .unwrap()
}
