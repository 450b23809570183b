//! The roles that a user can hold in the whole service.

use serde::{Deserialize, Serialize};

/// A site role. Everybody is a member, named or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// May do everything.
    Owner,
    /// Creates, changes and removes users.
    UserAdmin,
    /// Reads everything, the audit log included.
    Auditor,
    /// Manages templates; of users, only reads.
    TemplateAdmin,
    /// What everybody is.
    Member,
}

impl Role {
    /// Every role, the most powerful first.
    pub const ALL: [Self; 5] = [
        Self::Owner,
        Self::UserAdmin,
        Self::Auditor,
        Self::TemplateAdmin,
        Self::Member,
    ];

    /// The role's name in the API and in the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::UserAdmin => "user-admin",
            Self::Auditor => "auditor",
            Self::TemplateAdmin => "template-admin",
            Self::Member => "member",
        }
    }

    /// The role's name for people.
    #[must_use]
    pub fn display_name(self) -> &'static str {
        match self {
            Self::Owner => "Owner",
            Self::UserAdmin => "User Admin",
            Self::Auditor => "Auditor",
            Self::TemplateAdmin => "Template Admin",
            Self::Member => "Member",
        }
    }

    /// The role of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_written_by_its_name() {
        for role in Role::ALL {
            assert_eq!(serde_json::to_value(role).unwrap(), role.name());
            assert_eq!(Role::parse(role.name()), Some(role));
        }
        assert_eq!(Role::parse("root"), None);
    }
}
