//! Limits how often somebody may be wrong about an account's password: see `README.md` beside this file.
//!
//! Every place that verifies a password begins a [`Guess`] first. It counts as a failure from that point on, so that
//! neither many requests at once nor a request that is cancelled escape the count; [`Guess::succeeded`] and
//! [`Guess::withdraw`] take it back.

mod schedule;

use std::{net::IpAddr, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use rollcall_projections::password_failures::{Counting, FailureCount, UserNetwork, forget_user};
use sha2::Sha256;
use sqlx::PgPool;
use tokio::sync::{Mutex, MutexGuard};
use uuid::Uuid;

use crate::{config::Config, network_prefix::NetworkPrefix};
pub use schedule::Schedule;

/// Of the free guesses of an account, one part in so many is for networks that have not failed at it before.
const NEW_PART: u32 = 4;

/// Accounts whose counts one node changes at the same time, at most. Of one account it is one: however many guess at it,
/// they hold one connection to the database, and the others are left for everybody else.
const AT_ONCE: usize = 64;

/// Counts wrong passwords, for all nodes together.
#[derive(Clone)]
pub struct Guesses {
    pool: PgPool,
    turns: Arc<[Mutex<()>]>,
    key: [u8; 32],
    from_one_network: Schedule,
    from_new_networks: Schedule,
    from_seen_networks: Schedule,
    networks_kept: TimeDelta,
}

/// The account that a password is tried on.
#[derive(Debug, Clone, Copy)]
pub enum Account<'a> {
    /// A user.
    User(Uuid),
    /// No user: the key of the e-mail address that was tried. It is counted like a user's.
    Unknown(&'a str),
}

/// The network that a password comes from, for whoever shares out the hashing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// `None` if the address is not known.
    pub network: Option<NetworkPrefix>,
    /// Whether the account's owner has proven the password from there before.
    pub is_known: bool,
}

impl Client {
    /// A client with a session, who is no stranger. The network of `address` counts.
    #[must_use]
    pub fn signed_in(address: Option<IpAddr>) -> Self {
        Self {
            network: address.map(NetworkPrefix::site),
            is_known: true,
        }
    }
}

/// A password that may be verified now.
#[must_use = "a guess that is neither successful nor withdrawn stays counted"]
pub struct Guess {
    guesses: Guesses,
    account: [u8; 32],
    user: Option<Uuid>,
    /// The user's network, as it is remembered.
    network: [u8; 32],
    /// The count of this network.
    own_scope: [u8; 32],
    /// The count of all networks together, unless the network is known.
    shared_scope: Option<&'static [u8]>,
    client: Client,
}

/// Why a password is not verified.
#[derive(Debug, thiserror::Error)]
pub enum GuessError {
    /// There were too many wrong passwords.
    #[error(
        "too many wrong passwords for this account; the next one may be tried in {retry_after_s} s"
    )]
    TooMany {
        /// In so many seconds the next one may be tried.
        retry_after_s: i64,
    },
    /// The database fails.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Where wrong passwords are counted, before it is known whether the network is.
struct Scopes {
    /// The user's link, for known networks.
    link: [u8; 32],
    /// The site, for others: who has one address of it may have many.
    site: [u8; 32],
}

/// The count of all networks together that have not failed at the account before.
const NEW: &[u8] = b"new networks";
/// The count of all networks together that have.
const SEEN: &[u8] = b"seen networks";

impl Guesses {
    /// Counts in this database. `key` must be the same on every node.
    #[must_use]
    pub fn new(config: &Config, pool: PgPool, key: [u8; 32]) -> Self {
        let longest_delay = TimeDelta::from_std(config.guess_longest_delay)
            .unwrap_or(TimeDelta::MAX)
            .clamp(TimeDelta::seconds(1), TimeDelta::days(1));
        let schedule = |free| Schedule {
            free,
            longest_delay,
        };
        let together = config.guesses_per_account;
        let new = together.div_ceil(NEW_PART);
        Self {
            pool,
            turns: (0..AT_ONCE).map(|_| Mutex::new(())).collect(),
            key,
            from_one_network: schedule(config.guesses_per_network),
            from_new_networks: schedule(new),
            // At least one, for 0 would mean any number.
            from_seen_networks: schedule(if together == 0 {
                0
            } else {
                together.saturating_sub(new).max(1)
            }),
            networks_kept: TimeDelta::from_std(config.known_networks_kept)
                .unwrap_or(TimeDelta::days(36_525)),
        }
    }

    /// Counts a guess, if one may be made now.
    ///
    /// # Errors
    /// Not yet, or the database fails.
    pub async fn begin(
        &self,
        account: Account<'_>,
        address: Option<IpAddr>,
        now: DateTime<Utc>,
    ) -> Result<Guess, GuessError> {
        let (user, account) = match account {
            Account::User(user) => (Some(user), self.account_of(user)),
            Account::Unknown(email) => (None, self.hash("email", &[email.as_bytes()])),
        };
        let link = address.map(NetworkPrefix::link);
        let site = address.map(NetworkPrefix::site);
        let scopes = Scopes {
            link: self.scope(&account, link),
            site: self.scope(&account, site),
        };
        let _turn = self.turn(&account).await;
        let mut counting = Counting::begin(&self.pool, &account, lock(&account)).await?;
        let at = UserNetwork {
            user_id: user.unwrap_or_default(),
            network: &scopes.link,
        };
        let all = [scopes.link.as_slice(), &scopes.site, NEW, SEEN];
        let (counts, is_known) = counting.read(&all, at, self.known_since(now)).await?;
        let of = |scope: &[u8]| counts.iter().find(|count| count.scope == scope);
        let own_scope = if is_known { scopes.link } else { scopes.site };
        let shared = match (is_known, of(&own_scope)) {
            (true, _) => None,
            (false, None) => Some((NEW, self.from_new_networks)),
            (false, Some(_)) => Some((SEEN, self.from_seen_networks)),
        };
        let own = (own_scope.as_slice(), self.from_one_network);
        let counted: Vec<_> = [Some(own), shared].into_iter().flatten().collect();
        let ready_at = counted
            .iter()
            .filter_map(|(scope, schedule)| of(scope).map(|count| schedule.ready_at(count)))
            .fold(now, DateTime::max);
        if ready_at > now {
            return Err(too_many(ready_at - now));
        }
        let counted: Vec<FailureCount> = counted
            .iter()
            .map(|(scope, schedule)| schedule.count(scope, of(scope), now))
            .collect();
        counting.write(&counted).await?;
        Ok(Guess {
            guesses: self.clone(),
            account,
            user,
            network: scopes.link,
            own_scope,
            shared_scope: shared.map(|(scope, _)| scope),
            client: Client {
                network: site,
                is_known,
            },
        })
    }

    /// Forgets what is counted and remembered of a user who is gone.
    ///
    /// # Errors
    /// The database fails.
    pub async fn forget(&self, user: Uuid) -> sqlx::Result<()> {
        forget_user(&self.pool, user, &self.account_of(user)).await
    }

    /// A network counts as known if its owner was there since then.
    #[must_use]
    pub fn known_since(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        now.checked_sub_signed(self.networks_kept)
            .unwrap_or(DateTime::UNIX_EPOCH)
    }

    /// Waits, without a connection, until no other request of this node changes the account's counts.
    async fn turn(&self, account: &[u8; 32]) -> MutexGuard<'_, ()> {
        self.turns[usize::from(account[0]) % AT_ONCE].lock().await
    }

    fn account_of(&self, user: Uuid) -> [u8; 32] {
        self.hash("user", &[user.as_bytes()])
    }

    /// Another one for each account: that two accounts were tried from one network cannot be seen.
    fn scope(&self, account: &[u8], network: Option<NetworkPrefix>) -> [u8; 32] {
        let network = network.map_or_else(String::new, |network| network.to_string());
        self.hash("network", &[account, network.as_bytes()])
    }

    fn hash(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
        // HMAC fills a short key up to a block with zeros.
        let mut block = [0; 64];
        block[..self.key.len()].copy_from_slice(&self.key);
        let mut mac = Hmac::<Sha256>::new(&block.into());
        for part in [purpose.as_bytes()].iter().chain(parts) {
            mac.update(&part.len().to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

impl Guess {
    /// Where it comes from.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client
    }

    /// The password was right: the network is known from now on, and its failures are forgotten. What came from
    /// elsewhere stays counted.
    ///
    /// # Errors
    /// The database fails.
    pub async fn succeeded(self, now: DateTime<Utc>) -> sqlx::Result<()> {
        let _turn = self.guesses.turn(&self.account).await;
        let mut counting = self.taken_back().await?;
        counting.reset(&self.own_scope).await?;
        if let Some(user_id) = self.user {
            let network = UserNetwork {
                user_id,
                network: &self.network,
            };
            counting.remember(network, now).await?;
        }
        counting.commit().await
    }

    /// The password was not verified.
    ///
    /// # Errors
    /// The database fails.
    pub async fn withdraw(self) -> sqlx::Result<()> {
        let one = self.guesses.from_one_network.longest_delay;
        let _turn = self.guesses.turn(&self.account).await;
        let mut counting = self.taken_back().await?;
        counting.take_back(&self.own_scope, one).await?;
        counting.commit().await
    }

    /// Without this guess in the count of all networks together.
    async fn taken_back(&self) -> sqlx::Result<Counting<'_>> {
        let pool = &self.guesses.pool;
        let mut counting = Counting::begin(pool, &self.account, lock(&self.account)).await?;
        if let Some(scope) = self.shared_scope {
            let one = self.guesses.from_one_network.longest_delay;
            counting.take_back(scope, one).await?;
        }
        Ok(counting)
    }
}

fn too_many(wait: TimeDelta) -> GuessError {
    GuessError::TooMany {
        // Rounded up: who comes then is not too early.
        retry_after_s: (wait.num_milliseconds() + 999) / 1_000,
    }
}

/// An account's number among the database's advisory locks. Two accounts may share one, and then wait for each other.
fn lock(account: &[u8; 32]) -> i64 {
    account
        .first_chunk()
        .map_or(0, |bytes| i64::from_be_bytes(*bytes))
}
