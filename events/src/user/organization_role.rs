//! The roles that a user can hold in one organisation.

use serde::{Deserialize, Serialize};

/// A role in an organisation. Whoever belongs to it is a member, which is not said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum OrganizationRole {
    /// Manages the organisation, its members and their roles.
    #[serde(rename = "organization-admin")]
    Admin,
    /// Manages its members.
    #[serde(rename = "organization-user-admin")]
    UserAdmin,
    /// Reads everything in it.
    #[serde(rename = "organization-auditor")]
    Auditor,
    /// Manages its templates.
    #[serde(rename = "organization-template-admin")]
    TemplateAdmin,
}

impl OrganizationRole {
    /// Every role, the most powerful first.
    pub const ALL: [Self; 4] = [
        Self::Admin,
        Self::UserAdmin,
        Self::Auditor,
        Self::TemplateAdmin,
    ];

    /// The role's name in the API, the log and the read models.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "organization-admin",
            Self::UserAdmin => "organization-user-admin",
            Self::Auditor => "organization-auditor",
            Self::TemplateAdmin => "organization-template-admin",
        }
    }

    /// The role's name for people.
    #[must_use]
    pub fn display_name(self) -> &'static str {
        match self {
            Self::Admin => "Organization Admin",
            Self::UserAdmin => "Organization User Admin",
            Self::Auditor => "Organization Auditor",
            Self::TemplateAdmin => "Organization Template Admin",
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
        for role in OrganizationRole::ALL {
            assert_eq!(serde_json::to_value(role).unwrap(), role.name());
            assert_eq!(OrganizationRole::parse(role.name()), Some(role));
        }
        assert_eq!(OrganizationRole::parse("owner"), None);
    }
}
