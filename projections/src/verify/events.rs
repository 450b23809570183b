//! Every event by itself, and in its stream: it can be read and opened, and has its place.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use foldhash::fast::RandomState;
use rollcall_events::{
    Event, Recorded,
    log::{Columns, Unreadable},
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
    /// Subjects whose key does not unwrap: the first event that needs it, and how many do.
    damaged: HashMap<Uuid, (i64, u64)>,
    unreadable: u64,
    incomplete: Incomplete,
    /// How many password hashes each user has had.
    revisions: HashMap<Uuid, i64, RandomState>,
    flaws: Vec<Flaw>,
}

/// What cannot be judged, because an event cannot be read.
#[derive(Debug, Default)]
pub(super) struct Incomplete {
    /// Streams with an event whose payload cannot be read in full.
    pub streams: HashSet<Uuid>,
    /// Events of which nothing can be read.
    pub positions: HashSet<i64>,
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
            damaged: HashMap::new(),
            unreadable: 0,
            incomplete: Incomplete::default(),
            revisions: HashMap::default(),
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

impl Watched {
    /// Notes what is wrong with an event, and gives the legible part.
    fn report(&mut self, unreadable: Box<Unreadable>) -> Option<Recorded> {
        let position = unreadable.position;
        self.unreadable += 1;
        if !unreadable.has_whole_payload() {
            self.incomplete.streams.insert(unreadable.stream);
        }
        match unreadable.damaged_key() {
            // Every event of a user needs the key: it is named once.
            Some(subject) => {
                let (_, count) = self.damaged.entry(subject).or_insert((position, 0));
                *count += 1;
            }
            None => self.flaws.push(Flaw {
                position,
                says: format!("{unreadable}: {}", unreadable.reason()),
            }),
        }
        if unreadable.legible.is_none() {
            self.incomplete.positions.insert(position);
        }
        unreadable.legible
    }
}

impl Wanted for Watched {
    fn open(&mut self, raw: Columns<'_>, reading: &Reading) -> Option<Recorded> {
        self.look_at_place(raw);
        self.waiting.push(Link::of(raw));
        let mut keyless = Vec::new();
        let read = raw.open(&reading.upcasters, &reading.keys, |subject| {
            keyless.push(subject);
        });
        let event = match read {
            Ok(event) => event,
            Err(unreadable) => self.report(unreadable)?,
        };
        // The keys of days are destroyed in time.
        if !matches!(event.event, Event::Attempt(_)) {
            for subject in keyless {
                self.keyless.entry(subject).or_insert(event.position);
            }
        }
        if matches!(event.event, Event::User(UserEvent::UserErased {})) {
            self.erased.insert(event.stream);
        }
        if has_new_hash(&event.event) {
            *self.revisions.entry(event.stream).or_default() += 1;
        }
        Some(event)
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

/// Whether the vault got a password hash with the event.
fn has_new_hash(event: &Event) -> bool {
    matches!(
        event,
        Event::User(
            UserEvent::UserCreated {
                password_scheme: Some(_),
                ..
            } | UserEvent::LoginTypeChanged {
                password_scheme: Some(_),
                ..
            } | UserEvent::PasswordChanged { .. }
                | UserEvent::PasswordRehashed { .. }
        )
    )
}

/// What was found about the events of all parts.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub flaws: Vec<Flaw>,
    /// How many events cannot be read, or not in full.
    pub unreadable: u64,
    pub incomplete: Incomplete,
    /// How many password hashes each user has had.
    pub revisions: HashMap<Uuid, i64, RandomState>,
}

/// Puts together what was seen of all parts. Of `user` alone, others may well have been erased elsewhere. Up to
/// `left_behind`, the log came from elsewhere without its keys.
pub(super) fn together(parts: Vec<Watched>, user: Option<Uuid>, left_behind: i64) -> Seen {
    let erased: HashSet<Uuid> = parts
        .iter()
        .flat_map(|part| part.erased.iter().copied())
        .collect();
    let mut seen = Seen::default();
    let mut keyless = HashMap::new();
    let mut damaged: HashMap<Uuid, (i64, u64)> = HashMap::new();
    for part in parts {
        seen.flaws.extend(part.flaws);
        seen.unreadable += part.unreadable;
        seen.revisions.extend(part.revisions);
        seen.incomplete.streams.extend(part.incomplete.streams);
        seen.incomplete.positions.extend(part.incomplete.positions);
        for (subject, position) in part.keyless {
            let is_known = user.is_none_or(|user| user == subject);
            if is_known && position > left_behind && !erased.contains(&subject) {
                keyless.entry(subject).or_insert(position);
            }
        }
        for (subject, (position, count)) in part.damaged {
            let all = damaged.entry(subject).or_insert((position, 0));
            *all = (all.0.min(position), all.1 + count);
        }
    }
    seen.flaws
        .extend(keyless.into_iter().map(|(subject, position)| Flaw {
            position,
            says: format!("the key of {subject} is gone, who was never erased"),
        }));
    seen.flaws
        .extend(damaged.into_iter().map(|(subject, (position, count))| Flaw {
            position,
            says: format!(
                "the key of {subject} does not unwrap: it was altered, and {count} events cannot be read in full, of which \
                 this is the first"
            ),
        }));
    seen
}
