//! The stock way: the replay of `cqrs-es`, which reads the events by `postgres-es` and writes each into its view.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use cqrs_es::{
    EventEnvelope, View,
    persist::{GenericQuery, QueryReplay},
};
use postgres_es::{PostgresEventRepository, PostgresViewRepository};
use rollcall_events::user::{SessionId, Status, User, UserEvent};
use serde::{Deserialize, Serialize};
use sqlx::{Executor, PgPool};

/// It takes long: so many of the events tell how long one takes.
const EVENTS: u32 = 10_000;

/// The user, as far as it can be known without a key.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct UserView {
    status: Option<Status>,
    changes: u32,
    sessions: BTreeSet<SessionId>,
}

impl View<User> for UserView {
    fn update(&mut self, event: &EventEnvelope<User>) {
        match &event.payload {
            UserEvent::UserCreated { status, .. } => self.status = Some(*status),
            UserEvent::SessionStarted { session, .. } => {
                self.sessions.insert(session.id.clone());
            }
            UserEvent::SessionEnded { session_id, .. } => {
                self.sessions.remove(session_id);
            }
            _ => self.changes += 1,
        }
    }
}

/// Events a second.
pub async fn replay(pool: &PgPool) -> f64 {
    pool.execute(
        format!(
            "CREATE SCHEMA stock;
             CREATE TABLE stock.events AS
             SELECT readable.aggregate_type, readable.aggregate_id::text AS aggregate_id, version AS sequence, event_type
                  , schema_version::text AS event_version, payload, metadata
               FROM log.readable WHERE aggregate_type = 'user' AND position <= {EVENTS};
             CREATE UNIQUE INDEX ON stock.events (aggregate_type, aggregate_id, sequence);
             CREATE TABLE stock.view (view_id text PRIMARY KEY, version bigint NOT NULL, payload json NOT NULL);
             ANALYZE stock.events"
        )
        .as_str(),
    )
    .await
    .unwrap();
    let events =
        PostgresEventRepository::new(pool.clone()).with_tables("stock.events", "cqrs.snapshots");
    let view = PostgresViewRepository::<UserView, User>::new("stock.view", pool.clone());
    let mut query = GenericQuery::new(Arc::new(view));
    query.use_error_handler(Box::new(|error| panic!("{error}")));
    let mut replay = QueryReplay::<_, _, User>::new(events, query);
    replay.use_error_handler(Box::new(|error| panic!("{error}")));
    let since = Instant::now();
    replay.replay_all().await.unwrap();
    f64::from(EVENTS) / since.elapsed().as_secs_f64()
}
