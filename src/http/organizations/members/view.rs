//! The member as clients see one, alone and with the user's data.

use rollcall_events::user::OrganizationRole;
use rollcall_projections::members::{ListedMember, MemberRow};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::{openapi::schemas, timestamp::Timestamp, users::RoleView};

/// A user's place in an organization.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrganizationMember)]
pub struct MemberView {
    #[schema(example = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff")]
    user_id: Uuid,
    #[schema(example = "0199a5c0-0000-7000-8000-000000000001")]
    organization_id: Uuid,
    created_at: Timestamp,
    updated_at: Timestamp,
    /// Beyond being a member.
    roles: Vec<RoleAtView>,
}

/// A role in an organization.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrganizationMemberRole)]
struct RoleAtView {
    #[schema(value_type = schemas::OrganizationRole)]
    name: &'static str,
    #[schema(example = "Organization Admin")]
    display_name: &'static str,
    #[schema(example = "0199a5c0-0000-7000-8000-000000000001")]
    organization_id: Uuid,
}

/// A member, and who it is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrganizationMemberWithUserData)]
pub struct MemberWithUserView {
    #[serde(flatten)]
    member: MemberView,
    #[schema(example = "ada")]
    username: String,
    #[schema(example = "Ada Lovelace")]
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[schema(example = "")]
    avatar_url: String,
    #[schema(example = "ada@example.com")]
    email: String,
    #[schema(value_type = schemas::UserStatus)]
    status: &'static str,
    #[schema(value_type = schemas::UserLoginType)]
    login_type: &'static str,
    /// About to the hour; in the year 1 if never.
    last_seen_at: Timestamp,
    user_created_at: Timestamp,
    user_updated_at: Timestamp,
    /// The roles in the whole service.
    global_roles: Vec<RoleView>,
    has_ai_seat: bool,
}

impl From<MemberRow> for MemberView {
    fn from(row: MemberRow) -> Self {
        let role = |role: OrganizationRole| RoleAtView {
            name: role.name(),
            display_name: role.display_name(),
            organization_id: row.organization_id,
        };
        Self {
            user_id: row.user_id,
            organization_id: row.organization_id,
            created_at: Timestamp(row.created_at),
            updated_at: Timestamp(row.updated_at),
            roles: row.roles.into_iter().map(role).collect(),
        }
    }
}

impl From<ListedMember> for MemberWithUserView {
    fn from(listed: ListedMember) -> Self {
        let user = listed.user.row;
        Self {
            member: listed.member.into(),
            username: user.username.unwrap_or_default(),
            name: user.name.unwrap_or_default(),
            avatar_url: user.avatar_url.unwrap_or_default(),
            email: user.email.unwrap_or_default(),
            status: user.status.name(),
            login_type: user.login_type.name(),
            last_seen_at: listed.user.last_seen_at.into(),
            user_created_at: Timestamp(user.created_at),
            user_updated_at: Timestamp(user.updated_at),
            global_roles: user.roles.into_iter().map(RoleView::from).collect(),
            has_ai_seat: false,
        }
    }
}
