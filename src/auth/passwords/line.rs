//! Who waits for their password to be hashed, and whose turn it is. Pure: no clock, no threads.
//!
//! Networks where the account's owner signed in before go first. Among equals, the network goes first whose passwords
//! were hashed the least lately; then whoever came first. When all places are taken, the last to come of the network
//! that uses the service most leaves.

use std::collections::HashMap;

use crate::{auth::guesses::Client, network_prefix::NetworkPrefix};

/// After so many hashes all counts are halved: what a network did before counts less and less, and the counts take a
/// bounded memory (fewer than twice as many entries).
const HALVED_EVERY: u32 = 1_024;

/// A line of things that wait.
pub struct Line<T> {
    places: usize,
    places_of_a_network: usize,
    waiting: Vec<Waiting<T>>,
    /// What was hashed lately, by network.
    served: HashMap<Option<NetworkPrefix>, u32>,
    since_halved: u32,
    arrivals: u64,
}

struct Waiting<T> {
    client: Client,
    /// How many hashes it takes.
    cost: u32,
    arrival: u64,
    item: T,
}

/// What came of joining a line.
#[derive(Debug, PartialEq, Eq)]
pub enum Joined<T> {
    /// It waits.
    Waits,
    /// It waits, and this one had to leave for it.
    InPlaceOf(T),
    /// There is no place for it.
    Refused(T),
}

impl<T> Line<T> {
    /// A line with so many places in all, and so many for one network.
    pub fn new(places: usize, places_of_a_network: usize) -> Self {
        Self {
            places: places.max(1),
            places_of_a_network: places_of_a_network.max(1),
            waiting: Vec::new(),
            served: HashMap::new(),
            since_halved: 0,
            arrivals: 0,
        }
    }

    /// Gives `item` a place, if there is one.
    pub fn join(&mut self, client: Client, cost: u32, item: T) -> Joined<T> {
        self.arrivals += 1;
        self.waiting.push(Waiting {
            client,
            cost,
            arrival: self.arrivals,
            item,
        });
        let arrived = self.arrivals;
        let leaves = if self.waiting_of(client.network) > self.places_of_a_network {
            self.last(|waiting| waiting.client.network == client.network)
        } else if self.waiting.len() > self.places {
            self.last(|_| true)
        } else {
            None
        };
        match leaves.map(|index| self.waiting.swap_remove(index)) {
            None => Joined::Waits,
            Some(left) if left.arrival == arrived => Joined::Refused(left.item),
            Some(left) => Joined::InPlaceOf(left.item),
        }
    }

    /// Takes out whose turn it is, and counts it as hashed.
    pub fn next(&mut self) -> Option<T> {
        let first = (0..self.waiting.len()).min_by_key(|index| {
            let Waiting {
                client, arrival, ..
            } = &self.waiting[*index];
            (!client.is_known, self.served(client.network), *arrival)
        })?;
        let Waiting {
            client, cost, item, ..
        } = self.waiting.swap_remove(first);
        *self.served.entry(client.network).or_default() += cost;
        self.since_halved += cost;
        if self.since_halved >= HALVED_EVERY {
            self.since_halved = 0;
            self.served.retain(|_, served| {
                *served /= 2;
                *served > 0
            });
        }
        Some(item)
    }

    /// Removes those that wait no longer.
    pub fn retain(&mut self, still_waits: impl Fn(&T) -> bool) {
        self.waiting.retain(|waiting| still_waits(&waiting.item));
    }

    /// Of those that are meant, who leaves first: strangers before the known, the heaviest network first, and of it the
    /// one who came last.
    fn last(&self, is_meant: impl Fn(&Waiting<T>) -> bool) -> Option<usize> {
        let meant = (0..self.waiting.len()).filter(|index| is_meant(&self.waiting[*index]));
        meant.max_by_key(|index| {
            let Waiting {
                client, arrival, ..
            } = &self.waiting[*index];
            let waiting = self.waiting_of(client.network);
            let weight = u64::from(self.served(client.network)) + waiting as u64;
            (!client.is_known, weight, *arrival)
        })
    }

    fn waiting_of(&self, network: Option<NetworkPrefix>) -> usize {
        let waiting = self.waiting.iter();
        waiting
            .filter(|waiting| waiting.client.network == network)
            .count()
    }

    fn served(&self, network: Option<NetworkPrefix>) -> u32 {
        self.served.get(&network).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn from(network: u16) -> Client {
        let [high, low] = network.to_be_bytes();
        let address = Ipv4Addr::new(10, high, low, 1);
        Client {
            network: Some(NetworkPrefix::site(address.into())),
            is_known: false,
        }
    }

    fn known(network: u16) -> Client {
        Client {
            is_known: true,
            ..from(network)
        }
    }

    fn all<T>(line: &mut Line<T>) -> Vec<T> {
        std::iter::from_fn(|| line.next()).collect()
    }

    #[test]
    fn networks_take_turns_however_many_wait_of_one() {
        let mut line = Line::new(100, 100);
        for item in ["a1", "a2", "a3", "b1", "c1", "b2"] {
            let network = u16::from(item.as_bytes()[0]);
            assert_eq!(line.join(from(network), 1, item), Joined::Waits);
        }
        assert_eq!(all(&mut line), ["a1", "b1", "c1", "a2", "b2", "a3"]);
    }

    #[test]
    fn a_network_that_was_hashed_for_lately_waits_for_one_that_was_not() {
        let mut line = Line::new(100, 100);
        for _ in 0..3 {
            line.join(from(1), 1, "heavy");
            line.next();
        }
        line.join(from(1), 1, "heavy");
        line.join(from(2), 1, "new");
        assert_eq!(all(&mut line), ["new", "heavy"]);
    }

    #[test]
    fn who_is_known_goes_before_all_who_are_not() {
        let mut line = Line::new(1_000, 100);
        for network in 0..330 {
            line.join(from(network), 1, "stranger");
        }
        line.join(known(7), 1, "owner");
        assert_eq!(line.next(), Some("owner"));
    }

    #[test]
    fn a_full_line_sheds_the_heaviest_and_never_the_known_for_a_stranger() {
        let mut line = Line::new(4, 4);
        line.join(known(1), 1, "owner");
        for item in ["a1", "a2", "a3"] {
            line.join(from(2), 1, item);
        }
        assert_eq!(line.join(from(3), 1, "b1"), Joined::InPlaceOf("a3"));
        assert_eq!(line.join(from(2), 1, "a4"), Joined::Refused("a4"));
        assert_eq!(line.join(known(2), 1, "other"), Joined::InPlaceOf("a2"));
        assert_eq!(line.join(known(4), 1, "third"), Joined::InPlaceOf("a1"));
        assert_eq!(line.join(known(4), 1, "fourth"), Joined::InPlaceOf("b1"));
        assert_eq!(line.join(from(9), 1, "late"), Joined::Refused("late"));
        assert_eq!(all(&mut line), ["owner", "other", "third", "fourth"]);
    }

    #[test]
    fn the_places_of_one_network_are_bounded() {
        let mut line = Line::new(100, 2);
        line.join(from(1), 1, "a1");
        line.join(from(1), 1, "a2");
        assert_eq!(line.join(from(1), 1, "a3"), Joined::Refused("a3"));
        assert_eq!(line.join(known(1), 1, "owner"), Joined::InPlaceOf("a2"));
        assert_eq!(line.join(from(2), 1, "b1"), Joined::Waits);
    }

    #[test]
    fn a_dearer_password_counts_for_more() {
        let mut line = Line::new(100, 100);
        line.join(from(1), 3, "dear");
        line.next();
        for item in ["a1", "a2"] {
            line.join(from(1), 1, item);
        }
        for item in ["b1", "b2"] {
            line.join(from(2), 1, item);
        }
        assert_eq!(all(&mut line), ["b1", "b2", "a1", "a2"]);
    }

    #[test]
    fn what_was_hashed_long_ago_is_forgotten_and_takes_no_memory() {
        let mut line = Line::new(100, 100);
        for network in 0..20_000 {
            line.join(from(network), 1, ());
            line.next();
            assert!(line.served.len() < 2 * HALVED_EVERY as usize);
        }
    }

    proptest! {
        /// Every network that always has somebody waiting gets as many turns as any other, give or take one.
        #[test]
        fn turns_are_shared_equally(networks in 1_u16..60, turns in 1_usize..900) {
            let mut line = Line::new(usize::from(networks), 1);
            for network in 0..networks {
                line.join(from(network), 1, network);
            }
            let mut got = vec![0_usize; usize::from(networks)];
            for _ in 0..turns {
                let network = line.next().unwrap();
                got[usize::from(network)] += 1;
                line.join(from(network), 1, network);
            }
            let (least, most) = (got.iter().min().unwrap(), got.iter().max().unwrap());
            prop_assert!(most - least <= 1, "{got:?}");
        }

        /// A network that was not there lately waits for at most one turn of each other such network, whatever the
        /// others do and however many of theirs wait.
        #[test]
        fn a_new_network_is_never_behind_one_that_was_served(
            flood in vec((0_u16..50, 1_u32..4), 1..400), turns in 0_usize..200,
        ) {
            let mut line = Line::new(64, 16);
            for (network, cost) in flood {
                line.join(from(network), cost, false);
            }
            for _ in 0..turns {
                line.next();
            }
            let served: Vec<_> = line.waiting.iter().filter(|waiting| line.served(waiting.client.network) == 0).collect();
            let ahead = served.len();
            prop_assert!(!matches!(line.join(from(999), 1, true), Joined::Refused(_)) || ahead >= 16);
            let position = all(&mut line).iter().position(|is_new| *is_new);
            prop_assert!(position.is_none_or(|position| position <= ahead), "{position:?} {ahead}");
        }

        /// Nobody is lost: whoever joins waits, is refused, or leaves for another.
        #[test]
        fn the_line_is_bounded_and_loses_nobody(
            arrivals in vec((0_u16..30, any::<bool>()), 0..300), places in 1_usize..40, each in 1_usize..10,
        ) {
            let mut line = Line::new(places, each);
            let (mut gone, total) = (0, arrivals.len());
            for (network, is_known) in arrivals {
                let client = Client { is_known, ..from(network) };
                gone += usize::from(line.join(client, 1, ()) != Joined::Waits);
                prop_assert!(line.waiting.len() <= places);
                prop_assert!(line.waiting_of(client.network) <= each);
            }
            prop_assert_eq!(gone + all(&mut line).len(), total);
        }
    }
}
