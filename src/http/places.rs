//! Places for responses that last as long as their reader takes: streamed lists and followers of the log.
//!
//! The number of places is bounded for each user and for the node. A reader that stands still gives its place to one
//! that comes later, and when all places are taken, the user who holds the most gives one up: a user who holds none
//! is refused only while every place belongs to a different user who reads.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::http::StatusCode;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::answer::Refusal;

/// A reader that has taken nothing for this long stands still: its place goes to another reader who needs one.
const STALLED_AFTER: Duration = Duration::from_millis(250);
/// A reader that has taken nothing for this long is dropped.
pub const READER_TIMEOUT: Duration = Duration::from_secs(30);

/// The places of one kind of response. Cheap to clone.
#[derive(Clone)]
pub struct Places {
    /// What is read, for the message of a refusal.
    what: &'static str,
    per_user: usize,
    in_all: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Default)]
struct Taken {
    next_id: u64,
    /// By id, which is the order of their age.
    readers: BTreeMap<u64, Reader>,
}

struct Reader {
    user: Uuid,
    /// Since when it has not taken what it was offered.
    stalled_since: Option<Instant>,
    ended: CancellationToken,
}

/// A place that is taken, until it is dropped.
pub struct Place {
    id: u64,
    taken: Arc<Mutex<Taken>>,
    ended: CancellationToken,
}

impl Places {
    /// Places for `what`, at most so many for a user and for the node.
    pub fn new(what: &'static str, per_user: usize, in_all: usize) -> Self {
        Self {
            what,
            per_user,
            in_all,
            taken: Arc::default(),
        }
    }

    /// Takes a place for a response to this user.
    ///
    /// # Errors
    /// 429: the user reads as many at once as one user may. 503: all places of this node are taken by others who read.
    pub fn take(&self, user: Uuid) -> Result<Place, Refusal> {
        self.take_at(user, Instant::now())
    }

    fn take_at(&self, user: Uuid, now: Instant) -> Result<Place, Refusal> {
        let mut taken = lock(&self.taken);
        for id in taken.stalled(now, READER_TIMEOUT, |_| true) {
            taken.end(id);
        }
        let own = taken.count(user);
        if own >= self.per_user {
            let stalled = taken.stalled(now, STALLED_AFTER, |reader| reader.user == user);
            let longest = stalled.first().ok_or_else(|| self.busy_by_user())?;
            taken.end(*longest);
        } else if taken.readers.len() >= self.in_all {
            let displaced = taken.displaced_by(own, now);
            taken.end(displaced.ok_or_else(|| self.busy_by_all())?);
        }
        Ok(taken.add(user, &self.taken))
    }

    fn busy_by_user(&self) -> Refusal {
        let message = format!(
            "You are reading {} {} at once, and more are not allowed. Finish or close one, and try again.",
            self.per_user, self.what
        );
        Refusal::busy(StatusCode::TOO_MANY_REQUESTS, message)
    }

    fn busy_by_all(&self) -> Refusal {
        let message = format!(
            "This node is sending {} {} at once, and can send no more. Try again in a moment.",
            self.in_all, self.what
        );
        Refusal::busy(StatusCode::SERVICE_UNAVAILABLE, message)
    }
}

impl Taken {
    fn count(&self, user: Uuid) -> usize {
        let readers = self.readers.values();
        readers.filter(|reader| reader.user == user).count()
    }

    /// The readers that stand still, and have for this long; the longest first.
    fn stalled(&self, now: Instant, time: Duration, counts: impl Fn(&Reader) -> bool) -> Vec<u64> {
        let readers = self.readers.iter().filter(|(_, reader)| counts(reader));
        let mut stalled: Vec<(Instant, u64)> = readers
            .filter_map(|(id, reader)| Some((reader.stalled_since?, *id)))
            .filter(|(since, _)| now.duration_since(*since) >= time)
            .collect();
        stalled.sort_unstable();
        stalled.into_iter().map(|(_, id)| id).collect()
    }

    /// Who gives way when all places are taken, to a user who holds `own`: whoever stands still, the longest first; or
    /// the oldest of the user who holds the most, if those are still the most afterwards.
    fn displaced_by(&self, own: usize, now: Instant) -> Option<u64> {
        let stalled = self.stalled(now, STALLED_AFTER, |_| true);
        if let Some(longest) = stalled.first() {
            return Some(*longest);
        }
        let users = self.readers.values().map(|reader| reader.user);
        let most = users.max_by_key(|user| self.count(*user))?;
        let oldest = self.readers.iter().find(|(_, reader)| reader.user == most);
        oldest
            .filter(|_| self.count(most) > own + 1)
            .map(|(id, _)| *id)
    }

    fn end(&mut self, id: u64) {
        if let Some(reader) = self.readers.remove(&id) {
            reader.ended.cancel();
        }
    }

    fn add(&mut self, user: Uuid, taken: &Arc<Mutex<Taken>>) -> Place {
        let id = self.next_id;
        self.next_id += 1;
        let ended = CancellationToken::new();
        self.readers.insert(
            id,
            Reader {
                user,
                stalled_since: None,
                ended: ended.clone(),
            },
        );
        Place {
            id,
            taken: Arc::clone(taken),
            ended,
        }
    }
}

impl Place {
    /// Cancelled when the place is given to another reader.
    pub fn ended(&self) -> &CancellationToken {
        &self.ended
    }

    /// The reader was offered something, and has not taken it yet.
    pub fn offered(&self) {
        self.set(Some(Instant::now()));
    }

    /// The reader has taken what it was offered.
    pub fn was_taken(&self) {
        self.set(None);
    }

    fn set(&self, stalled_since: Option<Instant>) {
        if let Some(reader) = lock(&self.taken).readers.get_mut(&self.id) {
            reader.stalled_since = stalled_since;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.taken).readers.remove(&self.id);
    }
}

/// Nothing that holds the lock panics half way.
fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: Uuid = Uuid::from_u128(1);
    const BOB: Uuid = Uuid::from_u128(2);
    const CLEO: Uuid = Uuid::from_u128(3);

    fn status(places: &Places, user: Uuid, now: Instant) -> Option<u16> {
        let refusal = places.take_at(user, now).err()?;
        Some(refusal.status().as_u16())
    }

    #[test]
    fn a_user_gets_no_more_places_than_a_user_may_have_and_is_told_what_is_busy() {
        let places = Places::new("long lists", 2, 10);
        let now = Instant::now();
        let _first = places.take_at(ANN, now).unwrap();
        let second = places.take_at(ANN, now).unwrap();
        let refusal = places.take_at(ANN, now).err().unwrap();
        assert_eq!(refusal.status(), 429);
        assert!(refusal.notice().message.contains("2 long lists"));
        assert_eq!(status(&places, BOB, now), None);
        drop(second);
        assert_eq!(status(&places, ANN, now), None);
    }

    #[test]
    fn a_reader_that_stands_still_gives_its_place_to_one_who_needs_it() {
        let places = Places::new("long lists", 2, 2);
        let now = Instant::now();
        let first = places.take_at(ANN, now).unwrap();
        let second = places.take_at(ANN, now).unwrap();
        first.set(Some(now));
        second.set(Some(now));
        assert_eq!(status(&places, ANN, now), Some(429));
        first.was_taken();
        assert_eq!(status(&places, ANN, now + STALLED_AFTER), None);
        assert!(second.ended().is_cancelled());
        assert!(!first.ended().is_cancelled());
    }

    #[test]
    fn the_user_who_holds_the_most_gives_way_when_all_places_are_taken() {
        let places = Places::new("long lists", 3, 4);
        let now = Instant::now();
        let anns: Vec<Place> = (0..3).map(|_| places.take_at(ANN, now).unwrap()).collect();
        let bobs = places.take_at(BOB, now).unwrap();
        let _cleos = places.take_at(CLEO, now).unwrap();
        assert!(anns[0].ended().is_cancelled());
        assert!(!anns[1].ended().is_cancelled() && !bobs.ended().is_cancelled());
        // To take from one who then holds less than oneself would go on for ever.
        assert_eq!(status(&places, BOB, now), Some(503));
    }

    #[test]
    fn a_reader_that_stands_still_for_too_long_holds_no_place() {
        let places = Places::new("long lists", 2, 2);
        let now = Instant::now();
        let first = places.take_at(ANN, now).unwrap();
        first.set(Some(now));
        drop(places.take_at(BOB, now + READER_TIMEOUT).unwrap());
        assert!(first.ended().is_cancelled());
    }
}
