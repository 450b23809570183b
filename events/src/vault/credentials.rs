//! What is written to the vault, in the same transaction as the events that go with it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::WrappedKey;

/// A change of the vault that goes with a command's events, and happens only if there are any.
#[derive(Clone)]
pub enum VaultWrite {
    /// A new subject's key.
    Key {
        /// Whose.
        subject: Uuid,
        /// The key.
        wrapped: WrappedKey,
    },
    /// No key any more: what was sealed under it can never be opened again.
    NoKey {
        /// Whose.
        subject: Uuid,
    },
    /// A subject's password hash, in place of any earlier one.
    PasswordHash {
        /// Whose.
        subject: Uuid,
        /// A PHC string.
        hash: String,
        /// Counts the subject's hashes, from 1.
        revision: i64,
    },
    /// The same, bound to the subject: what the command bus makes of it.
    BoundPasswordHash {
        /// Whose.
        subject: Uuid,
        /// A PHC string.
        hash: String,
        /// Counts the subject's hashes, from 1.
        revision: i64,
        /// Says that the hash is the subject's.
        binding: Vec<u8>,
    },
    /// What a provider gave, in place of anything earlier.
    ProviderTokens {
        /// About whom.
        subject: Uuid,
        /// Sealed under the subject's key.
        sealed: String,
        /// When the provider has to be asked again, if ever.
        expires_at: Option<DateTime<Utc>>,
    },
    /// Nothing that a provider gave any more: the subject is gone, or signs in otherwise.
    NoProviderTokens {
        /// Whose.
        subject: Uuid,
    },
    /// No password hash any more: the subject is gone, or signs in otherwise.
    NoPassword {
        /// Whose.
        subject: Uuid,
    },
}

/// A stored password hash.
#[derive(Clone)]
pub struct Credential {
    /// A PHC string.
    pub password_hash: String,
    /// Counts the subject's hashes, from 1.
    pub revision: i64,
    /// Whether the hash is the subject's, as of that revision. Any other proves nothing.
    pub is_bound: bool,
}

impl Credential {
    /// The hash to verify a password by; none if it is not the subject's.
    #[must_use]
    pub fn trusted_hash(&self) -> Option<&str> {
        self.is_bound.then_some(self.password_hash.as_str())
    }
}

/// A PHC string, its revision and its binding.
type Hash<'a> = (&'a str, i64, Option<&'a [u8]>);

/// Sealed tokens, and when the provider has to be asked again.
type Tokens<'a> = (&'a str, Option<DateTime<Utc>>);

/// Writes what goes with a batch, in as few statements as it takes. Of several writes about one subject the last counts.
pub(crate) async fn write(
    conn: &mut PgConnection,
    writes: &[VaultWrite],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let mut keys = Vec::new();
    let mut erased = Vec::new();
    let mut hashes = BTreeMap::new();
    let mut tokens = BTreeMap::new();
    for write in writes {
        match write {
            VaultWrite::Key { subject, wrapped } => keys.push((*subject, wrapped)),
            VaultWrite::NoKey { subject } => erased.push(*subject),
            VaultWrite::PasswordHash {
                subject,
                hash,
                revision,
            } => drop(hashes.insert(*subject, Some((hash.as_str(), *revision, None)))),
            VaultWrite::BoundPasswordHash {
                subject,
                hash,
                revision,
                binding,
            } => {
                let hash = (hash.as_str(), *revision, Some(binding.as_slice()));
                hashes.insert(*subject, Some(hash));
            }
            VaultWrite::NoPassword { subject } => drop(hashes.insert(*subject, None)),
            VaultWrite::ProviderTokens {
                subject,
                sealed,
                expires_at,
            } => drop(tokens.insert(*subject, Some((sealed.as_str(), *expires_at)))),
            VaultWrite::NoProviderTokens { subject } => drop(tokens.insert(*subject, None)),
        }
    }
    if !keys.is_empty() || !hashes.is_empty() {
        write_keys_and_hashes(conn, keys, hashes, now).await?;
    }
    if !erased.is_empty() {
        destroy_keys(conn, erased).await?;
    }
    if !tokens.is_empty() {
        write_provider_tokens(conn, tokens).await?;
    }
    Ok(())
}

async fn write_keys_and_hashes(
    conn: &mut PgConnection,
    keys: Vec<(Uuid, &WrappedKey)>,
    hashes: BTreeMap<Uuid, Option<Hash<'_>>>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let (kept, gone) = kept_and_gone(hashes);
    let master_key_ids: Vec<&str> = keys
        .iter()
        .map(|(_, key)| key.master_key_id.as_str())
        .collect();
    let wrapped: Vec<&[u8]> = keys.iter().map(|(_, key)| key.wrapped.as_slice()).collect();
    sqlx::query(
        "WITH keys AS (
             INSERT INTO vault.subject_keys (subject_id, master_key_id, wrapped, created_at)
             SELECT *, $7::timestamptz FROM UNNEST($1::uuid[], $2::text[], $3::bytea[]))
         , gone AS (
             DELETE FROM vault.credentials WHERE subject_id = ANY($8))
         INSERT INTO vault.credentials (subject_id, password_hash, revision, binding, changed_at)
         SELECT *, $7::timestamptz FROM UNNEST($4::uuid[], $5::text[], $6::bigint[], $9::bytea[])
             ON CONFLICT (subject_id) DO UPDATE
            SET password_hash = excluded.password_hash, revision = excluded.revision
              , binding = excluded.binding, changed_at = excluded.changed_at",
    )
    .bind(keys.iter().map(|(subject, _)| *subject).collect::<Vec<_>>())
    .bind(master_key_ids)
    .bind(wrapped)
    .bind(kept.iter().map(|(subject, _)| *subject).collect::<Vec<_>>())
    .bind(kept.iter().map(|(_, (hash, ..))| *hash).collect::<Vec<_>>())
    .bind(
        kept.iter()
            .map(|(_, (_, revision, _))| *revision)
            .collect::<Vec<_>>(),
    )
    .bind(now)
    .bind(gone)
    .bind(
        kept.iter()
            .map(|(_, (_, _, binding))| *binding)
            .collect::<Vec<_>>(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// After all keys of the batch are there: who was made and erased within it has none.
async fn destroy_keys(conn: &mut PgConnection, subjects: Vec<Uuid>) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM vault.subject_keys WHERE subject_id = ANY($1)")
        .bind(subjects)
        .execute(conn)
        .await?;
    Ok(())
}

async fn write_provider_tokens(
    conn: &mut PgConnection,
    tokens: BTreeMap<Uuid, Option<Tokens<'_>>>,
) -> sqlx::Result<()> {
    let (kept, gone) = kept_and_gone(tokens);
    sqlx::query(
        "WITH gone AS (
             DELETE FROM vault.provider_tokens WHERE subject_id = ANY($4))
         INSERT INTO vault.provider_tokens AS known (subject_id, sealed, expires_at, revision)
         SELECT *, 1 FROM UNNEST($1::uuid[], $2::text[], $3::timestamptz[])
             ON CONFLICT (subject_id) DO UPDATE
            SET sealed = excluded.sealed, expires_at = excluded.expires_at, revision = known.revision + 1
              , renewing_until = NULL",
    )
    .bind(kept.iter().map(|(subject, _)| *subject).collect::<Vec<_>>())
    .bind(kept.iter().map(|(_, (sealed, _))| *sealed).collect::<Vec<_>>())
    .bind(kept.iter().map(|(_, (_, expires_at))| *expires_at).collect::<Vec<_>>())
    .bind(gone)
    .execute(conn)
    .await?;
    Ok(())
}

/// What each subject has in the end, and who has nothing.
fn kept_and_gone<T>(last: BTreeMap<Uuid, Option<T>>) -> (Vec<(Uuid, T)>, Vec<Uuid>) {
    let mut kept = Vec::new();
    let mut gone = Vec::new();
    for (subject, value) in last {
        match value {
            Some(value) => kept.push((subject, value)),
            None => gone.push(subject),
        }
    }
    (kept, gone)
}

impl std::fmt::Debug for VaultWrite {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (kind, subject) = match self {
            Self::Key { subject, .. } => ("Key", subject),
            Self::NoKey { subject } => ("NoKey", subject),
            Self::PasswordHash { subject, .. } | Self::BoundPasswordHash { subject, .. } => {
                ("PasswordHash", subject)
            }
            Self::ProviderTokens { subject, .. } => ("ProviderTokens", subject),
            Self::NoProviderTokens { subject } => ("NoProviderTokens", subject),
            Self::NoPassword { subject } => ("NoPassword", subject),
        };
        write!(formatter, "{kind}({subject})")
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Credential(revision {})", self.revision)
    }
}
