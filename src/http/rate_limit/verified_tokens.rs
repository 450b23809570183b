//! Tokens that were good a short time ago, so that it is known whose request it is before the database is asked.
//!
//! This decides only for whom a request is counted. Whether a token is good is asked again for each request that is
//! within the limits; when it no longer is, it is forgotten here.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use moka::sync::Cache;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::auth::Token;

/// A few MB.
const TOKENS: u64 = 20_000;
const IDLE: Duration = Duration::from_hours(1);

/// A token as it is remembered.
pub type TokenDigest = [u8; 32];

/// The user of a good token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifiedUser {
    /// Their id.
    pub id: Uuid,
    /// The digest of their username in lower case.
    pub username: u64,
    /// Whether they may ask for no limits.
    pub may_bypass: bool,
}

/// A username in lower case as it is remembered: names of one digest would share a count, which harms nobody.
pub fn username_digest(username: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    username.hash(&mut hasher);
    hasher.finish()
}

/// The tokens that were verified lately.
#[derive(Debug)]
pub struct VerifiedTokens(Cache<TokenDigest, VerifiedUser>);

impl Default for VerifiedTokens {
    fn default() -> Self {
        let cache = Cache::builder().max_capacity(TOKENS).time_to_idle(IDLE);
        Self(cache.build())
    }
}

impl VerifiedTokens {
    /// How a token is remembered.
    pub fn digest(token: &Token) -> TokenDigest {
        Sha256::digest(token.expose()).into()
    }

    /// Whose token it was when it was verified.
    pub fn get(&self, digest: &TokenDigest) -> Option<VerifiedUser> {
        self.0.get(digest)
    }

    /// Remembers a token that is good.
    pub fn insert(&self, digest: TokenDigest, user: VerifiedUser) {
        if self.get(&digest) != Some(user) {
            self.0.insert(digest, user);
        }
    }

    /// Forgets a token that is not good.
    pub fn remove(&self, digest: &TokenDigest) {
        self.0.invalidate(digest);
    }
}
