//! Proofs from the log itself. Each is verified against the head before it is given out: what cannot be proved is said
//! aloud, and never given out as a proof.

use sqlx::{PgConnection, PgPool};

use super::{
    Hash, Head, RawEvent, head,
    tree::{TreeError, clear, roots},
};
use crate::evidence::proof::{self, WrongProof};

/// The proof that an event is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inclusion {
    /// The event, as the log holds it.
    pub event: RawEvent,
    /// The log as of this position.
    pub size: u64,
    /// The root of its tree.
    pub root: Hash,
    /// What leads from the event's leaf to the root.
    pub path: Vec<Hash>,
}

/// The proof that a log only grew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consistency {
    /// The earlier log: as of this position.
    pub from: u64,
    /// The later one.
    pub to: u64,
    /// The root of the earlier tree.
    pub from_root: Hash,
    /// The root of the later one.
    pub to_root: Hash,
    /// What leads from one to the other.
    pub path: Vec<Hash>,
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// The database does not answer, or refuses.
    #[error("the log cannot be read")]
    Database(#[from] sqlx::Error),
    /// The numbers name nothing in this log.
    #[error("there is no such proof: {wish}, and the log ends at position {end}")]
    NoSuch {
        /// What was wished for.
        wish: String,
        /// Where the log ends.
        end: i64,
    },
    /// The events are not those that the head was made of.
    #[error(
        "the log was altered: its events do not lead to what is known of it. `rollcall verify` says where"
    )]
    Altered(#[source] Flaw),
}

/// What is wrong with the log.
#[derive(Debug, thiserror::Error)]
pub enum Flaw {
    /// An event is not there.
    #[error("the event at position {0} is missing")]
    Missing(u64),
    /// An event is not what it was.
    #[error(transparent)]
    Proof(#[from] WrongProof),
}

/// Proves that the event at `position` is in the log as of position `size`, or as it is now.
///
/// # Errors
/// See [`ProofError`].
pub async fn inclusion(
    pool: &PgPool,
    position: u64,
    size: Option<u64>,
) -> Result<Inclusion, ProofError> {
    let mut conn = pool.acquire().await?;
    let head = head(&mut *conn).await?;
    let size = size.unwrap_or(head.frontier.size());
    if position == 0 || position > size || size > head.frontier.size() {
        let wish = format!("an event at position {position} of {size}");
        return Err(no_such(wish, &head));
    }
    match prove_inclusion(&mut conn, &head, position, size).await {
        Err(ProofError::Altered(_)) => {
            clear(&mut conn).await?;
            prove_inclusion(&mut conn, &head, position, size).await
        }
        proved => proved,
    }
}

/// Proves that the log as of position `to` begins with the log as of position `from`.
///
/// # Errors
/// See [`ProofError`].
pub async fn consistency(pool: &PgPool, from: u64, to: u64) -> Result<Consistency, ProofError> {
    let mut conn = pool.acquire().await?;
    let head = head(&mut *conn).await?;
    if from > to || to > head.frontier.size() {
        return Err(no_such(
            format!("a log of {from} events that grew to {to}"),
            &head,
        ));
    }
    consistency_below(&mut conn, &head, from, to).await
}

/// The same below a head that is known.
pub(super) async fn consistency_below(
    conn: &mut PgConnection,
    head: &Head,
    from: u64,
    to: u64,
) -> Result<Consistency, ProofError> {
    match prove_consistency(conn, head, from, to).await {
        // What is kept of the tree may be wrong. Then it is made anew, once.
        Err(ProofError::Altered(_)) => {
            clear(conn).await?;
            prove_consistency(conn, head, from, to).await
        }
        proved => proved,
    }
}

async fn prove_inclusion(
    conn: &mut PgConnection,
    head: &Head,
    position: u64,
    size: u64,
) -> Result<Inclusion, ProofError> {
    let index = position - 1;
    let path = roots(conn, &proof::inclusion(index, size)?).await?;
    let event = event(conn, position).await?;
    let root = root_below(conn, head, size).await?;
    proof::verify_inclusion(&event.leaf(), index, size, &path, &root)?;
    Ok(Inclusion {
        event,
        size,
        root,
        path,
    })
}

async fn prove_consistency(
    conn: &mut PgConnection,
    head: &Head,
    from: u64,
    to: u64,
) -> Result<Consistency, ProofError> {
    let path = roots(conn, &proof::consistency(from, to)?).await?;
    let from_root = root_over(conn, from).await?;
    let to_root = root_below(conn, head, to).await?;
    proof::verify_consistency(from, to, &path, &from_root, &to_root)?;
    Ok(Consistency {
        from,
        to,
        from_root,
        to_root,
        path,
    })
}

/// The root over the first `size` events, of which the log with this head grew.
async fn root_below(conn: &mut PgConnection, head: &Head, size: u64) -> Result<Hash, ProofError> {
    let root = root_over(conn, size).await?;
    let whole = head.frontier.size();
    let path = roots(conn, &proof::consistency(size, whole)?).await?;
    proof::verify_consistency(size, whole, &path, &root, &head.frontier.root())?;
    Ok(root)
}

async fn root_over(conn: &mut PgConnection, size: u64) -> Result<Hash, ProofError> {
    let whole = 0..size;
    let found = roots(conn, &[whole]).await?;
    Ok(found.first().copied().unwrap_or_default())
}

async fn event(conn: &mut PgConnection, position: u64) -> Result<RawEvent, ProofError> {
    let event: Option<RawEvent> = sqlx::query_as(
        "SELECT position
              , aggregate_type
              , aggregate_id
              , version
              , event_type
              , schema_version
              , payload
              , metadata
              , recorded_at
           FROM log.events
          WHERE position = $1",
    )
    .bind(position.cast_signed())
    .fetch_optional(conn)
    .await?;
    event.ok_or(ProofError::Altered(Flaw::Missing(position)))
}

fn no_such(wish: String, head: &Head) -> ProofError {
    ProofError::NoSuch {
        wish,
        end: head.position,
    }
}

impl From<TreeError> for ProofError {
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::Database(error) => Self::Database(error),
            TreeError::Missing(position) => Self::Altered(Flaw::Missing(position)),
        }
    }
}

impl From<WrongProof> for ProofError {
    fn from(error: WrongProof) -> Self {
        Self::Altered(error.into())
    }
}
