//! How many wrong passwords may follow each other, and how fast. Pure.

use chrono::{DateTime, TimeDelta, Utc};
use rollcall_projections::password_failures::FailureCount;

/// The first delay is this part of the longest; each further failure doubles it.
const FIRST_DELAY_PART: i32 = 20;
/// After so many doublings any delay is the longest.
const DOUBLINGS: u32 = 5;

/// The first `free` failures cost no time. Then the delay grows to `longest_delay`. One failure is forgotten every
/// `longest_delay`.
///
/// So within any hour there are fewer than `free + 6 + 1 hour / longest_delay` guesses, and in the long run one every
/// `longest_delay`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// Failures without a delay; 0: no delay ever.
    pub free: u32,
    /// The longest delay.
    pub longest_delay: TimeDelta,
}

impl Schedule {
    /// When the next guess may be made, given what was counted.
    #[must_use]
    pub fn ready_at(self, count: &FailureCount) -> DateTime<Utc> {
        count.counted_at + self.delay(failures(count, self.longest_delay))
    }

    /// The count with one more failure.
    #[must_use]
    pub fn count(
        self,
        scope: &[u8],
        before: Option<&FailureCount>,
        now: DateTime<Utc>,
    ) -> FailureCount {
        let remembered_until = before.map_or(now, |before| before.forgotten_at.max(now));
        FailureCount {
            scope: scope.to_vec(),
            counted_at: now,
            forgotten_at: remembered_until + self.longest_delay,
        }
    }

    fn delay(self, failures: u32) -> TimeDelta {
        if self.free == 0 {
            return TimeDelta::zero();
        }
        match failures.checked_sub(self.free) {
            None => TimeDelta::zero(),
            Some(more) if more < DOUBLINGS => {
                (self.longest_delay / FIRST_DELAY_PART * (1 << more)).min(self.longest_delay)
            }
            Some(_) => self.longest_delay,
        }
    }
}

/// How many failures were remembered when the last one was counted, rounded.
fn failures(count: &FailureCount, longest_delay: TimeDelta) -> u32 {
    let remembered = (count.forgotten_at - count.counted_at).num_milliseconds();
    let each = longest_delay.num_milliseconds().max(1);
    u32::try_from((remembered + each / 2) / each).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const SCHEDULE: Schedule = Schedule {
        free: 20,
        longest_delay: TimeDelta::minutes(5),
    };

    fn beginning() -> DateTime<Utc> {
        "2026-01-01T12:00:00Z".parse().unwrap()
    }

    /// Guesses at these times as far as they are allowed; when those were.
    fn allowed(
        schedule: Schedule,
        times: impl IntoIterator<Item = DateTime<Utc>>,
    ) -> Vec<DateTime<Utc>> {
        let mut count: Option<FailureCount> = None;
        let mut allowed = Vec::new();
        for now in times {
            if count
                .as_ref()
                .is_none_or(|count| schedule.ready_at(count) <= now)
            {
                count = Some(schedule.count(b"x", count.as_ref(), now));
                allowed.push(now);
            }
        }
        allowed
    }

    #[test]
    fn the_delay_grows_from_nothing_to_the_longest() {
        let mut count = None;
        let mut now = beginning();
        let mut delays = Vec::new();
        for _ in 0..30 {
            let counted = SCHEDULE.count(b"x", count.as_ref(), now);
            let ready = SCHEDULE.ready_at(&counted);
            delays.push((ready - now).num_seconds());
            now = ready;
            count = Some(counted);
        }
        assert!(delays[..19].iter().all(|delay| *delay == 0), "{delays:?}");
        assert_eq!(delays[19..23], [15, 30, 60, 120]);
        assert!(delays.is_sorted(), "{delays:?}");
        assert_eq!(delays[29], 300);
    }

    #[test]
    fn without_a_number_of_free_guesses_there_is_no_delay() {
        let schedule = Schedule {
            free: 0,
            ..SCHEDULE
        };
        assert_eq!(allowed(schedule, vec![beginning(); 1_000]).len(), 1_000);
    }

    #[test]
    fn whoever_guesses_every_second_for_a_day_has_one_guess_every_longest_delay() {
        let seconds = (0..86_400).map(|second| beginning() + TimeDelta::seconds(second));
        let guesses = allowed(SCHEDULE, seconds).len();
        assert!((280..=320).contains(&guesses), "{guesses}");
    }

    proptest! {
        #[test]
        fn within_any_hour_there_are_no_more_guesses_than_stated(
            free in 1_u32..60, longest_s in 20_i64..1_200, pauses_ms in vec(0_i64..60_000, 1..2_000),
        ) {
            let schedule = Schedule { free, longest_delay: TimeDelta::seconds(longest_s) };
            let mut now = beginning();
            let times: Vec<_> = pauses_ms.into_iter().map(|pause| {
                now += TimeDelta::milliseconds(pause);
                now
            }).collect();
            let guesses = allowed(schedule, times);
            let bound = usize::try_from(i64::from(free) + 6 + 3_600 / longest_s).unwrap();
            for from in &guesses {
                let until = *from + TimeDelta::hours(1);
                let within = guesses.iter().filter(|time| (from..&until).contains(time)).count();
                prop_assert!(within <= bound, "{within} > {bound}");
            }
        }

        #[test]
        fn nobody_waits_longer_than_the_longest_delay(free in 1_u32..60, failures in 1_u32..5_000) {
            let schedule = Schedule { free, ..SCHEDULE };
            let mut count = None;
            for _ in 0..failures {
                count = Some(schedule.count(b"x", count.as_ref(), beginning()));
            }
            let count = count.unwrap();
            prop_assert!(schedule.ready_at(&count) - beginning() <= schedule.longest_delay);
        }
    }
}
