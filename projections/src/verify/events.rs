//! Every event by itself, and in its stream: it can be read and opened, and has its place.

use std::{
    collections::{HashMap, HashSet},
    error::Error,
    sync::Arc,
};

use foldhash::fast::RandomState;
use rollcall_events::{
    Event, Recorded,
    log::{Columns, LogError},
    user::UserEvent,
};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{Flaw, chain::Link};
use crate::{
    rebuild::Progress,
    replay::{Reading, Wanted},
};

/// What was seen of a part of the log.
pub(super) struct Watched {
    links: Option<mpsc::Sender<Vec<Link>>>,
    waiting: Vec<Link>,
    progress: Arc<Progress>,
    versions: HashMap<Uuid, i64, RandomState>,
    erased: HashSet<Uuid>,
    /// Subjects without a key, and the first event that would need it.
    keyless: HashMap<Uuid, i64>,
    flaws: Vec<Flaw>,
}

impl Watched {
    pub fn new(links: mpsc::Sender<Vec<Link>>, progress: Arc<Progress>) -> Self {
        Self {
            links: Some(links),
            waiting: Vec::new(),
            progress,
            versions: HashMap::default(),
            erased: HashSet::new(),
            keyless: HashMap::new(),
            flaws: Vec::new(),
        }
    }

    /// The part of the chain is all there.
    pub fn end_chain(&mut self) {
        self.links = None;
    }

    fn look_at_place(&mut self, raw: Columns<'_>) {
        let last = self.versions.entry(raw.aggregate_id).or_default();
        if raw.version != *last + 1 {
            let says = format!(
                "has version {} of its stream, which was at {last}",
                raw.version
            );
            self.flaws.push(Flaw {
                position: raw.position,
                says,
            });
        }
        *last = raw.version;
    }
}

impl Wanted for Watched {
    fn open(&mut self, raw: Columns<'_>, reading: &Reading) -> Result<Option<Recorded>, LogError> {
        self.look_at_place(raw);
        self.waiting.push(Link::of(raw));
        let position = raw.position;
        let mut keyless = Vec::new();
        match raw.open(&reading.upcasters, &reading.keys, |subject| {
            keyless.push(subject);
        }) {
            Ok(event) => {
                // The keys of days are destroyed in time.
                if !matches!(event.event, Event::Attempt(_)) {
                    for subject in keyless {
                        self.keyless.entry(subject).or_insert(position);
                    }
                }
                if matches!(event.event, Event::User(UserEvent::UserErased {})) {
                    self.erased.insert(event.stream);
                }
                Ok(Some(event))
            }
            Err(error) => {
                let mut says = error.to_string();
                let mut cause = error.source();
                while let Some(error) = cause {
                    says = format!("{says}: {error}");
                    cause = error.source();
                }
                self.flaws.push(Flaw { position, says });
                Ok(None)
            }
        }
    }

    fn advanced(&mut self, events: u64) {
        self.progress.advance(events);
        // If nobody follows the chain any more, the end tells why.
        let waiting = std::mem::take(&mut self.waiting);
        if let Some(links) = &self.links {
            drop(links.blocking_send(waiting));
        }
    }

    fn progress(&self) -> &Progress {
        &self.progress
    }
}

/// What is wrong with the events of all parts. Of `user` alone, others may well have been erased elsewhere. Up to
/// `left_behind`, the log came from elsewhere without its keys.
pub(super) fn flaws(parts: Vec<Watched>, user: Option<Uuid>, left_behind: i64) -> Vec<Flaw> {
    let erased: HashSet<Uuid> = parts
        .iter()
        .flat_map(|part| part.erased.iter().copied())
        .collect();
    let mut flaws = Vec::new();
    let mut told = HashSet::new();
    for part in parts {
        flaws.extend(part.flaws);
        for (subject, position) in part.keyless {
            let is_known = user.is_none_or(|user| user == subject);
            if is_known
                && position > left_behind
                && !erased.contains(&subject)
                && told.insert(subject)
            {
                let says = format!("the key of {subject} is gone, who was never erased");
                flaws.push(Flaw { position, says });
            }
        }
    }
    flaws
}
