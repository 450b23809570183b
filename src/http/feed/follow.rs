//! The feed that goes on.

use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};

use axum::{
    http::StatusCode,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{Stream, stream};
use rollcall_events::log::{Bell, position_of};
use rollcall_projections::sessions::KnownSession;
use sqlx::PgPool;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{Wanted, log_error, view::EventView};
use crate::{
    app::AppState,
    http::{answer::Refusal, caller::Caller, identity},
};

/// Followers of one node, at most.
const MOST_FOLLOWERS: usize = 64;
/// Events that are read at once: all that waits in memory for a slow reader.
const BATCH: i64 = 200;
/// How often it is looked whether a follower may still follow.
const CHECK_EVERY: Duration = Duration::from_secs(5);
/// A stream on which nothing happens says so, so that nobody on the way takes it for dead.
const ALIVE_EVERY: Duration = Duration::from_secs(15);

/// The places for followers, what wakes them, and what sends them home.
pub struct Followers {
    places: Arc<Semaphore>,
    bell: Bell,
    closing: CancellationToken,
}

impl Followers {
    /// No followers yet.
    #[must_use]
    pub fn none(pool: &PgPool) -> Self {
        Self {
            places: Arc::new(Semaphore::new(MOST_FOLLOWERS)),
            bell: Bell::hang(pool),
            closing: CancellationToken::new(),
        }
    }

    /// Ends all their streams, which would never end by themselves: the node stops, and they go on at another.
    pub fn send_home(&self) {
        self.closing.cancel();
    }
}

/// Somebody who follows. Nothing is read before they have taken what was read, so that a slow one costs no memory.
struct Follower {
    app: AppState,
    session: KnownSession,
    wanted: Wanted,
    position: i64,
    read: VecDeque<EventView>,
    bell: Bell,
    closing: CancellationToken,
    checked_at: Instant,
    _place: OwnedSemaphorePermit,
}

/// Streams what there is after a position, and then what comes, until the follower goes or may not stay.
pub fn follow(
    app: AppState,
    caller: Caller,
    after: i64,
    wanted: Wanted,
) -> Result<Response, Refusal> {
    let place = Arc::clone(&app.followers.places);
    let place = place.try_acquire_owned().map_err(|_| {
        Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many follow the log at this node already. Try again later, or read it page by page.",
        )
    })?;
    let follower = Follower {
        bell: app.followers.bell.clone(),
        closing: app.followers.closing.clone(),
        app,
        session: caller.session,
        wanted,
        position: after,
        read: VecDeque::new(),
        checked_at: Instant::now(),
        _place: place,
    };
    let alive = KeepAlive::new().interval(ALIVE_EVERY);
    Ok(Sse::new(events(follower)).keep_alive(alive).into_response())
}

fn events(follower: Follower) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(follower, |mut follower| async move {
        let closing = follower.closing.clone();
        match closing.run_until_cancelled(follower.next()).await? {
            Ok(event) => Some((Ok(event), follower)),
            // The status was sent long ago: whoever follows comes back, and is told then.
            Err(refusal) => {
                tracing::info!(
                    status = refusal.status().as_u16(),
                    "a follower was sent away"
                );
                None
            }
        }
    })
}

impl Follower {
    async fn next(&mut self) -> Result<Event, Refusal> {
        loop {
            self.may_stay().await?;
            if let Some(event) = self.read.pop_front() {
                return sent(&event);
            }
            if !self.read_on().await? {
                self.bell.heard().await;
            }
        }
    }

    /// Whether there was anything to read.
    async fn read_on(&mut self) -> Result<bool, Refusal> {
        let events = self.app.log.after(self.position, BATCH).await;
        let events = events.map_err(log_error)?;
        let Some(last) = events.last() else {
            return Ok(false);
        };
        self.position = position_of(last);
        for event in events.into_iter().filter(|event| self.wanted.is(event)) {
            let view = EventView::new(event).map_err(|error| Refusal::internal(&error))?;
            self.read.push_back(view);
        }
        Ok(true)
    }

    /// Whoever signs out, is suspended, or loses the right to read ceases to follow.
    async fn may_stay(&mut self) -> Result<(), Refusal> {
        if self.checked_at.elapsed() >= CHECK_EVERY {
            identity::must_be_unchanged(&self.app, &self.session).await?;
            self.checked_at = Instant::now();
        }
        Ok(())
    }
}

fn sent(event: &EventView) -> Result<Event, Refusal> {
    let data = serde_json::to_string(event).map_err(|error| Refusal::internal(&error))?;
    Ok(Event::default().id(event.position.to_string()).data(data))
}
