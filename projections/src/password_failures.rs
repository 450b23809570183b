//! Wrong passwords by account, and the networks where users have proven theirs. Accounts and networks come as keyed
//! hashes; what the counts mean is decided by the caller.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgExecutor, Postgres, Transaction};
use uuid::Uuid;

/// A user's networks that are remembered at most: those of the latest successes.
const MOST_NETWORKS: i64 = 20;
/// A count that has no meaning any more is kept for so long while the account is under attack: it tells which
/// networks have failed before.
const KEPT: TimeDelta = TimeDelta::days(1);
/// No scope: stands for a known network among counts.
const KNOWN: &[u8] = b"";

/// The transaction that holds one account's counts. No other node changes them until it ends.
pub struct Counting<'a> {
    tx: Transaction<'a, Postgres>,
    account: &'a [u8],
}

/// One count of failures.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct FailureCount {
    /// What is counted.
    pub scope: Vec<u8>,
    /// The last failure.
    pub counted_at: DateTime<Utc>,
    /// When the last of them is forgotten.
    pub forgotten_at: DateTime<Utc>,
}

/// A network where a user may have proven their password.
#[derive(Clone, Copy)]
pub struct UserNetwork<'a> {
    /// The user; the nil id for an account that does not exist.
    pub user_id: Uuid,
    /// The network, as a keyed hash.
    pub network: &'a [u8],
}

impl<'a> Counting<'a> {
    /// Begins a transaction and waits for the account. `lock` stands for the account among locks.
    ///
    /// # Errors
    /// The database fails.
    pub async fn begin(pool: &'a sqlx::PgPool, account: &'a [u8], lock: i64) -> sqlx::Result<Self> {
        let mut tx = pool.begin().await?;
        // Not flushed at each commit: a crash of the database may lose the last second of counts, and an attack cannot
        // make the disk busy.
        sqlx::query(
            "SELECT set_config('synchronous_commit', 'off', true), pg_advisory_xact_lock($1)",
        )
        .bind(lock)
        .execute(&mut *tx)
        .await?;
        Ok(Self { tx, account })
    }

    /// See [`read_counts`]; no other node changes them until the transaction ends.
    ///
    /// # Errors
    /// The database fails.
    pub async fn read(
        &mut self,
        scopes: &[&[u8]],
        at: UserNetwork<'_>,
        known_since: DateTime<Utc>,
    ) -> sqlx::Result<(Vec<FailureCount>, bool)> {
        read_counts(&mut *self.tx, self.account, scopes, at, known_since).await
    }

    /// Writes counts, and commits.
    ///
    /// # Errors
    /// The database fails.
    pub async fn write(mut self, counts: &[FailureCount]) -> sqlx::Result<()> {
        let scopes: Vec<&[u8]> = counts.iter().map(|count| count.scope.as_slice()).collect();
        let counted: Vec<_> = counts.iter().map(|count| count.counted_at).collect();
        let forgotten: Vec<_> = counts.iter().map(|count| count.forgotten_at).collect();
        sqlx::query(
            "INSERT INTO live.password_failures (account, scope, counted_at, forgotten_at)
             SELECT $1, * FROM UNNEST($2::bytea[], $3::timestamptz[], $4::timestamptz[])
                 ON CONFLICT (account, scope) DO UPDATE
                SET counted_at = excluded.counted_at, forgotten_at = excluded.forgotten_at",
        )
        .bind(self.account)
        .bind(scopes)
        .bind(counted)
        .bind(forgotten)
        .execute(&mut *self.tx)
        .await?;
        self.tx.commit().await
    }

    /// Takes one failure out of the count of `scope`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn take_back(&mut self, scope: &[u8], one: TimeDelta) -> sqlx::Result<()> {
        sqlx::query(
            "WITH none_left AS (
                 DELETE FROM live.password_failures
                  WHERE account = $1 AND scope = $2 AND forgotten_at - $3::interval <= counted_at)
             UPDATE live.password_failures SET forgotten_at = forgotten_at - $3::interval
              WHERE account = $1 AND scope = $2 AND forgotten_at - $3::interval > counted_at",
        )
        .bind(self.account)
        .bind(scope)
        .bind(one)
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// Forgets the count of `scope`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn reset(&mut self, scope: &[u8]) -> sqlx::Result<()> {
        sqlx::query("DELETE FROM live.password_failures WHERE account = $1 AND scope = $2")
            .bind(self.account)
            .bind(scope)
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }

    /// Remembers where the user has proven their password; of too many networks, the oldest is forgotten.
    ///
    /// # Errors
    /// The database fails.
    pub async fn remember(&mut self, at: UserNetwork<'_>, now: DateTime<Utc>) -> sqlx::Result<()> {
        sqlx::query(
            "WITH known AS (
                 INSERT INTO live.known_networks (user_id, network, last_success_at) VALUES ($1, $2, $3)
                     ON CONFLICT (user_id, network) DO UPDATE SET last_success_at = excluded.last_success_at)
             DELETE FROM live.known_networks
              WHERE user_id = $1
                AND network IN (SELECT network FROM live.known_networks
                                 WHERE user_id = $1 AND network <> $2
                                 ORDER BY last_success_at DESC
                                OFFSET $4)",
        )
        .bind(at.user_id)
        .bind(at.network)
        .bind(now)
        .bind(MOST_NETWORKS - 1)
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// Commits.
    ///
    /// # Errors
    /// The database fails.
    pub async fn commit(self) -> sqlx::Result<()> {
        self.tx.commit().await
    }
}

/// The counts of these scopes of an account, as far as there are any, and whether the user has proven their password from
/// that network since `known_since`.
///
/// # Errors
/// The database fails.
pub async fn read_counts(
    executor: impl PgExecutor<'_>,
    account: &[u8],
    scopes: &[&[u8]],
    at: UserNetwork<'_>,
    known_since: DateTime<Utc>,
) -> sqlx::Result<(Vec<FailureCount>, bool)> {
    let mut rows: Vec<FailureCount> = sqlx::query_as(
        "SELECT scope, counted_at, forgotten_at FROM live.password_failures
              WHERE account = $1 AND scope = ANY($2)
              UNION ALL
             SELECT $6, last_success_at, last_success_at FROM live.known_networks
              WHERE user_id = $3 AND network = $4 AND last_success_at >= $5",
    )
    .bind(account)
    .bind(scopes)
    .bind(at.user_id)
    .bind(at.network)
    .bind(known_since)
    .bind(KNOWN)
    .fetch_all(executor)
    .await?;
    let all = rows.len();
    rows.retain(|row| row.scope != KNOWN);
    let is_known = rows.len() < all;
    Ok((rows, is_known))
}

/// Forgets where a user has signed in, and what was counted for them.
///
/// # Errors
/// The database fails.
pub async fn forget_user(
    executor: impl PgExecutor<'_>,
    user_id: Uuid,
    account: &[u8],
) -> sqlx::Result<()> {
    sqlx::query(
        "WITH failures AS (DELETE FROM live.password_failures WHERE account = $2)
         DELETE FROM live.known_networks WHERE user_id = $1",
    )
    .bind(user_id)
    .bind(account)
    .execute(executor)
    .await?;
    Ok(())
}

/// Removes counts without a meaning, networks where nobody has signed in since `known_since`, and those of users who
/// are gone.
///
/// # Errors
/// The database fails.
pub async fn tidy_up_failures(
    executor: impl PgExecutor<'_>,
    now: DateTime<Utc>,
    known_since: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query(
        "WITH failures AS (
             DELETE FROM live.password_failures AS old
              WHERE old.forgotten_at < $1
                AND (old.counted_at < $2
                     OR NOT EXISTS (SELECT FROM live.password_failures AS recent
                                     WHERE recent.account = old.account AND recent.forgotten_at >= $1)))
         DELETE FROM live.known_networks AS known
          WHERE last_success_at < $3
             OR EXISTS (SELECT FROM read.users WHERE users.id = known.user_id AND users.deleted_at IS NOT NULL)",
    )
    .bind(now)
    .bind(now - KEPT)
    .bind(known_since)
    .execute(executor)
    .await?;
    Ok(())
}
