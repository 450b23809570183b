//! What providers gave for asking them about a person again, sealed under the person's key.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Place, Vault, VaultError, VaultWrite, open, seal};
use crate::{Personal, ids::Ids};

/// The tokens of one person at one provider.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderTokens {
    /// Speaks for the person.
    pub access_token: String,
    /// Buys another, when the provider gave one.
    pub refresh_token: Option<String>,
}

/// Tokens as they are stored.
#[derive(Debug, Clone)]
pub struct StoredTokens {
    /// The tokens.
    pub tokens: ProviderTokens,
    /// When the provider has to be asked again, if ever.
    pub expires_at: Option<DateTime<Utc>>,
    /// Counts the changes.
    pub revision: i64,
}

impl StoredTokens {
    /// Whether the provider has to be asked again.
    #[must_use]
    pub fn is_expired(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now)
    }
}

impl Vault {
    /// Seals tokens, to be written with a session. The person must have a key already.
    ///
    /// # Errors
    /// The database fails, or the person was erased.
    pub async fn provider_tokens_write(
        &self,
        subject: Uuid,
        tokens: ProviderTokens,
        expires_at: Option<DateTime<Utc>>,
    ) -> Result<VaultWrite, VaultError> {
        Ok(VaultWrite::ProviderTokens {
            subject,
            sealed: self.sealed(subject, tokens).await?,
            expires_at,
        })
    }

    /// The tokens of a person, if there are any that can be opened.
    ///
    /// # Errors
    /// The database fails, or the tokens were altered.
    pub async fn provider_tokens(&self, subject: Uuid) -> Result<Option<StoredTokens>, VaultError> {
        let row: Option<(String, Option<DateTime<Utc>>, i64)> = sqlx::query_as(
            "SELECT sealed, expires_at, revision FROM vault.provider_tokens WHERE subject_id = $1",
        )
        .bind(subject)
        .fetch_optional(&self.pool)
        .await?;
        let Some((sealed, expires_at, revision)) = row else {
            return Ok(None);
        };
        let keys = self.keys(&[subject]).await?;
        let mut tokens = Personal::Sealed(sealed);
        open(&mut tokens, &keys, &place(subject)).map_err(|_| VaultError::Altered(subject))?;
        Ok(tokens.known().cloned().map(|tokens| StoredTokens {
            tokens,
            expires_at,
            revision,
        }))
    }

    /// Takes the turn to renew the tokens of a person, for `lease` at most. Says whether it is ours: somebody else may have
    /// it, or have renewed them since `revision`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn begin_renewal(
        &self,
        subject: Uuid,
        revision: i64,
        lease: Duration,
    ) -> Result<bool, VaultError> {
        let taken = sqlx::query(
            "UPDATE vault.provider_tokens
                SET renewing_until = now() + make_interval(secs => $3)
              WHERE subject_id = $1 AND revision = $2
                AND (renewing_until IS NULL OR renewing_until < now())",
        )
        .bind(subject)
        .bind(revision)
        .bind(lease.as_secs_f64())
        .execute(&self.pool)
        .await?;
        Ok(taken.rows_affected() > 0)
    }

    /// Gives the turn back without new tokens.
    ///
    /// # Errors
    /// The database fails.
    pub async fn give_up_renewal(&self, subject: Uuid, revision: i64) -> Result<(), VaultError> {
        sqlx::query(
            "UPDATE vault.provider_tokens SET renewing_until = NULL
              WHERE subject_id = $1 AND revision = $2",
        )
        .bind(subject)
        .bind(revision)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Replaces the tokens of a person, unless somebody else has done so since `revision`: says whether it did.
    ///
    /// # Errors
    /// The database fails, or the person was erased.
    pub async fn renew_provider_tokens(
        &self,
        subject: Uuid,
        revision: i64,
        tokens: ProviderTokens,
        expires_at: Option<DateTime<Utc>>,
    ) -> Result<bool, VaultError> {
        let sealed = self.sealed(subject, tokens).await?;
        let renewed = sqlx::query(
            "UPDATE vault.provider_tokens
                SET sealed = $3, expires_at = $4, revision = revision + 1, renewing_until = NULL
              WHERE subject_id = $1 AND revision = $2",
        )
        .bind(subject)
        .bind(revision)
        .bind(sealed)
        .bind(expires_at)
        .execute(&self.pool)
        .await?;
        Ok(renewed.rows_affected() > 0)
    }

    async fn sealed(&self, subject: Uuid, tokens: ProviderTokens) -> Result<String, VaultError> {
        let keys = self.keys(&[subject]).await?;
        let key = match keys.get(subject) {
            Some(key) => key,
            None if keys.is_damaged(subject) => return Err(VaultError::Altered(subject)),
            None => return Err(VaultError::Erased(subject)),
        };
        let mut field = Personal::Known(tokens);
        seal(&mut field, subject, key, &place(subject), Ids)
            .map_err(|_| VaultError::Altered(subject))?;
        match field {
            Personal::Sealed(text) => Ok(text),
            Personal::Known(_) | Personal::Erased => Err(VaultError::Erased(subject)),
        }
    }
}

/// Where they are, so that one person's cannot be put into another's place.
fn place(subject: Uuid) -> Place<'static> {
    Place {
        stream: subject,
        version: 0,
        event_type: "",
        schema_version: 1,
        field: "provider_tokens",
    }
}

impl std::fmt::Debug for ProviderTokens {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("ProviderTokens(..)")
    }
}
