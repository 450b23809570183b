//! What can be done to an object.

/// An action, by the name that clients ask for it with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Make it.
    Create,
    /// See it.
    Read,
    /// Change it.
    Update,
    /// Remove it.
    Delete,
    /// Forget the person: nothing brings them back.
    Erase,
    /// See what was: a user's events, and users and sessions as they were.
    ReadHistory,
    /// See what is nobody's business: a user's roles, sign-in method and settings.
    ReadPersonal,
    /// Change what is one's own: a user's name for people, picture and password.
    UpdatePersonal,
    /// Give a role.
    Assign,
    /// Take a role away.
    Unassign,
    /// Whatever else clients ask for: things of a service that is not this one.
    Other,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 11] = [
        Self::Create,
        Self::Read,
        Self::Update,
        Self::Delete,
        Self::Erase,
        Self::ReadHistory,
        Self::ReadPersonal,
        Self::UpdatePersonal,
        Self::Assign,
        Self::Unassign,
        Self::Other,
    ];

    /// The action's name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Erase => "erase",
            Self::ReadHistory => "read_history",
            Self::ReadPersonal => "read_personal",
            Self::UpdatePersonal => "update_personal",
            Self::Assign => "assign",
            Self::Unassign => "unassign",
            Self::Other => "anything else",
        }
    }

    /// The action of that name.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        let mut all = Self::ALL.into_iter();
        all.find(|action| action.name() == name)
            .unwrap_or(Self::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_known_by_its_name_and_none_is_refused() {
        for action in Action::ALL {
            assert_eq!(Action::parse(action.name()), action);
        }
        assert_eq!(Action::parse("start"), Action::Other);
        assert_eq!(Action::parse(""), Action::Other);
    }
}
