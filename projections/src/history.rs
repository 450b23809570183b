//! What was: a user's events with what each changed, and users and sessions as they were at a moment.
//!
//! It is read from the log, opened with the keys that there are, so that an erased person is gone from here too; lists of
//! everybody are read from `read.past_users`, where erasure leaves the person blank.

mod list;
mod moment;
mod page;
mod sessions;

pub use list::{PastList, unknown_of_the_past};
pub use moment::{Moment, NotYet, Then, is_past, user_at};
pub use page::{Entry, Order, Page, PageRequest, actor_named, page};
pub use sessions::{FormerSession, SessionEnd, sessions_at};
