//! What is done something to, as the audit log names it.

use serde::{Deserialize, Serialize};

/// A kind of thing. Clients know many that we do not have: they may ask for them, and find none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say what there is to say")]
pub enum ResourceType {
    User,
    /// A session or an API token.
    ApiKey,
    Organization,
    /// Somebody's belonging to an organisation.
    OrganizationMember,
    Template,
    TemplateVersion,
    Workspace,
    WorkspaceBuild,
    WorkspaceAgent,
    WorkspaceApp,
    WorkspaceProxy,
    GitSshKey,
    Group,
    License,
    ConvertLogin,
    HealthSettings,
    NotificationsSettings,
    NotificationTemplate,
    PrebuildsSettings,
    #[serde(rename = "oauth2_provider_app")]
    OAuth2ProviderApp,
    #[serde(rename = "oauth2_provider_app_secret")]
    OAuth2ProviderAppSecret,
    CustomRole,
    IdpSyncSettingsOrganization,
    IdpSyncSettingsGroup,
    IdpSyncSettingsRole,
    Task,
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
