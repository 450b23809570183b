//! Deciding a batch of commands, in memory, while the head of the log is locked. Pure but for the sealing's nonces:
//! what the database says of the batch comes in, what is to be written goes out.

use std::{any::Any, collections::HashMap, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{
    Head, RawEvent,
    codec::{EncodeError, encode_readable},
};
use crate::{
    Authority, Claim, Event, Recorded,
    claim::Rivalry,
    permissions::{NotAllowed, Standings},
    vault::{KeyRing, VaultWrite},
};

/// The state of some aggregate.
pub type State = Arc<dyn Any + Send + Sync>;

/// A command on its way to the log.
pub trait Submission: Send + Sync {
    /// The stream that it is about.
    fn stream(&self) -> Uuid;
    /// Who gives the command, and what they must be allowed; holds the command's identifier.
    fn authority(&self) -> &Authority;
    /// What must be free for the command to be accepted.
    fn claims(&self) -> &[Claim];
    /// The keys of all whose data the events may hold.
    fn keys(&self) -> &KeyRing;
    /// What goes into the vault if the command is accepted.
    fn secrets(&self) -> &[VaultWrite];
    /// Decides. `version` is the stream's, now; `earlier` is what a command of the same batch made of it.
    fn decide(&mut self, version: i64, earlier: Option<&State>) -> Verdict;
    /// Hears what became of it. Called once, after the commit, before the next batch begins.
    fn settle(self: Box<Self>, outcome: Outcome);
}

/// What a submission says when it is asked to decide.
pub enum Verdict {
    /// This happens; `state` is the aggregate after it.
    Accepted {
        /// What happens, never empty.
        events: Vec<Event>,
        /// The aggregate afterwards.
        state: State,
    },
    /// Nothing is to be written: refused by the domain, or already so. The submission knows which.
    Nothing,
    /// It knows the aggregate as of another version, and cannot decide.
    Stale,
}

/// What became of a submission.
#[derive(Debug)]
pub enum Outcome {
    /// Its events are in the log.
    Appended(Vec<Recorded>),
    /// As it decided, there was nothing to write; the log was at this position.
    Nothing(i64),
    /// The stream has moved on: load it and decide again.
    Stale,
    /// Somebody else has what it claims.
    Taken(Claim),
    /// At this position its actor may not give the command.
    Denied(NotAllowed),
    /// This very command was recorded before; its last event is at this position.
    AlreadyDone(i64),
    /// Not recorded, because it must not be now.
    Refused(Unfit),
    /// Certainly not recorded: the database did not answer.
    Unavailable(Arc<sqlx::Error>),
    /// Perhaps recorded: the database was lost in the middle of the commit and has not come back to tell.
    Unknown(Arc<sqlx::Error>),
    /// Certainly not recorded, because of a flaw of ours, which has been logged.
    Failed,
}

/// Why nothing can be appended, whatever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The node and the database do not agree on the time, by so much. Positive: the node is ahead.
    #[error("the clock of this node differs from the database's by {} seconds", .0.num_seconds())]
    Clock(TimeDelta),
    /// The head is not the last event: the database was restored in part.
    #[error(
        "the head of the log is at position {head}, and its last event at {last_event}: the database was restored in part"
    )]
    Head {
        /// The position of the head.
        head: i64,
        /// The position of the last event.
        last_event: i64,
    },
}

/// What the database says about a batch, read under the lock.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// The last version of each stream that has one.
    pub versions: HashMap<Uuid, i64>,
    /// The commands that were recorded before, and where.
    pub done: HashMap<Uuid, i64>,
    /// For each submission the first of its claims that is taken.
    pub taken: Vec<Option<Claim>>,
    /// The users who decide what the actors may do.
    pub standings: Standings,
}

/// What is to be written, and what to tell each submission if that succeeds.
pub(super) struct Decisions {
    pub head: Head,
    pub raw: Vec<RawEvent>,
    pub recorded: Vec<Recorded>,
    pub commands: Vec<(Uuid, i64)>,
    pub secrets: Vec<VaultWrite>,
    pub outcomes: Vec<Outcome>,
}

/// Decides all submissions, in their order. Several on one stream build on each other.
pub(super) fn decide(
    batch: &mut [Box<dyn Submission>],
    head: Head,
    mut facts: Facts,
    now: DateTime<Utc>,
) -> Decisions {
    let mut decisions = Decisions {
        head,
        raw: Vec::with_capacity(batch.len()),
        recorded: Vec::with_capacity(batch.len()),
        commands: Vec::with_capacity(batch.len()),
        secrets: Vec::new(),
        outcomes: Vec::with_capacity(batch.len()),
    };
    // Time never runs backwards in the log, whatever the clocks of several nodes say.
    decisions.head.recorded_at = decisions.head.recorded_at.max(now);
    let mut states: HashMap<Uuid, State> = HashMap::new();
    // By whom.
    let mut claimed: HashMap<Claim, Vec<Uuid>> = HashMap::new();
    let mut taken = std::mem::take(&mut facts.taken);
    taken.resize(batch.len(), None);
    for (submission, taken) in batch.iter_mut().zip(taken) {
        let outcome = decide_one(
            submission.as_mut(),
            taken,
            &mut facts,
            &mut states,
            &mut claimed,
            &mut decisions,
        );
        decisions.outcomes.push(outcome);
    }
    decisions
}

fn decide_one(
    submission: &mut dyn Submission,
    taken: Option<Claim>,
    facts: &mut Facts,
    states: &mut HashMap<Uuid, State>,
    claimed: &mut HashMap<Claim, Vec<Uuid>>,
    decisions: &mut Decisions,
) -> Outcome {
    let stream = submission.stream();
    let command = submission.authority().metadata().command_id;
    if let Some(position) = facts.done.get(&command) {
        return Outcome::AlreadyDone(*position);
    }
    if let Some((actor, requirement)) = submission.authority().requirement() {
        let at = decisions.head.recorded_at;
        if let Err(reason) = facts.standings.judge(actor, requirement, stream, at) {
            return Outcome::Denied(reason);
        }
    }
    let version = facts.versions.get(&stream).copied().unwrap_or(0);
    let (events, state) = match submission.decide(version, states.get(&stream)) {
        Verdict::Accepted { events, state } => (events, state),
        Verdict::Nothing => return Outcome::Nothing(decisions.head.position),
        Verdict::Stale => return Outcome::Stale,
    };
    if let Some(claim) = taken {
        return Outcome::Taken(claim);
    }
    for claim in submission.claims() {
        let rivals = claimed.get(claim).map_or(&[][..], Vec::as_slice);
        match claim.rivalry() {
            Rivalry::Others if rivals.iter().any(|rival| *rival != stream) => {
                return Outcome::Taken(claim.clone());
            }
            Rivalry::Own if rivals.contains(&stream) => return Outcome::Taken(claim.clone()),
            Rivalry::Later if rivals.iter().any(|rival| *rival != stream) => return Outcome::Stale,
            Rivalry::Others | Rivalry::Own | Rivalry::Later => {}
        }
    }
    match decisions.record(submission, version, events) {
        Ok(recorded) => {
            let version = version + i64::try_from(recorded.len()).unwrap_or(i64::MAX);
            facts.versions.insert(stream, version);
            facts.done.insert(command, decisions.head.position);
            facts.standings.observe(&recorded);
            states.insert(stream, state);
            for claim in submission.claims() {
                claimed.entry(claim.clone()).or_default().push(stream);
            }
            Outcome::Appended(recorded)
        }
        Err(error) => {
            let request = submission.authority().metadata().correlation_id;
            tracing::error!(%stream, %request, error = &error as &dyn std::error::Error, "an event cannot be written");
            Outcome::Failed
        }
    }
}

impl Decisions {
    /// Gives the events their places and adds them to what is to be written: all of them, or none.
    fn record(
        &mut self,
        submission: &dyn Submission,
        version: i64,
        events: Vec<Event>,
    ) -> Result<Vec<Recorded>, EncodeError> {
        let recorded: Vec<Recorded> = (1..)
            .zip(events)
            .map(|(nth, event)| Recorded {
                position: self.head.position + nth,
                stream: submission.stream(),
                version: version + nth,
                event,
                metadata: submission.authority().metadata().clone(),
                recorded_at: self.head.recorded_at,
            })
            .collect();
        let raw = recorded
            .iter()
            .map(|event| encode_readable(event, submission.keys()))
            .collect::<Result<Vec<_>, _>>()?;
        for event in &raw {
            self.head.frontier.push(event.leaf());
            self.head.position = event.position;
        }
        self.raw.extend(raw);
        self.recorded.extend(recorded.iter().cloned());
        self.commands.push((
            submission.authority().metadata().command_id,
            self.head.position,
        ));
        self.secrets.extend(submission.secrets().iter().cloned());
        Ok(recorded)
    }
}
