//! What a connection is doing: which requests are under way on it, and whether they have arrived as a whole.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::timed_io::Timeouts;

/// How long the rest of a response, or of a request that had begun, may take when the service stops.
const GRACE: Duration = Duration::from_millis(500);

/// Shared by a connection's input and output, its service, and its task.
pub struct Activity {
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    opened_at: Instant,
    /// When a byte moved last, in either direction.
    moved_at: Instant,
    /// Requests that are not answered to the last byte.
    under_way: u32,
    /// Those of them of which the last byte has arrived.
    whole: u32,
    has_begun: bool,
    is_http2: bool,
    ended_at: Instant,
    /// When the first byte of the next head arrived. HTTP/1 only: HTTP/2 sends other frames too.
    head_began_at: Option<Instant>,
}

/// A request under way, until it is dropped.
pub struct UnderWay {
    activity: Arc<Activity>,
    is_whole: bool,
}

impl Activity {
    pub fn new() -> Self {
        let now = Instant::now();
        Self {
            state: Mutex::new(State {
                opened_at: now,
                moved_at: now,
                under_way: 0,
                whole: 0,
                has_begun: false,
                is_http2: false,
                ended_at: now,
                head_began_at: None,
            }),
            changed: Notify::new(),
        }
    }

    /// A request's head has arrived.
    pub fn begin(self: &Arc<Self>, is_http2: bool) -> UnderWay {
        let mut state = self.state();
        state.under_way += 1;
        state.has_begun = true;
        state.is_http2 = is_http2;
        state.head_began_at = None;
        UnderWay {
            activity: Arc::clone(self),
            is_whole: false,
        }
    }

    /// Bytes were sent.
    pub fn sent(&self) {
        self.state().moved_at = Instant::now();
    }

    /// Bytes were received.
    pub fn received(&self) {
        let now = Instant::now();
        let mut state = self.state();
        state.moved_at = now;
        if state.has_begun && state.under_way == 0 && !state.is_http2 {
            state.head_began_at.get_or_insert(now);
        }
    }

    /// When the connection has to be closed, if nothing changes.
    pub fn deadline(&self, timeouts: Timeouts) -> Instant {
        let state = self.state();
        match state.head_began_at {
            _ if state.under_way > 0 => state.moved_at + timeouts.idle,
            _ if !state.has_begun => state.opened_at + timeouts.head,
            Some(began_at) => began_at + timeouts.head,
            None => state.ended_at + timeouts.idle,
        }
    }

    /// Resolves when the service stops and no request that arrived as a whole is under way.
    pub async fn without_whole_request(&self, stopping: &CancellationToken) {
        stopping.cancelled().await;
        if !self.state().has_begun {
            return;
        }
        loop {
            self.until_none_is_whole().await;
            sleep(GRACE).await;
            if self.state().whole == 0 {
                return;
            }
        }
    }

    async fn until_none_is_whole(&self) {
        loop {
            let changed = self.changed.notified();
            if self.state().whole == 0 {
                return;
            }
            changed.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnderWay {
    /// The request's last byte has arrived.
    pub fn arrived(&mut self) {
        if !self.is_whole {
            self.is_whole = true;
            self.activity.state().whole += 1;
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.activity.state();
        state.under_way -= 1;
        state.whole -= u32::from(self.is_whole);
        state.ended_at = Instant::now();
        drop(state);
        self.activity.changed.notify_waiters();
    }
}
