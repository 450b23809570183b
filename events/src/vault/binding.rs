//! Password hashes are bound to their user: with write access to the vault alone, another user's hash, or an older one of the
//! same user, cannot be put in place of theirs.
//!
//! A binding is HMAC-SHA256, under a key derived from the master key, over the subject, the revision and the hash.

use chrono::{DateTime, Utc};
use futures_util::{Stream, StreamExt};
use ring::hmac::{HMAC_SHA256, Key, Tag, sign, verify};
use sqlx::{Executor, PgConnection, PgExecutor};
use uuid::Uuid;

use super::{Credential, Vault, VaultWrite};

/// Hashes from before there were bindings that are bound at once.
const AT_ONCE: i64 = 10_000;

/// A row of `vault.credentials`: subject, hash, revision, binding.
type Row = (Uuid, String, i64, Option<Vec<u8>>);

/// What is known of a stored password hash without the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckedCredential {
    /// The subject.
    pub subject: Uuid,
    /// Counts the subject's hashes, from 1.
    pub revision: i64,
    /// Whether the hash is the subject's, as of that revision.
    pub is_bound: bool,
}

impl Vault {
    /// The current password hash of `subject`, and whether it is theirs.
    ///
    /// # Errors
    /// The database fails.
    pub async fn credential(
        &self,
        executor: impl PgExecutor<'_>,
        subject: Uuid,
    ) -> sqlx::Result<Option<Credential>> {
        let row: Option<(String, i64, Option<Vec<u8>>)> = sqlx::query_as(
            "SELECT password_hash, revision, binding FROM vault.credentials WHERE subject_id = $1",
        )
        .bind(subject)
        .fetch_optional(executor)
        .await?;
        Ok(row.map(|(password_hash, revision, binding)| {
            let is_bound = self.is_bound(subject, revision, &password_hash, binding.as_deref());
            if !is_bound {
                tracing::error!(%subject, "a password hash in the vault is not the user's own: it is refused");
            }
            Credential {
                password_hash,
                revision,
                is_bound,
            }
        }))
    }

    /// Binds the password hashes that are about to be written.
    pub fn bind(&self, writes: &mut [VaultWrite]) {
        for write in writes {
            if let VaultWrite::PasswordHash {
                subject,
                hash,
                revision,
            } = write
            {
                *write = VaultWrite::BoundPasswordHash {
                    subject: *subject,
                    binding: self.binding(*subject, *revision, hash),
                    revision: *revision,
                    hash: std::mem::take(hash),
                };
            }
        }
    }

    /// Binds the hashes that were stored before there were bindings, once in the life of a database.
    ///
    /// # Errors
    /// The database fails.
    pub async fn bind_old_credentials(&self, now: DateTime<Utc>) -> sqlx::Result<()> {
        if are_bound(&self.pool).await? {
            return Ok(());
        }
        let mut tx = self.pool.begin().await?;
        tx.execute("LOCK TABLE vault.credentials IN SHARE ROW EXCLUSIVE MODE")
            .await?;
        // Another node may have been faster: what is unbound since then stays refused.
        if are_bound(&mut *tx).await? {
            return Ok(());
        }
        loop {
            let rows: Vec<(Uuid, String, i64)> = sqlx::query_as(
                "SELECT subject_id, password_hash, revision FROM vault.credentials WHERE binding IS NULL LIMIT $1",
            )
            .bind(AT_ONCE)
            .fetch_all(&mut *tx)
            .await?;
            if rows.is_empty() {
                break;
            }
            self.write_bindings(&mut tx, &rows).await?;
        }
        sqlx::query("INSERT INTO log.credentials_bound (bound_at) VALUES ($1)")
            .bind(now)
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    }

    async fn write_bindings(
        &self,
        conn: &mut PgConnection,
        rows: &[(Uuid, String, i64)],
    ) -> sqlx::Result<()> {
        let subjects: Vec<Uuid> = rows.iter().map(|(subject, ..)| *subject).collect();
        let bindings: Vec<Vec<u8>> = rows
            .iter()
            .map(|(subject, hash, revision)| self.binding(*subject, *revision, hash))
            .collect();
        sqlx::query(
            "UPDATE vault.credentials SET binding = bound.binding
               FROM UNNEST($1::uuid[], $2::bytea[]) AS bound (subject_id, binding)
              WHERE credentials.subject_id = bound.subject_id",
        )
        .bind(subjects)
        .bind(bindings)
        .execute(conn)
        .await?;
        Ok(())
    }

    /// All stored hashes, or that of one subject, each checked. Before the old ones were bound, those pass.
    ///
    /// # Errors
    /// The database fails.
    pub async fn checked_credentials<'a>(
        &'a self,
        conn: &'a mut PgConnection,
        subject: Option<Uuid>,
    ) -> sqlx::Result<impl Stream<Item = sqlx::Result<CheckedCredential>> + 'a> {
        let are_bound = are_bound(&mut *conn).await?;
        let rows = sqlx::query_as::<_, Row>(
            "SELECT subject_id, password_hash, revision, binding
               FROM vault.credentials
              WHERE $1::uuid IS NULL OR subject_id = $1
              ORDER BY subject_id",
        )
        .bind(subject)
        .fetch(conn);
        Ok(rows.map(move |row| {
            let (subject, hash, revision, binding) = row?;
            let is_old = binding.is_none() && !are_bound;
            Ok(CheckedCredential {
                subject,
                revision,
                is_bound: is_old || self.is_bound(subject, revision, &hash, binding.as_deref()),
            })
        }))
    }

    pub(super) fn binding(&self, subject: Uuid, revision: i64, hash: &str) -> Vec<u8> {
        let tag: Tag = sign(&self.binding_key(), &bound(subject, revision, hash));
        tag.as_ref().to_vec()
    }

    fn is_bound(&self, subject: Uuid, revision: i64, hash: &str, binding: Option<&[u8]>) -> bool {
        let bound = bound(subject, revision, hash);
        binding.is_some_and(|tag| verify(&self.binding_key(), &bound, tag).is_ok())
    }

    fn binding_key(&self) -> Key {
        Key::new(HMAC_SHA256, &self.master.derive("credentials"))
    }
}

/// What a binding is made over. Only the hash has no fixed length, and it comes last.
fn bound(subject: Uuid, revision: i64, hash: &str) -> Vec<u8> {
    let revision = revision.to_be_bytes();
    [subject.as_bytes().as_slice(), &revision, hash.as_bytes()].concat()
}

async fn are_bound(executor: impl PgExecutor<'_>) -> sqlx::Result<bool> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM log.credentials_bound)")
        .fetch_one(executor)
        .await
}
