//! Keys of addresses and names: made again when their rule changed, and no harm where two of them became the same.

use futures_util::future::BoxFuture;
use rollcall::command_bus::CommandBus;
use rollcall_events::{
    Authority, Claim, Metadata, Recorded,
    ids::Ids,
    log::{Appender, Inline},
    permissions::{Requirement, Standings},
    user::{DisplayName, ProfileChange, User, UserCommand},
};
use rollcall_projections::{
    InlineProjections, rules,
    users::{
        Cursor, find,
        list::{self, ListRequest, Visibility},
        search,
    },
};
use sqlx::{ConnectOptions, Executor, PgConnection};
use uuid::Uuid;

use crate::{
    rebuild::rebuild_of,
    support::TestApp,
    tools::{READ_MODELS, assert_same_rows, bytes_of, creation, execute, replay},
    verify::verified,
};

/// An older release, by whose rule addresses were different that are the same today.
struct Permissive;

impl Inline for Permissive {
    fn taken<'a>(
        &'a self,
        _: &'a mut PgConnection,
        claims: &'a [(Uuid, Claim)],
    ) -> BoxFuture<'a, sqlx::Result<Vec<bool>>> {
        Box::pin(async { Ok(vec![false; claims.len()]) })
    }

    fn standings<'a>(
        &'a self,
        conn: &'a mut PgConnection,
        requirements: &'a [(Uuid, &'a Requirement)],
    ) -> BoxFuture<'a, sqlx::Result<Standings>> {
        InlineProjections.standings(conn, requirements)
    }

    fn write<'a>(
        &'a self,
        conn: &'a mut PgConnection,
        batch: &'a [Recorded],
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        InlineProjections.write(conn, batch)
    }
}

/// Two users with one address in two forms: who had it first, and who came later.
async fn namesakes(app: &TestApp) -> (Uuid, Uuid) {
    let appender = Appender::start(app.pool(), Permissive, app.clock.clone());
    let users: CommandBus<User> = CommandBus::new(&app.app.log, &appender);
    let (first, second) = (Ids.uuid(), Ids.uuid());
    for (id, name, email) in [
        (first, "jose-one", "jose\u{301}@b\u{fc}cher.example"),
        (second, "jose-two", "jos\u{e9}@xn--bcher-kva.example"),
    ] {
        let authority = Authority::system(Metadata::system(Ids.uuid()));
        let done = users
            .execute(id, creation(name, email), authority, Vec::new())
            .await;
        done.unwrap();
    }
    (first, second)
}

async fn by_email(app: &TestApp, address: &str) -> Option<Uuid> {
    let found = find::by_email(app.pool(), address).await.unwrap();
    found.map(|found| found.row.id)
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_became_the_same_stop_neither_start_nor_rebuild_nor_verification() {
    let app = TestApp::start().await;
    let (first, second) = namesakes(&app).await;
    // Who spells it so, or else who had it first.
    for (address, id) in [
        ("jose\u{301}@b\u{fc}cher.example", first),
        ("jos\u{e9}@xn--bcher-kva.example", second),
        ("JOS\u{c9}@b\u{fc}cher.example", first),
    ] {
        assert_eq!(by_email(&app, address).await, Some(id), "{address}");
    }
    let node = app.second_node().await;
    assert_eq!(
        by_email(&node, "jos\u{e9}@xn--bcher-kva.example").await,
        Some(second)
    );
    let replayed = replay(&app.app.log, &[1, 7]).await;
    assert_same_rows(&app.superuser, &replayed).await;
    rebuild_of(&app, &[]).await.unwrap();
    let verified = verified(&app, None, false).await;
    assert!(
        verified.differences.is_empty(),
        "{:?}",
        verified.differences
    );
    // Both go on, and nobody else gets the address.
    for id in [first, second] {
        execute(&app, id, UserCommand::SuspendUser).await.unwrap();
    }
    let third = execute(
        &app,
        Ids.uuid(),
        creation("third", "Jos\u{e9}@B\u{dc}CHER.example"),
    )
    .await;
    assert!(third.is_err(), "{third:?}");
}

/// All rows of the read models, byte by byte.
async fn picture(app: &TestApp) -> Vec<Vec<u8>> {
    let mut conn = app.superuser.connect().await.unwrap();
    let mut rows = Vec::new();
    for table in READ_MODELS {
        rows.push(bytes_of(&mut conn, table).await);
    }
    rows
}

async fn found(app: &TestApp, q: &str) -> Vec<String> {
    let request = ListRequest {
        filter: search::parse(q).unwrap(),
        visible_to: Visibility::All,
        after: Cursor::Start,
        limit: 10,
        offset: 0,
    };
    let page = list::page(app.pool(), &request).await.unwrap();
    let names = page
        .users
        .into_iter()
        .map(|user| user.row.username.unwrap());
    names.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_an_older_rule_are_made_again_at_the_next_start() {
    let app = TestApp::start().await;
    for (name, email, real_name) in [
        ("ada", "ada@example.com", "Ada"),
        ("bob", "bob@b\u{fc}cher.example", "ΟΔΟΣΑ"),
        ("eve", "eve@XN--bcher-kva.example", "Straße"),
    ] {
        let id = Ids.uuid();
        execute(&app, id, creation(name, email)).await.unwrap();
        for name in ["Zoë", real_name] {
            let change = ProfileChange {
                name: Some(DisplayName::parse(name).unwrap()),
                ..ProfileChange::default()
            };
            execute(&app, id, UserCommand::ChangeProfile(change))
                .await
                .unwrap();
        }
    }
    let before = picture(&app).await;
    let mut superuser = app.superuser.connect().await.unwrap();
    for table in ["users", "past_users"] {
        superuser
            .execute(&*format!(
                "UPDATE read.{table} SET email_key = lower(email), email_search = NULL, name_key = lower(name)"
            ))
            .await
            .unwrap();
    }
    superuser
        .execute("UPDATE read.projections SET version = 2 WHERE name = 'users'")
        .await
        .unwrap();
    assert_ne!(picture(&app).await, before);
    let node = app.second_node().await;
    assert_eq!(picture(&app).await, before);
    assert!(rules::outdated(app.pool()).await.unwrap().is_empty());
    for (q, name) in [
        ("name:ΟΔΟΣ", "bob"),
        ("name:STRASSE", "eve"),
        ("email:bob@xn--bcher-kva.example", "bob"),
    ] {
        assert_eq!(found(&node, q).await, [name], "{q}");
    }
}
