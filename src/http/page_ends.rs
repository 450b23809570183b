//! The names that pages of lists ended with.
//!
//! The next page is asked for by the id of the last user of the page before. If that user is renamed or erased in between,
//! the list goes on where the page ended. A page that is asked of another node goes on by what the log knows: see
//! [`Cursor::find`].

use std::time::Duration;

use moka::{policy::EvictionPolicy, sync::Cache};
use rollcall_events::user::SessionId;
use rollcall_projections::users::{Cursor, UserRow, list::Visibility};
use uuid::Uuid;

use super::caller::Caller;
use crate::app::App;

/// Page ends that are remembered: some 4 MiB.
const MOST: u64 = 20_000;
/// How long. Whoever pages by hand may take their time.
const REMEMBERED: Duration = Duration::from_hours(1);

/// What pages ended with, by the session that read them and the last user. Cheap to clone.
#[derive(Clone)]
pub struct PageEnds(Cache<(SessionId, Uuid), Cursor>);

impl Default for PageEnds {
    fn default() -> Self {
        let ends = Cache::builder()
            .max_capacity(MOST)
            .time_to_live(REMEMBERED)
            .eviction_policy(EvictionPolicy::lru());
        Self(ends.build())
    }
}

impl PageEnds {
    /// Remembers the last user of a page, as they are on it.
    pub fn remember(&self, session: &SessionId, last: &UserRow) {
        let key = (session.clone(), last.id);
        self.0.insert(key, Cursor::after_user(last));
    }

    /// Remembers the last user of a page of so many items, when it goes by.
    pub fn last_of<T: 'static>(
        &self,
        session: &SessionId,
        limit: u32,
        row: fn(&T) -> &UserRow,
    ) -> impl FnMut(&T) + Send + 'static + use<T> {
        let (ends, session) = (self.clone(), session.clone());
        let mut left = limit;
        move |item| {
            if left == 1 {
                ends.remember(&session, row(item));
            }
            left = left.saturating_sub(1);
        }
    }
}

/// Where the list goes on that the caller reads, after this user. There is nothing after a user whom they may not see.
///
/// # Errors
/// The database fails.
pub async fn cursor(
    app: &App,
    caller: &Caller,
    after: Option<Uuid>,
    visible_to: Visibility,
) -> sqlx::Result<Cursor> {
    let Some(id) = after else {
        return Ok(Cursor::Start);
    };
    if !visible_to.sees(id) {
        return Ok(Cursor::End);
    }
    let session = caller.session.session.id.clone();
    match app.page_ends.0.get(&(session, id)) {
        Some(cursor) => Ok(cursor),
        None => Cursor::find(&app.pool, id, app.clock.now()).await,
    }
}
