//! Who a user is at a provider.

use serde::{Deserialize, Serialize};

/// An account at a provider: the issuer, and the name by which the issuer knows the person, for ever and never given to
/// another. An e-mail address is no identity: it can change hands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The provider, as it calls itself.
    pub issuer: String,
    /// The person's identifier there.
    pub subject: String,
}

impl Identity {
    /// What uniqueness compares.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}||{}", self.issuer, self.subject)
    }
}
