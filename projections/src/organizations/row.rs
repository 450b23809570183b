//! One organisation, as the read model has it.

use chrono::{DateTime, Utc};
use sqlx::FromRow;
use uuid::Uuid;

/// A row of `read.organizations`.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct OrganizationRow {
    /// The stream of the organisation's events.
    pub id: Uuid,
    /// The version of the last event that changed the row.
    pub version: i64,
    /// As it was given.
    pub name: String,
    /// The name as uniqueness sees it.
    pub name_key: String,
    /// The name for people.
    pub display_name: String,
    /// What it is for; may be empty.
    pub description: String,
    /// Where a picture is; may be empty.
    pub icon: String,
    /// Whether users join it who name none.
    pub is_default: bool,
    /// When it came to be.
    pub created_at: DateTime<Utc>,
    /// When the row last changed.
    pub updated_at: DateTime<Utc>,
}
