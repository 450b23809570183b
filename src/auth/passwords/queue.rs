//! Turns at hashing: so many at once, and the others wait in a [`Line`].

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::oneshot;

use super::{
    PasswordError,
    line::{Joined, Line},
};
use crate::auth::guesses::Client;

/// How long a password waits for its turn before its sender is asked to come back later.
const TURN_TIMEOUT: Duration = Duration::from_secs(15);

/// Where passwords wait for their turn. Cheap to clone.
#[derive(Clone)]
pub struct Queue(Arc<Mutex<State>>);

struct State {
    /// Turns that nobody has.
    free: usize,
    line: Line<oneshot::Sender<Turn>>,
}

/// The right to hash, until it is dropped.
pub struct Turn(Option<Queue>);

impl Queue {
    /// So many turns at once, so many places to wait in, and so many of those for one network.
    pub fn new(turns: usize, places: usize, places_of_a_network: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            free: turns.max(1),
            line: Line::new(places, places_of_a_network),
        })))
    }

    /// Waits for a turn that takes so many hashes.
    ///
    /// # Errors
    /// There is no place to wait in, somebody else got it, or it takes too long.
    pub async fn turn(&self, client: Client, cost: u32) -> Result<Turn, PasswordError> {
        let (sender, turn) = oneshot::channel();
        {
            let mut state = self.state();
            state.line.retain(|sender| !sender.is_closed());
            if let Joined::Refused(_) = state.line.join(client, cost, sender) {
                return Err(PasswordError::Busy);
            }
            self.hand_out(&mut state);
        }
        match tokio::time::timeout(TURN_TIMEOUT, turn).await {
            Ok(Ok(turn)) => Ok(turn),
            // Its place was given to another, or the time is over.
            Ok(Err(_)) | Err(_) => Err(PasswordError::Busy),
        }
    }

    fn hand_out(&self, state: &mut State) {
        while state.free > 0 {
            state.line.retain(|sender| !sender.is_closed());
            let Some(sender) = state.line.next() else {
                return;
            };
            match sender.send(Turn(Some(self.clone()))) {
                Ok(()) => state.free -= 1,
                // It went away in this instant. Dropping the turn as usual would lock the state again.
                Err(mut turn) => drop(turn.0.take()),
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(queue) = self.0.take() {
            let mut state = queue.state();
            state.free += 1;
            queue.hand_out(&mut state);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use futures_util::{FutureExt, poll};

    use super::*;
    use crate::network_prefix::NetworkPrefix;

    fn from(address: &str) -> Client {
        Client {
            network: Some(NetworkPrefix::site(address.parse().unwrap())),
            is_known: false,
        }
    }

    #[tokio::test]
    async fn there_are_so_many_turns_at_once_and_a_dropped_one_is_handed_on() {
        let queue = Queue::new(2, 10, 10);
        let first = queue.turn(from("10.0.0.1"), 1).await.unwrap();
        let _second = queue.turn(from("10.0.1.1"), 1).await.unwrap();
        let mut third = Box::pin(queue.turn(from("10.0.2.1"), 1));
        assert!(poll!(&mut third).is_pending());
        drop(first);
        assert!(matches!(poll!(&mut third), Poll::Ready(Ok(_))));
    }

    #[tokio::test]
    async fn who_goes_away_leaves_neither_place_nor_turn_taken() {
        let queue = Queue::new(1, 1, 1);
        let turn = queue.turn(from("10.0.0.1"), 1).await.unwrap();
        let mut impatient = Box::pin(queue.turn(from("10.0.1.1"), 1));
        assert!(poll!(&mut impatient).is_pending());
        drop(impatient);
        let mut next = Box::pin(queue.turn(from("10.0.2.1"), 1));
        assert!(poll!(&mut next).is_pending());
        drop(turn);
        // Handed out, and dropped before it was looked at.
        drop(next);
        assert!(
            queue
                .turn(from("10.0.3.1"), 1)
                .now_or_never()
                .unwrap()
                .is_ok()
        );
    }

    #[tokio::test]
    async fn without_a_place_the_refusal_comes_at_once() {
        let queue = Queue::new(1, 1, 1);
        let _turn = queue.turn(from("10.0.0.1"), 1).await.unwrap();
        let mut waiting = Box::pin(queue.turn(from("10.0.1.1"), 1));
        assert!(poll!(&mut waiting).is_pending());
        let refused = queue.turn(from("10.0.1.2"), 1).now_or_never();
        assert!(matches!(refused, Some(Err(PasswordError::Busy))));
    }
}
