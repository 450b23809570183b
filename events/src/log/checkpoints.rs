//! The making of checkpoints: signed heads of the log, each of which is proved to have grown out of the one before it. A
//! log that was rewritten gets no signature.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection, PgExecutor, PgPool};

use super::{Hash, Head, ProofError, head, proofs::consistency_below};
use crate::{
    clock::Clock,
    evidence::{Checkpoint, CheckpointError, NoteError, Signer},
    vault::{SignerError, Vault, VaultError},
};

/// Held until the transaction ends: nodes make checkpoints one after another. An arbitrary number that only we use.
const LOCK: i64 = 0x6368_6563_6b70_7473;

/// A checkpoint that was made.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Made {
    /// The last position that it covers.
    pub size: i64,
    /// The root of the tree over the events up to there.
    pub root: Vec<u8>,
    /// The signed note.
    pub note: String,
    /// When it was made.
    pub made_at: DateTime<Utc>,
    /// Whether it was made just now, for whoever holds this.
    #[sqlx(default)]
    pub is_new: bool,
}

/// Why no checkpoint is made.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// The database does not answer, or refuses.
    #[error("no checkpoint could be made")]
    Database(#[from] sqlx::Error),
    /// There is nobody to sign.
    #[error(transparent)]
    Signer(SignerError),
    /// The log does not lead to its own head.
    #[error("the log gets no checkpoint")]
    Altered(#[source] ProofError),
    /// The log has become shorter, or has another past.
    #[error(
        "the log gets no checkpoint: it was rewritten, for it does not go on from the checkpoint at position {0}"
    )]
    Rewritten(i64),
    /// The checkpoint before was changed where it is kept.
    #[error(
        "the log gets no checkpoint: that at position {size}, from which it should go on, was altered"
    )]
    Forged {
        /// Its position.
        size: i64,
        /// What is wrong with it.
        source: CheckpointError,
    },
}

/// The newest checkpoint.
///
/// # Errors
/// The database fails.
pub async fn newest(executor: impl PgExecutor<'_>) -> sqlx::Result<Option<Made>> {
    sqlx::query_as(
        "SELECT size, root, note, made_at FROM log.checkpoints ORDER BY size DESC LIMIT 1",
    )
    .fetch_optional(executor)
    .await
}

/// The checkpoints at these positions, as far as there are any.
///
/// # Errors
/// The database fails.
pub async fn at(executor: impl PgExecutor<'_>, sizes: &[i64]) -> sqlx::Result<Vec<Made>> {
    sqlx::query_as(
        "SELECT size, root, note, made_at FROM log.checkpoints WHERE size = ANY($1) ORDER BY size",
    )
    .bind(sizes)
    .fetch_all(executor)
    .await
}

/// The positions and roots of all checkpoints, in order; but for that of an empty log, which says nothing.
///
/// # Errors
/// The database fails.
pub async fn roots(executor: impl PgExecutor<'_>) -> sqlx::Result<Vec<(i64, Vec<u8>)>> {
    sqlx::query_as("SELECT size, root FROM log.checkpoints WHERE size > 0 ORDER BY size")
        .fetch_all(executor)
        .await
}

/// Makes a checkpoint of the log of this name as it is now. If nothing has happened since the newest, or if that was
/// made after `since`, there is no new one: the newest is given.
///
/// # Errors
/// See [`MakeError`].
pub async fn make(
    pool: &PgPool,
    vault: &Vault,
    origin: &str,
    clock: &dyn Clock,
    since: Option<DateTime<Utc>>,
) -> Result<Made, MakeError> {
    let signer = vault.signer(origin, clock).await?;
    let mut tx = pool.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(LOCK)
        .execute(&mut *tx)
        .await?;
    let last = newest(&mut *tx).await?;
    // Another node was faster.
    if let (Some(last), Some(since)) = (&last, since)
        && last.made_at > since
    {
        return Ok(last.clone());
    }
    let head = head(&mut *tx).await?;
    let is_new = match &last {
        Some(last) => goes_on(&mut tx, &head, last, &signer).await?,
        None => starts(&mut tx, &head).await?,
    };
    let made = match last.filter(|_| !is_new) {
        Some(last) => last,
        None => sign(&mut tx, &head, &signer, clock.now()).await?,
    };
    // What is kept of the tree stays, even if there is no new checkpoint.
    tx.commit().await?;
    Ok(made)
}

/// Whether the log has grown since its last checkpoint.
async fn goes_on(
    conn: &mut PgConnection,
    head: &Head,
    last: &Made,
    signer: &Signer,
) -> Result<bool, MakeError> {
    let rewritten = || MakeError::Rewritten(last.size);
    if head.position < last.size {
        return Err(rewritten());
    }
    let root = signed_root(last, signer)?;
    let (from, to) = (last.size.unsigned_abs(), head.frontier.size());
    let proved = consistency_below(conn, head, from, to).await;
    if proved.map_err(unproved)?.from_root != root {
        return Err(rewritten());
    }
    Ok(head.position > last.size)
}

/// What the last checkpoint says, which is not taken from its row alone: that could have been changed with the log.
fn signed_root(last: &Made, signer: &Signer) -> Result<Hash, MakeError> {
    let size = last.size;
    let forged = |source| MakeError::Forged { size, source };
    // It was perhaps made when the log had another name.
    let origin = last.note.lines().next().unwrap_or_default();
    let signer = signer.renamed(origin).map_err(|_| {
        let error = NoteError::Form("its first line names no log");
        forged(error.into())
    })?;
    let checkpoint = Checkpoint::open(&last.note, &signer.verifier_key()).map_err(forged)?;
    if checkpoint.size != size.unsigned_abs() || checkpoint.root[..] != last.root {
        let error = NoteError::Form("it is another one");
        return Err(forged(error.into()));
    }
    Ok(checkpoint.root)
}

/// The first checkpoint has nothing to go on from, but the log must lead to its head.
async fn starts(conn: &mut PgConnection, head: &Head) -> Result<bool, MakeError> {
    let proved = consistency_below(conn, head, 0, head.frontier.size()).await;
    proved.map(|_| true).map_err(unproved)
}

async fn sign(
    conn: &mut PgConnection,
    head: &Head,
    signer: &Signer,
    now: DateTime<Utc>,
) -> Result<Made, MakeError> {
    let checkpoint = Checkpoint {
        origin: signer.name().to_owned(),
        size: head.frontier.size(),
        root: head.frontier.root(),
    };
    let made = Made {
        size: head.position,
        root: checkpoint.root.to_vec(),
        note: checkpoint.sign(signer),
        made_at: now,
        is_new: true,
    };
    sqlx::query("INSERT INTO log.checkpoints (size, root, note, made_at) VALUES ($1, $2, $3, $4)")
        .bind(made.size)
        .bind(&made.root)
        .bind(&made.note)
        .bind(made.made_at)
        .execute(conn)
        .await?;
    Ok(made)
}

impl From<SignerError> for MakeError {
    fn from(error: SignerError) -> Self {
        match error {
            SignerError::Vault(VaultError::Database(error)) => Self::Database(error),
            other => Self::Signer(other),
        }
    }
}

fn unproved(error: ProofError) -> MakeError {
    match error {
        ProofError::Database(error) => MakeError::Database(error),
        other => MakeError::Altered(other),
    }
}
