//! The user as clients see one: the union of the fields that their generations know.

use rollcall_events::user::Role;
use rollcall_projections::users::FoundUser;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::{openapi::schemas, timestamp::Timestamp};

/// A user. What belonged to an erased person is empty.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserView {
    #[schema(example = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff")]
    id: Uuid,
    #[schema(example = "ada")]
    username: String,
    #[schema(example = "Ada Lovelace")]
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[schema(example = "ada@example.com")]
    email: String,
    #[schema(example = "")]
    avatar_url: String,
    created_at: Timestamp,
    updated_at: Timestamp,
    /// About to the hour; in the year 1 if never.
    last_seen_at: Timestamp,
    #[schema(value_type = schemas::UserStatus)]
    status: &'static str,
    #[schema(value_type = schemas::UserLoginType)]
    login_type: &'static str,
    organization_ids: Vec<Uuid>,
    roles: Vec<RoleView>,
    has_ai_seat: bool,
}

/// A role.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Role)]
pub struct RoleView {
    #[schema(value_type = schemas::SiteRole)]
    name: &'static str,
    #[schema(example = "Owner")]
    display_name: &'static str,
}

impl From<FoundUser> for UserView {
    fn from(FoundUser { row, last_seen_at }: FoundUser) -> Self {
        Self {
            id: row.id,
            username: row.username.unwrap_or_default(),
            name: row.name.unwrap_or_default(),
            email: row.email.unwrap_or_default(),
            avatar_url: row.avatar_url.unwrap_or_default(),
            created_at: Timestamp(row.created_at),
            updated_at: Timestamp(row.updated_at),
            last_seen_at: last_seen_at.into(),
            status: row.status.name(),
            login_type: row.login_type.name(),
            organization_ids: row.organization_ids,
            roles: row.roles.into_iter().map(RoleView::from).collect(),
            has_ai_seat: false,
        }
    }
}

impl From<Role> for RoleView {
    fn from(role: Role) -> Self {
        Self {
            name: role.name(),
            display_name: role.display_name(),
        }
    }
}
