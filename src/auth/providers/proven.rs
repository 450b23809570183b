//! What a provider has proved.

use std::fmt;

use chrono::{DateTime, Utc};
use rollcall_events::{
    user::{DisplayName, EmailAddress, Identity},
    vault::ProviderTokens,
};

/// Who somebody is at a provider, and what the provider says of them.
#[derive(Clone)]
pub struct Proven {
    /// The account there, for ever.
    pub identity: Identity,
    /// The e-mail address that the provider vouches for, or that we were told to believe.
    pub email: EmailAddress,
    /// What the provider calls them: anything, and no username yet. See [`super::username::derive`].
    pub username: String,
    /// Their name, cut to what we keep.
    pub name: DisplayName,
    /// Where their picture is; empty when there is none that can be shown.
    pub avatar_url: String,
    /// What speaks for them there.
    pub tokens: ProviderTokens,
    /// When that ends, if ever.
    pub expires_at: Option<DateTime<Utc>>,
}

/// What a refresh token was traded for.
#[derive(Clone)]
pub struct RenewedTokens {
    /// What speaks for the person from now on; with the old refresh token, when the provider gave no new one.
    pub tokens: ProviderTokens,
    /// When that ends, if ever.
    pub expires_at: Option<DateTime<Utc>>,
}

impl fmt::Debug for Proven {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Proven(at {})", self.identity.issuer)
    }
}

impl fmt::Debug for RenewedTokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RenewedTokens(..)")
    }
}
