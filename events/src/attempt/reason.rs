//! Why a sign-in was refused.

use serde::{Deserialize, Serialize};

/// The reason, for who reads the audit log. Whoever tried is not told which it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalReason {
    /// Nobody has this e-mail address.
    UnknownEmail,
    /// The account has another password, or none.
    WrongPassword,
    /// The account is suspended.
    Suspended,
    /// The account signs in in another way.
    WrongLoginType,
    /// Nobody signs in by password here.
    PasswordLoginOff,
    /// Nobody becomes a user by signing in.
    SignUpsOff,
    /// The provider vouches for them, and they are none of those who may.
    NotAllowed,
    /// What came back from the provider proves nothing.
    NotProven,
    /// The account is linked to another one at the provider.
    LinkedElsewhere,
    /// There were too many wrong passwords for the account; this one was not verified.
    TooManyFailures,
}

impl RefusalReason {
    /// Every reason.
    pub const ALL: [Self; 10] = [
        Self::UnknownEmail,
        Self::WrongPassword,
        Self::Suspended,
        Self::WrongLoginType,
        Self::PasswordLoginOff,
        Self::SignUpsOff,
        Self::NotAllowed,
        Self::NotProven,
        Self::LinkedElsewhere,
        Self::TooManyFailures,
    ];

    /// The name in the API and in the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::UnknownEmail => "unknown_email",
            Self::WrongPassword => "wrong_password",
            Self::Suspended => "suspended",
            Self::WrongLoginType => "wrong_login_type",
            Self::PasswordLoginOff => "password_login_off",
            Self::SignUpsOff => "sign_ups_off",
            Self::NotAllowed => "not_allowed",
            Self::NotProven => "not_proven",
            Self::LinkedElsewhere => "linked_elsewhere",
            Self::TooManyFailures => "too_many_failures",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_written_by_its_name() {
        for reason in RefusalReason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.name());
        }
    }
}
