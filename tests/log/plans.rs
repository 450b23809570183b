//! The database goes the short way to the answers that are asked for most, however many users there are.

use rollcall_projections::users::{
    list::{self, ListRequest, Visibility},
    search,
};
use sqlx::{ConnectOptions, Connection, Executor};

use crate::{support::TestApp, tools::until_true};

/// Enough that reading everybody is the long way.
const USERS: &str = "INSERT INTO read.users
       (id, version, username, username_key, email, email_key, name, name_key, avatar_url, status, login_type, roles
      , organization_ids, created_at, updated_at)
SELECT gen_random_uuid(), 1, name, name, name || '@example.com', name || '@example.com', 'Somebody', 'somebody', ''
     , 'active', 'password', '{member}', '{}', now(), now()
  FROM (SELECT 'user' || substr(md5(nth::text), 1, 12) AS name FROM generate_series(1, 20000) AS nth) AS names";

fn searching(text: &str) -> ListRequest {
    ListRequest {
        filter: search::parse(text).unwrap(),
        visible_to: Visibility::All,
        after: None,
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
