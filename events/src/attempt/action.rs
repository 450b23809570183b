//! What is done to things, as the audit log names it.

use serde::{Deserialize, Serialize};

/// What was done, or tried. Each has a number, for tables that hold many of them; a number is never given to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Something came to be.
    Create = 1,
    /// Something changed.
    Write = 2,
    /// Something is no more.
    Delete = 3,
    /// Of workspaces, which we do not have. Clients may ask for it, and find none.
    Start = 4,
    /// As [`Self::Start`].
    Stop = 5,
    /// Somebody signed in.
    Login = 6,
    /// Somebody signed out.
    Logout = 7,
    /// Somebody made an account for themselves.
    Register = 8,
    /// Somebody asked for another password.
    RequestPasswordReset = 9,
    /// As [`Self::Start`].
    Connect = 10,
    /// As [`Self::Start`].
    Disconnect = 11,
    /// As [`Self::Start`].
    Open = 12,
    /// As [`Self::Start`].
    Close = 13,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 13] = [
        Self::Create,
        Self::Write,
        Self::Delete,
        Self::Start,
        Self::Stop,
        Self::Login,
        Self::Logout,
        Self::Register,
        Self::RequestPasswordReset,
        Self::Connect,
        Self::Disconnect,
        Self::Open,
        Self::Close,
    ];

    /// The name in the API and in the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Write => "write",
            Self::Delete => "delete",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Login => "login",
            Self::Logout => "logout",
            Self::Register => "register",
            Self::RequestPasswordReset => "request_password_reset",
            Self::Connect => "connect",
            Self::Disconnect => "disconnect",
            Self::Open => "open",
            Self::Close => "close",
        }
    }

    /// The number in tables.
    #[must_use]
    pub fn number(self) -> i16 {
        self as i16
    }

    /// The action of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_written_by_its_name() {
        for action in Action::ALL {
            assert_eq!(serde_json::to_value(action).unwrap(), action.name());
            assert_eq!(Action::parse(action.name()), Some(action));
        }
        assert_eq!(Action::parse("read"), None);
    }
}
