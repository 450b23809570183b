//! What is written to the vault, in the same transaction as the events that go with it.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};
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
    /// A subject's password hash, in place of any earlier one.
    PasswordHash {
        /// Whose.
        subject: Uuid,
        /// A PHC string.
        hash: String,
        /// Counts the subject's hashes, from 1.
        revision: i64,
    },
    /// No password hash any more, for a subject who is gone.
    NoPassword {
        /// Whose.
        subject: Uuid,
    },
}

/// A stored password hash.
#[derive(Clone, sqlx::FromRow)]
pub struct Credential {
    /// A PHC string.
    pub password_hash: String,
    /// Counts the subject's hashes, from 1.
    pub revision: i64,
}

/// The current password hash of `subject`.
///
/// # Errors
/// The database fails.
pub async fn credential(
    executor: impl PgExecutor<'_>,
    subject: Uuid,
) -> sqlx::Result<Option<Credential>> {
    sqlx::query_as("SELECT password_hash, revision FROM vault.credentials WHERE subject_id = $1")
        .bind(subject)
        .fetch_optional(executor)
        .await
}

/// Writes the keys and the password hashes in one statement, if there are any. Who is gone does not come back: within a
/// batch, having no password outlasts any.
pub(crate) async fn write(
    conn: &mut PgConnection,
    writes: &[VaultWrite],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let mut keys = (Vec::new(), Vec::new(), Vec::new());
    let mut hashes = (Vec::new(), Vec::new(), Vec::new());
    let mut gone = Vec::new();
    for write in writes {
        match write {
            VaultWrite::Key { subject, wrapped } => {
                keys.0.push(*subject);
                keys.1.push(wrapped.master_key_id.as_str());
                keys.2.push(wrapped.wrapped.as_slice());
            }
            VaultWrite::PasswordHash {
                subject,
                hash,
                revision,
            } => {
                hashes.0.push(*subject);
                hashes.1.push(hash.as_str());
                hashes.2.push(*revision);
            }
            VaultWrite::NoPassword { subject } => gone.push(*subject),
        }
    }
    if !writes.is_empty() {
        sqlx::query(
            "WITH keys AS (
                 INSERT INTO vault.subject_keys (subject_id, master_key_id, wrapped, created_at)
                 SELECT *, $7::timestamptz FROM UNNEST($1::uuid[], $2::text[], $3::bytea[]))
             , gone AS (
                 DELETE FROM vault.credentials WHERE subject_id = ANY($8))
             INSERT INTO vault.credentials (subject_id, password_hash, revision, changed_at)
             SELECT DISTINCT ON (subject_id) subject_id, password_hash, revision, $7::timestamptz
               FROM UNNEST($4::uuid[], $5::text[], $6::bigint[]) AS hashes (subject_id, password_hash, revision)
              WHERE subject_id <> ALL($8)
              ORDER BY subject_id, revision DESC
                 ON CONFLICT (subject_id) DO UPDATE
                SET password_hash = excluded.password_hash, revision = excluded.revision
                  , changed_at = excluded.changed_at",
        )
        .bind(keys.0)
        .bind(keys.1)
        .bind(keys.2)
        .bind(hashes.0)
        .bind(hashes.1)
        .bind(hashes.2)
        .bind(now)
        .bind(gone)
        .execute(conn)
        .await?;
    }
    Ok(())
}

impl std::fmt::Debug for VaultWrite {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (kind, subject) = match self {
            Self::Key { subject, .. } => ("Key", subject),
            Self::PasswordHash { subject, .. } => ("PasswordHash", subject),
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
