//! Long streams load from a snapshot, which is never more than a help.

use rollcall_events::{
    EventSourced,
    log::{Appender, Store},
    user::{OrganizationRole, User, UserCommand, UserEvent},
};
use rollcall_projections::inline::InlineProjections;
use sqlx::{ConnectOptions, Executor, PgConnection};
use uuid::Uuid;

use crate::{
    support::{Readable as _, TestApp, beginning},
    tools::{count_and_last_of, execute, new_avatar, token_at, until_true, user},
};

const HOME: Uuid = Uuid::from_u128(1);

fn store(app: &TestApp) -> Store<User> {
    let appender = Appender::start(app.pool(), InlineProjections, app.clock.clone());
    Store::new(app.app.log.clone(), appender)
}

/// What the events alone make of the user.
async fn from_scratch(app: &TestApp, id: Uuid) -> User {
    let mut state = User::default();
    for recorded in app.app.log.stream(id, 0).await.unwrap().readable() {
        state.evolve(&UserEvent::try_from(recorded.event).unwrap());
    }
    state
}

/// Bob, with a snapshot that says that he is suspended, which he is not: whoever loads it is found out.
async fn with_a_lying_snapshot() -> (TestApp, Uuid, PgConnection) {
    let app = TestApp::start().await;
    let id = user(&app, "bob").await;
    execute(&app, id, new_avatar("https://example.com/1.png"))
        .await
        .unwrap();
    let store = store(&app);
    let loaded = store.load(id).await.unwrap();
    store.save_snapshot(id, &loaded).await.unwrap();
    let mut superuser = app.superuser.connect().await.unwrap();
    let changed = superuser
        .execute(
            r#"UPDATE live.snapshots
                  SET state = convert_to(replace(convert_from(state, 'UTF8'), '"active"', '"suspended"'), 'UTF8')"#,
        )
        .await
        .unwrap();
    assert_eq!(changed.rows_affected(), 1);
    (app, id, superuser)
}

async fn is_suspended(app: &TestApp, id: Uuid) -> bool {
    let loaded = store(app).load(id).await.unwrap();
    assert_eq!(loaded.version, 2);
    let User::Live(account) = &*loaded.state else {
        panic!("{loaded:?}")
    };
    assert!(account.person.known().is_some());
    account.status == rollcall_events::user::Status::Suspended
}

#[tokio::test]
async fn a_long_stream_has_a_snapshot_with_the_person_sealed_and_loads_as_from_scratch() {
    let app = TestApp::start().await;
    let id = user(&app, "Quillfeather77").await;
    for command in [
        UserCommand::JoinOrganization(HOME),
        UserCommand::AssignOrganizationRoles {
            organization_id: HOME,
            roles: [OrganizationRole::Auditor].into(),
        },
        token_at("token", Some("Moonwhistler88"), beginning()),
    ] {
        execute(&app, id, command).await.unwrap();
    }
    for nth in 0..410 {
        execute(
            &app,
            id,
            new_avatar(&format!("https://pictures.example/{nth}")),
        )
        .await
        .unwrap();
    }
    assert_eq!(count_and_last_of(&app, id).await, (414, 414));
    let mut superuser = app.superuser.connect().await.unwrap();
    until_true(
        &mut superuser,
        "SELECT EXISTS (SELECT FROM live.snapshots WHERE version >= 400)",
    )
    .await;
    let state: String =
        sqlx::query_scalar("SELECT convert_from(state, 'UTF8') FROM live.snapshots")
            .fetch_one(&mut superuser)
            .await
            .unwrap();
    assert!(state.starts_with(r#"{"Live":{"person":""#), "{state}");
    assert!(
        ["Quillfeather", "pictures", "Moonwhistler"]
            .iter()
            .all(|secret| !state.contains(secret)),
        "{state}"
    );
    let scratch = from_scratch(&app, id).await;
    let with = store(&app).load(id).await.unwrap();
    superuser
        .execute("DELETE FROM live.snapshots")
        .await
        .unwrap();
    let without = store(&app).load(id).await.unwrap();
    assert_eq!((with.version, without.version), (414, 414));
    assert_eq!(*with.state, scratch);
    assert_eq!(*without.state, scratch);
}

#[tokio::test]
async fn a_node_that_starts_on_a_snapshot_takes_commands() {
    let (app, id, mut superuser) = with_a_lying_snapshot().await;
    superuser
        .execute("DELETE FROM live.snapshots")
        .await
        .unwrap();
    let store = store(&app);
    let loaded = store.load(id).await.unwrap();
    store.save_snapshot(id, &loaded).await.unwrap();
    let second = app.second_node().await;
    execute(&second, id, UserCommand::SuspendUser)
        .await
        .unwrap();
    assert_eq!(count_and_last_of(&app, id).await, (3, 3));
}

#[tokio::test]
async fn what_a_snapshot_says_is_not_read_from_the_events_again() {
    let (app, id, _) = with_a_lying_snapshot().await;
    assert!(is_suspended(&app, id).await);
}

#[tokio::test]
async fn a_snapshot_that_does_not_fit_is_ignored() {
    for change in [
        "state_version = state_version + 1",
        "aggregate_type = 'organization'",
        "state = ''",
        "state = 'garbage'",
        "state = substr(state, 1, 40)",
        // What is sealed belongs to one version.
        "version = 1",
        "version = 3",
        r#"state = convert_to(replace(convert_from(state, 'UTF8'), '"person":"AQ', '"person":"AA'), 'UTF8')"#,
    ] {
        let (app, id, mut superuser) = with_a_lying_snapshot().await;
        let change = format!("UPDATE live.snapshots SET {change}");
        superuser.execute(change.as_str()).await.unwrap();
        assert!(!is_suspended(&app, id).await, "{change}");
    }
}

#[tokio::test]
async fn a_later_snapshot_is_not_replaced_by_an_earlier_one() {
    let app = TestApp::start().await;
    let id = user(&app, "bob").await;
    let store = store(&app);
    let early = store.load(id).await.unwrap();
    execute(&app, id, new_avatar("https://example.com/1.png"))
        .await
        .unwrap();
    let late = store.load(id).await.unwrap();
    for loaded in [&late, &early] {
        store.save_snapshot(id, loaded).await.unwrap();
    }
    let version: i64 = sqlx::query_scalar("SELECT version FROM live.snapshots")
        .fetch_one(app.pool())
        .await
        .unwrap();
    assert_eq!(version, 2);
}

#[tokio::test]
async fn a_person_whose_key_is_gone_gets_no_snapshot() {
    let app = TestApp::start().await;
    let id = user(&app, "bob").await;
    let loaded = store(&app).load(id).await.unwrap();
    let mut superuser = app.superuser.connect().await.unwrap();
    superuser
        .execute("DELETE FROM vault.subject_keys")
        .await
        .unwrap();
    let second = app.second_node().await;
    store(&second).save_snapshot(id, &loaded).await.unwrap();
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM live.snapshots")
        .fetch_one(&mut superuser)
        .await
        .unwrap();
    assert_eq!(count, 0);
}
