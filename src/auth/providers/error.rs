//! Why somebody is not let in by way of a provider.

use std::fmt;

/// The most of a provider's own words that is kept.
const MOST_BYTES: usize = 300;

/// Why somebody is not let in by way of a provider. Its text is for them; the [`Trouble`] behind it is for the
/// operator. Neither holds a secret, a token, or the list of what would have been let in.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProviderError {
    /// Its discovery document or its keys cannot be had.
    #[error("The provider cannot be used just now: {what} cannot be had.")]
    Unavailable {
        /// What was asked for.
        what: &'static str,
        /// Why.
        source: Trouble,
    },
    /// The code was not traded for tokens.
    #[error("The provider did not accept the sign-in.")]
    Exchange(#[source] Trouble),
    /// It gave tokens, but does not tell what it knows of their owner.
    #[error("The provider does not say who signed in.")]
    Person(#[source] Trouble),
    /// It wants a refresh token used no more.
    #[error("The provider has ended this sign-in.")]
    RefreshRefused(#[source] Trouble),
    /// A refresh token could not be traded, for whatever other reason.
    #[error("The provider could not renew this sign-in.")]
    RefreshFailed(#[source] Trouble),
    /// It gave tokens, but none that says who signed in.
    #[error("The provider sent no ID token.")]
    NoIdToken,
    /// It gave an ID token that proves nothing.
    #[error("The provider's ID token proves nothing.")]
    IdToken(#[source] Trouble),
    /// A claim is missing, or not what it should be.
    #[error("The provider's claim {claim:?} {rule}.")]
    Claim {
        /// The claim, as we know it.
        claim: String,
        /// What it must.
        rule: &'static str,
    },
    /// It does not vouch for the e-mail address.
    #[error("The provider has not verified the e-mail address.")]
    EmailNotVerified,
    /// The e-mail address belongs to nobody whom we let in.
    #[error("Nobody with an e-mail address of this domain may sign in by this provider.")]
    ForeignDomain,
    /// GitHub knows no primary, verified e-mail address.
    #[error("The GitHub account has no primary e-mail address that is verified.")]
    NoVerifiedEmail,
    /// They are an active member of no organization that we let in.
    #[error("The GitHub account is no active member of an organization that may sign in.")]
    NotInOrganization,
    /// They are a member of no team that we let in.
    #[error("The GitHub account is a member of no team that may sign in.")]
    NotInTeam,
}

impl ProviderError {
    /// The HTTP status that tells it.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::NoIdToken | Self::IdToken(_) | Self::Claim { .. } | Self::NoVerifiedEmail => 400,
            Self::RefreshRefused(_) | Self::NotInOrganization | Self::NotInTeam => 401,
            Self::EmailNotVerified | Self::ForeignDomain => 403,
            Self::Exchange(_) | Self::Person(_) | Self::RefreshFailed(_) => 500,
            Self::Unavailable { .. } => 503,
        }
    }
}

/// What went wrong, for the operator: a sentence without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble(String);

impl Trouble {
    /// Something that is said in words of our own, which may quote a little.
    pub(super) fn new(text: impl fmt::Display) -> Self {
        let mut text = text.to_string().replace(char::is_control, " ");
        text.truncate(text.floor_char_boundary(MOST_BYTES));
        Self(text)
    }

    /// What the provider calls the reason. The word is meant for programs: if it has another form, it is kept to itself.
    pub(super) fn refused(code: &str) -> Self {
        let is_word = code.len() <= 64
            && code
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        if is_word {
            Self(format!("it says {code:?}"))
        } else {
            Self("it says something that is no error code".to_owned())
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Trouble {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_provider_says_is_kept_short_and_on_one_line() {
        let trouble = Trouble::new(format!("a\nb{}", "ä".repeat(1000)));
        assert!(trouble.0.len() <= MOST_BYTES);
        assert!(trouble.0.starts_with("a b"));
    }

    #[test]
    fn a_reason_is_a_word() {
        let said = |code| Trouble::refused(code).to_string();
        assert_eq!(said("invalid_grant"), r#"it says "invalid_grant""#);
        for bad in ["a b", "code=secret", "a\nb", &"x".repeat(65)] {
            assert_eq!(said(bad), "it says something that is no error code");
        }
    }
}
