//! Aggregates from the log: loading, snapshots of long streams, and the log as an event store of `cqrs-es`.

use std::{collections::HashMap, marker::PhantomData, sync::Arc};

use cqrs_es::{AggregateError, EventEnvelope, EventStore};
use sqlx::PgExecutor;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{Appender, LogError, LogReader, Outcome, State, Submission, Verdict};
use crate::{
    Actor, Authority, Claim, Event, EventSourced, Metadata,
    ids::Ids,
    vault::{self, KeyRing, Place, VaultWrite},
};

/// A snapshot is taken each time a stream has grown by this many events.
const SNAPSHOT_EVERY: i64 = 200;

/// An aggregate as of a version.
#[derive(Debug)]
pub struct Loaded<A> {
    /// The version of the last event that made it; 0 for an empty stream.
    pub version: i64,
    /// What it is.
    pub state: Arc<A>,
}

/// Loads aggregates of one type.
pub struct Store<A> {
    reader: LogReader,
    appender: Appender,
    aggregate: PhantomData<fn() -> A>,
}

impl<A> Clone for Store<A> {
    fn clone(&self) -> Self {
        Self::new(self.reader.clone(), self.appender.clone())
    }
}

impl<A> Clone for Loaded<A> {
    fn clone(&self) -> Self {
        Self {
            version: self.version,
            state: Arc::clone(&self.state),
        }
    }
}

impl<A> Store<A> {
    /// A store on this log.
    #[must_use]
    pub fn new(reader: LogReader, appender: Appender) -> Self {
        Self {
            reader,
            appender,
            aggregate: PhantomData,
        }
    }
}

impl<A: EventSourced> Store<A> {
    /// The aggregate of `stream`: from its snapshot, if there is one, and the events since.
    ///
    /// # Errors
    /// The database fails, or an event cannot be read: what is not known of an aggregate cannot be guessed.
    pub async fn load(&self, stream: Uuid) -> Result<Loaded<A>, LogError> {
        if A::IS_MEMORYLESS {
            return Ok(Loaded {
                version: last_version(self.reader.pool(), stream).await?,
                state: Arc::default(),
            });
        }
        let (mut version, mut state) = self.snapshot(stream).await?.unwrap_or_default();
        let events = self.reader.raw_stream(stream, version).await?;
        for recorded in self.reader.open_payloads(events).await? {
            let recorded = recorded?;
            version = recorded.version;
            if let Ok(event) = A::Event::try_from(recorded.event) {
                state.evolve(&event);
            }
        }
        Ok(Loaded {
            version,
            state: Arc::new(state),
        })
    }

    /// Whether a stream that grew from one version to another is due for a snapshot.
    #[must_use]
    pub fn snapshot_is_due(from: i64, to: i64) -> bool {
        from / SNAPSHOT_EVERY != to / SNAPSHOT_EVERY
    }

    /// Saves the aggregate, its personal data sealed, so that the next load is short.
    ///
    /// # Errors
    /// The database fails.
    pub async fn save_snapshot(&self, stream: Uuid, loaded: &Loaded<A>) -> Result<(), LogError> {
        let mut state = A::clone(&loaded.state);
        let keys = self.reader.vault().keys(&[stream]).await?;
        if let Some(field) = state.personal() {
            let Some(key) = keys.get(stream) else {
                return Ok(()); // erased meanwhile
            };
            vault::seal(
                field,
                stream,
                key,
                &snapshot_place::<A>(stream, loaded.version),
                Ids,
            )
            .map_err(encoding)?;
        }
        sqlx::query(
            "INSERT INTO live.snapshots (aggregate_id, aggregate_type, version, state_version, state)
             VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (aggregate_id) DO UPDATE
                SET version = excluded.version, state_version = excluded.state_version, state = excluded.state
              WHERE snapshots.version < excluded.version OR snapshots.state_version <> excluded.state_version",
        )
        .bind(stream)
        .bind(A::TYPE)
        .bind(loaded.version)
        .bind(A::STATE_VERSION)
        .bind(serde_json::to_vec(&state).map_err(encoding)?)
        .execute(self.reader.pool())
        .await?;
        Ok(())
    }

    /// The saved aggregate, unless it was saved in another shape, or does not open: then the events tell.
    async fn snapshot(&self, stream: Uuid) -> Result<Option<(i64, A)>, LogError> {
        let saved: Option<(i64, Vec<u8>)> = sqlx::query_as(
            "SELECT version, state FROM live.snapshots
              WHERE aggregate_id = $1 AND aggregate_type = $2 AND state_version = $3",
        )
        .bind(stream)
        .bind(A::TYPE)
        .bind(A::STATE_VERSION)
        .fetch_optional(self.reader.pool())
        .await?;
        let Some((version, state)) = saved else {
            return Ok(None);
        };
        let Ok(mut state) = serde_json::from_slice::<A>(&state) else {
            return Ok(None);
        };
        let keys = self.reader.vault().keys(&[stream]).await?;
        if let Some(field) = state.personal()
            && vault::open(field, &keys, &snapshot_place::<A>(stream, version)).is_err()
        {
            return Ok(None);
        }
        Ok(Some((version, state)))
    }
}

/// The version of a stream's last event; 0 if it has none.
async fn last_version(executor: impl PgExecutor<'_>, stream: Uuid) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM log.events WHERE aggregate_id = $1")
        .bind(stream)
        .fetch_one(executor)
        .await
}

fn snapshot_place<A: EventSourced>(stream: Uuid, version: i64) -> Place<'static> {
    Place {
        stream,
        version,
        event_type: A::TYPE,
        schema_version: A::STATE_VERSION,
        field: "state",
    }
}

fn encoding(error: serde_json::Error) -> sqlx::Error {
    sqlx::Error::Encode(Box::new(error))
}

/// What `cqrs-es` carries from loading to committing.
pub struct Context<A> {
    stream: Uuid,
    version: i64,
    aggregate: A,
}

impl<A: EventSourced> cqrs_es::AggregateContext<A> for Context<A> {
    fn aggregate(&mut self) -> &mut A {
        &mut self.aggregate
    }
}

impl<A: EventSourced> EventStore<A> for Store<A> {
    type AC = Context<A>;

    async fn load_events(
        &self,
        aggregate_id: &str,
    ) -> Result<Vec<EventEnvelope<A>>, AggregateError<A::Error>> {
        let events = self
            .reader
            .stream(stream_id(aggregate_id)?, 0)
            .await
            .map_err(unexpected)?;
        let events = events.into_iter().collect::<Result<_, _>>();
        Ok(envelopes(aggregate_id, events.map_err(unexpected)?))
    }

    async fn load_aggregate(
        &self,
        aggregate_id: &str,
    ) -> Result<Context<A>, AggregateError<A::Error>> {
        let stream = stream_id(aggregate_id)?;
        let loaded = self.load(stream).await.map_err(unexpected)?;
        Ok(Context {
            stream,
            version: loaded.version,
            aggregate: A::clone(&loaded.state),
        })
    }

    /// Appends what was decided elsewhere. Names are not claimed this way: the unique indexes decide. A stream that
    /// begins here gets its key here.
    async fn commit(
        &self,
        events: Vec<A::Event>,
        context: Context<A>,
        metadata: HashMap<String, String>,
    ) -> Result<Vec<EventEnvelope<A>>, AggregateError<A::Error>> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let metadata = read_metadata(&metadata);
        let subjects: Vec<Uuid> = metadata
            .actor
            .user()
            .into_iter()
            .chain([context.stream])
            .collect();
        let mut keys = self
            .reader
            .vault()
            .keys(&subjects)
            .await
            .map_err(unexpected)?;
        let mut secrets = Vec::new();
        if context.version == 0 && A::IS_PERSON {
            let (key, write) = self.reader.vault().new_key(context.stream);
            keys.insert(context.stream, key);
            secrets.push(write);
        }
        let (told, outcome) = oneshot::channel();
        let submission = Decided {
            stream: context.stream,
            version: context.version,
            events: events.into_iter().map(Into::into).collect(),
            state: Arc::new(context.aggregate),
            // Whoever writes by way of `cqrs-es` has the database, as an operator does.
            authority: Authority::on_record(metadata),
            keys,
            secrets,
            told,
        };
        self.appender.submit(Box::new(submission)).await;
        match outcome.await {
            Ok(Outcome::Appended(events)) => Ok(envelopes(&context.stream.to_string(), events)),
            Ok(Outcome::Stale | Outcome::Taken(_)) => Err(AggregateError::AggregateConflict),
            Ok(other) => Err(AggregateError::UnexpectedError(format!("{other:?}").into())),
            Err(gone) => Err(unexpected(gone)),
        }
    }
}

/// Events that were decided before they came here.
struct Decided {
    stream: Uuid,
    version: i64,
    events: Vec<Event>,
    state: State,
    authority: Authority,
    keys: KeyRing,
    secrets: Vec<VaultWrite>,
    told: oneshot::Sender<Outcome>,
}

impl Submission for Decided {
    fn stream(&self) -> Uuid {
        self.stream
    }

    fn authority(&self) -> &Authority {
        &self.authority
    }

    fn claims(&self) -> &[Claim] {
        &[]
    }

    fn keys(&self) -> &KeyRing {
        &self.keys
    }

    fn secrets(&self) -> &[VaultWrite] {
        &self.secrets
    }

    fn decide(&mut self, version: i64, _earlier: Option<&State>) -> Verdict {
        if version != self.version {
            return Verdict::Stale;
        }
        Verdict::Accepted {
            events: self.events.clone(),
            state: Arc::clone(&self.state),
        }
    }

    fn settle(self: Box<Self>, outcome: Outcome) {
        drop(self.told.send(outcome));
    }
}

fn envelopes<A: EventSourced>(
    aggregate_id: &str,
    events: Vec<crate::Recorded>,
) -> Vec<EventEnvelope<A>> {
    events
        .into_iter()
        .filter_map(|recorded| {
            Some(EventEnvelope {
                aggregate_id: aggregate_id.to_owned(),
                sequence: usize::try_from(recorded.version).ok()?,
                metadata: recorded.metadata.to_map().into_iter().collect(),
                payload: A::Event::try_from(recorded.event).ok()?,
            })
        })
        .collect()
}

/// The metadata that a user of `cqrs-es` gives, as far as it fits; the rest is Rollcall's own doing.
fn read_metadata(given: &HashMap<String, String>) -> Metadata {
    let id = |name: &str| given.get(name).and_then(|text| text.parse().ok());
    let command_id = id("command_id").unwrap_or_else(|| Ids.uuid());
    Metadata {
        actor: given
            .get("actor")
            .and_then(|text| text.parse().ok())
            .unwrap_or(Actor::System),
        authentication: given.get("authentication").cloned(),
        correlation_id: id("correlation_id").unwrap_or(command_id),
        causation_id: id("causation_id").unwrap_or(command_id),
        ..Metadata::system(command_id)
    }
}

fn stream_id<E: std::error::Error>(aggregate_id: &str) -> Result<Uuid, AggregateError<E>> {
    aggregate_id.parse().map_err(unexpected)
}

fn unexpected<E: std::error::Error>(
    error: impl std::error::Error + Send + Sync + 'static,
) -> AggregateError<E> {
    AggregateError::UnexpectedError(Box::new(error))
}
