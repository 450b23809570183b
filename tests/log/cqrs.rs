//! The log by way of `cqrs-es` and `postgres-es`, the real crates: our store under their framework, and their
//! repositories on our tables.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex},
};

use cqrs_es::{
    AggregateError, CqrsFramework, EventEnvelope, EventStore, Query, View,
    persist::{PersistedEventRepository, QueryReplay, ViewRepository},
};
use postgres_es::{PostgresEventRepository, PostgresViewRepository};
use rollcall_events::{
    ids::Ids,
    log::{Appender, Store},
    user::{EndReason, Person, SessionId, User, UserCommand, UserError, UserEvent},
};
use rollcall_projections::inline::InlineProjections;
use serde::{Deserialize, Serialize};
use sqlx::{PgPool, postgres::PgPoolOptions};
use uuid::Uuid;

use crate::{
    support::{Readable as _, TestApp},
    tools::{count_and_last_of, creation, execute, new_avatar, sign_in, user},
};

/// What a query was told: of which stream, which version, what.
type Told = Arc<Mutex<Vec<(String, usize, String)>>>;

/// Remembers what it is told.
#[derive(Default)]
struct Listener(Told);

/// As `#[async_trait]` would write it.
impl Query<User> for Listener {
    fn dispatch<'a, 'b, 'c, 'd>(
        &'a self,
        aggregate_id: &'b str,
        events: &'c [EventEnvelope<User>],
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'd>>
    where
        'a: 'd,
        'b: 'd,
        'c: 'd,
        Self: 'd,
    {
        for event in events {
            self.0.lock().unwrap().push((
                aggregate_id.to_owned(),
                event.sequence,
                event.payload.name().to_owned(),
            ));
        }
        Box::pin(std::future::ready(()))
    }
}

fn store(app: &TestApp) -> Store<User> {
    let appender = Appender::start(app.pool(), InlineProjections, app.clock.clone());
    Store::new(app.app.log.clone(), appender)
}

fn framework(app: &TestApp) -> (CqrsFramework<User, Store<User>>, Told) {
    let told = Told::default();
    let listener = Listener(Arc::clone(&told));
    (
        CqrsFramework::new(store(app), vec![Box::new(listener)], ()),
        told,
    )
}

fn told_of(told: &Told, id: Uuid) -> Vec<(usize, String)> {
    let told = told.lock().unwrap();
    let of_id = told.iter().filter(|(stream, ..)| *stream == id.to_string());
    of_id
        .map(|(_, version, kind)| (*version, kind.clone()))
        .collect()
}

/// Bob with five events; their types.
async fn bob(app: &TestApp) -> (Uuid, [&'static str; 5]) {
    let id = user(app, "bob").await;
    let end = UserCommand::EndSession {
        session_id: SessionId("bobs".to_owned()),
        reason: EndReason::SignedOut,
    };
    for command in [
        sign_in("bobs"),
        new_avatar("https://example.com/b.png"),
        end,
        UserCommand::SuspendUser,
    ] {
        execute(app, id, command).await.unwrap();
    }
    (
        id,
        [
            "UserCreated",
            "SessionStarted",
            "ProfileChanged",
            "SessionEnded",
            "UserSuspended",
        ],
    )
}

fn numbered(kinds: &[&str]) -> Vec<(usize, String)> {
    (1..)
        .zip(kinds.iter().map(|kind| (*kind).to_owned()))
        .collect()
}

#[tokio::test]
async fn the_framework_executes_commands_on_our_store() {
    let app = TestApp::start().await;
    let (framework, told) = framework(&app);
    let id = Ids.uuid();
    let name = id.to_string();
    framework
        .execute(&name, creation("bob", "bob@example.com"))
        .await
        .unwrap();
    let metadata = HashMap::from([("actor".to_owned(), "operator".to_owned())]);
    framework
        .execute_with_metadata(&name, sign_in("bobs"), metadata)
        .await
        .unwrap();
    framework
        .execute(
            &name,
            UserCommand::ActivateUser(rollcall_events::user::ActivationCause::Use),
        )
        .await
        .unwrap();
    assert_eq!(
        told_of(&told, id),
        numbered(&["UserCreated", "SessionStarted"])
    );
    // And the rest of the service knows.
    let events = app.app.log.stream(id, 0).await.unwrap().readable();
    assert_eq!(events[1].metadata.actor, rollcall_events::Actor::Operator);
    let found = rollcall_projections::users::find::by_username(app.pool(), "bob")
        .await
        .unwrap();
    assert_eq!(found.unwrap().row.id, id);
    execute(&app, id, sign_in("another")).await.unwrap();
}

#[tokio::test]
async fn the_framework_hears_of_refusals() {
    let app = TestApp::start().await;
    let (framework, told) = framework(&app);
    let (id, _) = bob(&app).await;
    let refused = framework.execute(&id.to_string(), sign_in("another")).await;
    assert!(
        matches!(
            refused,
            Err(AggregateError::UserError(UserError::Suspended))
        ),
        "{refused:?}"
    );
    assert_eq!(told_of(&told, id), []);
}

#[tokio::test]
async fn of_two_commits_on_one_version_the_second_is_a_conflict() {
    let app = TestApp::start().await;
    let (id, _) = bob(&app).await;
    let (one, other) = (store(&app), store(&app));
    let (first, second) = (
        one.load_aggregate(&id.to_string()).await.unwrap(),
        other.load_aggregate(&id.to_string()).await.unwrap(),
    );
    let deleted = || vec![UserEvent::UserDeleted {}];
    let committed = one.commit(deleted(), first, HashMap::new()).await.unwrap();
    assert_eq!(committed[0].sequence, 6);
    let conflict = other.commit(deleted(), second, HashMap::new()).await;
    assert!(
        matches!(conflict, Err(AggregateError::AggregateConflict)),
        "{conflict:?}"
    );
    assert_eq!(count_and_last_of(&app, id).await, (6, 6));
}

#[tokio::test]
async fn by_the_framework_too_a_name_belongs_to_one() {
    let app = TestApp::start().await;
    let (framework, told) = framework(&app);
    bob(&app).await;
    let id = Ids.uuid();
    let refused = framework
        .execute(&id.to_string(), creation("BOB", "robert@example.com"))
        .await;
    assert!(refused.is_err());
    assert_eq!(told_of(&told, id), []);
    assert_eq!(count_and_last_of(&app, id).await, (0, 0));
}

#[tokio::test]
async fn our_store_loads_events_in_the_clear() {
    let app = TestApp::start().await;
    let (id, kinds) = bob(&app).await;
    let events = store(&app).load_events(&id.to_string()).await.unwrap();
    let loaded: Vec<_> = events
        .iter()
        .map(|event| (event.sequence, event.payload.name().to_owned()))
        .collect();
    assert_eq!(loaded, numbered(&kinds));
    let UserEvent::UserCreated { person, .. } = &events[0].payload else {
        panic!()
    };
    assert_eq!(
        person
            .known()
            .map(|person: &Person| person.username.as_str()),
        Some("bob")
    );
}

fn repository(pool: &PgPool) -> PostgresEventRepository {
    PostgresEventRepository::new(pool.clone()).with_tables("cqrs.events", "cqrs.snapshots")
}

#[tokio::test]
async fn their_repository_reads_our_streams() {
    let app = TestApp::start().await;
    let (id, kinds) = bob(&app).await;
    let theirs = repository(app.pool());
    let events = theirs.get_events::<User>(&id.to_string()).await.unwrap();
    let read: Vec<_> = events
        .iter()
        .map(|event| (event.sequence, event.event_type.clone()))
        .collect();
    assert_eq!(read, numbered(&kinds));
    for event in &events {
        assert_eq!(event.aggregate_type, "user");
        assert_eq!(event.event_version, "1");
        assert_eq!(event.metadata["actor"], "system");
    }
    let last = theirs
        .get_last_events::<User>(&id.to_string(), 3)
        .await
        .unwrap();
    assert_eq!(
        last.iter().map(|event| event.sequence).collect::<Vec<_>>(),
        [4, 5]
    );
    assert!(
        theirs
            .get_snapshot::<User>(&id.to_string())
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn their_repository_finds_our_streams_under_its_own_names() {
    let app = TestApp::start().await;
    let (id, kinds) = bob(&app).await;
    let options = app.database.clone().options([("search_path", "cqrs")]);
    let pool = PgPoolOptions::new().connect_with(options).await.unwrap();
    let theirs = PostgresEventRepository::new(pool);
    let events = theirs.get_events::<User>(&id.to_string()).await.unwrap();
    let read: Vec<_> = events
        .iter()
        .map(|event| (event.sequence, event.event_type.clone()))
        .collect();
    assert_eq!(read, numbered(&kinds));
}

#[tokio::test]
async fn their_replay_folds_one_stream_into_a_query() {
    let app = TestApp::start().await;
    let (id, kinds) = bob(&app).await;
    let told = Told::default();
    let mut replay =
        QueryReplay::<_, _, User>::new(repository(app.pool()), Listener(Arc::clone(&told)));
    replay.use_error_handler(Box::new(|error| panic!("{error}")));
    replay.replay(&id.to_string()).await.unwrap();
    assert_eq!(told_of(&told, id), numbered(&kinds));
    // Personal data is sealed there: their crate has no keys.
    let stream = repository(app.pool())
        .stream_events::<User>(&id.to_string())
        .await;
    let mut stream = stream.unwrap();
    let first = stream.next::<User>(&[]).await.unwrap().unwrap();
    let UserEvent::UserCreated { person, .. } = first.payload else {
        panic!()
    };
    assert!(matches!(person, rollcall_events::Personal::Sealed(_)));
}

/// It gives the statement a parameter that the statement does not have, but declares it, and Postgres bears with it.
#[tokio::test]
async fn their_replay_folds_all_streams_each_in_its_order() {
    let app = TestApp::start().await;
    let (bob, kinds) = bob(&app).await;
    let eve = user(&app, "eve").await;
    let told = Told::default();
    let mut replay =
        QueryReplay::<_, _, User>::new(repository(app.pool()), Listener(Arc::clone(&told)));
    replay.use_error_handler(Box::new(|error| panic!("{error}")));
    replay.replay_all().await.unwrap();
    assert_eq!(told_of(&told, bob), numbered(&kinds));
    assert_eq!(told_of(&told, eve), numbered(&["UserCreated"]));
    // By version, whoever it is of: what happened first overall, it does not know.
    let versions: Vec<usize> = told
        .lock()
        .unwrap()
        .iter()
        .map(|(_, version, _)| *version)
        .collect();
    assert_eq!(versions, [1, 1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn a_stream_of_another_kind_is_none_of_theirs() {
    let app = TestApp::start().await;
    let events = repository(app.pool())
        .get_events::<User>(&app.app.default_organization.to_string())
        .await
        .unwrap();
    assert!(events.is_empty());
}

/// `cqrs.user_view`, as somebody else would describe it.
#[derive(Debug, Default, Serialize, Deserialize)]
struct UserView {
    id: Uuid,
    username: String,
    email: String,
    avatar_url: String,
    status: String,
    roles: Vec<String>,
    deleted_at: Option<chrono::DateTime<chrono::Utc>>,
}

impl View<User> for UserView {
    fn update(&mut self, event: &EventEnvelope<User>) {
        if let UserEvent::UserSuspended {} = event.payload {
            "suspended".clone_into(&mut self.status);
        }
    }
}

#[tokio::test]
async fn their_view_repository_loads_our_read_model() {
    let app = TestApp::start().await;
    let (id, _) = bob(&app).await;
    let views = PostgresViewRepository::<UserView, User>::new("cqrs.user_view", app.pool().clone());
    let (view, context) = views
        .load_with_context(&id.to_string())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(view.id, id);
    assert_eq!(
        (view.username.as_str(), view.email.as_str()),
        ("bob", "bob@example.com")
    );
    assert_eq!(
        (view.avatar_url.as_str(), view.status.as_str()),
        ("https://example.com/b.png", "suspended")
    );
    assert_eq!(context.version, 5);
    assert!(
        views
            .load(&Uuid::nil().to_string())
            .await
            .unwrap()
            .is_none()
    );
    // It is not theirs to write.
    assert!(views.update_view(view, context).await.is_err());
}
