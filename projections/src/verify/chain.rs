//! The chain of all events: places without gaps, times that never run backwards, and the tree.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use rollcall_events::log::{Frontier, Head, RawEvent};
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
    pub fn of(raw: &RawEvent) -> Self {
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
    /// Whether all events are in it.
    pub is_whole: bool,
}

/// Follows the chain, which comes in parts, each in order. Says how many events there were, and what is wrong.
pub(super) fn follow(mut parts: Vec<mpsc::Receiver<Vec<Link>>>, ends: &Ends) -> (u64, Vec<Flaw>) {
    let mut waiting: Vec<VecDeque<Link>> = parts.iter().map(|_| VecDeque::new()).collect();
    let mut chain = Chain::default();
    loop {
        for (part, waiting) in parts.iter_mut().zip(&mut waiting) {
            while waiting.is_empty()
                && let Some(links) = part.blocking_recv()
            {
                waiting.extend(links);
            }
        }
        let next = waiting
            .iter_mut()
            .filter(|part| !part.is_empty())
            .min_by_key(|part| part.front().map(|link| link.position));
        match next.and_then(VecDeque::pop_front) {
            Some(link) => chain.add(&link, ends),
            None => break,
        }
    }
    chain.end(ends)
}

#[derive(Default)]
struct Chain {
    count: u64,
    position: i64,
    recorded_at: Option<DateTime<Utc>>,
    frontier: Frontier,
    flaws: Vec<Flaw>,
}

impl Chain {
    fn add(&mut self, link: &Link, ends: &Ends) {
        self.count += 1;
        if ends.is_whole {
            if link.position != self.position + 1 && self.flaws.len() < GAPS_TOLD {
                let says = format!("comes after event {}", self.position);
                self.tell(link.position, says);
            }
            self.frontier.push(link.leaf);
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

    fn end(mut self, ends: &Ends) -> (u64, Vec<Flaw>) {
        let Head {
            position, frontier, ..
        } = &ends.head;
        if ends.is_whole {
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
