//! Hashing and verifying passwords, on a bounded number of threads, so that sign-ins can never starve the rest. Networks
//! take turns: see `line`.
//!
//! Argon2id; by default with 19 MiB, 2 passes and 1 lane, the first of the configurations that OWASP's Password
//! Storage Cheat Sheet recommends. Hashes that were imported (`$pbkdf2-sha256$...`) are verified and then renewed.

mod forms;
mod line;
mod queue;

use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use rollcall_events::{
    ids::Ids,
    user::{InvalidField, NewPassword, PasswordPolicy},
    vault::{HashCost, HashLimits},
};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use unicode_normalization::UnicodeNormalization;

use super::guesses::Client;
use forms::forms;
use queue::Queue;
pub use queue::Turn;

/// No password that can be set is longer, in whichever form it is typed: a longer one is wrong, and need not wait in
/// memory.
const MOST_BYTES: usize = 1_024;
/// One network may take so large a part of the places to wait in.
const PART_OF_A_NETWORK: usize = 4;

/// Hashes and verifies passwords.
#[derive(Clone)]
pub struct Passwords(Arc<Inner>);

struct Inner {
    argon2: Argon2<'static>,
    policy: PasswordPolicy,
    limits: HashLimits,
    sign_ins: Queue,
    /// Of those who may set passwords, whom no flood of sign-ins keeps waiting.
    new_passwords: Queue,
    /// The hash of a random password: what is verified for users that do not exist.
    decoy: String,
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

impl Passwords {
    /// Hashes with this cost: sign-ins on at most `workers` threads at once, new passwords on one more. At most `waiting`
    /// passwords wait in either queue.
    ///
    /// # Errors
    /// The parameters are out of bounds.
    pub fn new(
        cost: HashCost,
        policy: PasswordPolicy,
        workers: usize,
        waiting: usize,
    ) -> Result<Self, PasswordError> {
        let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, None)
            .map_err(PasswordError::Parameters)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let decoy = hash(&argon2, &Ids.alphanumeric(32))?.hash;
        Ok(Self(Arc::new(Inner {
            argon2,
            policy,
            limits: HashLimits::with_own(cost),
            sign_ins: Queue::new(workers, waiting, waiting / PART_OF_A_NETWORK),
            new_passwords: Queue::new(1, waiting, waiting),
            decoy,
        })))
    }

    /// Checks a new password against the policy and hashes it. `context` is what it must not be made of. Everything
    /// that sets a password uses [`super::new_password`], which knows the context.
    ///
    /// # Errors
    /// The policy refuses it, there is no turn, or hashing failed.
    pub(super) async fn accept(
        &self,
        password: String,
        context: Vec<String>,
    ) -> Result<Hashed, PasswordError> {
        let anywhere = Client {
            network: None,
            is_known: true,
        };
        self.in_turn(&self.0.new_passwords, anywhere, 1, move |inner| {
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
    pub async fn rehash(
        &self,
        password: Arc<str>,
        client: Client,
    ) -> Result<Hashed, PasswordError> {
        self.in_turn(&self.0.sign_ins, client, 1, move |inner| {
            hash(&inner.argon2, &password)
        })
        .await
    }

    /// Verifies a password, in each form in which it may have been hashed. Without a hash it does the same work and says
    /// that it is wrong: the time depends on what was typed, and not on whether the account exists.
    ///
    /// # Errors
    /// No turn.
    pub async fn verify(
        &self,
        password: Arc<str>,
        hash: Option<String>,
        client: Client,
    ) -> Result<Verdict, PasswordError> {
        let turn = self.turn(&password, client).await?;
        self.verify_in(turn, &password, hash).await
    }

    /// Waits for a turn to verify this password.
    ///
    /// # Errors
    /// No turn.
    pub async fn turn(&self, password: &str, client: Client) -> Result<Turn, PasswordError> {
        let cost = u32::try_from(forms(possible(password)).len()).unwrap_or(1);
        self.0.sign_ins.turn(client, cost).await
    }

    /// Verifies a password whose turn it is. See [`Self::verify`].
    ///
    /// # Errors
    /// The thread that hashed is gone.
    pub async fn verify_in(
        &self,
        turn: Turn,
        password: &str,
        hash: Option<String>,
    ) -> Result<Verdict, PasswordError> {
        let typed = possible(password);
        let is_possible = typed.len() == password.len();
        let forms = forms(typed);
        self.work_in(turn, move |inner| {
            let is_known = hash.is_some() && is_possible;
            let hash = hash.as_deref().unwrap_or(&inner.decoy);
            let verdict = verify_forms(inner, &forms, hash);
            Ok(if is_known { verdict } else { Verdict::Wrong })
        })
        .await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        queue: &Queue,
        client: Client,
        cost: u32,
        work: impl FnOnce(&Inner) -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let turn = queue.turn(client, cost).await?;
        self.work_in(turn, work).await
    }

    async fn work_in<T: Send + 'static>(
        &self,
        turn: Turn,
        work: impl FnOnce(&Inner) -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let inner = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || {
            let result = work(&inner);
            drop(turn);
            result
        })
        .await?
    }
}

/// Hashes in NFC, whatever form the password was typed in.
fn hash(argon2: &Argon2<'_>, password: &str) -> Result<Hashed, PasswordError> {
    let salt: [u8; 16] = Ids.bytes();
    let password: String = password.nfc().collect();
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

/// The password, or nothing if it is longer than any that can be set.
fn possible(password: &str) -> &str {
    if password.len() <= MOST_BYTES {
        password
    } else {
        ""
    }
}

/// The first form is today's; a hash of another one is renewed.
fn verify_forms(inner: &Inner, forms: &[String], hash: &str) -> Verdict {
    for (nth, form) in forms.iter().enumerate() {
        match verify(inner, form, hash) {
            Verdict::Wrong => {}
            Verdict::Right if nth > 0 => return Verdict::RightButOutdated,
            right => return right,
        }
    }
    Verdict::Wrong
}

fn verify(inner: &Inner, password: &str, hash: &str) -> Verdict {
    if inner.limits.check(hash).is_err() {
        return Verdict::Wrong;
    }
    let argon2 = &inner.argon2;
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
    if argon2
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
    let rounds: u32 = parts.next()?.parse().ok().filter(|rounds| *rounds > 0)?;
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

    const CHEAP: HashCost = HashCost {
        memory_kib: 8,
        passes: 1,
        lanes: 1,
    };
    const ANYWHERE: Client = Client {
        network: None,
        is_known: false,
    };

    fn passwords(cost: HashCost) -> Passwords {
        Passwords::new(cost, PasswordPolicy { minimum_score: 0 }, 1, 8).unwrap()
    }

    async fn verdict(passwords: &Passwords, password: &str, hash: &str) -> Verdict {
        passwords
            .verify(password.into(), Some(hash.to_owned()), ANYWHERE)
            .await
            .unwrap()
    }

    async fn hashed(passwords: &Passwords, password: &str) -> Hashed {
        passwords.rehash(password.into(), ANYWHERE).await.unwrap()
    }

    #[tokio::test]
    async fn the_right_password_is_right_and_another_is_wrong() {
        let passwords = passwords(CHEAP);
        let hashed = hashed(&passwords, "correct horse").await;
        assert_eq!(hashed.scheme, "argon2id m=8,t=1,p=1");
        for (password, expected) in [
            ("correct horse", Verdict::Right),
            ("wrong horse", Verdict::Wrong),
        ] {
            assert_eq!(verdict(&passwords, password, &hashed.hash).await, expected);
        }
    }

    #[tokio::test]
    async fn a_hash_of_another_cost_is_outdated() {
        let hashed = hashed(&passwords(CHEAP), "correct horse").await;
        let dearer = passwords(HashCost { passes: 2, ..CHEAP });
        let verdict = verdict(&dearer, "correct horse", &hashed.hash).await;
        assert_eq!(verdict, Verdict::RightButOutdated);
    }

    #[tokio::test]
    async fn a_password_is_right_in_whichever_form_it_is_typed() {
        let passwords = passwords(CHEAP);
        let composed = "\u{e9}t\u{e9} au caf\u{e9}";
        let decomposed: String = composed.nfd().collect();
        for set in [composed, &decomposed] {
            let hashed = hashed(&passwords, set).await;
            for typed in [composed, &decomposed] {
                let verdict = verdict(&passwords, typed, &hashed.hash).await;
                assert_eq!(verdict, Verdict::Right, "{set:?}, {typed:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_hash_of_a_form_that_was_not_normalized_is_verified_and_outdated() {
        let passwords = passwords(CHEAP);
        let composed = "\u{e9}t\u{e9} au caf\u{e9}";
        let decomposed: String = composed.nfd().collect();
        let mixed = "\u{e9}te\u{301} au caf\u{e9}";
        let before = |password: &str| {
            let hash = passwords
                .0
                .argon2
                .hash_password_with_salt(password.as_bytes(), b"0123456789abcdef");
            hash.unwrap().to_string()
        };
        for (set, typed) in [
            (decomposed.as_str(), composed),
            (&decomposed, &decomposed),
            (mixed, mixed),
        ] {
            let verdict = verdict(&passwords, typed, &before(set)).await;
            assert_eq!(verdict, Verdict::RightButOutdated, "{set:?}, {typed:?}");
        }
        let verdict = verdict(&passwords, &decomposed, &before(composed)).await;
        assert_eq!(verdict, Verdict::Right);
    }

    #[tokio::test]
    async fn nobody_is_verified_without_a_hash() {
        let passwords = passwords(CHEAP);
        for password in ["", "\u{e9}te\u{301}"] {
            let verdict = passwords.verify(password.into(), None, ANYWHERE).await;
            assert_eq!(verdict.unwrap(), Verdict::Wrong);
        }
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
        for (password, expected) in [
            ("testing", Verdict::RightButOutdated),
            ("Testing", Verdict::Wrong),
        ] {
            assert_eq!(verdict(&passwords, password, &hash).await, expected);
        }
    }

    #[tokio::test]
    async fn an_imported_hash_that_would_cost_too_much_is_not_computed() {
        let passwords = passwords(CHEAP);
        for hash in [
            "$pbkdf2-sha256$4000000000$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "$argon2id$v=19$m=4194304,t=3,p=1$c29tZXNhbHRzb21l$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "$argon2id$v=19$m=1048576,t=64,p=1$c29tZXNhbHRzb21l$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "nonsense",
        ] {
            assert_eq!(
                verdict(&passwords, "testing", hash).await,
                Verdict::Wrong,
                "{hash}"
            );
        }
    }

    #[tokio::test]
    async fn a_password_that_is_longer_than_any_stored_one_is_wrong() {
        let passwords = passwords(CHEAP);
        let hashed = hashed(&passwords, "").await;
        let verdict = verdict(&passwords, &"x".repeat(MOST_BYTES + 1), &hashed.hash).await;
        assert_eq!(verdict, Verdict::Wrong);
    }

    #[tokio::test]
    async fn new_passwords_wait_for_no_sign_in() {
        let passwords = passwords(CHEAP);
        let turn = passwords.0.sign_ins.turn(ANYWHERE, 1).await.unwrap();
        let hashed = passwords.accept("correct horse".into(), Vec::new()).await;
        assert!(hashed.is_ok());
        drop(turn);
    }
}
