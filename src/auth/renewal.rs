//! Whether a provider still vouches for who signed in by it. Its word is good for a while; then a request that comes asks
//! again, once however many come at the same time, at whichever node.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use moka::sync::Cache;
use rollcall_events::vault::{StoredTokens, Vault, VaultError};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::providers::{Provider, ProviderError};

/// Users whose turn is remembered. One who is forgotten may ask twice.
const MOST_TURNS: u64 = 100_000;
/// A provider that does not answer is not asked again about the same user before then.
const PAUSE: Duration = Duration::from_secs(30);
/// Longer than a provider takes, or is given up.
const LEASE: Duration = Duration::from_secs(20);
/// How long another node is waited for, and how often it is looked.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long its last word still counts when a provider does not answer: its outage is not our users'.
const GRACE: TimeDelta = TimeDelta::hours(1);

/// Asks providers again. Cheap to clone.
#[derive(Clone)]
pub struct Renewals {
    turns: Cache<Uuid, Arc<Mutex<()>>>,
    silent: Cache<Uuid, ()>,
}

/// What a provider says of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It vouches for them, or cannot be asked and did until just now.
    Good,
    /// It does so no more.
    Refused,
    /// It cannot be asked, and has not been for too long.
    Unknown,
}

impl Default for Renewals {
    fn default() -> Self {
        Self {
            turns: Cache::new(MOST_TURNS),
            silent: Cache::builder()
                .max_capacity(MOST_TURNS)
                .time_to_live(PAUSE)
                .build(),
        }
    }
}

impl Renewals {
    /// Asks again about a user whose tokens have expired, and keeps the new ones.
    ///
    /// # Errors
    /// The vault cannot be read or written.
    pub async fn renew(
        &self,
        vault: &Vault,
        provider: Provider<'_>,
        user: Uuid,
        now: DateTime<Utc>,
    ) -> Result<Standing, VaultError> {
        let turn = self.turns.get_with(user, Arc::default);
        let _turn = turn.lock().await;
        let Some(stored) = vault.provider_tokens(user).await? else {
            return Ok(Standing::Refused);
        };
        if !stored.is_expired(now) {
            return Ok(Standing::Good);
        }
        let Some(refresh_token) = &stored.tokens.refresh_token else {
            return Ok(Standing::Refused);
        };
        if self.silent.contains_key(&user) {
            return Ok(without_answer(&stored, now));
        }
        if let Some(standing) = wait_for_turn(vault, user, &stored, now).await? {
            return Ok(standing);
        }
        match provider.refresh(refresh_token).await {
            Ok(renewed) => {
                vault
                    .renew_provider_tokens(
                        user,
                        stored.revision,
                        renewed.tokens,
                        renewed.expires_at,
                    )
                    .await?;
                Ok(Standing::Good)
            }
            Err(error) => {
                vault.give_up_renewal(user, stored.revision).await?;
                if matches!(error, ProviderError::RefreshRefused(_)) {
                    return Ok(Standing::Refused);
                }
                tracing::warn!(%user, error = error.sentence(), "a provider cannot be asked whether it still vouches for a user");
                self.silent.insert(user, ());
                Ok(without_answer(&stored, now))
            }
        }
    }
}

/// Waits until this node may ask, or another has asked and knows. If that one was given no answer, or a bad one, this one
/// asks for itself. No connection is held meanwhile.
async fn wait_for_turn(
    vault: &Vault,
    user: Uuid,
    asked_with: &StoredTokens,
    now: DateTime<Utc>,
) -> Result<Option<Standing>, VaultError> {
    let waiting = async {
        while !vault
            .begin_renewal(user, asked_with.revision, LEASE)
            .await?
        {
            match vault.provider_tokens(user).await? {
                None => return Ok(Some(Standing::Refused)),
                Some(stored) if stored.revision != asked_with.revision => {
                    return Ok(Some(Standing::Good));
                }
                Some(_) => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
        Ok(None)
    };
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .unwrap_or_else(|_| Ok(Some(without_answer(asked_with, now))))
}

fn without_answer(stored: &StoredTokens, now: DateTime<Utc>) -> Standing {
    let is_recent = stored
        .expires_at
        .is_none_or(|expired_at| now - expired_at <= GRACE);
    if is_recent {
        Standing::Good
    } else {
        Standing::Unknown
    }
}
