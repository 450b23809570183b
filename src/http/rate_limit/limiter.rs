//! How much somebody has done in the last minute, and whether more of it fits.
//!
//! Minutes are counted as the clock has them, and the last one still counts for the share of it that a minute's look
//! back would reach: after a quarter of this minute, three quarters of the last one. So there is no moment at which
//! everybody may begin anew, and all that is kept of anybody is two numbers. No crate does exactly this: those that are
//! in use elsewhere count by leaky buckets, whose answers the API's clients would not understand.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    mem,
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, Utc};

/// The length of a window.
pub const WINDOW_S: i64 = 60;
const WINDOW_US: u64 = 60_000_000;
/// So many keys are told apart in a minute. Two megabytes, and as much for the minute before.
const KEYS: usize = 100_000;
/// Whoever comes after these shares one of so many counts with others.
const SHARED_COUNTS: u64 = 256;

/// Counts one kind of thing. One lock guards all counts: it is held for less time than it takes to read a request.
#[derive(Debug)]
pub struct Limiter {
    limit: NonZeroU32,
    /// Its secret is drawn at the start, so that nobody can choose with whom they share a key.
    keys: RandomState,
    counts: Mutex<Counts>,
}

/// What was counted: this minute, and the one before.
#[derive(Debug, Default)]
struct Counts {
    window: i64,
    current: HashMap<u64, u32>,
    previous: HashMap<u64, u32>,
}

/// Whether one more was within the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// It was.
    pub is_within: bool,
    /// How many there may be in a minute.
    pub limit: NonZeroU32,
    /// How many more there may be at once.
    pub remaining: u32,
    /// When the window ends, in seconds since 1970.
    pub reset_s: i64,
}

impl Limiter {
    /// Nothing if `limit` is 0: then there is none.
    #[must_use]
    pub fn new(limit: u32) -> Option<Self> {
        NonZeroU32::new(limit).map(|limit| Self {
            limit,
            keys: RandomState::new(),
            counts: Mutex::default(),
        })
    }

    /// Counts one more for `key`, if it is within the limit.
    pub fn take(&self, key: &impl Hash, now: DateTime<Utc>) -> Verdict {
        let micros = now.timestamp_micros();
        let window = micros.div_euclid(WINDOW_US.cast_signed());
        let elapsed = micros.rem_euclid(WINDOW_US.cast_signed()).cast_unsigned();
        // Poisoned or not, they are numbers.
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.turn_to(window);
        let key = counts.place(self.keys.hash_one(key));
        let (previous, current) = counts.of(key);
        let free = free(self.limit.get(), previous, current, elapsed);
        if free > 0 {
            counts.current.insert(key, current + 1);
        }
        Verdict {
            is_within: free > 0,
            limit: self.limit,
            remaining: free.saturating_sub(1),
            reset_s: (window + 1) * WINDOW_S,
        }
    }
}

/// How many more fit, when so much of the current window has elapsed. What is counted of the previous one is rounded
/// up: the limit is never exceeded by a part.
fn free(limit: u32, previous: u32, current: u32, elapsed_us: u64) -> u32 {
    let share = (u64::from(previous) * (WINDOW_US - elapsed_us)).div_ceil(WINDOW_US);
    let used = u64::from(current) + share;
    u32::try_from(u64::from(limit).saturating_sub(used)).unwrap_or(limit)
}

impl Counts {
    /// Forgets what is longer ago than the window before this one. That is all there is to tidy up.
    fn turn_to(&mut self, window: i64) {
        if window != self.window {
            let last = mem::take(&mut self.current);
            let is_next = window == self.window + 1;
            self.previous = if is_next { last } else { HashMap::new() };
            self.window = window;
        }
    }

    /// Where `key` is counted. Whoever asks under ever new keys cannot fill the memory: beyond a number of keys, new
    /// ones share counts, and are the sooner refused.
    fn place(&self, key: u64) -> u64 {
        if self.current.len() < KEYS || self.current.contains_key(&key) {
            key
        } else {
            key % SHARED_COUNTS
        }
    }

    fn of(&self, key: u64) -> (u32, u32) {
        let count = |counts: &HashMap<u64, u32>| counts.get(&key).copied().unwrap_or_default();
        (count(&self.previous), count(&self.current))
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// A minute begins.
    fn beginning() -> DateTime<Utc> {
        "2026-01-01T12:00:00Z".parse().unwrap()
    }

    fn seconds(seconds: i64) -> TimeDelta {
        TimeDelta::seconds(seconds)
    }

    fn limiter(limit: u32) -> Limiter {
        Limiter::new(limit).unwrap()
    }

    /// How many of so many are within the limit.
    fn within(limiter: &Limiter, tries: u32, now: DateTime<Utc>) -> usize {
        (0..tries)
            .filter(|_| limiter.take(&"ada", now).is_within)
            .count()
    }

    #[test]
    fn a_limit_of_nothing_is_none() {
        assert!(Limiter::new(0).is_none());
    }

    #[test]
    fn as_many_as_the_limit_are_within_it() {
        assert_eq!(within(&limiter(5), 9, beginning()), 5);
    }

    #[test]
    fn the_last_minute_counts_for_its_remaining_share() {
        for (elapsed, more) in [(0, 0), (5, 0), (6, 1), (15, 2), (30, 5), (59, 9), (60, 10)] {
            let limiter = limiter(10);
            assert_eq!(within(&limiter, 10, beginning() + seconds(20)), 10);
            let now = beginning() + seconds(60 + elapsed);
            assert_eq!(within(&limiter, 99, now), more, "after {elapsed} s");
        }
    }

    #[test]
    fn what_was_refused_does_not_count() {
        let limiter = limiter(10);
        within(&limiter, 99, beginning());
        assert_eq!(within(&limiter, 99, beginning() + seconds(90)), 5);
    }

    #[test]
    fn a_verdict_says_how_many_more_and_when_the_window_ends() {
        let limiter = limiter(3);
        let now = beginning() + seconds(7);
        let verdicts = [(); 4].map(|()| limiter.take(&"ada", now));
        assert_eq!(verdicts.map(|verdict| verdict.remaining), [2, 1, 0, 0]);
        assert_eq!(
            verdicts.map(|verdict| verdict.is_within),
            [true, true, true, false]
        );
        let end = beginning().timestamp() + 60;
        assert!(verdicts.iter().all(|verdict| verdict.reset_s == end));
    }

    #[test]
    fn keys_do_not_share() {
        let limiter = limiter(1);
        assert!(limiter.take(&"ada", beginning()).is_within);
        assert!(limiter.take(&"bob", beginning()).is_within);
        assert!(!limiter.take(&"ada", beginning()).is_within);
    }

    #[test]
    fn ever_new_keys_fill_no_memory_and_share_what_is_left() {
        let limiter = limiter(2);
        assert!(limiter.take(&"ada", beginning()).is_within);
        let strangers = u32::try_from(KEYS).unwrap() + 10_000;
        let refused = (0..strangers)
            .filter(|stranger| !limiter.take(stranger, beginning()).is_within)
            .count();
        let most = KEYS + usize::try_from(SHARED_COUNTS).unwrap();
        assert!(limiter.counts.lock().unwrap().current.len() <= most);
        assert!(refused > 9_000, "{refused}");
        assert!(
            limiter.take(&"ada", beginning()).is_within,
            "who came before shares with nobody"
        );
        limiter.take(&"ada", beginning() + seconds(180));
        let counts = limiter.counts.lock().unwrap();
        assert_eq!((counts.previous.len(), counts.current.len()), (0, 1));
    }

    proptest! {
        /// What the algorithm promises, whenever the requests come: never more than the limit in one window of the
        /// clock, less than twice the limit in any minute, and all of it again after two minutes of silence.
        #[test]
        fn the_limit_is_kept(limit in 1_u32..20, pauses_ms in vec(0_i64..20_000, 1..200)) {
            let limiter = limiter(limit);
            let mut now = beginning();
            let mut taken: Vec<DateTime<Utc>> = Vec::new();
            for pause in pauses_ms {
                now += TimeDelta::milliseconds(pause);
                let verdict = limiter.take(&"ada", now);
                prop_assert!(verdict.remaining < limit);
                if verdict.is_within {
                    taken.push(now);
                }
            }
            let limit = usize::try_from(limit).unwrap();
            for &from in &taken {
                let of_minute = |time: &DateTime<Utc>| time.timestamp().div_euclid(60);
                let in_window = taken.iter().filter(|time| of_minute(time) == of_minute(&from));
                prop_assert!(in_window.count() <= limit);
                let in_a_minute = taken.iter().filter(|time| (from..from + seconds(60)).contains(time));
                prop_assert!(in_a_minute.count() < 2 * limit);
            }
            prop_assert_eq!(within(&limiter, 99, now + seconds(120)), limit);
        }

        #[test]
        fn more_is_free_the_later_it_is(
            limit in 0_u32..2_000, previous in 0_u32..2_000, current in 0_u32..2_000, one in 0..WINDOW_US, other in 0..WINDOW_US,
        ) {
            let (early, late) = (one.min(other), one.max(other));
            let (before, after) = (free(limit, previous, current, early), free(limit, previous, current, late));
            prop_assert!(before <= after && after <= limit.saturating_sub(current));
            prop_assert_eq!(free(limit, previous, current, 0), limit.saturating_sub(previous + current));
        }
    }
}
