//! The chain of all events: places without gaps, times that never run backwards, and the tree.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use rollcall_events::log::{Columns, Frontier, Head};
use tokio::sync::mpsc;

use super::Flaw;

/// More gaps than this tell nothing new.
const GAPS_TOLD: usize = 100;

/// What of an event the chain is made of.
pub(super) struct Link {
    position: i64,
    recorded_at: DateTime<Utc>,
    leaf: [u8; 32],
}

impl Link {
    pub fn of(raw: Columns<'_>) -> Self {
        Self {
            position: raw.position,
            recorded_at: raw.recorded_at,
            leaf: raw.leaf(),
        }
    }
}

/// Where the chain should end.
pub(super) struct Ends {
    pub head: Head,
    /// The positions of the checkpoints that were made on the way, and the roots of the tree there, in order.
    pub checkpoints: VecDeque<(i64, Vec<u8>)>,
    /// Whether all events are in it.
    pub is_whole: bool,
}

/// Follows the chain. Everybody who has a share of it sends one piece after the other, each of the same events, though perhaps
/// none of them. Says how many events there were, and what is wrong.
pub(super) fn follow(
    mut shares: Vec<mpsc::Receiver<Vec<Link>>>,
    mut ends: Ends,
) -> (u64, Vec<Flaw>) {
    let mut chain = Chain::default();
    loop {
        let received = shares.iter_mut().filter_map(mpsc::Receiver::blocking_recv);
        let pieces: Vec<Vec<Link>> = received.collect();
        if pieces.is_empty() {
            return chain.end(&ends);
        }
        let mut links: Vec<Link> = pieces.into_iter().flatten().collect();
        links.sort_unstable_by_key(|link| link.position);
        for link in links {
            chain.add(&link, &mut ends);
        }
    }
}

#[derive(Default)]
struct Chain {
    count: u64,
    position: i64,
    recorded_at: Option<DateTime<Utc>>,
    frontier: Frontier,
    /// The last checkpoint whose tree this is.
    vouched: i64,
    flaws: Vec<Flaw>,
}

impl Chain {
    fn add(&mut self, link: &Link, ends: &mut Ends) {
        self.count += 1;
        if ends.is_whole {
            if link.position != self.position + 1 && self.flaws.len() < GAPS_TOLD {
                let says = format!("comes after event {}", self.position);
                self.tell(link.position, says);
            }
            self.frontier.push(link.leaf);
            self.compare(link.position, &mut ends.checkpoints);
        }
        if self
            .recorded_at
            .is_some_and(|before| link.recorded_at < before)
        {
            self.tell(
                link.position,
                "was recorded before the event before it".to_owned(),
            );
        }
        self.position = link.position;
        self.recorded_at = Some(link.recorded_at);
    }

    /// Compares the tree with the checkpoint that was made here, if there is one. Once they have parted they stay so.
    fn compare(&mut self, position: i64, checkpoints: &mut VecDeque<(i64, Vec<u8>)>) {
        let Some((_, root)) = checkpoints.pop_front_if(|(size, _)| *size <= position) else {
            return;
        };
        if self.frontier.root()[..] == root {
            self.vouched = position;
            return;
        }
        checkpoints.clear();
        let says = format!(
            "the tree of all events up to here is not the one of the checkpoint that was made here: an event after {} was altered",
            self.vouched
        );
        self.tell(position, says);
    }

    fn end(mut self, ends: &Ends) -> (u64, Vec<Flaw>) {
        let Head {
            position, frontier, ..
        } = &ends.head;
        if ends.is_whole {
            if let Some((size, _)) = ends.checkpoints.back() {
                let says = format!("a checkpoint was made at event {size}, which is not there");
                self.tell(self.position, says);
            }
            if self.position != *position {
                let says = format!("the head of the log says that event {position} is the last");
                self.tell(self.position, says);
            } else if self.frontier != *frontier {
                let says = "the tree of all events up to here is not the one of the head: an event was altered";
                self.tell(self.position, says.to_owned());
            }
        }
        (self.count, self.flaws)
    }

    fn tell(&mut self, position: i64, says: String) {
        self.flaws.push(Flaw { position, says });
    }
}
