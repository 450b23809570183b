//! The event log, on sqlx.
//!
//! Every command's events go through the one [`Appender`] of a node, which numbers them under the lock on the head
//! row and commits many commands at once. Readers follow positions: they are dense and equal to the order of commit.

mod append;
mod batch;
mod bell;
pub mod checkpoints;
mod codec;
mod commands;
mod examine;
mod export;
mod head;
mod merkle;
mod opened;
pub mod proofs;
mod read;
mod scan;
mod store;
mod subscribe;
mod tree;
mod unreadable;
mod upcast;

pub use append::{Appender, ImportError, Importing, Inline, import, left_behind};
pub use batch::{Outcome, State, Submission, Unfit, Verdict};
pub use bell::Bell;
pub use codec::{Columns, RawEvent, ReadEvent};
pub use commands::forget_commands;
pub use examine::{Examined, examine, legible_after};
pub use export::{Export, ExportError, export};
pub use head::{Head, Observed, head, observe, settle};
pub(crate) use merkle::inner;
#[cfg(test)]
pub(crate) use merkle::leaf;
pub use merkle::{Frontier, Hash, InvalidFrontier};
pub use proofs::ProofError;
pub use read::{LogError, LogReader};
pub use scan::{Part, scan, stream_of};
pub use store::{Context, Loaded, Store};
pub use subscribe::Subscription;
pub use unreadable::{Unreadable, legible, position_of};
pub use upcast::Upcasters;
