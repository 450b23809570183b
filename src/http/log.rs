//! What the log proves of itself: for who may read the audit log.

pub mod checkpoint;
pub mod consistency;
pub mod inclusion;

use axum::http::StatusCode;
use rollcall_events::log::ProofError;

use super::{answer::Refusal, query::Parameters};

/// A position that must be given, from 1.
fn place(parameters: &mut Parameters, name: &str) -> u64 {
    let position = parameters.text(name).parse().unwrap_or_default();
    if position == 0 || i64::try_from(position).is_err() {
        let detail = format!("Query param {name:?} must be a position: a number from 1");
        parameters.refuse(name, detail);
    }
    position
}

fn unproved(error: ProofError) -> Refusal {
    match error {
        ProofError::Database(error) => error.into(),
        ProofError::NoSuch { .. } => Refusal::new(
            StatusCode::NOT_FOUND,
            "The log does not reach so far, or the numbers are in the wrong order.",
        ),
        altered @ ProofError::Altered(_) => Refusal::internal(&altered),
    }
}
