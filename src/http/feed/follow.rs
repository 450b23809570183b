//! The log as a stream of server-sent events, for as long as the follower may read it.

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use axum::{
    http::{HeaderName, HeaderValue},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{Stream, StreamExt, stream};
use rollcall_events::{
    Event as Fact,
    log::{Bell, ReadEvent, position_of},
    user::UserEvent,
};
use sqlx::PgPool;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Wanted, log_error, view::EventView};
use crate::{
    app::AppState,
    http::{
        answer::Refusal,
        caller::Caller,
        identity,
        places::{Place, Places},
    },
    permissions::{Action, Object},
};

/// Followers of one node, at most.
const MOST_FOLLOWERS: usize = 64;
/// Followers of one user, at most.
const MOST_OF_USER: usize = 8;
/// Events that are read at once: all that waits in memory for a slow reader.
const BATCH: i64 = 200;
/// How often a follower who waits for events is asked for in the database: sessions also end by time.
const CHECK_EVERY: Duration = Duration::from_secs(5);
/// The same, of a follower who is behind the head of the log and is sent what was recorded long ago.
const CHECK_BEHIND_EVERY: Duration = Duration::from_millis(100);
/// How often a stream without events says that it is alive, so that nothing on the way closes it.
const ALIVE_EVERY: Duration = Duration::from_secs(15);

/// The places for followers, what wakes them, and what ends their streams.
pub struct Followers {
    places: Places,
    bell: Bell,
    closing: CancellationToken,
}

impl Followers {
    /// No followers yet.
    #[must_use]
    pub fn none(pool: &PgPool) -> Self {
        Self {
            places: Places::new("event streams", MOST_OF_USER, MOST_FOLLOWERS),
            bell: Bell::hang(pool),
            closing: CancellationToken::new(),
        }
    }

    /// Ends all their streams, which would never end by themselves: the node stops, and they go on at another.
    pub fn send_home(&self) {
        self.closing.cancel();
    }
}

/// A reader of the stream. Nothing is read before it has taken what was read, so that a slow one costs no memory.
struct Follower {
    app: AppState,
    caller: Caller,
    wanted: Wanted,
    /// The last event that was read.
    position: i64,
    /// The head of the log when the caller was let in: what was recorded about them before is history.
    let_in_at: i64,
    read: VecDeque<EventView>,
    bell: Bell,
    closing: CancellationToken,
    checked_at: Option<Instant>,
    place: Place,
}

/// Streams the events after a position, and then those to come, until the follower goes or may not stay. `head` is the
/// last position of the log, read after the caller was identified.
pub fn follow(
    app: AppState,
    caller: Caller,
    after: i64,
    head: i64,
    wanted: Wanted,
) -> Result<Response, Refusal> {
    let follower = Follower {
        place: app.followers.places.take(caller.user().row.id)?,
        bell: app.followers.bell.clone(),
        closing: app.followers.closing.clone(),
        app,
        caller,
        wanted,
        position: after,
        let_in_at: head,
        read: VecDeque::new(),
        checked_at: None,
    };
    // Proxies and browsers see at once that the stream has begun.
    let begun = stream::iter([Ok(Event::default().comment("The events follow."))]);
    let alive = KeepAlive::new().interval(ALIVE_EVERY);
    let stream = Sse::new(begun.chain(events(follower))).keep_alive(alive);
    let unbuffered = [(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    )];
    Ok((unbuffered, stream).into_response())
}

fn events(follower: Follower) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(follower, |mut follower| async move {
        follower.place.was_taken();
        let closing = follower.closing.clone();
        let displaced = follower.place.ended().clone();
        let next = displaced.run_until_cancelled(follower.next());
        match closing.run_until_cancelled(next).await?? {
            Ok(event) => {
                follower.place.offered();
                Some((Ok(event), follower))
            }
            // The status was sent long ago: the follower comes back and gets a refusal then.
            Err(refusal) => {
                tracing::info!(
                    status = refusal.status().as_u16(),
                    "an event stream was ended"
                );
                None
            }
        }
    })
}

impl Follower {
    async fn next(&mut self) -> Result<Event, Refusal> {
        loop {
            self.check().await?;
            if let Some(event) = self.read.pop_front() {
                return sent(&event);
            }
            if !self.read_on().await? {
                // Whatever comes of it, there may be more, or it may be time to check.
                drop(tokio::time::timeout(CHECK_EVERY, self.bell.heard()).await);
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
        for event in events {
            self.must_stay(&event)?;
            if self.wanted.is(&event) {
                let view = EventView::new(event).map_err(|error| Refusal::internal(&error))?;
                self.read.push_back(view);
            }
        }
        Ok(true)
    }

    /// Refuses to go on when an event takes the session, the user or the right to read away: then nothing is sent that
    /// was recorded after it.
    fn must_stay(&mut self, event: &ReadEvent) -> Result<(), Refusal> {
        let recorded = match event {
            Ok(recorded) => recorded,
            Err(unreadable) => {
                if unreadable.stream == self.caller.session.user.row.id {
                    // The database says what it was.
                    self.checked_at = None;
                }
                return Ok(());
            }
        };
        let Fact::User(event) = &recorded.event else {
            return Ok(());
        };
        let session = &mut self.caller.session;
        if recorded.position <= self.let_in_at || recorded.stream != session.user.row.id {
            return Ok(());
        }
        let own = &session.session.id;
        let is_over = match event {
            UserEvent::UserSuspended {}
            | UserEvent::UserDeleted {}
            | UserEvent::UserErased {}
            | UserEvent::PasswordChanged { .. }
            | UserEvent::LoginTypeChanged { .. } => true,
            UserEvent::SessionEnded { session_id, .. } => session_id == own,
            UserEvent::SessionsExpired { session_ids } => session_ids.contains(own),
            UserEvent::RolesAssigned { roles } => {
                session.user.row.roles = roles.iter().copied().collect();
                return self.caller.require(Action::Read, &Object::audit_log());
            }
            _ => false,
        };
        if is_over {
            return Err(Refusal::signed_out("It ended while you followed the log."));
        }
        Ok(())
    }

    /// Looks from time to time whether the session is still there: it may end by time, and a follower who is behind has
    /// not read yet of what ended it.
    async fn check(&mut self) -> Result<(), Refusal> {
        let every = if self.read.is_empty() {
            CHECK_EVERY
        } else {
            CHECK_BEHIND_EVERY
        };
        if self.checked_at.is_none_or(|at| at.elapsed() >= every) {
            self.caller.session = identity::still_good(&self.app, &self.caller.session).await?;
            self.caller.require(Action::Read, &Object::audit_log())?;
            self.checked_at = Some(Instant::now());
        }
        Ok(())
    }
}

fn sent(event: &EventView) -> Result<Event, Refusal> {
    let data = serde_json::to_string(event).map_err(|error| Refusal::internal(&error))?;
    Ok(Event::default().id(event.position.to_string()).data(data))
}
