//! The database goes the short way to the answers that are asked for most, however many users there are.

use rollcall_events::user::{OrganizationRole, UserCommand};
use rollcall_projections::{
    members,
    users::{
        Cursor,
        list::{self, ListRequest, Visibility},
        search,
    },
};
use sqlx::{ConnectOptions, Connection, Executor};
use uuid::Uuid;

use crate::{
    support::TestApp,
    tools::{execute, until_true, user},
};

/// Enough that reading everybody is the long way.
pub const USERS: &str = "INSERT INTO read.users
       (id, version, username, username_key, email, email_key, name, name_key, avatar_url, status, login_type, roles
      , organization_ids, created_at, updated_at)
SELECT gen_random_uuid(), 1, name, name, name || '@example.com', name || '@example.com', 'Somebody', 'somebody', ''
     , 'active', 'password', '{member}', '{}', now(), now()
  FROM (SELECT 'user' || substr(md5(nth::text), 1, 12) AS name FROM generate_series(1, 20000) AS nth) AS names";

fn searching(text: &str) -> ListRequest {
    ListRequest {
        filter: search::parse(text).unwrap(),
        visible_to: Visibility::All,
        after: Cursor::Start,
        limit: 25,
        offset: 0,
    }
}

/// How often the search is answered by way of its index, of `times` that the service asks on one connection. Counted
/// by the database itself, and not read from a plan of ours: a statement that is prepared once may be planned in
/// general after the fifth time, and then reads everybody.
async fn scans_of_search_index(app: &TestApp, text: &str, times: usize) {
    let mut superuser = app.superuser.connect().await.unwrap();
    superuser.execute(USERS).await.unwrap();
    superuser
        .execute("VACUUM ANALYZE read.users")
        .await
        .unwrap();
    let mut service = app.database.connect().await.unwrap();
    for _ in 0..times {
        list::page(&mut service, &searching(text)).await.unwrap();
    }
    // What a connection has counted is known when it ends.
    service.close().await.unwrap();
    let counted = format!(
        "SELECT idx_scan >= {times} FROM pg_stat_user_indexes WHERE indexrelname = 'users_search'"
    );
    until_true(&mut superuser, &counted).await;
}

#[tokio::test]
async fn a_search_goes_by_its_index_however_often_it_is_asked() {
    let app = TestApp::start().await;
    scans_of_search_index(&app, "4711", 12).await;
}

#[tokio::test]
async fn a_search_for_an_address_goes_by_its_index() {
    let app = TestApp::start().await;
    scans_of_search_index(&app, "f00d@example", 1).await;
}

#[tokio::test]
async fn the_plan_of_a_search_names_its_index() {
    let app = TestApp::start().await;
    let mut superuser = app.superuser.connect().await.unwrap();
    superuser.execute(USERS).await.unwrap();
    superuser
        .execute("VACUUM ANALYZE read.users")
        .await
        .unwrap();
    let plan: Vec<String> = sqlx::query_scalar(
        "EXPLAIN SELECT id FROM read.users
          WHERE deleted_at IS NULL AND (username_key LIKE '%4711%' OR email_key LIKE '%4711%')",
    )
    .fetch_all(&mut superuser)
    .await
    .unwrap();
    assert!(plan.join("\n").contains("users_search"), "{plan:#?}");
}

#[tokio::test]
async fn a_name_is_never_looked_for_in_the_index_of_another() {
    // Plans that are made of an empty table are kept while it fills.
    let app = TestApp::start().await;
    let mut superuser = app.superuser.connect().await.unwrap();
    for (column, index) in [
        ("username_key", "users_username"),
        ("email_key", "users_email"),
    ] {
        for (is_gone, index) in [
            ("IS NULL", index.to_owned()),
            ("IS NOT NULL", index.replace("users_", "users_gone_")),
        ] {
            let query = format!(
                "EXPLAIN SELECT id FROM read.users WHERE {column} = 'ada' AND deleted_at {is_gone}"
            );
            let plan: Vec<String> = sqlx::query_scalar(&query)
                .fetch_all(&mut superuser)
                .await
                .unwrap();
            assert!(plan.join("\n").contains(&format!("{index} ")), "{plan:#?}");
        }
    }
}

/// Every user there is has an account at github.com, too.
const IDENTITIES: &str =
    "INSERT INTO read.identities (key, user_id, provider, issuer, subject, linked_at)
SELECT 'https://github.com||' || nth, id, 'github', 'https://github.com', nth::text, now()
  FROM (SELECT id, row_number() OVER (ORDER BY username_key) AS nth FROM read.users) AS numbered";

#[tokio::test]
async fn an_account_at_github_is_found_without_reading_everybody() {
    let app = TestApp::start().await;
    let mut superuser = app.superuser.connect().await.unwrap();
    for statement in [
        USERS,
        IDENTITIES,
        "VACUUM ANALYZE read.users, read.identities",
    ] {
        superuser.execute(statement).await.unwrap();
    }
    let scans = "SELECT sum(seq_scan)::bigint FROM pg_stat_user_tables WHERE relname IN ('identities', 'users')";
    let before: i64 = sqlx::query_scalar(scans)
        .fetch_one(&mut superuser)
        .await
        .unwrap();
    let mut service = app.database.connect().await.unwrap();
    for nth in 1..=12 {
        let request = searching(&format!("github_com_user_id:{nth}"));
        let page = list::page(&mut service, &request).await.unwrap();
        assert_eq!((page.users.len(), page.count), (1, 1));
    }
    service.close().await.unwrap();
    until_true(
        &mut superuser,
        "SELECT idx_scan >= 12 FROM pg_stat_user_indexes WHERE indexrelname = 'identities_key'",
    )
    .await;
    let after: i64 = sqlx::query_scalar(scans)
        .fetch_one(&mut superuser)
        .await
        .unwrap();
    assert_eq!(after, before);
}

/// Everybody there is belongs to one organisation, and a few to another.
const MEMBERS: &str = "INSERT INTO read.members (organization_id, user_id, roles, created_at, updated_at)
SELECT '00000000-0000-0000-0000-0000000000aa', id, '{}', now(), now() FROM read.users;
INSERT INTO read.members (organization_id, user_id, roles, created_at, updated_at)
SELECT '00000000-0000-0000-0000-0000000000bb', id, '{}', now(), now() FROM read.users ORDER BY id LIMIT 20;
VACUUM ANALYZE read.members";

#[tokio::test]
async fn who_joins_leaves_and_goes_is_found_among_the_members_by_index() {
    let app = TestApp::start().await;
    let mut superuser = app.superuser.connect().await.unwrap();
    superuser.execute(USERS).await.unwrap();
    for statement in MEMBERS.split(';') {
        superuser.execute(statement).await.unwrap();
    }
    let scans = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'members'";
    let before: i64 = sqlx::query_scalar(scans)
        .fetch_one(&mut superuser)
        .await
        .unwrap();
    let organization = Uuid::from_u128(0xcc);
    for nth in 0..12 {
        let id = user(&app, &format!("somebody{nth}")).await;
        for command in [
            UserCommand::JoinOrganization(organization),
            UserCommand::JoinOrganization(Uuid::from_u128(0xdd)),
            UserCommand::AssignOrganizationRoles {
                organization_id: organization,
                roles: [OrganizationRole::Admin].into(),
            },
            UserCommand::LeaveOrganization(organization),
            UserCommand::DeleteUser,
        ] {
            execute(&app, id, command).await.unwrap();
        }
    }
    // What a connection has counted is known when it ends.
    app.pool().close().await;
    until_true(
        &mut superuser,
        "SELECT sum(idx_scan) >= 60 FROM pg_stat_user_indexes WHERE relname = 'members'",
    )
    .await;
    let after: i64 = sqlx::query_scalar(scans)
        .fetch_one(&mut superuser)
        .await
        .unwrap();
    assert_eq!(after, before);
}

#[tokio::test]
async fn the_members_of_a_small_organization_are_listed_without_reading_everybody() {
    let app = TestApp::start().await;
    let mut superuser = app.superuser.connect().await.unwrap();
    superuser.execute(USERS).await.unwrap();
    superuser
        .execute("VACUUM ANALYZE read.users")
        .await
        .unwrap();
    for statement in MEMBERS.split(';') {
        superuser.execute(statement).await.unwrap();
    }
    let scans = "SELECT sum(seq_scan)::bigint FROM pg_stat_user_tables WHERE relname IN ('members', 'users')";
    let before: i64 = sqlx::query_scalar(scans)
        .fetch_one(&mut superuser)
        .await
        .unwrap();
    let mut service = app.database.connect().await.unwrap();
    for _ in 0..12 {
        let request = members::list::ListRequest {
            organization_id: Uuid::from_u128(0xbb),
            visible_to: Visibility::All,
            after: Cursor::Start,
            limit: 10,
            offset: 5,
        };
        let page = members::list::page(&mut service, &request).await.unwrap();
        assert_eq!((page.len(), page[0].count), (10, 20));
    }
    service.close().await.unwrap();
    until_true(
        &mut superuser,
        "SELECT sum(idx_scan) >= 12 FROM pg_stat_user_indexes WHERE relname = 'members'",
    )
    .await;
    let after: i64 = sqlx::query_scalar(scans)
        .fetch_one(&mut superuser)
        .await
        .unwrap();
    // What the service did when it started may be counted late; twelve lists are not.
    assert!(after - before < 12, "{before} {after}");
}
