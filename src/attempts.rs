//! Refused attempts, on their way to the log.
//!
//! They are recorded before they are answered, in transactions of their own. Many of them must not fill the log: see
//! `ledger` for what is recorded at once, what is counted for a minute, and what for an hour. Nothing is silent, and
//! neither the log nor this memory grows with the attack. Each node counts for itself: the bounds are for each node.
//!
//! An attempt that cannot be recorded, because the database does not answer, is a line in the service's log: the request
//! is answered all the same.

mod ledger;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use rollcall_events::{
    Authority, Metadata,
    attempt::{AttemptCommand, AttemptsOfDay, Day, RefusedAttempt, TestEntry},
    clock::Clock,
    ids::Ids,
};

use crate::command_bus::{CommandBus, CommandError, Done};
use ledger::{Ledger, Noted};

/// How long counts are kept before they are recorded.
const MINUTE: TimeDelta = TimeDelta::minutes(1);
/// How long the counts of those who make many attempts are kept.
const HOUR: TimeDelta = TimeDelta::hours(1);
/// An e-mail address is kept up to this many bytes. Those that can be delivered to are shorter.
const EMAIL_BYTES: usize = 320;
/// How often it is looked whether that time is over.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long an answer is held back for its record, at most; recording goes on without it.
const RECORD_PATIENCE: Duration = Duration::from_secs(1);
/// How long the last counts may take when the service stops.
const LAST_PATIENCE: Duration = Duration::from_secs(2);

/// Records attempts. Cheap to clone.
#[derive(Clone)]
pub struct Attempts(Arc<Recorder>);

struct Recorder {
    bus: CommandBus<AttemptsOfDay>,
    clock: Arc<dyn Clock>,
    ids: Ids,
    current: Mutex<Current>,
}

/// The minute and the hour that are under way.
struct Current {
    minute_began: DateTime<Utc>,
    hour_began: DateTime<Utc>,
    ledger: Ledger,
}

impl Attempts {
    /// A recorder that gives its commands to this bus.
    #[must_use]
    pub fn new(bus: CommandBus<AttemptsOfDay>, clock: Arc<dyn Clock>, ids: Ids) -> Self {
        let now = clock.now();
        let current = Current {
            minute_began: now,
            hour_began: now,
            ledger: Ledger::default(),
        };
        Self(Arc::new(Recorder {
            bus,
            clock,
            ids,
            current: Mutex::new(current),
        }))
    }

    /// Notes that somebody tried what was not granted: records it, or counts it. Goes on recording if whoever waits for
    /// this goes away.
    pub async fn note(&self, mut attempt: RefusedAttempt, metadata: Metadata) {
        attempt.email = attempt.email.as_deref().map(shortened);
        self.record_what_is_over();
        let noted = self.current().ledger.note(&attempt, &metadata);
        if noted == Noted::Counted {
            return;
        }
        let command = AttemptCommand::RecordRefusal { attempt, times: 1 };
        let recorder = Arc::clone(&self.0);
        let recording = tokio::spawn(async move { recorder.record(command, metadata).await });
        if noted == Noted::RecordInBackground {
            return;
        }
        if tokio::time::timeout(RECORD_PATIENCE, recording)
            .await
            .is_err()
        {
            tracing::warn!("an attempt is answered before it is recorded: the log is slow");
        }
    }

    /// Records an entry that somebody made up.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn make_up(
        &self,
        entry: TestEntry,
        authority: Authority,
    ) -> Result<Done, CommandError<std::convert::Infallible>> {
        self.0
            .execute(AttemptCommand::RecordTestEntry(entry), authority)
            .await
    }

    /// Records what was counted, whether or not the hour is over.
    pub async fn record_counts(&self) {
        let counts = self.current().ledger.end_hour();
        self.0.record_all(counts).await;
    }

    /// If the minute or the hour is over, another one begins, and what was counted is recorded in the background.
    fn record_what_is_over(&self) {
        let now = self.0.clock.now();
        let mut current = self.current();
        // Clocks can be put back.
        let is_over = |began: DateTime<Utc>, length| (now - began).abs() >= length;
        let counts = if is_over(current.hour_began, HOUR) {
            current.hour_began = now;
            current.minute_began = now;
            current.ledger.end_hour()
        } else if is_over(current.minute_began, MINUTE) {
            current.minute_began = now;
            current.ledger.end_minute()
        } else {
            return;
        };
        drop(current);
        let recorder = Arc::clone(&self.0);
        tokio::spawn(async move { recorder.record_all(counts).await });
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.0
            .current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorder {
    async fn record_all(&self, counts: Vec<(AttemptCommand, Metadata)>) {
        join_all(counts.into_iter().map(|(command, metadata)| {
            // It is another command than the one that was counted last, though it came of the same request.
            let command_id = self.ids.uuid();
            let metadata = Metadata {
                command_id,
                ..metadata
            };
            self.record(command, metadata)
        }))
        .await;
    }

    async fn record(&self, command: AttemptCommand, metadata: Metadata) {
        let (request, times) = (metadata.correlation_id, times(&command));
        let authority = Authority::on_record(metadata);
        if let Err(error) = self.execute(command, authority).await {
            tracing::warn!(
                %request,
                times,
                error = &error as &dyn std::error::Error,
                "an attempt was not recorded"
            );
        }
    }

    async fn execute(
        &self,
        command: AttemptCommand,
        authority: Authority,
    ) -> Result<Done, CommandError<std::convert::Infallible>> {
        let today = Day::of(self.clock.now()).stream();
        self.bus
            .execute(today, command, authority, Vec::new())
            .await
    }
}

fn shortened(email: &str) -> String {
    email[..email.floor_char_boundary(EMAIL_BYTES)].to_owned()
}

fn times(command: &AttemptCommand) -> u32 {
    match command {
        AttemptCommand::RecordRefusal { times, .. }
        | AttemptCommand::RecordUnlisted { times, .. } => *times,
        AttemptCommand::RecordTestEntry(_) => 1,
    }
}

/// Records the counts of each minute and hour for as long as the service runs.
pub async fn run(attempts: Attempts) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        attempts.record_what_is_over();
    }
}

/// Records the counts of the hour in which the service stops.
pub async fn stop(attempts: Attempts) {
    if tokio::time::timeout(LAST_PATIENCE, attempts.record_counts())
        .await
        .is_err()
    {
        tracing::warn!("attempts of the last hour were not recorded: the log is slow");
    }
}
