//! The audit log in the database: what follows from the log, what nobody can read there, and how it is found.

use std::net::IpAddr;

use chrono::TimeDelta;
use rollcall_events::{
    Actor, Authority, Event, Metadata, Origin, Personal,
    attempt::{Action, AttemptEvent, Day, RefusalReason, RefusedAttempt, ResourceType, TestEntry},
    clock::Clock,
    ids::Ids,
    user::UserCommand,
};
use rollcall_projections::audit::{
    AuditFilter, PageRequest, Side, page, resolve,
    search::{self, AuditQuery},
};
use serde_json::json;
use sqlx::{ConnectOptions, Executor};
use uuid::Uuid;

use crate::{
    secrecy::{assert_holds_none, dump, holds, with_bytes_decoded},
    support::{Readable as _, TestApp},
    tools::{assert_same_rows, execute, renaming, replay, sign_in, until_true, user},
};

const EMAIL: &str = "Mallorina.Quickfinger@nowhere-Xanadu.example";
const USER_AGENT: &str = "Lockpicker/7.31 (Teapot; rv:418)";
const ADDRESS: &str = "203.0.113.177";

fn sign_in_with(email: &str) -> RefusedAttempt {
    RefusedAttempt {
        action: Action::Login,
        resource_type: ResourceType::ApiKey,
        resource_id: None,
        user_id: None,
        organization_id: None,
        status: 401,
        reason: Some(RefusalReason::UnknownEmail),
        email: Some(email.to_owned()),
    }
}

fn anonymous() -> Metadata {
    Metadata {
        actor: Actor::Anonymous,
        origin: Personal::Known(Origin {
            ip: Some(ADDRESS.parse::<IpAddr>().unwrap()),
            user_agent: USER_AGENT.to_owned(),
        }),
        ..Metadata::system(Ids.uuid())
    }
}

/// The events of today's attempts.
async fn attempts(app: &TestApp) -> Vec<AttemptEvent> {
    let today = Day::of(app.clock.now()).stream();
    let events = app.app.log.stream(today, 0).await.unwrap().readable();
    let attempt = |event| match event {
        Event::Attempt(event) => event,
        other => panic!("{other:?}"),
    };
    let events = events.into_iter();
    events.map(|recorded| attempt(recorded.event)).collect()
}

#[tokio::test]
async fn what_was_tried_by_nobody_is_nowhere_in_the_clear() {
    let app = TestApp::start().await;
    let attempt = sign_in_with(EMAIL);
    app.app.attempts.note(attempt.clone(), anonymous()).await;
    app.app.attempts.note(attempt, anonymous()).await;
    app.app.attempts.record_counts().await;
    assert_eq!(attempts(&app).await.len(), 2);
    let secrets = [
        ("e-mail", EMAIL),
        ("user agent", USER_AGENT),
        ("address", ADDRESS),
    ];
    let secrets = secrets.map(|(what, text)| (what.to_owned(), text.to_owned()));
    let dump = with_bytes_decoded(&dump(&app.superuser, &[]).await);
    assert!(holds(&dump, b"AttemptRefused") && holds(&dump, b"audit_counts"));
    assert_holds_none(&dump, &secrets);
}

#[tokio::test]
async fn it_opens_with_the_key_of_the_day_and_with_no_other() {
    let app = TestApp::start().await;
    app.app
        .attempts
        .note(sign_in_with(EMAIL), anonymous())
        .await;
    app.pass(TimeDelta::days(1));
    app.app
        .attempts
        .note(sign_in_with(EMAIL), anonymous())
        .await;
    let yesterday = Day::of(app.clock.now() - TimeDelta::days(1)).stream();
    let today = Day::of(app.clock.now()).stream();
    let destroyed = app
        .app
        .log
        .vault()
        .destroy_keys(Day::before_all()..today)
        .await;
    assert_eq!(destroyed.unwrap(), 1);
    let email = async |stream| {
        let events = app.app.log.stream(stream, 0).await.unwrap().readable();
        let Event::Attempt(AttemptEvent::AttemptRefused { email, .. }) = &events[0].event else {
            panic!("{events:?}")
        };
        (email.clone().unwrap(), events[0].metadata.origin.clone())
    };
    assert_eq!(email(yesterday).await, (Personal::Erased, Personal::Erased));
    assert_eq!(email(today).await.0, Personal::Known(EMAIL.to_owned()));
}

#[tokio::test]
async fn nodes_that_record_on_one_day_are_in_nobodys_way() {
    let app = TestApp::start().await;
    let second = app.second_node().await;
    let mut noting = Vec::new();
    for nth in 0..40 {
        let node = if nth % 2 == 0 { &app } else { &second };
        let attempts = node.app.attempts.clone();
        noting.push(tokio::spawn(async move {
            let attempt = sign_in_with(&format!("x{nth}@example.com"));
            attempts.note(attempt, anonymous()).await;
        }));
    }
    for noted in noting {
        noted.await.unwrap();
    }
    // On a slow machine an attempt is answered before it is recorded.
    let everybody = async {
        while emails_tried(&app).await.len() < 40 {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(std::time::Duration::from_secs(30), everybody).await;
    waited.unwrap();
    assert_eq!(emails_tried(&app).await.len(), 40);
}

async fn emails_tried(app: &TestApp) -> std::collections::BTreeSet<String> {
    let tried = attempts(app).await.into_iter();
    tried
        .map(|event| match event {
            AttemptEvent::AttemptRefused { email, .. } => email.unwrap().known().unwrap().clone(),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[tokio::test]
async fn a_replay_makes_the_same_entries_and_counts() {
    let app = TestApp::start().await;
    let attempts = &app.app.attempts;
    for nth in 0..3_i64 {
        let id = user(&app, &format!("user{nth}")).await;
        execute(&app, id, renaming(&format!("renamed{nth}")))
            .await
            .unwrap();
        execute(&app, id, sign_in(&format!("session{nth}")))
            .await
            .unwrap();
        let tried = RefusedAttempt {
            resource_id: Some(id),
            user_id: Some(id),
            email: None,
            ..sign_in_with("")
        };
        for _ in 0..3 {
            attempts.note(tried.clone(), anonymous()).await;
        }
        for many in 0..100 {
            attempts
                .note(sign_in_with(&format!("{many}@example.com")), anonymous())
                .await;
        }
        attempts.record_counts().await;
        let made_up = TestEntry {
            action: Action::Stop,
            resource_type: ResourceType::Workspace,
            resource_id: id,
            organization_id: Some(id),
            request_id: Uuid::nil(),
            time: app.clock.now() - TimeDelta::days(nth),
            additional_fields: json!({ "a": 1 }),
        };
        attempts
            .make_up(made_up, Authority::on_record(anonymous()))
            .await
            .unwrap();
        execute(&app, id, UserCommand::DeleteUser).await.unwrap();
        app.pass(TimeDelta::hours(13));
    }
    for sizes in [&[1][..], &[7, 50], &[10_000]] {
        let replayed = replay(&app.app.log, sizes).await;
        assert_same_rows(&app.superuser, &replayed).await;
    }
    let counted: i64 = sqlx::query_scalar("SELECT sum(count)::bigint FROM read.audit_counts")
        .fetch_one(app.pool())
        .await
        .unwrap();
    let listed: i64 = sqlx::query_scalar("SELECT count(*) FROM read.audit")
        .fetch_one(app.pool())
        .await
        .unwrap();
    assert_eq!(counted, listed);
    assert!(listed > 50, "{listed}");
}

#[tokio::test]
async fn an_answer_waits_for_a_slow_log_only_so_long_and_the_attempt_is_still_recorded() {
    let app = TestApp::start().await;
    // So that today's stream has begun, and its key is there.
    app.app
        .attempts
        .note(sign_in_with("first@example.com"), anonymous())
        .await;
    let mut holder = app.superuser.connect().await.unwrap();
    holder
        .execute("BEGIN; SELECT FROM log.head FOR UPDATE")
        .await
        .unwrap();
    let noting = app.app.attempts.note(sign_in_with(EMAIL), anonymous());
    tokio::time::timeout(std::time::Duration::from_secs(5), noting)
        .await
        .unwrap();
    holder.execute("COMMIT").await.unwrap();
    until_true(
        &mut holder,
        "SELECT count(*) = 2 FROM log.events WHERE event_type = 'AttemptRefused'",
    )
    .await;
}

/// Many entries of few users, about themselves and others, long ago and lately.
const ENTRIES: &str = "
    TRUNCATE read.audit, read.audit_counts;
    INSERT INTO read.audit (at, position, kind, user_id, resource_id, organization_id, request_id)
    SELECT '2025-01-01'::timestamptz + nth * interval '1 minute', nth
         , (ARRAY[66, 68, 140, 142, 141])[1 + nth % 5]
         , ('00000000-0000-0000-0000-' || lpad((nth % 50)::text, 12, '0'))::uuid
         , ('00000000-0000-0000-0000-' || lpad((nth % 700)::text, 12, '0'))::uuid
         , CASE WHEN nth % 100 = 0 THEN '00000000-0000-0000-0000-0000000000aa'::uuid END
         , ('00000000-0000-0000-0001-' || lpad(nth::text, 12, '0'))::uuid
      FROM generate_series(1, 60000) AS nth;
    INSERT INTO read.audit_counts (kind, day, count)
    SELECT kind, (at AT TIME ZONE 'UTC')::date, count(*) FROM read.audit GROUP BY 1, 2;
    VACUUM ANALYZE read.audit, read.audit_counts";

async fn filled() -> TestApp {
    let app = TestApp::start().await;
    let mut superuser = app.superuser.connect().await.unwrap();
    for statement in ENTRIES.split(';') {
        superuser.execute(statement).await.unwrap();
    }
    app
}

async fn filter(app: &TestApp, q: &str) -> AuditFilter {
    let query: AuditQuery = search::parse(q).unwrap();
    let me = "00000000-0000-0000-0000-000000000007".parse().unwrap();
    resolve(app.pool(), &query, me).await.unwrap()
}

/// Which indexes of the entries a page and its count are answered by. Counted by the database itself, for what the
/// service really asks.
async fn assert_goes_by(q: &str, side: Side, indexes: &[&str]) {
    let app = filled().await;
    let mut superuser = app.superuser.connect().await.unwrap();
    let node = app.second_node().await;
    superuser.execute("SELECT pg_stat_reset()").await.unwrap();
    let request = PageRequest {
        filter: filter(&app, q).await,
        side,
        limit: 10,
        offset: 3,
    };
    page(&node.app.log, &request).await.unwrap();
    // What a connection has counted is known when it ends.
    node.pool().close().await;
    until_true(
        &mut superuser,
        "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'
                               AND pid <> pg_backend_pid())",
    )
    .await;
    let used = format!(
        "SELECT coalesce(array_agg(indexrelname::text) @> '{{{}}}', false) FROM pg_stat_user_indexes
          WHERE relname = 'audit' AND idx_scan > 0",
        indexes.join(",")
    );
    until_true(&mut superuser, &used).await;
    // The planner looks at the ends of an index to estimate: a few entries.
    let others: Vec<String> = sqlx::query_scalar(
        "SELECT relname || ' ' || seq_tup_read FROM pg_stat_user_tables WHERE relname = 'audit' AND seq_tup_read > 0
          UNION ALL
         SELECT indexrelname || ' ' || idx_tup_read FROM pg_stat_user_indexes
          WHERE relname = 'audit' AND indexrelname <> ALL ($1) AND idx_tup_read > 20",
    )
    .bind(indexes)
    .fetch_all(&mut superuser)
    .await
    .unwrap();
    assert!(others.is_empty(), "{q}: {others:?} was read too");
}

#[tokio::test]
async fn everything_goes_by_the_order_of_the_list() {
    assert_goes_by("", Side::Newest, &["audit_order"]).await;
}

#[tokio::test]
async fn kinds_go_by_the_index_of_kinds() {
    assert_goes_by("action:login", Side::Newest, &["audit_kind"]).await;
}

#[tokio::test]
async fn users_go_by_the_indexes_of_themselves_and_of_users() {
    assert_goes_by("username:me", Side::Newest, &["audit_self", "audit_user"]).await;
}

#[tokio::test]
async fn resources_go_by_the_indexes_of_themselves_and_of_resources() {
    for q in [
        "resource_id:00000000-0000-0000-0000-000000000007 user date_from:2025-01-02",
        "resource_id:00000000-0000-0000-0000-000000000007 username:me",
    ] {
        assert_goes_by(q, Side::Newest, &["audit_self", "audit_resource"]).await;
    }
}

#[tokio::test]
async fn organizations_go_by_the_index_of_organizations() {
    let q = "organization:00000000-0000-0000-0000-0000000000aa";
    assert_goes_by(q, Side::Newest, &["audit_organization"]).await;
}

#[tokio::test]
async fn requests_go_by_the_index_of_requests() {
    let q = "request_id:00000000-0000-0000-0001-000000000777";
    assert_goes_by(q, Side::Newest, &["audit_request"]).await;
}

#[tokio::test]
async fn the_other_direction_goes_by_the_same_index() {
    let at = "2025-01-03T00:00:00Z".parse().unwrap();
    let place = rollcall_projections::audit::Place { at, position: 1 };
    for (q, indexes) in [
        ("", &["audit_order"][..]),
        ("action:login", &["audit_kind"]),
        ("username:me", &["audit_self", "audit_user"]),
        (
            "resource_id:00000000-0000-0000-0000-000000000007",
            &["audit_self", "audit_resource"],
        ),
    ] {
        assert_goes_by(q, Side::Before(place), indexes).await;
    }
}
