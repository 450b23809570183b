//! The secrets of one sign-in.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rollcall_events::ids::Ids;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

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

    /// The challenge of the verifier, by the method S256.
    pub(super) fn challenge(&self) -> Option<String> {
        let verifier = self.verifier.as_ref()?;
        Some(URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes())))
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

    #[test]
    fn the_challenge_is_the_one_of_rfc_7636() {
        let mut flow = Flow::generate(Ids);
        flow.verifier = Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned());
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        assert_eq!(flow.challenge().as_deref(), Some(challenge));
        flow.verifier = None;
        assert_eq!(flow.challenge(), None);
    }
}
