//! What happened: the domain, the event log, and the vault that keeps personal data erasable.
//!
//! Read in this order: [`user`] decides (pure, no clock, no randomness, no database), [`log`] records what was
//! decided, [`vault`] seals what belongs to a person, [`evidence`] proves what the log says. The crate knows nothing of
//! who reads the events.

pub mod aead;
pub mod aggregate;
pub mod attempt;
pub mod authority;
pub mod claim;
pub mod clock;
pub mod copy;
pub mod database_error;
pub mod envelope;
pub mod event;
pub mod evidence;
pub mod ids;
pub mod log;
pub mod organization;
pub mod permissions;
pub mod personal;
pub mod session;
mod text;
pub mod unicode;
pub mod user;
pub mod vault;

pub use aggregate::EventSourced;
pub use authority::Authority;
pub use claim::Claim;
pub use envelope::{Actor, Metadata, Origin, Recorded};
pub use event::Event;
pub use personal::Personal;
