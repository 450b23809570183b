//! The only place that reads the time. Everybody else is handed it, so that a test decides what time it is and a
//! replay cannot depend on today.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, DurationRound, TimeDelta, Utc};

/// Says what time it is, in whole microseconds: the precision of the database, so that a time that was answered
/// equals the time that is later read.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> DateTime<Utc>;

    /// How far this clock is ahead of the database's, which says that it is `database`; negative if it is behind. A test's clock
    /// stands years away from any database, and says instead how far apart the two are meant to be.
    fn ahead_of(&self, database: DateTime<Utc>) -> TimeDelta {
        self.now() - database
    }
}

/// Clocks of nodes and of the database that differ by more are not trusted with the log.
pub const MOST_SKEW: TimeDelta = TimeDelta::minutes(1);

/// The machine's clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        #[expect(clippy::disallowed_methods, reason = "this is where the time is read")]
        let now = Utc::now();
        now.duration_trunc(TimeDelta::microseconds(1))
            .unwrap_or(now)
    }
}

/// A clock that stands where it was put, for tests. It agrees with the database's, unless it is made to differ.
#[derive(Debug)]
pub struct ManualClock {
    micros: AtomicI64,
    /// How far it is ahead of the database's clock.
    ahead_micros: AtomicI64,
}

impl ManualClock {
    /// A clock that stands at `time`.
    #[must_use]
    pub fn at(time: DateTime<Utc>) -> Self {
        Self {
            micros: AtomicI64::new(time.timestamp_micros()),
            ahead_micros: AtomicI64::new(0),
        }
    }

    /// Moves the clock forward (or back).
    pub fn advance(&self, by: TimeDelta) {
        self.micros
            .fetch_add(by.num_microseconds().unwrap_or(0), Ordering::SeqCst);
    }

    /// Moves this clock, and not the database's.
    pub fn drift(&self, by: TimeDelta) {
        self.advance(by);
        self.ahead_micros
            .fetch_add(by.num_microseconds().unwrap_or(0), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.micros.load(Ordering::SeqCst)).unwrap_or_default()
    }

    fn ahead_of(&self, _: DateTime<Utc>) -> TimeDelta {
        TimeDelta::microseconds(self.ahead_micros.load(Ordering::SeqCst))
    }
}
