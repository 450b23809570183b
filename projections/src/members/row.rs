//! One member, as the read model has it.

use chrono::{DateTime, Utc};
use rollcall_events::user::OrganizationRole;
use sqlx::{FromRow, Row, postgres::PgRow};
use uuid::Uuid;

use crate::{columns::all_named, users::FoundUser};

/// A row of `read.members`: a live user in an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberRow {
    /// Where.
    pub organization_id: Uuid,
    /// Who.
    pub user_id: Uuid,
    /// The roles there, beyond being a member; the most powerful first.
    pub roles: Vec<OrganizationRole>,
    /// When they joined.
    pub created_at: DateTime<Utc>,
    /// When the row last changed.
    pub updated_at: DateTime<Utc>,
}

/// A member in a list, with who it is.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct ListedMember {
    /// Their place in the organisation.
    #[sqlx(flatten)]
    pub member: MemberRow,
    /// The user.
    #[sqlx(flatten)]
    pub user: FoundUser,
    /// With a limit: how many members the cursor leaves, before offset and limit. Without: 0.
    pub count: i64,
}

/// Reads the columns by the names that set them apart from those of the user beside them.
impl FromRow<'_, PgRow> for MemberRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            organization_id: row.try_get("organization_id")?,
            user_id: row.try_get("user_id")?,
            roles: all_named(row, "member_roles", OrganizationRole::parse)?,
            created_at: row.try_get("member_created_at")?,
            updated_at: row.try_get("member_updated_at")?,
        })
    }
}
