//! The secret that checkpoints are signed with: made once, and the same for as long as the database lives, whatever
//! the master key is.

use uuid::Uuid;

use super::{SubjectKey, Vault, VaultError, WrappedKey};
use crate::{
    clock::Clock,
    evidence::{InvalidKeyName, Signer},
    ids::Ids,
};

/// What the key is wrapped for, as a person's is for the person: no identifier of ours is like it.
const PLACE: Uuid = Uuid::from_bytes(*b"checkpoints' key");

/// Why there is nobody to sign.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// The vault does not answer, or was altered.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The log's name cannot be signed for.
    #[error("the log cannot be called so in a checkpoint")]
    Name(#[from] InvalidKeyName),
}

impl Vault {
    /// Who signs for the log of this name, with the database's own key, which is made if there is none.
    ///
    /// # Errors
    /// The database fails, the key was altered, or the name is none.
    pub async fn signer(&self, origin: &str, clock: &dyn Clock) -> Result<Signer, SignerError> {
        let key = self.checkpoint_key(clock).await?;
        Ok(Signer::new(origin, key.bytes())?)
    }

    async fn checkpoint_key(&self, clock: &dyn Clock) -> Result<SubjectKey, VaultError> {
        if let Some(known) = self.known_checkpoint_key().await? {
            return Ok(known);
        }
        let new = self.master.wrap(PLACE, &SubjectKey::generate(Ids), Ids);
        // Of several nodes one is first, and the others take what it made.
        sqlx::query(
            "INSERT INTO vault.checkpoint_key (master_key_id, wrapped, created_at) VALUES ($1, $2, $3)
                 ON CONFLICT DO NOTHING",
        )
        .bind(new.master_key_id)
        .bind(new.wrapped)
        .bind(clock.now())
        .execute(&self.pool)
        .await?;
        let made = self.known_checkpoint_key().await?;
        made.ok_or(VaultError::AlteredCheckpointKey)
    }

    async fn known_checkpoint_key(&self) -> Result<Option<SubjectKey>, VaultError> {
        let row: Option<(String, Vec<u8>)> =
            sqlx::query_as("SELECT master_key_id, wrapped FROM vault.checkpoint_key")
                .fetch_optional(&self.pool)
                .await?;
        let Some((master_key_id, wrapped)) = row else {
            return Ok(None);
        };
        let wrapped = WrappedKey {
            master_key_id,
            wrapped,
        };
        let key = self.master.unwrap(PLACE, &wrapped);
        key.map(Some).ok_or(VaultError::AlteredCheckpointKey)
    }
}
