//! The only writer of the log: group commit, and beside it the import of a whole log.
//!
//! Commands do not open transactions. They wait in a queue, and one task per node takes all that wait, locks the head
//! row, decides them in memory, writes what was accepted with a handful of statements, and commits once. The
//! transactions of several nodes take turns on the head row. Nothing slow happens while it is locked: hashing and the
//! network come before.

mod import;

use std::{io, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use sqlx::{Connection, Executor, PgConnection, PgPool};
use tokio::{sync::mpsc, time::Instant};
use uuid::Uuid;

use super::{
    batch::{Decisions, Facts, Outcome, Submission, Unfit, decide},
    head::{Observed, begin_and_lock},
    subscribe::CHANNEL,
};
use crate::{
    Claim, Recorded,
    clock::Clock,
    database_error::{is_content, is_unavailable},
    permissions::{Requirement, Standings},
    session, vault,
};

pub use import::{ImportError, Importing, import, left_behind};

/// Commands in one transaction, at most: bounds how long the head stays locked.
const MAX_BATCH: usize = 512;
/// Commands that wait, at most; then the next one waits to be let in.
const MAX_QUEUE: usize = 4096;
/// How long the outcome of a broken commit is looked for before the commands are told that it is unknown.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that was idle for longer is checked before it is used.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);
/// Each a little longer than the server's own time-outs of a lock and of a statement: an answer that has not come by
/// then was swallowed by the network, and nobody would ever say so.
const LOCK_PATIENCE: Duration = Duration::from_secs(12);
const STATEMENT_PATIENCE: Duration = Duration::from_secs(32);

/// What is written in the same transaction as the events, and says which names are taken.
pub trait Inline: Send + Sync + 'static {
    /// For each claim whether a stream other than the given one has it.
    fn taken<'a>(
        &'a self,
        conn: &'a mut PgConnection,
        claims: &'a [(Uuid, Claim)],
    ) -> BoxFuture<'a, sqlx::Result<Vec<bool>>>;

    /// Reads the users whose status and roles decide whether these may give their commands: each requirement with its
    /// actor. At most one statement.
    fn standings<'a>(
        &'a self,
        conn: &'a mut PgConnection,
        requirements: &'a [(Uuid, &'a Requirement)],
    ) -> BoxFuture<'a, sqlx::Result<Standings>>;

    /// Applies the events to the read models.
    fn write<'a>(
        &'a self,
        conn: &'a mut PgConnection,
        batch: &'a [Recorded],
    ) -> BoxFuture<'a, sqlx::Result<()>>;
}

/// Takes commands to the log. Cheap to clone; the task behind it ends when the last clone is gone.
#[derive(Clone)]
pub struct Appender {
    queue: mpsc::Sender<Box<dyn Submission>>,
}

impl Appender {
    /// Starts the task that writes the log in `pool`'s database, on a connection of its own.
    #[must_use]
    pub fn start(pool: &PgPool, inline: impl Inline, clock: Arc<dyn Clock>) -> Self {
        let (queue, inbox) = mpsc::channel(MAX_QUEUE);
        let writer = Writer {
            pool: pool.clone(),
            conn: None,
            idle_since: Instant::now(),
            inline: Box::new(inline),
            clock,
            unfit: None,
        };
        tokio::spawn(writer.run(inbox));
        Self { queue }
    }

    /// Hands in a command. Its `settle` is called when its fate is known, even if nobody waits any more.
    pub async fn submit(&self, submission: Box<dyn Submission>) {
        // The task lives as long as there is a sender: this cannot fail while the runtime lives.
        drop(self.queue.send(submission).await);
    }
}

struct Writer {
    pool: PgPool,
    conn: Option<PgConnection>,
    /// Since when the connection has not been used.
    idle_since: Instant,
    inline: Box<dyn Inline>,
    clock: Arc<dyn Clock>,
    /// Why the last batch was refused, which is logged once.
    unfit: Option<Unfit>,
}

type Batch = Vec<Box<dyn Submission>>;

enum Failure {
    /// Nothing was recorded; the connection is of no use any more.
    Before(sqlx::Error),
    /// The connection was lost during COMMIT, and what became of it could not be found out.
    Unknown(sqlx::Error),
}

impl Writer {
    async fn run(mut self, mut inbox: mpsc::Receiver<Box<dyn Submission>>) {
        let mut waiting = Vec::with_capacity(MAX_BATCH);
        while inbox.recv_many(&mut waiting, MAX_BATCH).await > 0 {
            let committing = AssertUnwindSafe(self.commit(std::mem::take(&mut waiting)));
            // A flaw that one batch meets must not end all writing: its commands hear nothing and answer for
            // themselves, the connection is gone with it, and the next batch begins anew.
            if committing.catch_unwind().await.is_err() {
                tracing::error!("the appender panicked over a batch");
            }
        }
    }

    /// Commits a batch and tells each command its outcome. If a constraint of the database fires, the commands are
    /// committed one by one, so that a bad one does not hurt its neighbours.
    async fn commit(&mut self, mut batch: Batch) {
        match self.attempt(&mut batch).await {
            Ok(outcomes) => settle(batch, outcomes),
            Err(Failure::Before(error)) if is_content(&error) && batch.len() > 1 => {
                for submission in batch {
                    self.commit_alone(submission).await;
                }
            }
            Err(failure) => give_up(batch, failure),
        }
    }

    async fn commit_alone(&mut self, submission: Box<dyn Submission>) {
        let mut batch = vec![submission];
        match self.attempt(&mut batch).await {
            Ok(outcomes) => settle(batch, outcomes),
            Err(failure) => give_up(batch, failure),
        }
    }

    async fn attempt(&mut self, batch: &mut Batch) -> Result<Vec<Outcome>, Failure> {
        let (mut conn, observed) = self.lock().await.map_err(Failure::Before)?;
        if let Some(unfit) = self.unfit(&observed) {
            in_time(STATEMENT_PATIENCE, conn.execute("ROLLBACK"))
                .await
                .map_err(Failure::Before)?;
            self.keep(conn);
            return Ok(batch.iter().map(|_| Outcome::Refused(unfit)).collect());
        }
        let facts = in_time(STATEMENT_PATIENCE, self.facts(&mut conn, batch))
            .await
            .map_err(Failure::Before)?;
        let decisions = decide(batch, observed.head, facts, self.clock.now());
        if decisions.raw.is_empty() {
            in_time(STATEMENT_PATIENCE, conn.execute("ROLLBACK"))
                .await
                .map_err(Failure::Before)?;
            self.keep(conn);
            return Ok(decisions.outcomes);
        }
        in_time(STATEMENT_PATIENCE, self.write(&mut conn, &decisions))
            .await
            .map_err(Failure::Before)?;
        let commit = format!("NOTIFY {CHANNEL}, '{}'; COMMIT", decisions.head.position);
        match in_time(STATEMENT_PATIENCE, conn.execute(commit.as_str())).await {
            Ok(_) => self.keep(conn),
            Err(error) => self.find_out(&decisions, error).await?,
        }
        Ok(decisions.outcomes)
    }

    /// A connection in a transaction that holds the lock on the head. A connection that has died since the last
    /// batch is replaced: nothing had been asked of it yet.
    async fn lock(&mut self) -> sqlx::Result<(PgConnection, Observed)> {
        if let Some(mut conn) = self.conn.take() {
            match self.begin(&mut conn).await {
                Ok(head) => return Ok((conn, head)),
                Err(error) => tracing::info!(
                    error = &error as &dyn std::error::Error,
                    "the log's connection is renewed"
                ),
            }
        }
        in_time(LOCK_PATIENCE, async {
            let mut conn = session::connect(&self.pool.connect_options()).await?;
            let head = begin_and_lock(&mut conn).await?;
            Ok((conn, head))
        })
        .await
    }

    /// Why nothing can be appended here and now. A line in the log says when that begins and when it is over.
    fn unfit(&mut self, observed: &Observed) -> Option<Unfit> {
        let unfit = observed.unfit(self.clock.as_ref());
        match (&unfit, &self.unfit) {
            (Some(unfit), None) => tracing::error!(
                error = unfit as &dyn std::error::Error,
                "nothing is recorded by this node until that is mended"
            ),
            (None, Some(_)) => tracing::info!("this node records again"),
            (Some(_), Some(_)) | (None, None) => {}
        }
        self.unfit = unfit;
        unfit
    }

    /// A connection that was idle may have died without a word: that is found out before the lock is waited for.
    async fn begin(&self, conn: &mut PgConnection) -> sqlx::Result<Observed> {
        if self.idle_since.elapsed() > TRUSTED_IDLE {
            session::check(conn).await?;
        }
        in_time(LOCK_PATIENCE, begin_and_lock(conn)).await
    }

    fn keep(&mut self, conn: PgConnection) {
        self.conn = Some(conn);
        self.idle_since = Instant::now();
    }

    async fn facts(&self, conn: &mut PgConnection, batch: &Batch) -> sqlx::Result<Facts> {
        let streams: Vec<Uuid> = batch.iter().map(|submission| submission.stream()).collect();
        let commands: Vec<Uuid> = batch
            .iter()
            .map(|submission| submission.authority().metadata().command_id)
            .collect();
        let rows: Vec<(bool, Uuid, i64)> = sqlx::query_as(
            "SELECT true, stream.id, last.version
               FROM (SELECT DISTINCT UNNEST($1::uuid[]) AS id) AS stream
              CROSS JOIN LATERAL (SELECT version FROM log.events
                                   WHERE aggregate_id = stream.id ORDER BY version DESC LIMIT 1) AS last
              UNION ALL
             SELECT false, id, position FROM live.commands WHERE id = ANY($2)",
        )
        .bind(&streams)
        .bind(&commands)
        .fetch_all(&mut *conn)
        .await?;
        let mut facts = Facts::default();
        for (is_version, id, number) in rows {
            let known = if is_version {
                &mut facts.versions
            } else {
                &mut facts.done
            };
            known.insert(id, number);
        }
        facts.standings = self.standings(conn, batch).await?;
        facts.taken = self.taken(conn, batch).await?;
        Ok(facts)
    }

    /// The users who decide whether the actors of the batch may give their commands.
    async fn standings(&self, conn: &mut PgConnection, batch: &Batch) -> sqlx::Result<Standings> {
        let requirements: Vec<_> = batch
            .iter()
            .filter_map(|submission| submission.authority().requirement())
            .collect();
        if requirements.is_empty() {
            return Ok(Standings::default());
        }
        self.inline.standings(conn, &requirements).await
    }

    /// The first claim of each submission that somebody else has.
    async fn taken(
        &self,
        conn: &mut PgConnection,
        batch: &Batch,
    ) -> sqlx::Result<Vec<Option<Claim>>> {
        let claims: Vec<(usize, (Uuid, Claim))> = batch
            .iter()
            .enumerate()
            .flat_map(|(nth, submission)| {
                let stream = submission.stream();
                submission
                    .claims()
                    .iter()
                    .map(move |claim| (nth, (stream, claim.clone())))
            })
            .collect();
        let mut taken = vec![None; batch.len()];
        if claims.is_empty() {
            return Ok(taken);
        }
        let (owners, claims): (Vec<_>, Vec<_>) = claims.into_iter().unzip();
        let answers = self.inline.taken(conn, &claims).await?;
        for ((nth, (_, claim)), is_taken) in owners.into_iter().zip(claims).zip(answers) {
            if is_taken && taken[nth].is_none() {
                taken[nth] = Some(claim);
            }
        }
        Ok(taken)
    }

    async fn write(&self, conn: &mut PgConnection, decisions: &Decisions) -> sqlx::Result<()> {
        write_events(conn, decisions).await?;
        vault::write(conn, &decisions.secrets, decisions.head.recorded_at).await?;
        self.inline.write(conn, &decisions.recorded).await
    }

    /// Settles a commit whose answer was lost, or was that the server is going: it may have committed all the same.
    /// Locking the head first waits until the old transaction has ended, one way or the other; then its commands are
    /// there, or they are not.
    async fn find_out(&mut self, decisions: &Decisions, error: sqlx::Error) -> Result<(), Failure> {
        if !is_unavailable(&error) {
            return Err(Failure::Before(error));
        }
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the connection was lost during a commit"
        );
        let give_up_at = Instant::now() + SETTLE_TIMEOUT;
        loop {
            let looked = self.was_recorded(decisions.commands[0].0);
            match in_time(LOCK_PATIENCE, looked).await {
                Ok(true) => return Ok(()),
                Ok(false) => return Err(Failure::Before(error)),
                Err(again) if Instant::now() < give_up_at => {
                    tracing::debug!(error = &again as &dyn std::error::Error, "still no answer");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Err(_) => return Err(Failure::Unknown(error)),
            }
        }
    }

    async fn was_recorded(&mut self, command: Uuid) -> sqlx::Result<bool> {
        let mut conn = session::connect(&self.pool.connect_options()).await?;
        begin_and_lock(&mut conn).await?;
        let recorded =
            sqlx::query_scalar("SELECT EXISTS (SELECT FROM live.commands WHERE id = $1)")
                .bind(command)
                .fetch_one(&mut conn)
                .await?;
        conn.close().await?;
        Ok(recorded)
    }
}

/// Events, commands and head in one statement: one round trip under the lock.
async fn write_events(conn: &mut PgConnection, decisions: &Decisions) -> sqlx::Result<()> {
    let raw = &decisions.raw;
    let (commands, positions): (Vec<Uuid>, Vec<i64>) = decisions.commands.iter().copied().unzip();
    sqlx::query(
        "WITH appended AS (
             INSERT INTO log.events (position, aggregate_type, aggregate_id, version, event_type, schema_version
                                   , payload, metadata, recorded_at)
             SELECT *, $12::timestamptz FROM UNNEST($1::bigint[], $2::text[], $3::uuid[], $4::bigint[], $5::text[], $6::int[]
                                     , $7::bytea[], $8::bytea[]))
         , done AS (
             INSERT INTO live.commands (id, position, recorded_at)
             SELECT *, $12::timestamptz FROM UNNEST($9::uuid[], $10::bigint[]))
         UPDATE log.head SET position = $11, frontier = $13, recorded_at = $12",
    )
    .bind(raw.iter().map(|event| event.position).collect::<Vec<_>>())
    .bind(raw.iter().map(|event| event.aggregate_type.as_str()).collect::<Vec<_>>())
    .bind(raw.iter().map(|event| event.aggregate_id).collect::<Vec<_>>())
    .bind(raw.iter().map(|event| event.version).collect::<Vec<_>>())
    .bind(raw.iter().map(|event| event.event_type.as_str()).collect::<Vec<_>>())
    .bind(raw.iter().map(|event| event.schema_version).collect::<Vec<_>>())
    .bind(raw.iter().map(|event| event.payload.as_slice()).collect::<Vec<_>>())
    .bind(raw.iter().map(|event| event.metadata.as_slice()).collect::<Vec<_>>())
    .bind(commands)
    .bind(positions)
    .bind(decisions.head.position)
    .bind(decisions.head.recorded_at)
    .bind(decisions.head.frontier.to_bytes())
    .execute(conn)
    .await?;
    Ok(())
}

fn settle(batch: Batch, outcomes: Vec<Outcome>) {
    for (submission, outcome) in batch.into_iter().zip(outcomes) {
        submission.settle(outcome);
    }
}

fn give_up(batch: Batch, failure: Failure) {
    let (error, outcome): (_, fn(Arc<sqlx::Error>) -> Outcome) = match failure {
        Failure::Before(error) if !is_unavailable(&error) => (error, |_| Outcome::Failed),
        Failure::Before(error) => (error, Outcome::Unavailable),
        Failure::Unknown(error) => (error, Outcome::Unknown),
    };
    tracing::error!(
        commands = batch.len(),
        error = &error as &dyn std::error::Error,
        "a batch was not committed"
    );
    let error = Arc::new(error);
    for submission in batch {
        let request = submission.authority().metadata().correlation_id;
        tracing::error!(%request, "its command was in that batch");
        submission.settle(outcome(Arc::clone(&error)));
    }
}

async fn in_time<T>(
    patience: Duration,
    work: impl Future<Output = sqlx::Result<T>>,
) -> sqlx::Result<T> {
    tokio::time::timeout(patience, work)
        .await
        .unwrap_or_else(|_| Err(sqlx::Error::Io(io::ErrorKind::TimedOut.into())))
}
