//! Refused requests, counted by network and minute: a few lines in the log for any number of them.

use std::{
    collections::HashMap,
    mem,
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, Utc};

use super::limiter::MINUTE_S;
use crate::network_prefix::NetworkPrefix;

/// Networks that are counted apart in a minute.
const NETWORKS: usize = 200;

/// The refusals of the current minute.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<Minute>);

#[derive(Debug, Default)]
struct Minute {
    number: i64,
    by_network: HashMap<Option<NetworkPrefix>, u64>,
    /// Those of networks that are not counted apart.
    others: u64,
}

impl Refusals {
    /// Counts one more. The first of a network in a minute is a line in the log at once. Returns how many there were
    /// from this network in this minute.
    pub fn count(&self, network: Option<NetworkPrefix>, now: DateTime<Utc>) -> u64 {
        self.report(now);
        let nth = self.minute().count(network);
        if nth == 1 {
            let network = name(network);
            tracing::warn!(network, "requests are refused: too many");
        }
        nth
    }

    /// Writes the counts of the last minute into the log, if it is over.
    pub fn report(&self, now: DateTime<Utc>) {
        let number = now.timestamp().div_euclid(i64::from(MINUTE_S));
        let over = self.minute().turn_to(number);
        over.report();
    }

    /// Writes the counts of the minute into the log, over or not.
    pub fn report_all(&self) {
        let over = mem::take(&mut *self.minute());
        over.report();
    }

    fn minute(&self) -> impl std::ops::DerefMut<Target = Minute> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Minute {
    /// Begins this minute; returns the one that is over, which is empty if it is not.
    fn turn_to(&mut self, number: i64) -> Self {
        if number == self.number {
            return Self::default();
        }
        let next = Self {
            number,
            ..Self::default()
        };
        mem::replace(self, next)
    }

    fn count(&mut self, network: Option<NetworkPrefix>) -> u64 {
        let has_room = self.by_network.len() < NETWORKS;
        let count = match self.by_network.get_mut(&network) {
            Some(count) => count,
            None if has_room => self.by_network.entry(network).or_default(),
            None => &mut self.others,
        };
        *count += 1;
        *count
    }

    fn report(self) {
        for (network, count) in self.by_network.into_iter().filter(|(_, count)| *count > 1) {
            report(&name(network), count);
        }
        if self.others > 1 {
            report("others", self.others);
        }
    }
}

fn report(network: &str, count: u64) {
    tracing::warn!(
        network,
        count,
        "requests were refused within a minute: too many"
    );
}

/// Of a network, and never of one address: the log holds no personal data.
fn name(network: Option<NetworkPrefix>) -> String {
    network.map_or_else(|| "unknown".to_owned(), |network| network.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn network(address: &str) -> NetworkPrefix {
        NetworkPrefix::site(address.parse().unwrap())
    }

    #[test]
    fn refusals_are_counted_by_network_and_minute() {
        let refusals = Refusals::default();
        let (one, other) = (network("192.0.2.1"), network("203.0.113.7"));
        let counts = [
            (one, 0),
            (one, 30),
            (other, 59),
            (one, 59),
            (one, 60),
            (one, 61),
        ]
        .map(|(network, second)| refusals.count(Some(network), at(second)));
        assert_eq!(counts, [1, 2, 1, 3, 1, 2]);
    }

    #[test]
    fn any_number_of_networks_takes_bounded_memory_and_loses_no_count() {
        let mut minute = Minute::default();
        for nth in 0..10_000_u16 {
            minute.count(Some(network(&format!("2001:db8:{nth:x}::1"))));
        }
        assert_eq!(minute.by_network.len(), NETWORKS);
        let counted: u64 = minute.by_network.values().sum();
        assert_eq!(counted + minute.others, 10_000);
    }
}
