//! Limits how often somebody may be wrong about an account's password: see `README.md` beside this file.
//!
//! Every place that verifies a password looks first, which costs one question to the database, and begins a [`Guess`]
//! when it is its turn to hash. The guess counts as a failure from that point on, so that neither many requests at once
//! nor a request that is cancelled escape the count; [`Guess::succeeded`] and [`Guess::withdraw`] take it back. As turns
//! are few, few requests at a time change counts, however many guess.

mod schedule;

use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use rollcall_projections::password_failures::{
    Counting, FailureCount, UserNetwork, forget_user, read_counts,
};
use sha2::Sha256;
use sqlx::PgPool;
use uuid::Uuid;

use crate::{config::Config, network_prefix::NetworkPrefix};
pub use schedule::Schedule;

/// Of the free guesses of an account, one part in so many is for networks that have not failed at it before.
const NEW_PART: u32 = 4;

/// Counts wrong passwords, for all nodes together.
#[derive(Clone)]
pub struct Guesses {
    pool: PgPool,
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

/// An account, and a network from which a password for it comes.
struct Place {
    account: [u8; 32],
    user: Option<Uuid>,
    site: Option<NetworkPrefix>,
    /// The network as it is remembered and counted once it is known.
    link_scope: [u8; 32],
    /// The network as it is counted before: who has one address of it may have many.
    site_scope: [u8; 32],
}

/// The counts with one guess more.
struct Next {
    counts: Vec<FailureCount>,
    own_scope: [u8; 32],
    /// Unless the network is known.
    shared_scope: Option<&'static [u8]>,
}

impl Place {
    fn scopes(&self) -> [&[u8]; 4] {
        [&self.link_scope, &self.site_scope, NEW, SEEN]
    }

    fn at(&self) -> UserNetwork<'_> {
        UserNetwork {
            user_id: self.user.unwrap_or_default(),
            network: &self.link_scope,
        }
    }

    fn client(&self, is_known: bool) -> Client {
        Client {
            network: self.site,
            is_known,
        }
    }
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

    /// Looks whether a guess may be made now, and counts nothing.
    ///
    /// # Errors
    /// Not yet, or the database fails.
    pub async fn look(
        &self,
        account: Account<'_>,
        address: Option<IpAddr>,
        now: DateTime<Utc>,
    ) -> Result<Client, GuessError> {
        let place = self.place(account, address);
        let known_since = self.known_since(now);
        let scopes = place.scopes();
        let read = read_counts(&self.pool, &place.account, &scopes, place.at(), known_since);
        let (counts, is_known) = read.await?;
        self.next(&place, &counts, is_known, now)?;
        Ok(place.client(is_known))
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
        let place = self.place(account, address);
        let lock = lock(&place.account);
        let mut counting = Counting::begin(&self.pool, &place.account, lock).await?;
        let known_since = self.known_since(now);
        let scopes = place.scopes();
        let (counts, is_known) = counting.read(&scopes, place.at(), known_since).await?;
        let next = self.next(&place, &counts, is_known, now)?;
        counting.write(&next.counts).await?;
        Ok(Guess {
            guesses: self.clone(),
            account: place.account,
            user: place.user,
            network: place.link_scope,
            own_scope: next.own_scope,
            shared_scope: next.shared_scope,
        })
    }

    /// What is counted if a guess is made now.
    fn next(
        &self,
        place: &Place,
        counts: &[FailureCount],
        is_known: bool,
        now: DateTime<Utc>,
    ) -> Result<Next, GuessError> {
        let of = |scope: &[u8]| counts.iter().find(|count| count.scope == scope);
        let own_scope = if is_known {
            place.link_scope
        } else {
            place.site_scope
        };
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
        let counts = counted
            .iter()
            .map(|(scope, schedule)| schedule.count(scope, of(scope), now));
        Ok(Next {
            counts: counts.collect(),
            own_scope,
            shared_scope: shared.map(|(scope, _)| scope),
        })
    }

    fn place(&self, account: Account<'_>, address: Option<IpAddr>) -> Place {
        let (user, account) = match account {
            Account::User(user) => (Some(user), self.account_of(user)),
            Account::Unknown(email) => (None, self.hash("email", &[email.as_bytes()])),
        };
        let site = address.map(NetworkPrefix::site);
        Place {
            account,
            user,
            site,
            link_scope: self.scope(&account, address.map(NetworkPrefix::link)),
            site_scope: self.scope(&account, site),
        }
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
    /// The password was right: the network is known from now on, and its failures are forgotten. What came from
    /// elsewhere stays counted.
    ///
    /// # Errors
    /// The database fails.
    pub async fn succeeded(self, now: DateTime<Utc>) -> sqlx::Result<()> {
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
