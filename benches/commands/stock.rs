//! The baseline: `cqrs-es` and `postgres-es` as their documentation sets them up, with one view.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use chrono::{DateTime, Utc};
use cqrs_es::{
    Aggregate, AggregateError, DomainEvent, EventEnvelope, View, event_sink::EventSink,
    persist::GenericQuery,
};
use postgres_es::{PostgresCqrs, PostgresViewRepository, postgres_cqrs};
use rollcall_events::user::{
    EndReason, LoginType, Person, ProfileChange, Role, Session, SessionId, Status, UserCommand,
    UserError,
};
use serde::{Deserialize, Serialize};
use sqlx::{
    Executor,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use uuid::Uuid;

use super::workload::{Side, Wish};

/// Three times the crate's own default, so that it is not held back by it.
pub const CONNECTIONS: u32 = 32;

/// The tables of the crate's `init.sql`.
const TABLES: &str = "
    CREATE TABLE events
    (
        aggregate_type text                         NOT NULL,
        aggregate_id   text                         NOT NULL,
        sequence       bigint CHECK (sequence >= 0) NOT NULL,
        event_type     text                         NOT NULL,
        event_version  text                         NOT NULL,
        payload        json                         NOT NULL,
        metadata       json                         NOT NULL,
        PRIMARY KEY (aggregate_type, aggregate_id, sequence)
    );
    CREATE TABLE user_view
    (
        view_id text                        NOT NULL,
        version bigint CHECK (version >= 0) NOT NULL,
        payload json                        NOT NULL,
        PRIMARY KEY (view_id)
    )";

/// The stock framework.
pub struct Stock {
    framework: PostgresCqrs<StockUser>,
    /// Commands that were tried again because another was faster.
    pub conflicts: AtomicU64,
    /// Events that the view never saw, because two updates of it met: the framework does not try again.
    pub lost_updates: Arc<AtomicU64>,
}

impl Stock {
    /// The framework on an empty database.
    pub async fn start(database: &PgConnectOptions) -> Arc<Self> {
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(std::time::Duration::from_mins(1))
            .connect_with(database.clone())
            .await
            .unwrap();
        pool.execute(TABLES).await.unwrap();
        let lost_updates = Arc::new(AtomicU64::new(0));
        let lost = Arc::clone(&lost_updates);
        let repository =
            PostgresViewRepository::<StockUser, StockUser>::new("user_view", pool.clone());
        let mut query = GenericQuery::new(Arc::new(repository));
        query.use_error_handler(Box::new(move |_| {
            lost.fetch_add(1, Ordering::Relaxed);
        }));
        Arc::new(Self {
            framework: postgres_cqrs(pool, vec![Box::new(query)], ()),
            conflicts: AtomicU64::new(0),
            lost_updates,
        })
    }
}

impl Side for Stock {
    async fn execute(&self, wish: Wish) {
        let user = wish.user.to_string();
        let mut metadata = wish.metadata.to_map();
        let origin = wish.metadata.origin.known();
        metadata.insert("origin".to_owned(), serde_json::to_string(&origin).unwrap());
        loop {
            let metadata = metadata.clone().into_iter().collect();
            let command = wish.command.clone();
            match self
                .framework
                .execute_with_metadata(&user, command, metadata)
                .await
            {
                Ok(()) => return,
                Err(AggregateError::AggregateConflict) => {
                    self.conflicts.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => panic!("the stock framework failed: {error:?}"),
            }
        }
    }
}

/// The same rules and the same state as our aggregate's, for the commands that are measured, in the clear. The view
/// shows all of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct StockUser {
    account: Option<Account>,
    sessions: BTreeMap<SessionId, DateTime<Utc>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Account {
    person: Person,
    login_type: LoginType,
    status: Status,
    roles: BTreeSet<Role>,
    organizations: Vec<Uuid>,
    password_scheme: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum StockEvent {
    UserCreated(Account),
    ProfileChanged {
        change: ProfileChange,
    },
    SessionStarted {
        session: Session,
    },
    SessionEnded {
        session_id: SessionId,
        reason: EndReason,
    },
}

impl Aggregate for StockUser {
    const TYPE: &'static str = "user";
    type Command = UserCommand;
    type Event = StockEvent;
    type Error = UserError;
    type Services = ();

    async fn handle(
        &mut self,
        command: UserCommand,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), UserError> {
        if let Some(event) = self.decide(command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: StockEvent) {
        match event {
            StockEvent::UserCreated(account) => self.account = Some(account),
            StockEvent::ProfileChanged { change } => {
                if let Some(account) = &mut self.account {
                    account.person.change(&change);
                }
            }
            StockEvent::SessionStarted { session } => {
                self.sessions.insert(session.id, session.ends_at);
            }
            StockEvent::SessionEnded { session_id, .. } => {
                self.sessions.remove(&session_id);
            }
        }
    }
}

impl StockUser {
    fn decide(&self, command: UserCommand) -> Result<Option<StockEvent>, UserError> {
        let event = match (&self.account, command) {
            (None, UserCommand::CreateUser(wish)) => StockEvent::UserCreated(Account {
                person: wish.person,
                login_type: wish.login_type,
                status: wish.status,
                roles: wish.roles,
                organizations: wish.organizations,
                password_scheme: wish.password_scheme,
            }),
            (Some(account), UserCommand::ChangeProfile(change)) => StockEvent::ProfileChanged {
                change: change.beyond(&account.person),
            },
            (Some(_), UserCommand::StartSession(wish)) => StockEvent::SessionStarted {
                session: wish.session,
            },
            (Some(_), UserCommand::EndSession { session_id, reason })
                if self.sessions.contains_key(&session_id) =>
            {
                StockEvent::SessionEnded { session_id, reason }
            }
            (Some(_), UserCommand::EndSession { .. }) => return Ok(None),
            _ => return Err(UserError::NotFound),
        };
        Ok(Some(event))
    }
}

impl View<StockUser> for StockUser {
    fn update(&mut self, event: &EventEnvelope<StockUser>) {
        self.apply(event.payload.clone());
    }
}

impl DomainEvent for StockEvent {
    fn event_type(&self) -> String {
        match self {
            Self::UserCreated(_) => "UserCreated",
            Self::ProfileChanged { .. } => "ProfileChanged",
            Self::SessionStarted { .. } => "SessionStarted",
            Self::SessionEnded { .. } => "SessionEnded",
        }
        .to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}
