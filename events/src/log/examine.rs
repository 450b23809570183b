//! A quick look at a whole log: can every event be read?

use std::time::{Duration, Instant};

use sqlx::PgConnection;

use super::{Upcasters, read::raw_after};
use crate::{
    Recorded,
    log::legible,
    vault::{KeyRing, Vault},
};

/// Events that are read at once.
const BATCH: i64 = 2_000;

/// What was found.
#[derive(Debug, Default)]
pub struct Examined {
    /// The last event that was looked at.
    pub position: i64,
    /// Whether that is the last of the log.
    pub is_whole: bool,
    /// How many events cannot be read, or not in full.
    pub unreadable: u64,
    /// The first of them, and the reason.
    pub first: Option<(i64, String)>,
    /// How many subjects have a key that does not unwrap.
    pub damaged_keys: usize,
}

/// Looks at the events from the first, for as long as it may take. Without the vault, what is sealed is not looked at.
///
/// # Errors
/// The database fails.
pub async fn examine(
    conn: &mut PgConnection,
    vault: Option<&Vault>,
    time: Duration,
) -> sqlx::Result<Examined> {
    let give_up_at = Instant::now() + time;
    let keys = match vault {
        Some(vault) => vault.all_keys(conn).await.map_err(|error| match error {
            crate::vault::VaultError::Database(error) => error,
            other => sqlx::Error::Decode(Box::new(other)),
        })?,
        None => KeyRing::default(),
    };
    let mut examined = Examined {
        damaged_keys: keys.damaged().count(),
        ..Examined::default()
    };
    let upcasters = Upcasters::current();
    while Instant::now() < give_up_at {
        let events = raw_after(&mut *conn, examined.position, BATCH).await?;
        let Some(last) = events.last() else {
            examined.is_whole = true;
            break;
        };
        examined.position = last.position;
        for event in &events {
            if let Err(unreadable) = event.columns().open(&upcasters, &keys, |_| ()) {
                examined.unreadable += 1;
                let first = || (unreadable.position, unreadable.reason());
                examined.first.get_or_insert_with(first);
            }
        }
    }
    Ok(examined)
}

/// The next events after `position`, at most `limit`, as far as they can be read without any key.
///
/// # Errors
/// The database fails.
pub async fn legible_after(
    conn: &mut PgConnection,
    position: i64,
    limit: i64,
) -> sqlx::Result<Vec<Recorded>> {
    let events = raw_after(conn, position, limit).await?;
    let (upcasters, keys) = (Upcasters::current(), KeyRing::default());
    let read = events
        .iter()
        .map(|event| event.columns().open_payload(&upcasters, &keys));
    Ok(legible(read).collect())
}
