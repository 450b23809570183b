//! What is asked: the read models, folded from the events.
//!
//! Each module owns its tables, [`users`], [`sessions`], [`organizations`], [`members`] or [`audit`]: the rule that makes
//! the rows out of events (a [`Projection`]) and the questions that are asked of them. [`inline`] drives the rules in the
//! transaction that appends, so that what was written is seen by every later read. Nothing here writes the log or the vault.

mod activity;
pub mod audit;
mod columns;
pub mod fit;
pub mod flows;
pub mod history;
pub mod identities;
pub mod inline;
pub mod members;
pub mod organizations;
mod pages;
pub mod password_failures;
mod projection;
pub mod rebuild;
pub mod replay;
pub mod rules;
pub mod sessions;
pub mod standings;
mod terms;
#[cfg(test)]
mod testing;
pub mod users;
pub mod verify;

pub use activity::tidy_up_activity;
pub use inline::InlineProjections;
pub use projection::Projection;
