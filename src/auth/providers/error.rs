//! Why a sign-in through a provider fails.

use std::fmt;

/// The longest cause that is kept, in bytes.
const MAX_CAUSE_BYTES: usize = 1024;

/// Why a sign-in through a provider fails. The text is for the person who signs in; the [`Cause`] behind it is for the
/// operator and goes to the log. Neither holds a secret, a token, or the list of what is allowed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProviderError {
    /// The discovery document or the keys cannot be read.
    #[error("The provider cannot be used just now: {what} cannot be had.")]
    Unavailable {
        /// What was asked for.
        what: &'static str,
        /// Why.
        source: Cause,
    },
    /// The code was not exchanged for tokens.
    #[error("The provider did not accept the sign-in.")]
    Exchange(#[source] Cause),
    /// There are tokens, but the user they belong to cannot be read.
    #[error("The provider does not say who signed in.")]
    Person(#[source] Cause),
    /// The provider does not accept a refresh token anymore.
    #[error("The provider has ended this sign-in.")]
    RefreshRefused(#[source] Cause),
    /// A refresh token could not be exchanged, for any other reason.
    #[error("The provider could not renew this sign-in.")]
    RefreshFailed(#[source] Cause),
    /// The token response has no ID token.
    #[error("The provider sent no ID token.")]
    NoIdToken(#[source] Cause),
    /// The ID token could not be verified.
    #[error("The provider's ID token proves nothing.")]
    IdToken(#[source] Cause),
    /// The ID token is longer than what is read.
    #[error("The provider's ID token is too long: at most 1 MiB is read.")]
    IdTokenTooLong(#[source] Cause),
    /// A claim is missing, or not what it must be.
    #[error("The provider's claim {claim:?} {rule}.")]
    Claim {
        /// The claim, by the name it has in the configuration.
        claim: String,
        /// What it must be.
        rule: &'static str,
        /// Which claims came.
        source: Cause,
    },
    /// The provider does not vouch for the e-mail address.
    #[error("The provider has not verified the e-mail address.")]
    EmailNotVerified(#[source] Cause),
    /// The domain of the e-mail address is not allowed.
    #[error("Nobody with an e-mail address of this domain may sign in by this provider.")]
    ForeignDomain(#[source] Cause),
    /// The GitHub account has no primary, verified e-mail address.
    #[error("The GitHub account has no primary e-mail address that is verified.")]
    NoVerifiedEmail,
    /// The GitHub account is not an active member of an allowed organization.
    #[error("The GitHub account is no active member of an organization that may sign in.")]
    NotInOrganization,
    /// The GitHub account is not a member of an allowed team.
    #[error("The GitHub account is a member of no team that may sign in.")]
    NotInTeam,
    /// GitHub does not show something that the sign-in needs.
    #[error("{reason}")]
    GitHubForbids {
        /// What the person can do about it.
        reason: &'static str,
        /// The request, and GitHub's message.
        source: Cause,
    },
    /// GitHub answers no more requests for now.
    #[error("GitHub answers no more requests for now. Try again in a few minutes.")]
    GitHubRateLimit {
        /// How long GitHub asks to wait, in seconds, if it does: an hour at most.
        retry_after_s: Option<u32>,
        /// The request, and GitHub's message.
        source: Cause,
    },
}

impl ProviderError {
    /// The error with its cause, for the operator.
    #[must_use]
    pub fn sentence(&self) -> String {
        match std::error::Error::source(self) {
            Some(cause) => format!("{}: {cause}.", self.to_string().trim_end_matches('.')),
            None => self.to_string(),
        }
    }

    /// The HTTP status of the response.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::NoIdToken(_)
            | Self::IdToken(_)
            | Self::IdTokenTooLong(_)
            | Self::Claim { .. }
            | Self::NoVerifiedEmail => 400,
            Self::RefreshRefused(_) | Self::NotInOrganization | Self::NotInTeam => 401,
            Self::EmailNotVerified(_) | Self::ForeignDomain(_) | Self::GitHubForbids { .. } => 403,
            Self::Exchange(_) | Self::Person(_) | Self::RefreshFailed(_) => 500,
            Self::Unavailable { .. } | Self::GitHubRateLimit { .. } => 503,
        }
    }
}

/// What went wrong, for the operator: one line without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause(String);

impl Cause {
    /// A cause in our own words, which may quote a little of what the provider sent.
    pub(super) fn new(text: impl fmt::Display) -> Self {
        let mut text = text.to_string().replace(char::is_control, " ");
        text.truncate(text.floor_char_boundary(MAX_CAUSE_BYTES));
        Self(text)
    }

    /// The error code of an OAuth endpoint. A code is a word for programs; anything else is not repeated.
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

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Cause {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_short_and_on_one_line() {
        let cause = Cause::new(format!("a\nb{}", "ä".repeat(1000)));
        assert!(cause.0.len() <= MAX_CAUSE_BYTES);
        assert!(cause.0.starts_with("a b"));
    }

    #[test]
    fn an_error_code_is_a_word() {
        let said = |code| Cause::refused(code).to_string();
        assert_eq!(said("invalid_grant"), r#"it says "invalid_grant""#);
        for bad in ["a b", "code=secret", "a\nb", &"x".repeat(65)] {
            assert_eq!(said(bad), "it says something that is no error code");
        }
    }
}
