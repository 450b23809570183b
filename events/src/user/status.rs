//! Whether, and how, a user may sign in.

use serde::{Deserialize, Serialize};

/// Whether a user may use the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// May.
    Active,
    /// Has not come yet; becomes active at the first sign-in or request.
    Dormant,
    /// May not, until an administrator says so.
    Suspended,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::Active, Self::Dormant, Self::Suspended];

    /// The name in the API, the log and the read models.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Dormant => "dormant",
            Self::Suspended => "suspended",
        }
    }

    /// The status of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// How a user signs in, or how a session came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LoginType {
    /// With e-mail and password.
    Password,
    /// By way of GitHub.
    Github,
    /// By way of an OpenID Connect provider.
    Oidc,
    /// Not at all: for users that others act for.
    None,
    /// Of a session only: an API token.
    Token,
}

impl LoginType {
    /// Every login type.
    pub const ALL: [Self; 5] = [
        Self::Password,
        Self::Github,
        Self::Oidc,
        Self::None,
        Self::Token,
    ];

    /// The name in the API, the log and the read models.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Github => "github",
            Self::Oidc => "oidc",
            Self::None => "none",
            Self::Token => "token",
        }
    }

    /// The login type of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|login_type| login_type.name() == name)
    }
}

/// Why a user became active.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActivationCause {
    /// Somebody with the right to do so said so: ends a suspension too.
    Administrator,
    /// A dormant user came: never ends a suspension.
    Use,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_is_written() {
        for status in Status::ALL {
            assert_eq!(serde_json::to_value(status).unwrap(), status.name());
        }
        for login_type in LoginType::ALL {
            assert_eq!(serde_json::to_value(login_type).unwrap(), login_type.name());
        }
    }
}
