//! The way of a command: load the aggregate, hand the command to the appender, which decides and commits, and answer.
//!
//! The decision is made by the appender, under the lock on the head of the log, with the aggregate that is loaded
//! here. If the stream has moved on meanwhile, the command is loaded and decided again.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use moka::sync::Cache;
use rollcall_events::{
    Authority, Claim, EventSourced, Metadata, Recorded,
    ids::Ids,
    log::{
        Appender, Loaded, LogError, LogReader, Outcome, State, Store, Submission, Unfit, Verdict,
        legible,
    },
    permissions::NotAllowed,
    vault::{KeyRing, VaultError, VaultWrite},
};
use sqlx::PgPool;
use tokio::sync::oneshot;
use uuid::Uuid;

/// How often a command is decided before it is refused because others are always faster.
const TRIES: u32 = 10;
/// Between tries a command waits for less than this, times the number of the try.
const JITTER_MS: u64 = 10;
/// Aggregates kept in memory. A stale one is harmless: the appender compares versions.
const AGGREGATES_IN_MEMORY: u64 = 50_000;

/// Executes the commands of one type of aggregate.
pub struct CommandBus<A> {
    store: Store<A>,
    reader: LogReader,
    appender: Appender,
    cache: Cache<Uuid, Loaded<A>>,
    known: Option<Known<A>>,
}

/// Gives an aggregate as the read models have it.
pub type Known<A> = for<'a> fn(&'a PgPool, Uuid) -> BoxFuture<'a, sqlx::Result<Option<Loaded<A>>>>;

/// An aggregate to decide about, and what of its stream cannot be read: then only commands that restrict it are executed.
struct Basis<A> {
    loaded: Loaded<A>,
    damage: Option<LogError>,
}

/// What came of a command.
#[derive(Debug)]
pub struct Done {
    /// What happened because of it; nothing, if it was already so.
    pub events: Vec<Recorded>,
    /// The position in the log at which it is so.
    pub position: i64,
}

/// Why a command was not executed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError<E: std::error::Error + 'static> {
    /// The domain refuses it.
    #[error(transparent)]
    Refused(E),
    /// Somebody else has what it claims.
    #[error("another stream holds what it claims")]
    Taken(Claim),
    /// At its position in the log its actor may not give it.
    #[error(transparent)]
    Denied(NotAllowed),
    /// Others changed the same stream again and again.
    #[error("others were changing it at the same moment")]
    Contended,
    /// The log or the vault cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Nothing can be recorded by this node now.
    #[error(transparent)]
    Unfit(Unfit),
    /// The database did not answer; nothing was recorded.
    #[error("the database does not answer")]
    Unavailable(#[source] Arc<sqlx::Error>),
    /// The database was lost during the commit: the command may or may not have been recorded.
    #[error("the database was lost during the commit, so the outcome is unknown")]
    OutcomeUnknown(#[source] Arc<sqlx::Error>),
    /// A part of the stream cannot be read, so that only commands that restrict it are executed.
    #[error("the command needs what cannot be read")]
    Damaged(#[source] LogError),
    /// A flaw of ours, which has been logged.
    #[error("the command could not be recorded")]
    Internal,
}

impl<A: EventSourced> CommandBus<A> {
    /// A bus to this log.
    #[must_use]
    pub fn new(reader: &LogReader, appender: &Appender) -> Self {
        Self {
            store: Store::new(reader.clone(), appender.clone()),
            reader: reader.clone(),
            appender: appender.clone(),
            cache: Cache::new(AGGREGATES_IN_MEMORY),
            known: None,
        }
    }

    /// The same, for aggregates that the read models know well enough to restrict one whose events cannot all be read.
    #[must_use]
    pub fn backed_by(self, known: Known<A>) -> Self {
        Self {
            known: Some(known),
            ..self
        }
    }

    /// Executes `command` on `stream`, if its authority suffices when it is decided. `secrets` goes into the vault if, and only if, something happens.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn execute(
        &self,
        stream: Uuid,
        command: A::Command,
        authority: Authority,
        secrets: Vec<VaultWrite>,
    ) -> Result<Done, CommandError<A::Error>> {
        let command = Arc::new(command);
        for attempt in 1..=TRIES {
            let basis = self.basis(stream).await?;
            let version = basis.loaded.version;
            let (outcome, refusal) = self
                .submit(
                    stream,
                    Arc::clone(&command),
                    authority.clone(),
                    secrets.clone(),
                    basis,
                )
                .await?;
            if matches!(outcome, Outcome::Stale) {
                self.cache.invalidate(&stream);
                tokio::time::sleep(Duration::from_millis(
                    Ids.below(JITTER_MS * u64::from(attempt)),
                ))
                .await;
                continue;
            }
            let command_id = authority.metadata().command_id;
            return self
                .answer(stream, version, outcome, refusal, command_id)
                .await;
        }
        Err(CommandError::Contended)
    }

    /// The aggregate as it is known here: perhaps not the latest. A decision that rests on it must say so.
    ///
    /// # Errors
    /// The log or the vault cannot be read.
    pub async fn state(&self, stream: Uuid) -> Result<Arc<A>, LogError> {
        Ok(self.load(stream).await?.state)
    }

    async fn basis(&self, stream: Uuid) -> Result<Basis<A>, LogError> {
        let damage = match self.load(stream).await {
            Ok(loaded) => {
                return Ok(Basis {
                    loaded,
                    damage: None,
                });
            }
            Err(error @ LogError::Unreadable(_)) => error,
            Err(error) => return Err(error),
        };
        let known = match self.known {
            Some(known) => known(self.reader.pool(), stream).await?,
            None => None,
        };
        match known {
            Some(loaded) => Ok(Basis {
                loaded,
                damage: Some(damage),
            }),
            None => Err(damage),
        }
    }

    async fn load(&self, stream: Uuid) -> Result<Loaded<A>, LogError> {
        if let Some(loaded) = self.cache.get(&stream) {
            return Ok(loaded);
        }
        let loaded = self.store.load(stream).await?;
        if loaded.version > 0 {
            self.cache.insert(stream, loaded.clone());
        }
        Ok(loaded)
    }

    async fn submit(
        &self,
        stream: Uuid,
        command: Arc<A::Command>,
        authority: Authority,
        mut secrets: Vec<VaultWrite>,
        basis: Basis<A>,
    ) -> Result<(Outcome, Option<A::Error>), CommandError<A::Error>> {
        let Basis { loaded, damage } = basis;
        self.reader.vault().bind(&mut secrets);
        let keys = self
            .keys(
                stream,
                authority.metadata(),
                loaded.version == 0,
                &mut secrets,
            )
            .await?;
        let damaged_key = || LogError::Vault(VaultError::Altered(stream));
        let damage = damage.or_else(|| keys.is_damaged(stream).then(damaged_key));
        let is_damaged = damage.is_some();
        if let Some(damage) = damage
            && !loaded.state.only_restricts(&command)
        {
            return Err(CommandError::Damaged(damage));
        }
        let (told, outcome) = oneshot::channel();
        self.appender
            .submit(Box::new(Pending {
                stream,
                claims: loaded.state.claims(&command),
                command,
                authority,
                secrets,
                keys,
                loaded,
                is_damaged,
                cache: self.cache.clone(),
                refusal: None,
                after: None,
                told,
            }))
            .await;
        outcome.await.map_err(|_| CommandError::Internal)
    }

    /// The keys for what the events will hold: the stream's person (a new one gets a key) and who asks.
    async fn keys(
        &self,
        stream: Uuid,
        metadata: &Metadata,
        is_new: bool,
        secrets: &mut Vec<VaultWrite>,
    ) -> Result<KeyRing, LogError> {
        let vault = self.reader.vault();
        let asker = metadata.actor.user().filter(|user| *user != stream);
        let known: Vec<Uuid> = asker
            .into_iter()
            .chain(Some(stream).filter(|_| A::IS_PERSON && !is_new))
            .collect();
        let mut keys = vault.keys(&known).await?;
        if A::IS_PERSON && is_new {
            let (key, write) = vault.new_key(stream);
            keys.insert(stream, key);
            secrets.push(write);
        }
        Ok(keys)
    }

    async fn answer(
        &self,
        stream: Uuid,
        from: i64,
        outcome: Outcome,
        refusal: Option<A::Error>,
        command_id: Uuid,
    ) -> Result<Done, CommandError<A::Error>> {
        match (outcome, refusal) {
            (Outcome::Appended(events), _) => {
                self.save_snapshot_if_due(stream, from);
                let position = events.last().map_or(0, |last| last.position);
                Ok(Done { events, position })
            }
            (Outcome::Nothing(_), Some(refusal)) => Err(CommandError::Refused(refusal)),
            (Outcome::Nothing(position), None) => Ok(Done {
                events: Vec::new(),
                position,
            }),
            (Outcome::AlreadyDone(position), _) => {
                let events = self.reader.stream(stream, 0).await?;
                let mut events: Vec<Recorded> = legible(events).collect();
                events.retain(|event| event.metadata.command_id == command_id);
                Ok(Done { events, position })
            }
            (Outcome::Taken(claim), _) => Err(CommandError::Taken(claim)),
            (Outcome::Denied(reason), _) => Err(CommandError::Denied(reason)),
            (Outcome::Stale, _) => Err(CommandError::Contended),
            (Outcome::Refused(unfit), _) => Err(CommandError::Unfit(unfit)),
            (Outcome::Unavailable(error), _) => Err(CommandError::Unavailable(error)),
            (Outcome::Unknown(error), _) => Err(CommandError::OutcomeUnknown(error)),
            (Outcome::Failed, _) => Err(CommandError::Internal),
        }
    }

    /// In the background: nobody waits for a snapshot, and a lost one costs only time.
    fn save_snapshot_if_due(&self, stream: Uuid, from: i64) {
        let Some(loaded) = self.cache.get(&stream) else {
            return;
        };
        if Store::<A>::snapshot_is_due(from, loaded.version) {
            let store = self.store.clone();
            tokio::spawn(async move {
                if let Err(error) = store.save_snapshot(stream, &loaded).await {
                    tracing::warn!(%stream, error = &error as &dyn std::error::Error, "a snapshot was not saved");
                }
            });
        }
    }
}

/// A command in the appender's hands.
struct Pending<A: EventSourced> {
    stream: Uuid,
    command: Arc<A::Command>,
    claims: Vec<Claim>,
    authority: Authority,
    secrets: Vec<VaultWrite>,
    keys: KeyRing,
    loaded: Loaded<A>,
    /// Whether the state is not that of all events: nothing is built on it but this one decision.
    is_damaged: bool,
    cache: Cache<Uuid, Loaded<A>>,
    refusal: Option<A::Error>,
    after: Option<Arc<A>>,
    told: oneshot::Sender<(Outcome, Option<A::Error>)>,
}

impl<A: EventSourced> Pending<A> {
    /// The aggregate as of `version`, if it is known here.
    fn current(&self, version: i64, earlier: Option<&State>) -> Option<Arc<A>> {
        // It was prepared for a stream that had not begun, and brings a key that is not the stream's.
        if self.loaded.version == 0 && version > 0 {
            return None;
        }
        if A::IS_MEMORYLESS {
            return Some(Arc::clone(&self.loaded.state));
        }
        match earlier {
            Some(state) => Arc::clone(state).downcast().ok(),
            None if self.loaded.version == version => Some(Arc::clone(&self.loaded.state)),
            // Another command of this node was faster, and left what it made of the aggregate.
            None => self
                .cache
                .get(&self.stream)
                .filter(|loaded| loaded.version == version)
                .map(|loaded| loaded.state),
        }
    }
}

impl<A: EventSourced> Submission for Pending<A> {
    fn stream(&self) -> Uuid {
        self.stream
    }

    fn authority(&self) -> &Authority {
        &self.authority
    }

    fn claims(&self) -> &[Claim] {
        &self.claims
    }

    fn keys(&self) -> &KeyRing {
        &self.keys
    }

    fn secrets(&self) -> &[VaultWrite] {
        &self.secrets
    }

    fn decide(&mut self, version: i64, earlier: Option<&State>) -> Verdict {
        self.refusal = None;
        self.after = None;
        let Some(current) = self.current(version, earlier) else {
            return Verdict::Stale;
        };
        match current.decide(&self.command) {
            Err(refusal) => {
                self.refusal = Some(refusal);
                Verdict::Nothing
            }
            Ok(events) if events.is_empty() => Verdict::Nothing,
            // Whether the claims can be had was asked for the aggregate as it was loaded: as it is now, it makes others.
            Ok(_) if current.claims(&self.command) != self.claims => Verdict::Stale,
            Ok(events) => {
                let mut state = A::clone(&current);
                for event in &events {
                    state.evolve(event);
                }
                let state = Arc::new(state);
                let events = events.into_iter().map(Into::into).collect();
                if self.is_damaged {
                    let state = Arc::new(());
                    return Verdict::Accepted { events, state };
                }
                self.after = Some(Arc::clone(&state));
                Verdict::Accepted { events, state }
            }
        }
    }

    fn settle(self: Box<Self>, outcome: Outcome) {
        if let (Outcome::Appended(events), Some(state)) = (&outcome, self.after)
            && let Some(Recorded { version, .. }) = events.last()
        {
            let version = *version;
            self.cache.insert(self.stream, Loaded { version, state });
        }
        drop(self.told.send((outcome, self.refusal)));
    }
}
