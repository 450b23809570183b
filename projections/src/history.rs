//! What was: a user's events with what each changed, and users and sessions as they were at a moment.
//!
//! Events are read from the log, opened with the keys that there are, and how users were from `read.past_users`, where
//! erasure leaves the person blank: an erased person is gone from both. Of a user with any number of events a page reads
//! only what it shows.

mod list;
mod moment;
mod page;
mod rows;
mod sessions;

pub(crate) use list::head;
pub use list::{UserList, unknown_of_the_past};
pub use moment::{Moment, NotYet, Then, is_past, user_at};
pub use page::{Entry, Order, Page, PageRequest, actor_named, is_kind, is_reversed, page};
pub(crate) use rows::changes;
pub use sessions::{FormerSession, SessionEnd, sessions_at, sessions_now};
