//! Hashing and verifying passwords, on a bounded number of threads, so that sign-ins can never starve the rest.
//!
//! Argon2id; by default with 19 MiB, 2 passes and 1 lane, the first of the configurations that OWASP's Password
//! Storage Cheat Sheet recommends. Hashes that were imported (`$pbkdf2-sha256$...`) are verified and then renewed.

use std::{sync::Arc, time::Duration};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use rollcall_events::{
    ids::Ids,
    user::{InvalidField, NewPassword, PasswordPolicy},
};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a password waits for its turn before its sender is told to come back later.
const TURN_TIMEOUT: Duration = Duration::from_secs(15);
/// How many wait at most, in either queue; the next is told to come back at once.
const MOST_WAITING: usize = 256;
/// No stored password is longer: a longer one is wrong, and need not wait in memory.
const MOST_BYTES: usize = 256;
/// Costs of stored hashes beyond these are not paid: an imported hash must not stop the service.
const MOST_MEMORY_KIB: u32 = 1 << 20;
const MOST_PASSES: u32 = 64;
const MOST_ROUNDS: u32 = 2_000_000;

/// Hashes and verifies passwords.
#[derive(Clone)]
pub struct Passwords(Arc<Inner>);

struct Inner {
    argon2: Argon2<'static>,
    policy: PasswordPolicy,
    sign_ins: Queue,
    /// Of those who may set passwords, whom no flood of sign-ins keeps waiting.
    new_passwords: Queue,
    /// The hash of a random password: what is verified for users that do not exist.
    decoy: String,
}

/// Where passwords wait for their turn.
struct Queue {
    turns: Arc<Semaphore>,
    places: Semaphore,
}

/// What a password is stored as.
#[derive(Clone)]
pub struct Hashed {
    /// A PHC string.
    pub hash: String,
    /// Algorithm and cost, for the history.
    pub scheme: String,
}

/// Whether a password is the right one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is not.
    Wrong,
    /// It is.
    Right,
    /// It is, and the hash is of another kind or cost than today's.
    RightButOutdated,
}

/// Why no answer was given.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// More sign-ins at once than the machine can hash.
    #[error("too many passwords are being checked at once; try again in a moment")]
    Busy,
    /// The policy does not allow the password.
    #[error(transparent)]
    Refused(InvalidField),
    /// Hashing failed.
    #[error("a password cannot be hashed")]
    Hashing(#[from] argon2::password_hash::Error),
    /// The parameters are out of bounds.
    #[error("these Argon2 parameters are not allowed: {0}")]
    Parameters(argon2::Error),
    /// The thread that hashed is gone.
    #[error("hashing was interrupted")]
    Interrupted(#[from] tokio::task::JoinError),
}

/// What hashing costs.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Passwords {
    /// Hashes with this cost: sign-ins on at most `workers` threads at once, new passwords on one more.
    ///
    /// # Errors
    /// The parameters are out of bounds.
    pub fn new(cost: Cost, policy: PasswordPolicy, workers: usize) -> Result<Self, PasswordError> {
        let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, None)
            .map_err(PasswordError::Parameters)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let decoy = hash(&argon2, &Ids.alphanumeric(32))?.hash;
        Ok(Self(Arc::new(Inner {
            argon2,
            policy,
            sign_ins: Queue::new(workers),
            new_passwords: Queue::new(1),
            decoy,
        })))
    }

    /// Checks a new password against the policy and hashes it. `context` is what it must not be made of.
    ///
    /// # Errors
    /// The policy refuses it, there is no turn, or hashing failed.
    pub async fn accept(
        &self,
        password: String,
        context: Vec<String>,
    ) -> Result<Hashed, PasswordError> {
        self.in_turn(&self.0.new_passwords, move |inner| {
            let context: Vec<&str> = context.iter().map(String::as_str).collect();
            let password = NewPassword::parse(&password, &inner.policy, &context)
                .map_err(PasswordError::Refused)?;
            hash(&inner.argon2, password.expose())
        })
        .await
    }

    /// Hashes a password that was verified before.
    ///
    /// # Errors
    /// No turn, or hashing failed.
    pub async fn rehash(&self, password: Arc<str>) -> Result<Hashed, PasswordError> {
        self.in_turn(&self.0.sign_ins, move |inner| {
            hash(&inner.argon2, &password)
        })
        .await
    }

    /// Verifies a password. Without a hash it does the same work and says that it is wrong, so that nobody can tell
    /// by the time it takes who is a user here.
    ///
    /// # Errors
    /// No turn.
    pub async fn verify(
        &self,
        password: Arc<str>,
        hash: Option<String>,
    ) -> Result<Verdict, PasswordError> {
        let is_possible = password.len() <= MOST_BYTES;
        let password = if is_possible { password } else { Arc::from("") };
        self.in_turn(&self.0.sign_ins, move |inner| {
            let is_known = hash.is_some() && is_possible;
            let hash = hash.as_deref().unwrap_or(&inner.decoy);
            let verdict = verify(&inner.argon2, &password, hash);
            Ok(if is_known { verdict } else { Verdict::Wrong })
        })
        .await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        queue: &Queue,
        work: impl FnOnce(&Inner) -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let turn = queue.turn().await?;
        let inner = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || {
            let result = work(&inner);
            drop(turn);
            result
        })
        .await?
    }
}

impl Queue {
    fn new(workers: usize) -> Self {
        let workers = workers.max(1);
        Self {
            turns: Arc::new(Semaphore::new(workers)),
            places: Semaphore::new(workers + MOST_WAITING),
        }
    }

    /// Waits for a turn. The place in the queue is kept until then, the turn as long as it is used.
    async fn turn(&self) -> Result<OwnedSemaphorePermit, PasswordError> {
        let place = self.places.try_acquire().map_err(|_| PasswordError::Busy)?;
        let waiting = Arc::clone(&self.turns).acquire_owned();
        let turn = tokio::time::timeout(TURN_TIMEOUT, waiting).await;
        drop(place);
        match turn {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(PasswordError::Busy),
        }
    }
}

fn hash(argon2: &Argon2<'_>, password: &str) -> Result<Hashed, PasswordError> {
    let salt: [u8; 16] = Ids.bytes();
    let hash: PasswordHash = argon2.hash_password_with_salt(password.as_bytes(), &salt)?;
    let params = argon2.params();
    let scheme = format!(
        "argon2id m={},t={},p={}",
        params.m_cost(),
        params.t_cost(),
        params.p_cost()
    );
    Ok(Hashed {
        hash: hash.to_string(),
        scheme,
    })
}

fn verify(argon2: &Argon2<'_>, password: &str, hash: &str) -> Verdict {
    if let Some(imported) = hash.strip_prefix("$pbkdf2-sha256$") {
        return match verify_pbkdf2(password, imported) {
            Some(true) => Verdict::RightButOutdated,
            Some(false) | None => Verdict::Wrong,
        };
    }
    let Ok(stored) = PasswordHash::new(hash) else {
        return Verdict::Wrong;
    };
    let Ok(cost) = Params::try_from(&stored) else {
        return Verdict::Wrong;
    };
    let affordable = cost.m_cost() <= MOST_MEMORY_KIB && cost.t_cost() <= MOST_PASSES;
    if !affordable
        || argon2
            .verify_password(password.as_bytes(), &stored)
            .is_err()
    {
        return Verdict::Wrong;
    }
    let today = argon2.params();
    let same_cost = (cost.m_cost(), cost.t_cost(), cost.p_cost())
        == (today.m_cost(), today.t_cost(), today.p_cost());
    if same_cost && stored.algorithm.as_str() == "argon2id" {
        Verdict::Right
    } else {
        Verdict::RightButOutdated
    }
}

/// `<rounds>$<salt>$<key>`, the latter two in base64 without padding, as the Go server that people come from wrote it.
fn verify_pbkdf2(password: &str, hash: &str) -> Option<bool> {
    let mut parts = hash.split('$');
    let rounds: u32 = parts
        .next()?
        .parse()
        .ok()
        .filter(|rounds| (1..=MOST_ROUNDS).contains(rounds))?;
    let salt = STANDARD_NO_PAD.decode(parts.next()?).ok()?;
    let key = STANDARD_NO_PAD
        .decode(parts.next()?)
        .ok()
        .filter(|key| (16..=64).contains(&key.len()))?;
    let mut computed = vec![0; key.len()];
    pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), &salt, rounds, &mut computed);
    Some(computed.ct_eq(&key).into())
}

impl std::fmt::Debug for Hashed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Hashed({})", self.scheme)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Cost = Cost {
        memory_kib: 8,
        passes: 1,
        lanes: 1,
    };

    fn passwords(cost: Cost) -> Passwords {
        Passwords::new(cost, PasswordPolicy { minimum_score: 0 }, 1).unwrap()
    }

    #[tokio::test]
    async fn the_right_password_is_right_and_another_is_wrong() {
        let passwords = passwords(CHEAP);
        let hashed = passwords.rehash("correct horse".into()).await.unwrap();
        assert_eq!(hashed.scheme, "argon2id m=8,t=1,p=1");
        let verdict = passwords
            .verify("correct horse".into(), Some(hashed.hash.clone()))
            .await
            .unwrap();
        assert_eq!(verdict, Verdict::Right);
        let verdict = passwords
            .verify("wrong horse".into(), Some(hashed.hash))
            .await
            .unwrap();
        assert_eq!(verdict, Verdict::Wrong);
    }

    #[tokio::test]
    async fn a_hash_of_another_cost_is_outdated() {
        let hashed = passwords(CHEAP)
            .rehash("correct horse".into())
            .await
            .unwrap();
        let dearer = passwords(Cost { passes: 2, ..CHEAP });
        let verdict = dearer
            .verify("correct horse".into(), Some(hashed.hash))
            .await
            .unwrap();
        assert_eq!(verdict, Verdict::RightButOutdated);
    }

    #[tokio::test]
    async fn nobody_is_verified_without_a_hash() {
        let passwords = passwords(CHEAP);
        assert_eq!(
            passwords.verify("".into(), None).await.unwrap(),
            Verdict::Wrong
        );
    }

    #[tokio::test]
    async fn an_imported_pbkdf2_hash_is_verified() {
        let mut key = [0; 64];
        pbkdf2::pbkdf2_hmac::<Sha256>(b"testing", b"0123456789abcdef", 1000, &mut key);
        let hash = format!(
            "$pbkdf2-sha256$1000${}${}",
            STANDARD_NO_PAD.encode(b"0123456789abcdef"),
            STANDARD_NO_PAD.encode(key)
        );
        let passwords = passwords(CHEAP);
        let verdict = passwords
            .verify("testing".into(), Some(hash.clone()))
            .await
            .unwrap();
        assert_eq!(verdict, Verdict::RightButOutdated);
        assert_eq!(
            passwords
                .verify("Testing".into(), Some(hash))
                .await
                .unwrap(),
            Verdict::Wrong
        );
    }

    #[tokio::test]
    async fn an_imported_hash_that_would_cost_too_much_is_not_computed() {
        let passwords = passwords(CHEAP);
        for hash in [
            "$pbkdf2-sha256$4000000000$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "$argon2id$v=19$m=4194304,t=3,p=1$c29tZXNhbHRzb21l$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "nonsense",
        ] {
            let verdict = passwords
                .verify("testing".into(), Some(hash.into()))
                .await
                .unwrap();
            assert_eq!(verdict, Verdict::Wrong, "{hash}");
        }
    }

    #[tokio::test]
    async fn a_password_that_is_longer_than_any_stored_one_is_wrong() {
        let passwords = passwords(CHEAP);
        let hashed = passwords.rehash("".into()).await.unwrap();
        let verdict = passwords.verify("x".repeat(257).into(), Some(hashed.hash));
        assert_eq!(verdict.await.unwrap(), Verdict::Wrong);
    }

    #[tokio::test]
    async fn a_full_queue_turns_away_at_once_and_new_passwords_have_their_own() {
        let passwords = passwords(CHEAP);
        let places = passwords.0.sign_ins.places.available_permits();
        let taken = passwords
            .0
            .sign_ins
            .places
            .try_acquire_many(u32::try_from(places).unwrap());
        let refusal = passwords.verify("x".into(), None).await.unwrap_err();
        assert!(matches!(refusal, PasswordError::Busy));
        assert!(
            passwords
                .accept("correct horse".into(), Vec::new())
                .await
                .is_ok()
        );
        drop(taken);
        assert!(passwords.verify("x".into(), None).await.is_ok());
    }
}
