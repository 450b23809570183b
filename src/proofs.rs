//! Proofs as they are written down: as JSON, with all that it takes to check them without us.

mod verify;

use base64::{Engine, engine::general_purpose::STANDARD};
use rollcall_events::{
    evidence::export::Exported,
    log::{
        ProofError,
        checkpoints::{self, Made},
        proofs,
    },
};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use utoipa::ToSchema;

pub use verify::{Given, Unproved, verify};

/// A proof of either kind.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Proof {
    /// That an event is in the log.
    Inclusion(InclusionProof),
    /// That the log only grew.
    Consistency(ConsistencyProof),
}

/// The proof that an event is in the log. Hashes are in base64.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InclusionProof {
    /// Where the event is; its leaf is counted from 0, and so one less.
    #[schema(example = 7)]
    pub position: u64,
    /// The log as of this position.
    #[schema(example = 41)]
    pub size: u64,
    /// The root of its tree.
    #[schema(example = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")]
    pub root: String,
    /// The event's leaf.
    #[schema(example = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")]
    pub leaf: String,
    /// What leads from the leaf to the root (RFC 9162).
    #[schema(example = json!(["CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="]))]
    pub path: Vec<String>,
    /// The event as the log holds it, sealed: what the leaf is the hash of.
    #[schema(value_type = Object)]
    pub event: Exported,
    /// The signed checkpoint of that size, if one was made.
    #[schema(example = json!([]))]
    pub checkpoints: Vec<String>,
}

/// The proof that the log only grew. Hashes are in base64.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsistencyProof {
    /// The earlier log: as of this position.
    #[schema(example = 7)]
    pub from: u64,
    /// The later one.
    #[schema(example = 41)]
    pub to: u64,
    /// The root of the earlier tree.
    #[schema(example = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")]
    pub from_root: String,
    /// The root of the later tree.
    #[schema(example = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")]
    pub to_root: String,
    /// What leads from one to the other (RFC 9162).
    #[schema(example = json!(["CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="]))]
    pub path: Vec<String>,
    /// The signed checkpoints of both sizes, as far as they were made.
    #[schema(example = json!([]))]
    pub checkpoints: Vec<String>,
}

/// Proves that the event at `position` is in the log as of `size`; if that is not said, as of the newest checkpoint that
/// covers it, or as it is now.
///
/// # Errors
/// See [`ProofError`].
pub async fn inclusion(
    pool: &PgPool,
    position: u64,
    size: Option<u64>,
) -> Result<InclusionProof, ProofError> {
    let size = match size {
        Some(size) => Some(size),
        None => newest_size(pool).await?.filter(|size| *size >= position),
    };
    let proved = proofs::inclusion(pool, position, size).await?;
    let leaf = proved.event.leaf();
    Ok(InclusionProof {
        position,
        size: proved.size,
        root: STANDARD.encode(proved.root),
        leaf: STANDARD.encode(leaf),
        path: texts(&proved.path),
        event: Exported {
            event: proved.event,
            leaf,
            opened: None,
        },
        checkpoints: notes(pool, &[proved.size]).await?,
    })
}

/// Proves that the log as of `to` begins with the log as of `from`.
///
/// # Errors
/// See [`ProofError`].
pub async fn consistency(
    pool: &PgPool,
    from: u64,
    to: u64,
) -> Result<ConsistencyProof, ProofError> {
    let proved = proofs::consistency(pool, from, to).await?;
    Ok(ConsistencyProof {
        from,
        to,
        from_root: STANDARD.encode(proved.from_root),
        to_root: STANDARD.encode(proved.to_root),
        path: texts(&proved.path),
        checkpoints: notes(pool, &[from, to]).await?,
    })
}

async fn newest_size(pool: &PgPool) -> sqlx::Result<Option<u64>> {
    let newest = checkpoints::newest(pool).await?;
    Ok(newest.map(|made| made.size.unsigned_abs()))
}

async fn notes(pool: &PgPool, sizes: &[u64]) -> sqlx::Result<Vec<String>> {
    let sizes: Vec<i64> = sizes.iter().map(|size| size.cast_signed()).collect();
    let made = checkpoints::at(pool, &sizes).await?;
    Ok(made.into_iter().map(|Made { note, .. }| note).collect())
}

fn texts(path: &[[u8; 32]]) -> Vec<String> {
    path.iter().map(|hash| STANDARD.encode(hash)).collect()
}
