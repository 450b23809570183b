//! How far a rebuild or a verification is, for whoever watches.

use std::{
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Clearing away what an interrupted one left, reading keys.
    Preparing,
    /// Reading the log, opening, folding, and writing what is settled.
    Folding,
    /// Writing the rest, and making the indexes.
    Indexing,
    /// Writing what was appended meanwhile.
    CatchingUp,
    /// Putting the new tables in place of the old ones.
    Swapping,
    /// Dropping the old tables.
    ClearingAway,
    /// Comparing with what is served.
    Comparing,
    /// Mending what differs.
    Repairing,
    /// Writing an export.
    Exporting,
    /// Reading an export into the log.
    Importing,
    /// Making the read models of what was imported.
    Projecting,
    /// Reading an export.
    Reading,
}

/// What threads and connections do side by side, while stages follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Waiting for what is read of the log.
    Reading,
    /// Reading events and opening what is sealed.
    Opening,
    /// Making rows of them.
    Folding,
    /// Writing rows, or waiting for whoever takes them.
    Writing,
    /// Making indexes, and looking at the rows for the planner.
    Indexing,
}

/// How far it is. Whoever works writes it, whoever watches reads it.
#[derive(Debug, Default)]
pub struct Progress {
    now: Mutex<Option<(Stage, Instant)>>,
    past: Mutex<Vec<(Stage, Duration)>>,
    done: AtomicU64,
    total: AtomicU64,
    /// In microseconds, in the order of [`Work::ALL`].
    spent: [AtomicU64; Work::ALL.len()],
}

/// A moment of it.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// What is being done.
    pub stage: Stage,
    /// For how long.
    pub since: Duration,
    /// How many events have been folded in this stage, of how many; 0 of 0 where that is not counted.
    pub done: u64,
    /// All of them.
    pub total: u64,
}

impl Progress {
    /// Something else is being done, with so many events; 0 where they are not counted.
    pub fn begin(&self, stage: Stage, total: u64) {
        self.end();
        self.done.store(0, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
        *locked(&self.now) = Some((stage, Instant::now()));
    }

    /// It is done.
    pub fn end(&self) {
        if let Some((stage, since)) = locked(&self.now).take() {
            locked(&self.past).push((stage, since.elapsed()));
        }
    }

    /// So many more events are done.
    pub fn advance(&self, events: u64) {
        self.done.fetch_add(events, Ordering::Relaxed);
    }

    /// Somebody did this since then; the clock is now at the time that is given back.
    pub(crate) fn spend(&self, work: Work, since: Instant) -> Instant {
        let now = Instant::now();
        let micros = u64::try_from((now - since).as_micros()).unwrap_or(u64::MAX);
        self.spent[work as usize].fetch_add(micros, Ordering::Relaxed);
        now
    }

    /// How long all together did what: side by side, so that it is more than the time that went by.
    #[must_use]
    pub fn spent(&self) -> Vec<(Work, Duration)> {
        let spent = Work::ALL.iter().zip(&self.spent);
        spent
            .map(|(work, micros)| (*work, Duration::from_micros(micros.load(Ordering::Relaxed))))
            .collect()
    }

    /// Where it is now; nowhere before it begins and after it ends.
    #[must_use]
    pub fn now(&self) -> Option<Seen> {
        let (stage, since) = (*locked(&self.now))?;
        Some(Seen {
            stage,
            since: since.elapsed(),
            done: self.done.load(Ordering::Relaxed),
            total: self.total.load(Ordering::Relaxed),
        })
    }

    /// The stages that are done, and how long each took.
    #[must_use]
    pub fn past(&self) -> Vec<(Stage, Duration)> {
        locked(&self.past).clone()
    }
}

impl Work {
    /// Every kind of it.
    pub const ALL: [Self; 5] = [
        Self::Reading,
        Self::Opening,
        Self::Folding,
        Self::Writing,
        Self::Indexing,
    ];
}

impl fmt::Display for Work {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Reading => "waiting for events",
            Self::Opening => "opening",
            Self::Folding => "folding",
            Self::Writing => "writing",
            Self::Indexing => "indexing",
        })
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Display for Stage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Preparing => "preparing",
            Self::Folding => "folding the log",
            Self::Indexing => "writing and indexing",
            Self::CatchingUp => "catching up",
            Self::Swapping => "swapping",
            Self::ClearingAway => "dropping the old tables",
            Self::Comparing => "comparing",
            Self::Repairing => "repairing",
            Self::Exporting => "exporting",
            Self::Importing => "importing",
            Self::Projecting => "making the read models",
            Self::Reading => "reading the export",
        })
    }
}
