//! Commands, and questions to the database, that several subjects share.

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::TryStreamExt;
use rollcall::command_bus::{CommandError, Done};
use rollcall_events::{
    Authority, Metadata,
    ids::Ids,
    log::{LogReader, RawEvent},
    user::{
        CreateUser, DisplayName, EmailAddress, Identity, LoginType, Person, ProfileChange, Scope,
        SecretHash, Session, SessionId, StartSession, Status, TokenName, UserCommand, UserError,
        UserEvent, Username,
    },
    vault::VaultWrite,
};
use rollcall_projections::inline;
use sqlx::{ConnectOptions, Connection, Executor, PgConnection, postgres::PgConnectOptions};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::support::{Readable as _, TestApp, beginning, cluster};

pub type Answer = Result<Done, CommandError<UserError>>;

/// To create a user without a password.
pub fn creation(username: &str, email: &str) -> UserCommand {
    UserCommand::CreateUser(CreateUser {
        person: Person {
            email: EmailAddress::parse(email).unwrap(),
            username: Username::parse(username).unwrap(),
            name: DisplayName::default(),
            avatar_url: String::new(),
        },
        login_type: LoginType::None,
        status: Status::Active,
        roles: BTreeSet::new(),
        organizations: Vec::new(),
        password_scheme: None,
        identity: None,
        first: false,
    })
}

pub fn renaming(username: &str) -> UserCommand {
    UserCommand::ChangeProfile(ProfileChange {
        username: Some(Username::parse(username).unwrap()),
        ..ProfileChange::default()
    })
}

pub fn new_avatar(avatar_url: &str) -> UserCommand {
    UserCommand::ChangeProfile(ProfileChange {
        avatar_url: Some(avatar_url.to_owned()),
        ..ProfileChange::default()
    })
}

pub fn sign_in(session: &str) -> UserCommand {
    sign_in_at(session, beginning())
}

/// A session of a day.
pub fn sign_in_at(session: &str, at: DateTime<Utc>) -> UserCommand {
    UserCommand::StartSession(StartSession {
        session: Session {
            id: SessionId(session.to_owned()),
            secret_sha256: SecretHash([7; 32]),
            login_type: LoginType::Password,
            scope: Scope::All,
            lifetime_s: 3_600,
            expires_at: at + TimeDelta::hours(1),
            ends_at: at + TimeDelta::days(1),
        },
        token_name: None,
        password_revision: None,
        owner_limit_s: None,
        at,
    })
}

/// An API token of a day.
pub fn token_at(id: &str, name: Option<&str>, at: DateTime<Utc>) -> UserCommand {
    UserCommand::StartSession(StartSession {
        session: Session {
            id: SessionId(id.to_owned()),
            secret_sha256: SecretHash([7; 32]),
            login_type: LoginType::Token,
            scope: Scope::All,
            lifetime_s: 86_400,
            expires_at: at + TimeDelta::days(1),
            ends_at: at + TimeDelta::days(1),
        },
        token_name: name.map(|name| TokenName::parse(name).unwrap()),
        password_revision: None,
        owner_limit_s: None,
        at,
    })
}

/// A session of a day of who came by a provider.
pub fn vouched_at(id: &str, by: LoginType, at: DateTime<Utc>) -> UserCommand {
    let mut command = sign_in_at(id, at);
    if let UserCommand::StartSession(wish) = &mut command {
        wish.session.login_type = by;
    }
    command
}

/// An account at the tests' provider.
pub fn identity(subject: &str) -> Identity {
    Identity {
        issuer: "https://id.example.com".to_owned(),
        subject: subject.to_owned(),
    }
}

/// To create a user who is to come by the tests' provider, or has come.
pub fn creation_at_provider(username: &str, subject: Option<&str>) -> UserCommand {
    let mut command = creation(username, &format!("{username}@example.com"));
    if let UserCommand::CreateUser(wish) = &mut command {
        wish.login_type = LoginType::Oidc;
        wish.identity = subject.map(identity);
    }
    command
}

/// A user of that name, who is to come by the tests' provider; their id.
pub async fn user_at_provider(app: &TestApp, username: &str) -> Uuid {
    let id = Ids.uuid();
    let command = creation_at_provider(username, None);
    execute(app, id, command).await.unwrap();
    id
}

pub fn link(subject: &str) -> UserCommand {
    UserCommand::LinkIdentity {
        provider: LoginType::Oidc,
        identity: identity(subject),
    }
}

pub fn convert_to_provider(subject: &str, revision: i64) -> UserCommand {
    UserCommand::ConvertToProvider {
        provider: LoginType::Oidc,
        identity: identity(subject),
        revision,
    }
}

pub fn convert_to_password(revision: i64) -> UserCommand {
    UserCommand::ConvertToPassword {
        scheme: "argon2id".to_owned(),
        revision,
    }
}

/// Hands a command to this node, in the name of the system.
pub async fn execute(app: &TestApp, stream: Uuid, command: UserCommand) -> Answer {
    execute_as(app, stream, command, Metadata::system(Ids.uuid())).await
}

/// Whatever the actor may do.
pub async fn execute_as(
    app: &TestApp,
    stream: Uuid,
    command: UserCommand,
    metadata: Metadata,
) -> Answer {
    app.app
        .users
        .execute(stream, command, Authority::on_record(metadata), Vec::new())
        .await
}

/// The same, and what goes into the vault with it.
pub async fn execute_with(
    app: &TestApp,
    stream: Uuid,
    command: UserCommand,
    secrets: Vec<VaultWrite>,
) -> Answer {
    let authority = Authority::system(Metadata::system(Ids.uuid()));
    app.app
        .users
        .execute(stream, command, authority, secrets)
        .await
}

/// A user of that name, without a password; their id.
pub async fn user(app: &TestApp, username: &str) -> Uuid {
    let id = Ids.uuid();
    let command = creation(username, &format!("{username}@example.com"));
    execute(app, id, command).await.unwrap();
    id
}

/// How many events there are, and the last position.
pub async fn count_and_last(app: &TestApp) -> (i64, i64) {
    sqlx::query_as("SELECT count(*), max(position) FROM log.events")
        .fetch_one(&mut app.superuser.connect().await.unwrap())
        .await
        .unwrap()
}

/// How many events of a stream there are, and its last version.
pub async fn count_and_last_of(app: &TestApp, stream: Uuid) -> (i64, i64) {
    sqlx::query_as(
        "SELECT count(*), coalesce(max(version), 0) FROM log.events WHERE aggregate_id = $1",
    )
    .bind(stream)
    .fetch_one(&mut app.superuser.connect().await.unwrap())
    .await
    .unwrap()
}

/// How many transactions wrote the events after `position`.
pub async fn transactions_after(app: &TestApp, position: i64) -> i64 {
    sqlx::query_scalar("SELECT count(DISTINCT xmin::text) FROM log.events WHERE position > $1")
        .bind(position)
        .fetch_one(app.pool())
        .await
        .unwrap()
}

pub async fn raw_events(conn: &mut PgConnection) -> Vec<RawEvent> {
    sqlx::query_as("SELECT * FROM log.events ORDER BY position")
        .fetch_all(conn)
        .await
        .unwrap()
}

/// The sessions that a user has, by the read model.
pub async fn sessions_of(app: &TestApp, user: Uuid) -> BTreeSet<String> {
    let ids: Vec<String> = sqlx::query_scalar("SELECT id FROM read.sessions WHERE user_id = $1")
        .bind(user)
        .fetch_all(app.pool())
        .await
        .unwrap();
    ids.into_iter().collect()
}

/// The sessions that were ever started on a stream, as often as they were.
pub async fn sessions_started(app: &TestApp, user: Uuid) -> Vec<String> {
    let events = app.app.log.stream(user, 0).await.unwrap().readable();
    events
        .into_iter()
        .filter_map(|recorded| match recorded.event {
            rollcall_events::Event::User(UserEvent::SessionStarted { session, .. }) => {
                Some(session.id.0)
            }
            _ => None,
        })
        .collect()
}

/// Asks the question again until the answer is yes: what it waits for happens in another process.
pub async fn until_true(conn: &mut PgConnection, question: &str) {
    let patience = tokio::time::timeout(Duration::from_secs(10), async {
        while !sqlx::query_scalar::<_, bool>(question)
            .fetch_one(&mut *conn)
            .await
            .unwrap()
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(patience.await.is_ok(), "never true: {question}");
}

/// Runs the commands in one batch of one node: the head of the log is held until all of them wait. The node has made
/// the users itself, so that they are in its memory, and their keys are fetched before: the commands reach the appender
/// without a question to the database, and in order. For a runtime of one thread.
pub async fn in_one_batch(app: &TestApp, commands: Vec<(Uuid, UserCommand)>) -> Vec<Answer> {
    let commands = commands.into_iter();
    let commands = commands.map(|(stream, command)| (stream, command, Vec::new()));
    in_one_batch_with(app, commands.collect()).await
}

/// The same, and what goes into the vault with each.
pub async fn in_one_batch_with(
    app: &TestApp,
    commands: Vec<(Uuid, UserCommand, Vec<VaultWrite>)>,
) -> Vec<Answer> {
    let streams: Vec<Uuid> = commands.iter().map(|(stream, ..)| *stream).collect();
    let keys = app.app.log.vault().keys(&streams).await.unwrap();
    assert!(streams.iter().all(|stream| keys.get(*stream).is_some()));
    let mut holder = app.superuser.connect().await.unwrap();
    holder
        .execute("BEGIN; SELECT FROM log.head FOR UPDATE")
        .await
        .unwrap();
    // The appender takes this one alone, and waits with it for the head.
    let vanguard = spawn(
        app,
        Ids.uuid(),
        creation("vanguard", "vanguard@example.com"),
    );
    until_true(
        &mut app.superuser.connect().await.unwrap(),
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')",
    )
    .await;
    let waiting: Vec<_> = commands
        .into_iter()
        .map(|(stream, command, secrets)| spawn_with(app, stream, command, secrets))
        .collect();
    for _ in 0..16 {
        tokio::task::yield_now().await;
    }
    holder.execute("COMMIT").await.unwrap();
    vanguard.await.unwrap().unwrap();
    let mut answers = Vec::new();
    for answer in waiting {
        answers.push(answer.await.unwrap());
    }
    answers
}

/// Hands a command to this node, and does not wait for the answer.
pub fn spawn(app: &TestApp, stream: Uuid, command: UserCommand) -> JoinHandle<Answer> {
    spawn_with(app, stream, command, Vec::new())
}

fn spawn_with(
    app: &TestApp,
    stream: Uuid,
    command: UserCommand,
    secrets: Vec<VaultWrite>,
) -> JoinHandle<Answer> {
    let node = app.app.clone();
    tokio::spawn(async move {
        let authority = Authority::system(Metadata::system(Ids.uuid()));
        node.users
            .execute(stream, command, authority, secrets)
            .await
    })
}

/// The tables whose rows must follow from the log.
pub const READ_MODELS: [&str; 8] = [
    "read.users",
    "read.past_users",
    "read.sessions",
    "read.identities",
    "read.organizations",
    "read.members",
    "read.audit",
    "read.audit_counts",
];

/// All rows of a table, byte for byte.
pub async fn bytes_of(conn: &mut PgConnection, table: &str) -> Vec<u8> {
    let copy = format!("COPY (SELECT * FROM {table} ORDER BY 1, 2) TO STDOUT (FORMAT binary)");
    let parts = conn.copy_out_raw(&copy).await.unwrap();
    let parts: Vec<_> = parts.try_collect().await.unwrap();
    parts.concat()
}

/// All rows of a table, to be read.
pub async fn rows_of(conn: &mut PgConnection, table: &str) -> Vec<String> {
    sqlx::query_scalar(&format!(
        "SELECT row::text FROM {table} AS row ORDER BY row"
    ))
    .fetch_all(conn)
    .await
    .unwrap()
}

/// Replays a log into the empty tables of a database of its own, in batches of these sizes, again and again.
pub async fn replay(log: &LogReader, sizes: &[i64]) -> PgConnectOptions {
    let options = cluster::connect_options("postgres", &cluster::fresh_database().await);
    let mut conn = options.connect().await.unwrap();
    let mut position = 0;
    for size in sizes.iter().cycle() {
        let batch = log.after(position, *size).await.unwrap().readable();
        let Some(last) = batch.last() else { break };
        position = last.position;
        let mut tx = conn.begin().await.unwrap();
        inline::write(&mut tx, &batch).await.unwrap();
        tx.commit().await.unwrap();
    }
    conn.close().await.unwrap();
    options
}

/// The read models of one database hold the same rows as those of the other, to the byte.
pub async fn assert_same_rows(one: &PgConnectOptions, other: &PgConnectOptions) {
    let mut one = one.connect().await.unwrap();
    let mut other = other.connect().await.unwrap();
    for table in READ_MODELS {
        if bytes_of(&mut one, table).await != bytes_of(&mut other, table).await {
            let (left, right) = (
                rows_of(&mut one, table).await,
                rows_of(&mut other, table).await,
            );
            assert_eq!(left, right, "{table}");
            panic!("{table} differs in what its text does not show");
        }
    }
}
