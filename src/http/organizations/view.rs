//! The organisation as clients see one: the union of the fields that their generations know.

use rollcall_projections::organizations::OrganizationRow;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::{openapi::schemas, timestamp::Timestamp};

/// An organization, to which users belong.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Organization)]
pub struct OrganizationView {
    #[schema(example = "0199a5c0-0000-7000-8000-000000000001")]
    id: Uuid,
    #[schema(value_type = schemas::OrganizationName)]
    name: String,
    #[schema(example = "The Rowing Club")]
    display_name: String,
    #[schema(example = "For all who row.")]
    description: String,
    #[schema(example = "/emojis/1f6a3.png")]
    icon: String,
    /// Whether users belong to it for whom nothing else is said.
    #[schema(example = false)]
    is_default: bool,
    created_at: Timestamp,
    updated_at: Timestamp,
    /// Nobody has a role only for being a member.
    #[schema(value_type = Vec<String>, example = json!([]))]
    default_org_member_roles: [(); 0],
}

impl From<OrganizationRow> for OrganizationView {
    fn from(row: OrganizationRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            display_name: row.display_name,
            description: row.description,
            icon: row.icon,
            is_default: row.is_default,
            created_at: Timestamp(row.created_at),
            updated_at: Timestamp(row.updated_at),
            default_org_member_roles: [],
        }
    }
}
