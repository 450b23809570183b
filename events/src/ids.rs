//! The only place that makes identifiers and randomness.

use rand::{Rng, RngExt, distr::Alphanumeric};
use uuid::Uuid;

/// The source of identifiers, secrets and jitter: the operating system's randomness, through a generator that is
/// seeded from it.
#[derive(Debug, Clone, Copy)]
pub struct Ids;

impl Ids {
    /// A new identifier (UUID version 7: in order of time, so that indexes grow at their end).
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where identifiers are made"
    )]
    pub fn uuid(self) -> Uuid {
        Uuid::now_v7()
    }

    /// `length` characters of `[A-Za-z0-9]`, each worth 5.95 bits.
    #[must_use]
    pub fn alphanumeric(self, length: usize) -> String {
        generator()
            .sample_iter(Alphanumeric)
            .take(length)
            .map(char::from)
            .collect()
    }

    /// Random bytes, fit for keys and nonces.
    #[must_use]
    pub fn bytes<const N: usize>(self) -> [u8; N] {
        let mut bytes = [0; N];
        generator().fill_bytes(&mut bytes);
        bytes
    }

    /// A whole number below `bound`, to spread retries.
    #[must_use]
    pub fn below(self, bound: u64) -> u64 {
        generator().random_range(0..bound.max(1))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is where randomness comes from"
)]
fn generator() -> rand::rngs::ThreadRng {
    rand::rng()
}
