//! One log line a minute for something that may happen any number of times.

use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_mins(1);

/// Decides when to write the line.
#[derive(Debug, Default)]
pub struct Throttle {
    written_at: Option<Instant>,
    count: u64,
}

impl Throttle {
    /// Counts one more. Returns how many there were since the last line if another line is due.
    pub fn count(&mut self) -> Option<u64> {
        self.count_at(Instant::now())
    }

    fn count_at(&mut self, now: Instant) -> Option<u64> {
        self.count += 1;
        let is_due = self
            .written_at
            .is_none_or(|written_at| now.duration_since(written_at) >= INTERVAL);
        is_due.then(|| {
            self.written_at = Some(now);
            std::mem::take(&mut self.count)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_reported_at_once_and_the_rest_once_a_minute() {
        let mut throttle = Throttle::default();
        let start = Instant::now();
        let reported: Vec<_> = (0..180)
            .map(|second| throttle.count_at(start + Duration::from_secs(second)))
            .enumerate()
            .filter_map(|(second, count)| Some((second, count?)))
            .collect();
        assert_eq!(reported, [(0, 1), (60, 60), (120, 60)]);
    }
}
