//! Proving an account's password: the one way to verify what somebody typed against an account's hash. Failures are
//! counted and delayed, hashing is shared out between networks.

use std::{net::IpAddr, sync::Arc};

use super::{
    guesses::{Account, Client, GuessError},
    passwords::{PasswordError, Verdict},
};
use crate::app::App;

/// A password that may be an account's.
pub struct Proof<'a> {
    /// The account.
    pub account: Account<'a>,
    /// Where the password comes from.
    pub address: Option<IpAddr>,
    /// The password.
    pub password: Arc<str>,
    /// The account's hash, if it has one.
    pub hash: Option<String>,
}

/// Why a password was not verified.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// There were too many wrong ones.
    #[error(transparent)]
    Guess(#[from] GuessError),
    /// It could not be hashed.
    #[error(transparent)]
    Password(#[from] PasswordError),
}

impl Proof<'_> {
    /// Verifies the password, and counts it if it is wrong. Without a hash the work and the counts are the same.
    ///
    /// # Errors
    /// There were too many wrong passwords for this account, there is no turn to hash, or the database fails.
    pub async fn verify(self, app: &App) -> Result<(Verdict, Client), ProofError> {
        let (guesses, passwords) = (&app.guesses, &app.passwords);
        let client = guesses.look(self.account, self.address, app.clock.now());
        let client = client.await?;
        let turn = passwords.turn(&self.password, client).await?;
        // Others may have guessed meanwhile.
        let guess = guesses.begin(self.account, self.address, app.clock.now());
        let guess = guess.await?;
        let verdict = passwords.verify_in(turn, &self.password, self.hash).await;
        let settled = match verdict {
            Ok(Verdict::Wrong) => Ok(()),
            Ok(Verdict::Right | Verdict::RightButOutdated) => {
                guess.succeeded(app.clock.now()).await
            }
            Err(_) => guess.withdraw().await,
        };
        // The verdict holds all the same: then one failure too many is counted.
        if let Err(error) = settled {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a password that was not wrong stays counted as wrong"
            );
        }
        Ok((verdict?, client))
    }
}
