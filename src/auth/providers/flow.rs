//! The secrets of one sign-in.

use std::fmt;

use oauth2::PkceCodeVerifier;
use rollcall_events::ids::Ids;
use serde::{Deserialize, Serialize};

const STATE_LENGTH: usize = 32;
const NONCE_LENGTH: usize = 32;
/// Of the 43 to 128 that RFC 7636 allows.
const VERIFIER_LENGTH: usize = 64;

/// The secrets of one sign-in, from its start to its end. They go into the browser sealed, so that no other browser can
/// end what this one began.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// What the provider sends back with the code: ties the answer to this browser.
    pub state: String,
    /// What an ID token must hold: ties the token to this sign-in.
    pub nonce: String,
    /// What the code is exchanged with; the provider has seen its hash: ties the code to us (PKCE). `None` when no
    /// challenge was sent: then the verifier must not be sent either.
    pub verifier: Option<String>,
}

impl Flow {
    /// A new one.
    #[must_use]
    pub fn generate(ids: Ids) -> Self {
        Self {
            state: ids.alphanumeric(STATE_LENGTH),
            nonce: ids.alphanumeric(NONCE_LENGTH),
            verifier: Some(ids.alphanumeric(VERIFIER_LENGTH)),
        }
    }

    /// The verifier, as the library wants it.
    pub(super) fn verifier(&self) -> Option<PkceCodeVerifier> {
        self.verifier.clone().map(PkceCodeVerifier::new)
    }
}

impl fmt::Debug for Flow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Flow(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_flows_share_nothing_and_show_nothing() {
        let (one, other) = (Flow::generate(Ids), Flow::generate(Ids));
        assert_eq!(one.state.len(), 32);
        assert!((43..=128).contains(&one.verifier.as_ref().unwrap().len()));
        assert_ne!(one.state, other.state);
        assert_ne!(one.nonce, other.nonce);
        assert_ne!(one.verifier, other.verifier);
        assert_eq!(format!("{one:?}"), "Flow(..)");
    }
}
