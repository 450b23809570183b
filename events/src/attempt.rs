//! Attempts that came to nothing: they change nothing and are facts all the same, for whoever reads the audit log.
//!
//! The same anatomy as [`crate::user`], small. A stream holds the attempts of one day ([`Day`]), and has a key of its own:
//! under the key of the day lies what belongs to nobody, such as the e-mail address that was tried for an account that does
//! not exist. Destroying the key forgets it; that somebody tried stays.

mod action;
mod aggregate;
mod command;
mod day;
mod decide;
mod event;
mod reason;
mod resource_type;

pub use action::Action;
pub use aggregate::AttemptsOfDay;
pub use command::{AttemptCommand, RefusedAttempt, TestEntry, UnlistedAttempts};
pub use day::Day;
pub use event::AttemptEvent;
pub use reason::RefusalReason;
pub use resource_type::ResourceType;
