//! What verifying a stored password hash may cost. A hash comes with its own cost, and an imported one may name any.

/// Memory of one hash, in KiB: 256 MiB.
const MOST_MEMORY_KIB: u64 = 256 * 1024;
/// Memory times passes, in KiB: 512 MiB, about half a second on one core. RFC 9106's second recommendation
/// (64 MiB, 3 passes) and the presets of libsodium for sign-ins are below.
const MOST_WORK_KIB: u64 = 512 * 1024;
const MOST_PASSES: u64 = 64;
/// Lanes are computed one after another.
const MOST_LANES: u64 = 16;
/// Rounds of PBKDF2-SHA-256 times blocks of its key: about half a second. OWASP recommends 600,000 rounds.
const MOST_ROUNDS: u64 = 1_500_000;
const PBKDF2_BLOCK_BYTES: u64 = 32;
/// Six bits a character of base64.
const BASE64_BITS: u64 = 6;

/// The cost of an Argon2 hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashCost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

/// The hashes that are verified.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HashLimits {
    own: Option<HashCost>,
}

/// A hash costs too much.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HashTooDear {
    /// An Argon2 hash.
    #[error(
        "Argon2 with {memory_kib} KiB, {passes} passes and {lanes} lanes is more than a sign-in can afford (at most 262144 KiB, 524288 KiB times passes, 64 passes, 16 lanes, or what is configured for new passwords)"
    )]
    Argon2 {
        /// Memory, in KiB.
        memory_kib: u64,
        /// Passes over the memory.
        passes: u64,
        /// Lanes.
        lanes: u64,
    },
    /// A PBKDF2 hash.
    #[error(
        "{rounds} rounds of PBKDF2 are more than a sign-in can afford (at most 1500000 for each 32 bytes of the key)"
    )]
    Pbkdf2 {
        /// Rounds, for each block of the key.
        rounds: u64,
    },
    /// The cost cannot be read.
    #[error("its cost cannot be read")]
    Unreadable,
}

impl HashLimits {
    /// Hashes up to this cost are verified too: they are what new passwords get here.
    #[must_use]
    pub fn with_own(own: HashCost) -> Self {
        Self { own: Some(own) }
    }

    /// Whether a stored hash may be verified. A text in no known form is no hash, and costs nothing.
    ///
    /// # Errors
    /// It would cost too much.
    pub fn check(self, hash: &str) -> Result<(), HashTooDear> {
        let mut parts = hash.split('$').skip(1);
        match parts.next() {
            Some("pbkdf2-sha256") => {
                let number = |text: Option<&str>| {
                    text.and_then(|text| text.parse().ok())
                        .ok_or(HashTooDear::Unreadable)
                };
                let rounds: u64 = number(parts.next())?;
                let key = parts.nth(1).unwrap_or_default().len();
                Self::check_pbkdf2(rounds, u64::try_from(key).unwrap_or(u64::MAX))
            }
            Some(name) if name.starts_with("argon2") => {
                let parameters = parts
                    .find(|part| part.starts_with("m="))
                    .unwrap_or_default();
                let number = |name: &str| {
                    let mut parameters = parameters.split(',');
                    let text =
                        parameters.find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
                    text.and_then(|text| text.parse().ok())
                        .ok_or(HashTooDear::Unreadable)
                };
                self.check_argon2(number("m")?, number("t")?, number("p")?)
            }
            _ => Ok(()),
        }
    }

    /// The same of an Argon2 hash with this cost.
    ///
    /// # Errors
    /// It would cost too much.
    pub fn check_argon2(self, memory_kib: u64, passes: u64, lanes: u64) -> Result<(), HashTooDear> {
        let is_own = self.own.is_some_and(|own| {
            memory_kib <= own.memory_kib.into()
                && passes <= own.passes.into()
                && lanes <= own.lanes.into()
        });
        let is_affordable = memory_kib <= MOST_MEMORY_KIB
            && passes <= MOST_PASSES
            && lanes <= MOST_LANES
            && memory_kib.saturating_mul(passes) <= MOST_WORK_KIB;
        if is_own || is_affordable {
            return Ok(());
        }
        Err(HashTooDear::Argon2 {
            memory_kib,
            passes,
            lanes,
        })
    }

    /// The key's length is that of its base64.
    fn check_pbkdf2(rounds: u64, key_characters: u64) -> Result<(), HashTooDear> {
        let bytes = key_characters.saturating_mul(BASE64_BITS) / 8;
        let blocks = bytes.div_ceil(PBKDF2_BLOCK_BYTES).max(1);
        if rounds.saturating_mul(blocks) <= MOST_ROUNDS {
            return Ok(());
        }
        Err(HashTooDear::Pbkdf2 { rounds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_affordable(hash: &str) -> bool {
        HashLimits::default().check(hash).is_ok()
    }

    #[test]
    fn usual_hashes_are_affordable() {
        for hash in [
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA",
            "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaA",
            "$argon2i$m=4096,t=3,p=1$c2FsdHNhbHQ$aGFzaA",
            "$argon2id$v=19$m=262144,t=2,p=16$c2FsdHNhbHQ$aGFzaA",
            "$pbkdf2-sha256$65535$c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "$pbkdf2-sha256$1200000$c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "nonsense",
            "",
        ] {
            assert!(is_affordable(hash), "{hash}");
        }
    }

    #[test]
    fn hashes_that_would_stop_the_service_are_not() {
        for hash in [
            "$argon2id$v=19$m=1048576,t=64,p=1$c2FsdHNhbHQ$aGFzaA",
            "$argon2id$v=19$m=262145,t=1,p=1$c2FsdHNhbHQ$aGFzaA",
            "$argon2id$v=19$m=262144,t=3,p=1$c2FsdHNhbHQ$aGFzaA",
            "$argon2id$v=19$m=8,t=65,p=1$c2FsdHNhbHQ$aGFzaA",
            "$argon2id$v=19$m=65536,t=1,p=17$c2FsdHNhbHQ$aGFzaA",
            "$argon2d$v=19$m=99999999999999999999,t=1,p=1$c2FsdHNhbHQ$aGFzaA",
            "$argon2id$v=19$t=1,p=1$c2FsdHNhbHQ$aGFzaA",
            "$pbkdf2-sha256$1500001$c2FsdA$AAAA",
            "$pbkdf2-sha256$800000$c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "$pbkdf2-sha256$x$c2FsdA$AAAA",
        ] {
            assert!(!is_affordable(hash), "{hash}");
        }
    }

    #[test]
    fn what_is_configured_for_new_passwords_is_affordable() {
        let own = HashCost {
            memory_kib: 1 << 20,
            passes: 3,
            lanes: 1,
        };
        let limits = HashLimits::with_own(own);
        assert_eq!(limits.check_argon2(1 << 20, 3, 1), Ok(()));
        assert!(limits.check_argon2(1 << 20, 4, 1).is_err());
        assert!(limits.check_argon2((1 << 20) + 1, 3, 1).is_err());
        assert!(HashLimits::default().check_argon2(1 << 20, 3, 1).is_err());
    }
}
