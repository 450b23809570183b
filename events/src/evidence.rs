//! Proof of what the log says, for whoever trusts neither the service nor its database: checkpoints, which are signed
//! heads of the log, and Merkle proofs that an event is in it and that it only ever grew.
//!
//! All of it is pure, so that it can be checked anywhere. What it proves, and what not, is in this folder's README.

mod checkpoint;
pub mod export;
mod note;
pub mod proof;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use note::{InvalidKeyName, InvalidVerifierKey, NoteError, Signer, VerifierKey, is_key_name};
