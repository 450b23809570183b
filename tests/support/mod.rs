//! What the black-box tests stand on: a private cluster for the test binary, a database of its own for each test, the
//! service on it with a clock that stands still, and callers.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop where it is"
)]

pub mod client;
pub mod cluster;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use rollcall::{
    app::{App, AppState},
    command_bus::Done,
    config::Config,
};
use rollcall_events::{
    Authority, Metadata, Recorded, clock::ManualClock, ids::Ids, log::ReadEvent, user::UserCommand,
    vault::MasterKey,
};
use serde_json::json;
use sqlx::{PgPool, postgres::PgConnectOptions};
use uuid::Uuid;

use client::Client;

/// Events of which each can be read: anything else ends the test.
pub trait Readable {
    /// The events.
    fn readable(self) -> Vec<Recorded>;
}

impl Readable for Vec<ReadEvent> {
    fn readable(self) -> Vec<Recorded> {
        self.into_iter().collect::<Result<_, _>>().unwrap()
    }
}

/// The password of every user that the tests make.
pub const PASSWORD: &str = "correct horse battery staple";

/// The service on a database of its own.
pub struct TestApp {
    pub app: AppState,
    pub clock: Arc<ManualClock>,
    /// As the service's role.
    pub database: PgConnectOptions,
    /// As the superuser: for looking at what the service may not.
    pub superuser: PgConnectOptions,
}

impl TestApp {
    /// An empty service.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// An empty service with another configuration.
    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let name = cluster::fresh_database().await;
        let clock = Arc::new(ManualClock::at(beginning()));
        Self::on(&name, clock, change).await
    }

    /// A service on a database that is there already: a second node.
    pub async fn on(name: &str, clock: Arc<ManualClock>, change: impl FnOnce(&mut Config)) -> Self {
        let database = cluster::connect_options("rollcall_service", name);
        let mut config = Config {
            argon2_memory_kib: 8,
            argon2_passes: 1,
            database_connections: 8,
            // The tests' callers share an address and a minute.
            api_rate_limit: 0,
            login_rate_limit: 0,
            own_change_limit: 0,
            ..Config::default()
        };
        change(&mut config);
        let app = App::start(config, database.clone(), master_key(), clock.clone())
            .await
            .unwrap();
        Self {
            app,
            clock,
            database,
            superuser: cluster::connect_options("postgres", name),
        }
    }

    /// A second node on the same database.
    pub async fn second_node(&self) -> Self {
        let name = self.database.get_database().unwrap().to_owned();
        Self::on(&name, self.clock.clone(), |_| {}).await
    }

    /// A caller without a token.
    pub fn anonymous(&self) -> Client {
        Client::new(&self.app, None)
    }

    /// A caller with this token.
    pub fn with_token(&self, token: &str) -> Client {
        Client::new(&self.app, Some(token.to_owned()))
    }

    /// The first user, Ada, signed in.
    pub async fn owner(&self) -> Client {
        let first = json!({ "email": "ada@example.com", "username": "ada", "password": PASSWORD });
        let created = self.anonymous().post("/api/v2/users/first", &first).await;
        assert!([201, 409].contains(&created.status), "{created:?}");
        self.sign_in("ada@example.com").await
    }

    /// A user that the owner makes, active, without roles; their id.
    pub async fn user(&self, owner: &Client, username: &str) -> Uuid {
        let wish = json!({
            "email": format!("{username}@example.com"),
            "username": username,
            "password": PASSWORD,
            "organization_ids": [self.app.default_organization],
        });
        let created = owner.post("/api/v2/users", &wish).await;
        assert_eq!(created.status, 201, "{created:?}");
        created.json["id"].as_str().unwrap().parse().unwrap()
    }

    /// Signs somebody in by e-mail and the tests' password.
    pub async fn sign_in(&self, email: &str) -> Client {
        let answer = self
            .anonymous()
            .post(
                "/api/v2/users/login",
                &json!({ "email": email, "password": PASSWORD }),
            )
            .await;
        assert_eq!(answer.status, 201, "{answer:?}");
        self.with_token(answer.json["session_token"].as_str().unwrap())
    }

    /// A command that no endpoint gives, by the system.
    pub async fn command(&self, user: Uuid, command: UserCommand) -> Done {
        let authority = Authority::system(Metadata::system(Ids.uuid()));
        self.app
            .users
            .execute(user, command, authority, Vec::new())
            .await
            .unwrap()
    }

    /// Lets time pass.
    pub fn pass(&self, time: TimeDelta) {
        self.clock.advance(time);
    }

    /// The service's own connections.
    pub fn pool(&self) -> &PgPool {
        &self.app.pool
    }
}

/// When every test begins.
pub fn beginning() -> DateTime<Utc> {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

/// The master key of every test.
pub fn master_key() -> MasterKey {
    MasterKey::new([42; 32])
}
