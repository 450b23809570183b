//! The vault: a key for each person, so that their data can be destroyed while the log stays, and the current
//! password hashes.
//!
//! Every person has a random key. What belongs to them is sealed under it before it is written anywhere in the log;
//! the key itself lies here, wrapped by the master key. Deleting the row erases the person.

mod binding;
mod checkpoint_key;
mod credentials;
mod hash_limits;
mod master_key;
mod provider_tokens;
mod rows;
mod seal;
mod subject_key;

use std::{ops::Range, sync::Arc, time::Duration};

use futures_util::TryStreamExt;
use moka::sync::Cache;
use sqlx::{PgConnection, PgExecutor, PgPool};
use tokio::task::JoinSet;
use uuid::Uuid;

pub use binding::CheckedCredential;
pub use checkpoint_key::SignerError;
pub(crate) use credentials::write;
pub use credentials::{Credential, VaultWrite};
pub use hash_limits::{HashCost, HashLimits, HashTooDear};
pub use master_key::{InvalidMasterKey, MasterKey};
pub use provider_tokens::{ProviderTokens, StoredTokens};
pub use rows::{VaultRow, vault_rows};
pub use seal::{OpenError, Place, open, seal, subject_of};
pub use subject_key::{KeyRing, SubjectKey, WrappedKey};

use crate::{clock::Clock, ids::Ids};

/// Opened keys are kept this long at most, so that an erasure on another node is felt here soon.
const KEY_MEMORY: Duration = Duration::from_mins(1);
const KEYS_IN_MEMORY: u64 = 100_000;
/// Of many keys, so many are unwrapped on one thread, while the others are read.
const KEYS_AT_ONCE: usize = 50_000;

/// Of `vault.subject_keys`: the subject, the master key's name, and the wrapped key.
type WrappedRow = (Uuid, String, Vec<u8>);

/// Gives and makes the subjects' keys.
#[derive(Clone)]
pub struct Vault {
    pool: PgPool,
    master: Arc<MasterKey>,
    opened: Cache<Uuid, SubjectKey>,
    hash_limits: HashLimits,
}

/// Why the vault cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The database does not answer, or refuses.
    #[error("the vault cannot be read")]
    Database(#[from] sqlx::Error),
    /// The data was sealed under another master key.
    #[error(
        "this is the wrong master key: its fingerprint is {given}, and the database was sealed under {expected}. \
         Give the right one by --master-key-file or ROLLCALL_MASTER_KEY"
    )]
    WrongMasterKey {
        /// Of the key that was given.
        given: String,
        /// Of the keys that the database knows.
        expected: String,
    },
    /// There is nothing to seal under any more.
    #[error("subject {0} was erased")]
    Erased(Uuid),
    /// Sealed tokens or the key that they are sealed under were altered, or moved from one person to another.
    #[error("what the vault holds about subject {0} does not open: it was altered")]
    Altered(Uuid),
    /// A password hash from elsewhere would make a sign-in too expensive.
    #[error("the password hash of subject {subject} cannot be used here: {source}")]
    HashTooDear {
        /// Whose.
        subject: Uuid,
        /// Why.
        source: HashTooDear,
    },
    /// The key that checkpoints are signed with was altered.
    #[error("the key that signs checkpoints cannot be unwrapped: it was altered")]
    AlteredCheckpointKey,
}

impl Vault {
    /// Opens the vault of a database, which remembers the first master key that it sees.
    ///
    /// # Errors
    /// The database fails, or was sealed under another master key.
    pub async fn open(
        pool: PgPool,
        master: MasterKey,
        clock: &dyn Clock,
    ) -> Result<Self, VaultError> {
        let known = register(&pool, master.id(), clock).await?;
        if !known.iter().any(|id| id == master.id()) {
            return Err(VaultError::WrongMasterKey {
                given: master.id().to_owned(),
                expected: known.join(", "),
            });
        }
        Ok(Self::unregistered(pool, master))
    }

    /// The vault of a database, whatever master key that knows: to look at it, and change nothing.
    #[must_use]
    pub fn unregistered(pool: PgPool, master: MasterKey) -> Self {
        let opened = Cache::builder()
            .max_capacity(KEYS_IN_MEMORY)
            .time_to_live(KEY_MEMORY)
            .build();
        Self {
            pool,
            master: Arc::new(master),
            opened,
            hash_limits: HashLimits::default(),
        }
    }

    /// With other limits on the password hashes that are restored.
    #[must_use]
    pub fn with_hash_limits(self, hash_limits: HashLimits) -> Self {
        Self {
            hash_limits,
            ..self
        }
    }

    /// A new key for a new subject: used to seal at once, and written with the first event.
    #[must_use]
    pub fn new_key(&self, subject: Uuid) -> (SubjectKey, VaultWrite) {
        let key = SubjectKey::generate(Ids);
        let wrapped = self.master.wrap(subject, &key, Ids);
        (key, VaultWrite::Key { subject, wrapped })
    }

    /// The keys of these subjects, as far as there are (still) any.
    ///
    /// # Errors
    /// The database fails. A key that does not unwrap is no error: the ring says which are damaged.
    pub async fn keys(&self, subjects: &[Uuid]) -> Result<KeyRing, VaultError> {
        let mut ring = KeyRing::default();
        let mut missing = Vec::new();
        for subject in subjects {
            match self.opened.get(subject) {
                Some(key) => ring.insert(*subject, key),
                None => missing.push(*subject),
            }
        }
        if !missing.is_empty() {
            for (subject, master_key_id, wrapped) in self.wrapped(&missing).await? {
                let wrapped = WrappedKey {
                    master_key_id,
                    wrapped,
                };
                let key = self.master.unwrap(subject, &wrapped);
                if let Some(key) = &key {
                    self.opened.insert(subject, key.clone());
                }
                ring.insert_unwrapped(subject, key);
            }
        }
        Ok(ring)
    }

    /// The keys of all subjects, as the connection sees them: for whoever reads the whole log.
    ///
    /// # Errors
    /// The database fails. A key that does not unwrap is no error: the ring says which are damaged.
    pub async fn all_keys(&self, conn: &mut PgConnection) -> Result<KeyRing, VaultError> {
        let mut rows = sqlx::query_as::<_, WrappedRow>(
            "SELECT subject_id, master_key_id, wrapped FROM vault.subject_keys",
        )
        .fetch(conn)
        .try_chunks(KEYS_AT_ONCE);
        let mut unwrapping = JoinSet::new();
        while let Some(rows) = rows.try_next().await.map_err(|error| error.1)? {
            let master = Arc::clone(&self.master);
            unwrapping.spawn_blocking(move || unwrap_all(&master, rows));
        }
        let mut ring = KeyRing::default();
        while let Some(keys) = unwrapping.join_next().await {
            let keys = keys.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
            for (subject, key) in keys {
                ring.insert_unwrapped(subject, key);
            }
        }
        Ok(ring)
    }

    /// Destroys the keys of all subjects from the first of the range up to its end, without it: what is sealed under
    /// them is erased for ever. Other nodes feel it within a minute. Says how many keys there were.
    ///
    /// # Errors
    /// The database fails.
    pub async fn destroy_keys(&self, subjects: Range<Uuid>) -> sqlx::Result<usize> {
        let destroyed: Vec<Uuid> = sqlx::query_scalar(
            "DELETE FROM vault.subject_keys WHERE subject_id >= $1 AND subject_id < $2 RETURNING subject_id",
        )
        .bind(subjects.start)
        .bind(subjects.end)
        .fetch_all(&self.pool)
        .await?;
        for subject in &destroyed {
            self.opened.invalidate(subject);
        }
        Ok(destroyed.len())
    }

    /// Forgets the opened key of an erased subject. Other nodes remember theirs for a minute at most.
    pub fn forget(&self, subject: Uuid) {
        self.opened.invalidate(&subject);
    }

    async fn wrapped(&self, subjects: &[Uuid]) -> sqlx::Result<Vec<(Uuid, String, Vec<u8>)>> {
        sqlx::query_as(
            "SELECT subject_id, master_key_id, wrapped FROM vault.subject_keys WHERE subject_id = ANY($1)",
        )
        .bind(subjects)
        .fetch_all(&self.pool)
        .await
    }
}

fn unwrap_all(master: &MasterKey, rows: Vec<WrappedRow>) -> Vec<(Uuid, Option<SubjectKey>)> {
    let keys = rows.into_iter().map(|(subject, master_key_id, wrapped)| {
        let wrapped = WrappedKey {
            master_key_id,
            wrapped,
        };
        (subject, master.unwrap(subject, &wrapped))
    });
    keys.collect()
}

/// Notes the first master key that a database sees, and tells all that it knows. One node at a time: two that come
/// first with two keys must not both be let in.
async fn register(pool: &PgPool, id: &str, clock: &dyn Clock) -> sqlx::Result<Vec<String>> {
    let mut tx = pool.begin().await?;
    sqlx::query("LOCK TABLE vault.master_keys IN SHARE ROW EXCLUSIVE MODE")
        .execute(&mut *tx)
        .await?;
    sqlx::query(
        "INSERT INTO vault.master_keys (id, created_at)
         SELECT $1, $2 WHERE NOT EXISTS (SELECT FROM vault.master_keys)",
    )
    .bind(id)
    .bind(clock.now())
    .execute(&mut *tx)
    .await?;
    let known = known_master_keys(&mut *tx).await?;
    tx.commit().await?;
    Ok(known)
}

/// The names of the master keys that a database was sealed under; none before it was first opened.
///
/// # Errors
/// The database fails.
pub async fn known_master_keys(executor: impl PgExecutor<'_>) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar("SELECT id FROM vault.master_keys ORDER BY id")
        .fetch_all(executor)
        .await
}
