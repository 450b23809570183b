//! Counts what callers do in a window of time, and says whether more fits.
//!
//! Windows are those of the clock. The previous window still counts for the share of it that a look back over one
//! window's length would reach: after a quarter of this window, three quarters of the previous one. So there is no moment
//! at which everybody may start again, and all that is kept of a caller is two numbers. No crate does exactly this: those
//! in common use count by leaky buckets, whose answers the API's clients would not understand.
//!
//! Memory is bounded: a limiter tells a number of keys apart in a window, and a group of keys has a share of them. What
//! goes beyond shares one count with the rest of its group. So a group can use up its own share, never that of another.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    mem,
    num::NonZeroU32,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Utc};

/// The length of a minute, in seconds.
pub const MINUTE_S: u32 = 60;
/// The length of an hour, in seconds.
pub const HOUR_S: u32 = 3_600;
const MICROS: u64 = 1_000_000;
/// At most 5 MB, and as much for the window before. A group has room for a whole /24 of IPv4: 256 addresses on each of
/// 70 routes.
const CAPACITY: Capacity = Capacity {
    keys: 100_000,
    keys_of_group: 18_000,
};
/// Groups that have used up their share are counted in so many places.
const SHARED_COUNTS: u64 = 4_096;

/// Counts one kind of thing. One lock guards all counts: it is held for less time than it takes to read a request.
#[derive(Debug)]
pub struct Limiter {
    limit: NonZeroU32,
    window_s: u32,
    /// Its secret is drawn at the start, so that nobody can choose with whom they share a count.
    hasher: RandomState,
    capacity: Capacity,
    counts: Mutex<Counts>,
}

/// How many keys are told apart in a window: in all, and of one group.
#[derive(Debug, Clone, Copy)]
struct Capacity {
    keys: usize,
    keys_of_group: u32,
}

/// What was counted: in this window, and in the one before.
#[derive(Debug, Default)]
struct Counts {
    window: i64,
    current: HashMap<u64, u32>,
    previous: HashMap<u64, u32>,
    /// How many keys of each group are in `current`.
    keys_of: HashMap<u64, u32>,
}

/// Where in time a request is.
struct Now {
    window: i64,
    elapsed_us: u64,
    window_us: u64,
}

/// Whether one more was within the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it was.
    pub is_within: bool,
    /// How many there may be in a window.
    pub limit: NonZeroU32,
    /// How many more there may be at once.
    pub remaining: u32,
    /// When the window ends, in seconds since 1970.
    pub reset_s: i64,
    /// In how many seconds one more fits: at most a window's length, and 0 if there is room now.
    pub retry_after_s: u32,
}

impl Limiter {
    /// Allows `limit` of each key in a window of `window_s` seconds. `None` if the limit is 0: then there is none.
    #[must_use]
    pub fn new(limit: u32, window_s: u32) -> Option<Self> {
        NonZeroU32::new(limit).map(|limit| Self {
            limit,
            window_s,
            hasher: RandomState::new(),
            capacity: CAPACITY,
            counts: Mutex::default(),
        })
    }

    /// Counts one more for `key`, which is one of `group`, if it is within the limit.
    pub fn take(&self, key: &impl Hash, group: &impl Hash, now: DateTime<Utc>) -> Verdict {
        let now = self.now(now);
        let mut counts = self.counts();
        counts.turn_to(now.window);
        let slot = self.slot(&counts, key, group);
        let (previous, current) = counts.of(slot.key);
        let limit = self.limit.get();
        let free = free(limit, previous, current, &now);
        if free > 0 {
            counts.increment(&slot, current);
        }
        Verdict {
            is_within: free > 0,
            limit: self.limit,
            remaining: free.saturating_sub(1),
            reset_s: (now.window + 1) * i64::from(self.window_s),
            retry_after_s: self.retry_after(previous, current, &now),
        }
    }

    /// Takes back one that was counted for `key` in this window.
    pub fn give_back(&self, key: &impl Hash, group: &impl Hash, now: DateTime<Utc>) {
        let now = self.now(now);
        let mut counts = self.counts();
        counts.turn_to(now.window);
        let slot = self.slot(&counts, key, group);
        if let Some(count) = counts.current.get_mut(&slot.key) {
            *count = count.saturating_sub(1);
        }
    }

    fn slot(&self, counts: &Counts, key: &impl Hash, group: &impl Hash) -> Slot {
        let key = self.hasher.hash_one(key);
        if counts.current.contains_key(&key) {
            return Slot { key, new_of: None };
        }
        let group = self.hasher.hash_one(group);
        let of_group = counts.keys_of.get(&group).copied().unwrap_or_default();
        let has_room = counts.current.len() < self.capacity.keys;
        if has_room && of_group < self.capacity.keys_of_group {
            return Slot {
                key,
                new_of: Some(group),
            };
        }
        Slot {
            key: group % SHARED_COUNTS,
            new_of: None,
        }
    }

    fn now(&self, now: DateTime<Utc>) -> Now {
        let window_us = u64::from(self.window_s) * MICROS;
        let micros = now.timestamp_micros();
        Now {
            window: micros.div_euclid(window_us.cast_signed()),
            elapsed_us: micros.rem_euclid(window_us.cast_signed()).cast_unsigned(),
            window_us,
        }
    }

    /// After how many seconds one more fits, if nothing else is counted.
    fn retry_after(&self, previous: u32, current: u32, now: &Now) -> u32 {
        let limit = u64::from(self.limit.get());
        let (previous, current) = (u64::from(previous), u64::from(current));
        // Of the window that counts in part, so much may still count when one more fits.
        let (counted, until, room) = if current < limit {
            (previous, now.window_us, limit - 1 - current)
        } else {
            (current, 2 * now.window_us, limit - 1)
        };
        let still = (room * now.window_us).checked_div(counted);
        let still = still.unwrap_or(until).min(until);
        let wait_us = (until - still).saturating_sub(now.elapsed_us);
        let seconds = u32::try_from(wait_us.div_ceil(MICROS)).unwrap_or(u32::MAX);
        seconds.min(self.window_s)
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Poisoned or not, they are numbers.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many more fit now. What is counted of the previous window is rounded up: the limit is never exceeded by a part.
fn free(limit: u32, previous: u32, current: u32, now: &Now) -> u32 {
    let remaining_us = now.window_us - now.elapsed_us;
    let share = (u64::from(previous) * remaining_us).div_ceil(now.window_us);
    let used = u64::from(current) + share;
    u32::try_from(u64::from(limit).saturating_sub(used)).unwrap_or(limit)
}

/// Where a key is counted.
struct Slot {
    key: u64,
    /// The group, if the key is not counted yet and takes a part of the group's share.
    new_of: Option<u64>,
}

impl Counts {
    /// Forgets what is longer ago than the window before this one. That is all there is to tidy up.
    fn turn_to(&mut self, window: i64) {
        if window != self.window {
            let last = mem::take(&mut self.current);
            let is_next = window == self.window + 1;
            self.previous = if is_next { last } else { HashMap::new() };
            self.keys_of = HashMap::new();
            self.window = window;
        }
    }

    fn of(&self, key: u64) -> (u32, u32) {
        let count = |counts: &HashMap<u64, u32>| counts.get(&key).copied().unwrap_or_default();
        (count(&self.previous), count(&self.current))
    }

    fn increment(&mut self, slot: &Slot, current: u32) {
        self.current.insert(slot.key, current + 1);
        if let Some(group) = slot.new_of {
            *self.keys_of.entry(group).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const WINDOW_US: u64 = 60 * MICROS;

    /// A minute begins, and an hour.
    fn beginning() -> DateTime<Utc> {
        "2026-01-01T12:00:00Z".parse().unwrap()
    }

    fn seconds(seconds: i64) -> TimeDelta {
        TimeDelta::seconds(seconds)
    }

    fn limiter(limit: u32) -> Limiter {
        Limiter::new(limit, MINUTE_S).unwrap()
    }

    /// A key that is a group of its own.
    fn take(limiter: &Limiter, key: &str, now: DateTime<Utc>) -> Verdict {
        limiter.take(&key, &key, now)
    }

    /// How many of so many are within the limit.
    fn within(limiter: &Limiter, tries: u32, now: DateTime<Utc>) -> usize {
        (0..tries)
            .filter(|_| take(limiter, "ada", now).is_within)
            .count()
    }

    #[test]
    fn a_limit_of_nothing_is_none() {
        assert!(Limiter::new(0, MINUTE_S).is_none());
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
        let verdicts = [(); 4].map(|()| take(&limiter, "ada", now));
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
        assert!(take(&limiter, "ada", beginning()).is_within);
        assert!(take(&limiter, "bob", beginning()).is_within);
        assert!(!take(&limiter, "ada", beginning()).is_within);
    }

    #[test]
    fn what_is_given_back_fits_again() {
        let limiter = limiter(2);
        within(&limiter, 2, beginning());
        limiter.give_back(&"ada", &"ada", beginning());
        assert_eq!(within(&limiter, 9, beginning()), 1);
        limiter.give_back(&"bob", &"bob", beginning());
        assert_eq!(limiter.counts().current.len(), 1);
    }

    #[test]
    fn an_hour_is_a_window_as_well() {
        let limiter = Limiter::new(60, HOUR_S).unwrap();
        assert_eq!(within(&limiter, 99, beginning()), 60);
        assert_eq!(within(&limiter, 99, beginning() + seconds(5_400)), 30);
    }

    /// Fills the table with keys of so many groups; how many keys of each were refused.
    fn flood(limiter: &Limiter, groups: u32, keys: u32) -> Vec<u32> {
        let refused =
            |group: &u32, key: &u32| !limiter.take(&(group, key), group, beginning()).is_within;
        (0..groups)
            .map(|group| (0..keys).filter(|key| refused(&group, key)).count())
            .map(|count| u32::try_from(count).unwrap())
            .collect()
    }

    #[test]
    fn a_group_that_uses_up_its_share_takes_nothing_from_others() {
        let limiter = limiter(2);
        let refused = flood(&limiter, 1, CAPACITY.keys_of_group + 10_000);
        assert_eq!(refused, [10_000 - 2], "its last keys share one count");
        for other in 0..1_000 {
            for key in ["login", "first"] {
                let other = format!("other {other}");
                let verdict = limiter.take(&(&other, key), &other, beginning());
                assert_eq!((verdict.is_within, verdict.remaining), (true, 1));
            }
        }
    }

    #[test]
    fn many_groups_fill_no_memory() {
        let limiter = limiter(2);
        flood(&limiter, 10, CAPACITY.keys_of_group + 100);
        let most = CAPACITY.keys + usize::try_from(SHARED_COUNTS).unwrap();
        assert!(limiter.counts().current.len() <= most);
        take(&limiter, "ada", beginning() + seconds(180));
        let counts = limiter.counts();
        assert_eq!((counts.previous.len(), counts.current.len()), (0, 1));
        assert_eq!(counts.keys_of.len(), 1);
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
                let verdict = take(&limiter, "ada", now);
                prop_assert!(verdict.remaining < limit);
                if verdict.is_within {
                    taken.push(now);
                } else {
                    let retry_after = i64::from(verdict.retry_after_s);
                    prop_assert!((1..=60).contains(&retry_after));
                    if retry_after < 60 {
                        now += seconds(retry_after);
                        prop_assert!(take(&limiter, "ada", now).is_within);
                        taken.push(now);
                    }
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
            let free_at = |elapsed_us| {
                let now = Now { window: 0, elapsed_us, window_us: WINDOW_US };
                free(limit, previous, current, &now)
            };
            let (before, after) = (free_at(early), free_at(late));
            prop_assert!(before <= after && after <= limit.saturating_sub(current));
            prop_assert_eq!(free_at(0), limit.saturating_sub(previous + current));
        }

        /// Whatever one network sends, another one has its whole limit on every route.
        #[test]
        fn what_one_group_sends_costs_no_other_group_a_refusal(
            sent in vec((0_u32..1_000, 1_usize..3), 1..300), limit in 1_u32..5, routes in 1_u32..5,
        ) {
            let capacity = Capacity { keys: 64, keys_of_group: 32 };
            let limiter = Limiter { capacity, ..limiter(limit) };
            for (key, times) in sent {
                for nth in 0..times {
                    limiter.take(&("attacker", key, nth), &"attacker", beginning());
                }
            }
            for route in 0..routes {
                for _ in 0..limit {
                    let verdict = limiter.take(&("stranger", route), &"stranger", beginning());
                    prop_assert!(verdict.is_within);
                }
                prop_assert!(!limiter.take(&("stranger", route), &"stranger", beginning()).is_within);
            }
        }
    }
}
