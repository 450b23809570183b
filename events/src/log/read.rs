//! Reading the log: by position, or one stream; decoded and, where there are keys, opened.

use std::collections::HashSet;

use sqlx::{PgExecutor, PgPool};
use uuid::Uuid;

use super::{RawEvent, ReadEvent, Subscription, Unreadable, Upcasters, codec::Sealed};
use crate::vault::{Vault, VaultError};

/// Why the log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The database does not answer, or refuses.
    #[error("the log cannot be read")]
    Database(#[from] sqlx::Error),
    /// The vault does not answer, or was altered.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// An aggregate cannot be decided about, because one of its events cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Box<Unreadable>),
}

/// Reads events.
#[derive(Clone)]
pub struct LogReader {
    pool: PgPool,
    vault: Vault,
    upcasters: Upcasters,
}

impl LogReader {
    /// A reader of the log in `pool`'s database.
    #[must_use]
    pub fn new(pool: PgPool, vault: Vault, upcasters: Upcasters) -> Self {
        Self {
            pool,
            vault,
            upcasters,
        }
    }

    /// The database that the log is in.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// The vault that opens what is read.
    #[must_use]
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// What leads retired shapes of events to today's.
    #[must_use]
    pub fn upcasters(&self) -> &Upcasters {
        &self.upcasters
    }

    /// The next events after `position`, in order, at most `limit`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn after(&self, position: i64, limit: i64) -> Result<Vec<ReadEvent>, LogError> {
        let events = raw_after(&self.pool, position, limit).await?;
        self.open(events).await
    }

    /// The events of one stream after `version`, in order.
    ///
    /// # Errors
    /// The database fails.
    pub async fn stream(
        &self,
        aggregate_id: Uuid,
        version: i64,
    ) -> Result<Vec<ReadEvent>, LogError> {
        self.open(self.raw_stream(aggregate_id, version).await?)
            .await
    }

    /// The same, as the log holds them.
    pub(super) async fn raw_stream(
        &self,
        aggregate_id: Uuid,
        version: i64,
    ) -> sqlx::Result<Vec<RawEvent>> {
        sqlx::query_as(
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
              WHERE aggregate_id = $1 AND version > $2
              ORDER BY version",
        )
        .bind(aggregate_id)
        .bind(version)
        .fetch_all(&self.pool)
        .await
    }

    /// Follows the log from after `position`.
    #[must_use]
    pub fn follow(&self, position: i64) -> Subscription {
        Subscription::new(self.clone(), position)
    }

    /// Decodes events and opens them with as few questions to the vault as possible: one.
    ///
    /// # Errors
    /// The vault fails. An event that cannot be read is no error: it comes with the reason, in its place.
    pub async fn open(&self, events: Vec<RawEvent>) -> Result<Vec<ReadEvent>, LogError> {
        self.open_with(events, true).await
    }

    /// The same, but for the origins of the requests: for folding, which is then not hindered by one that does not open.
    ///
    /// # Errors
    /// The vault fails.
    pub async fn open_payloads(&self, events: Vec<RawEvent>) -> Result<Vec<ReadEvent>, LogError> {
        self.open_with(events, false).await
    }

    async fn open_with(
        &self,
        events: Vec<RawEvent>,
        origins: bool,
    ) -> Result<Vec<ReadEvent>, LogError> {
        let mut sealed: Vec<_> = events
            .iter()
            .map(|event| {
                let columns = event.columns();
                if origins {
                    columns.read(&self.upcasters)
                } else {
                    columns.read_payload(&self.upcasters)
                }
            })
            .collect();
        let subjects: HashSet<Uuid> = sealed
            .iter_mut()
            .flatten()
            .flat_map(Sealed::subjects)
            .collect();
        let keys = self
            .vault
            .keys(&subjects.into_iter().collect::<Vec<_>>())
            .await?;
        let opened = sealed.into_iter().map(|event| event?.open(&keys));
        Ok(opened.collect())
    }
}

/// Events after `position`, in order, as the log holds them; at most `limit` of them.
pub(super) async fn raw_after(
    executor: impl PgExecutor<'_>,
    position: i64,
    limit: i64,
) -> sqlx::Result<Vec<RawEvent>> {
    sqlx::query_as(
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
          WHERE position > $1
          ORDER BY position
          LIMIT $2",
    )
    .bind(position)
    .bind(limit)
    .fetch_all(executor)
    .await
}
