//! Checking a proof that somebody brings, with nothing but the public key: no database, no secret.

use base64::{Engine, engine::general_purpose::STANDARD};
use rollcall_events::{
    evidence::{
        Checkpoint, CheckpointError, VerifierKey,
        proof::{WrongProof, verify_consistency, verify_inclusion},
    },
    log::{Hash, RawEvent},
};

use super::{ConsistencyProof, InclusionProof, Proof};

/// What is known beside the proof.
pub struct Given {
    /// Whose signature counts.
    pub key: VerifierKey,
    /// Signed checkpoints, beside those that the proof brings.
    pub checkpoints: Vec<String>,
    /// The event that is to be in the log; if there is none, the one that the proof brings.
    pub event: Option<RawEvent>,
}

/// Why a proof proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum Unproved {
    /// A checkpoint is not to be believed.
    #[error("a checkpoint is not to be believed")]
    Checkpoint(#[from] CheckpointError),
    /// Nothing signed speaks of the log as of then.
    #[error("there is no checkpoint of {0} events, and without one a proof stands for nothing")]
    NoCheckpoint(u64),
    /// Two checkpoints contradict each other: proof that the log was rewritten.
    #[error(
        "two checkpoints of {0} events are signed, and they differ: whoever signed them had two logs"
    )]
    Split(u64),
    /// The event is of another place.
    #[error(
        "the event says that it is at position {says}, and the proof is of position {position}"
    )]
    Position {
        /// What the event says.
        says: i64,
        /// What the proof says.
        position: u64,
    },
    /// It is no proof of what it says.
    #[error("this is not proved")]
    Wrong(#[from] WrongProof),
    /// A hash is none.
    #[error("a hash of the proof is not 32 bytes in base64")]
    Hash,
    /// There is nothing to compare an event with.
    #[error("this is a proof that the log grew, and of no event")]
    NoEvent,
}

/// Checks a proof. What it proves, in a sentence.
///
/// # Errors
/// See [`Unproved`].
pub fn verify(proof: &Proof, given: &Given) -> Result<String, Unproved> {
    match proof {
        Proof::Inclusion(proof) => verify_event(proof, given),
        Proof::Consistency(_) if given.event.is_some() => Err(Unproved::NoEvent),
        Proof::Consistency(proof) => verify_growth(proof, given),
    }
}

fn verify_event(proof: &InclusionProof, given: &Given) -> Result<String, Unproved> {
    let (position, size) = (proof.position, proof.size);
    let event = given.event.as_ref().unwrap_or(&proof.event.event);
    if event.position.unsigned_abs() != position {
        let says = event.position;
        return Err(Unproved::Position { says, position });
    }
    let checkpoint = signed(size, &proof.checkpoints, given)?;
    let path = hashes(&proof.path)?;
    let index = position.checked_sub(1).ok_or(WrongProof::Numbers)?;
    verify_inclusion(&event.leaf(), index, size, &path, &checkpoint.root)?;
    let (kind, origin) = (&event.event_type, checkpoint.origin);
    Ok(format!(
        "The event {kind} at position {position} is in the log {origin} as of position {size}."
    ))
}

fn verify_growth(proof: &ConsistencyProof, given: &Given) -> Result<String, Unproved> {
    let (from, to) = (proof.from, proof.to);
    let earlier = signed(from, &proof.checkpoints, given)?;
    let later = signed(to, &proof.checkpoints, given)?;
    let path = hashes(&proof.path)?;
    verify_consistency(from, to, &path, &earlier.root, &later.root)?;
    let origin = later.origin;
    Ok(format!(
        "The log {origin} as of position {to} begins with what it was as of position {from}."
    ))
}

/// The checkpoint of this size, of those that are signed. What the proof itself says of roots counts for nothing.
fn signed(size: u64, brought: &[String], given: &Given) -> Result<Checkpoint, Unproved> {
    let mut found: Option<Checkpoint> = None;
    for note in brought.iter().chain(&given.checkpoints) {
        let checkpoint = Checkpoint::open(note, &given.key)?;
        if checkpoint.size != size {
            continue;
        }
        match &found {
            Some(other) if *other != checkpoint => return Err(Unproved::Split(size)),
            _ => found = Some(checkpoint),
        }
    }
    found.ok_or(Unproved::NoCheckpoint(size))
}

fn hashes(path: &[String]) -> Result<Vec<Hash>, Unproved> {
    let hash = |text: &String| STANDARD.decode(text).ok()?.try_into().ok();
    let hashes: Option<Vec<Hash>> = path.iter().map(hash).collect();
    hashes.ok_or(Unproved::Hash)
}
