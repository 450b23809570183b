//! The vault's rows, taken along to another place.

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use futures_util::{Stream, StreamExt};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Vault, VaultError};
use crate::text::{as_base64, as_micros, as_micros_or_null};

/// A row of the vault. What it holds is wrapped, hashed or sealed, and still nothing to leave lying about.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VaultRow {
    /// The key of a person, or of a day.
    SubjectKey {
        /// Whose.
        subject_id: Uuid,
        /// The fingerprint of the master key that wraps it.
        master_key_id: String,
        /// Nonce and sealed key.
        #[serde(with = "as_base64")]
        wrapped: Vec<u8>,
        /// Since when.
        #[serde(with = "as_micros")]
        created_at: DateTime<Utc>,
    },
    /// The hash of a password.
    Credential {
        /// Whose.
        subject_id: Uuid,
        /// A PHC string.
        password_hash: String,
        /// Counts the subject's hashes.
        revision: i64,
        /// Says that the hash is the subject's, in base64; none in an export from before there were bindings.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        binding: Option<String>,
        /// Since when.
        #[serde(with = "as_micros")]
        changed_at: DateTime<Utc>,
    },
    /// What a provider gave.
    ProviderTokens {
        /// About whom.
        subject_id: Uuid,
        /// Sealed under the subject's key.
        sealed: String,
        /// When the provider has to be asked again, if ever.
        #[serde(with = "as_micros_or_null")]
        expires_at: Option<DateTime<Utc>>,
        /// Counts the changes.
        revision: i64,
    },
}

impl std::fmt::Debug for VaultRow {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (kind, subject) = match self {
            Self::SubjectKey { subject_id, .. } => ("SubjectKey", subject_id),
            Self::Credential { subject_id, .. } => ("Credential", subject_id),
            Self::ProviderTokens { subject_id, .. } => ("ProviderTokens", subject_id),
        };
        write!(formatter, "{kind}({subject})")
    }
}

/// All rows of the vault, as the connection sees them: first the keys, each kind in the order of the subjects.
pub fn vault_rows(conn: &mut PgConnection) -> impl Stream<Item = sqlx::Result<VaultRow>> {
    let rows = sqlx::query_scalar::<_, String>(
        "SELECT json_build_object(kind, content)::text
           FROM (SELECT 1, subject_id, 'subject_key', json_build_object(
                            'subject_id', subject_id, 'master_key_id', master_key_id
                          , 'wrapped', replace(encode(wrapped, 'base64'), chr(10), ''), 'created_at', created_at)
                   FROM vault.subject_keys
                  UNION ALL
                 SELECT 2, subject_id, 'credential', json_build_object(
                            'subject_id', subject_id, 'password_hash', password_hash, 'revision', revision
                          , 'binding', replace(encode(binding, 'base64'), chr(10), ''), 'changed_at', changed_at)
                   FROM vault.credentials
                  UNION ALL
                 SELECT 3, subject_id, 'provider_tokens', json_build_object(
                            'subject_id', subject_id, 'sealed', sealed, 'expires_at', expires_at, 'revision', revision)
                   FROM vault.provider_tokens) AS rows (place, subject_id, kind, content)
          ORDER BY place, subject_id",
    )
    .fetch(conn);
    rows.map(|row| serde_json::from_str(&row?).map_err(|error| sqlx::Error::Decode(error.into())))
}

impl Vault {
    /// Puts rows of another vault into this one, which has none of these subjects.
    ///
    /// # Errors
    /// The database fails, a key is wrapped by another master key than this vault's, or a password hash costs too much.
    pub async fn restore(
        &self,
        conn: &mut PgConnection,
        rows: &[VaultRow],
    ) -> Result<(), VaultError> {
        for row in rows {
            self.is_wrapped_for_us(row)?;
            self.can_afford(row)?;
        }
        let rows: Vec<VaultRow> = rows.iter().map(|row| self.bound(row)).collect();
        let rows = serde_json::to_string(&rows)
            .map_err(|error| VaultError::Database(sqlx::Error::Encode(error.into())))?;
        sqlx::query(
            "WITH lines AS (
                 SELECT line FROM json_array_elements($1::text::json) AS line)
             , keys AS (
                 INSERT INTO vault.subject_keys (subject_id, master_key_id, wrapped, created_at)
                 SELECT subject_id, master_key_id, decode(wrapped, 'base64'), created_at
                   FROM lines, json_to_record(line -> 'subject_key')
                        AS key (subject_id uuid, master_key_id text, wrapped text, created_at timestamptz)
                  WHERE line -> 'subject_key' IS NOT NULL)
             , credentials AS (
                 INSERT INTO vault.credentials (subject_id, password_hash, revision, binding, changed_at)
                 SELECT subject_id, password_hash, revision, decode(binding, 'base64'), changed_at
                   FROM lines, json_to_record(line -> 'credential')
                        AS credential (subject_id uuid, password_hash text, revision bigint, binding text, changed_at timestamptz)
                  WHERE line -> 'credential' IS NOT NULL)
             INSERT INTO vault.provider_tokens (subject_id, sealed, expires_at, revision)
             SELECT subject_id, sealed, expires_at, revision
               FROM lines, json_to_record(line -> 'provider_tokens')
                    AS tokens (subject_id uuid, sealed text, expires_at timestamptz, revision bigint)
              WHERE line -> 'provider_tokens' IS NOT NULL",
        )
        .bind(rows)
        .execute(conn)
        .await?;
        Ok(())
    }

    /// A hash that costs more than a sign-in can afford would never be verified.
    fn can_afford(&self, row: &VaultRow) -> Result<(), VaultError> {
        let VaultRow::Credential {
            subject_id,
            password_hash,
            ..
        } = row
        else {
            return Ok(());
        };
        self.hash_limits
            .check(password_hash)
            .map_err(|source| VaultError::HashTooDear {
                subject: *subject_id,
                source,
            })
    }

    /// A hash that was exported before there were bindings is taken for its subject's.
    fn bound(&self, row: &VaultRow) -> VaultRow {
        let mut row = row.clone();
        if let VaultRow::Credential {
            subject_id,
            password_hash,
            revision,
            binding,
            ..
        } = &mut row
        {
            binding.get_or_insert_with(|| {
                STANDARD.encode(self.binding(*subject_id, *revision, password_hash))
            });
        }
        row
    }

    /// Keys that are wrapped by another master key would open nothing. One that was damaged before it was exported stays as it
    /// is: the log is taken as it was, and a verification names the key.
    fn is_wrapped_for_us(&self, row: &VaultRow) -> Result<(), VaultError> {
        let VaultRow::SubjectKey { master_key_id, .. } = row else {
            return Ok(());
        };
        if master_key_id == self.master.id() {
            return Ok(());
        }
        Err(VaultError::WrongMasterKey {
            given: self.master.id().to_owned(),
            expected: master_key_id.clone(),
        })
    }
}
