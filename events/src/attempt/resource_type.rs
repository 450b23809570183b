//! What is done something to, as the audit log names it.

use serde::{Deserialize, Serialize};

/// A kind of thing. Clients know many that we do not have: they may ask for them, and find none. Each has a number, for
/// tables that hold many of them; a number is never given to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say what there is to say")]
pub enum ResourceType {
    User = 1,
    /// A session or an API token.
    ApiKey = 2,
    Organization = 3,
    /// Somebody's belonging to an organisation.
    OrganizationMember = 4,
    Template = 5,
    TemplateVersion = 6,
    Workspace = 7,
    WorkspaceBuild = 8,
    WorkspaceAgent = 9,
    WorkspaceApp = 10,
    WorkspaceProxy = 11,
    GitSshKey = 12,
    Group = 13,
    License = 14,
    ConvertLogin = 15,
    HealthSettings = 16,
    NotificationsSettings = 17,
    NotificationTemplate = 18,
    PrebuildsSettings = 19,
    #[serde(rename = "oauth2_provider_app")]
    OAuth2ProviderApp = 20,
    #[serde(rename = "oauth2_provider_app_secret")]
    OAuth2ProviderAppSecret = 21,
    CustomRole = 22,
    IdpSyncSettingsOrganization = 23,
    IdpSyncSettingsGroup = 24,
    IdpSyncSettingsRole = 25,
    Task = 26,
}

impl ResourceType {
    /// Every type.
    pub const ALL: [Self; 26] = [
        Self::User,
        Self::ApiKey,
        Self::Organization,
        Self::OrganizationMember,
        Self::Template,
        Self::TemplateVersion,
        Self::Workspace,
        Self::WorkspaceBuild,
        Self::WorkspaceAgent,
        Self::WorkspaceApp,
        Self::WorkspaceProxy,
        Self::GitSshKey,
        Self::Group,
        Self::License,
        Self::ConvertLogin,
        Self::HealthSettings,
        Self::NotificationsSettings,
        Self::NotificationTemplate,
        Self::PrebuildsSettings,
        Self::OAuth2ProviderApp,
        Self::OAuth2ProviderAppSecret,
        Self::CustomRole,
        Self::IdpSyncSettingsOrganization,
        Self::IdpSyncSettingsGroup,
        Self::IdpSyncSettingsRole,
        Self::Task,
    ];

    /// The name in the API and in the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::ApiKey => "api_key",
            Self::Organization => "organization",
            Self::OrganizationMember => "organization_member",
            Self::Template => "template",
            Self::TemplateVersion => "template_version",
            Self::Workspace => "workspace",
            Self::WorkspaceBuild => "workspace_build",
            Self::WorkspaceAgent => "workspace_agent",
            Self::WorkspaceApp => "workspace_app",
            Self::WorkspaceProxy => "workspace_proxy",
            Self::GitSshKey => "git_ssh_key",
            Self::Group => "group",
            Self::License => "license",
            Self::ConvertLogin => "convert_login",
            Self::HealthSettings => "health_settings",
            Self::NotificationsSettings => "notifications_settings",
            Self::NotificationTemplate => "notification_template",
            Self::PrebuildsSettings => "prebuilds_settings",
            Self::OAuth2ProviderApp => "oauth2_provider_app",
            Self::OAuth2ProviderAppSecret => "oauth2_provider_app_secret",
            Self::CustomRole => "custom_role",
            Self::IdpSyncSettingsOrganization => "idp_sync_settings_organization",
            Self::IdpSyncSettingsGroup => "idp_sync_settings_group",
            Self::IdpSyncSettingsRole => "idp_sync_settings_role",
            Self::Task => "task",
        }
    }

    /// The number in tables.
    #[must_use]
    pub fn number(self) -> i16 {
        self as i16
    }

    /// The type of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_written_by_its_name() {
        for kind in ResourceType::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
            assert_eq!(ResourceType::parse(kind.name()), Some(kind));
        }
        assert_eq!(ResourceType::parse("session"), None);
    }
}
