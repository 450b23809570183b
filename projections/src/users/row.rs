//! One user, as the read model has it.

use std::fmt;

use chrono::{DateTime, Utc};
use rollcall_events::{
    unicode::search_key,
    user::{EmailAddress, LoginType, OrganizationRole, Role, Status, Username},
};
use sqlx::{FromRow, Row, postgres::PgRow};
use uuid::Uuid;

use crate::columns::{all_named, named};

/// A row of `read.users`. What belongs to the person is absent when the person was erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    /// The stream of the user's events.
    pub id: Uuid,
    /// The version of the last event that changed the row; the stream may have gone on.
    pub version: i64,
    /// As its owner spells it.
    pub username: Option<String>,
    /// As it was given.
    pub email: Option<String>,
    /// The name for people; may be empty.
    pub name: Option<String>,
    /// Where a picture is; may be empty.
    pub avatar_url: Option<String>,
    /// Whether the user may come in.
    pub status: Status,
    /// How the user signs in.
    pub login_type: LoginType,
    /// Roles in the whole service, the most powerful first.
    pub roles: Vec<Role>,
    /// The organisations that the user belongs to.
    pub organization_ids: Vec<Uuid>,
    /// The roles that the user has there.
    pub organization_roles: Vec<RoleAt>,
    /// When the user came to be.
    pub created_at: DateTime<Utc>,
    /// When the row last changed.
    pub updated_at: DateTime<Utc>,
    /// When the user went. The row stays, so that identifiers keep meaning something.
    pub deleted_at: Option<DateTime<Utc>>,
    /// The position of the event that last changed the row.
    pub position: i64,
}

/// How a user was until an event changed that. Who was gone is in no list, and has no row in `read.past_users`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastUser {
    /// The user, since the event of `row.position`.
    pub row: UserRow,
    /// The position of the event that changed them.
    pub until: i64,
}

/// A role in an organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoleAt {
    /// The role.
    pub role: OrganizationRole,
    /// Where.
    pub organization_id: Uuid,
}

/// As the first generation of the API spells it: `organization-admin:<id>`.
impl fmt::Display for RoleAt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.role.name(), self.organization_id)
    }
}

impl RoleAt {
    /// Reads what [`Display`](fmt::Display) writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (role, organization_id) = text.split_once(':')?;
        Some(Self {
            role: OrganizationRole::parse(role)?,
            organization_id: organization_id.parse().ok()?,
        })
    }
}

/// A user, with what is known of their coming by.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct FoundUser {
    /// The user.
    #[sqlx(flatten)]
    pub row: UserRow,
    /// Absent for who has never been here.
    pub last_seen_at: Option<DateTime<Utc>>,
}

impl UserRow {
    /// The username as uniqueness, order and search see it.
    pub(crate) fn username_key(&self) -> Option<String> {
        self.username.as_deref().map(Username::key_of)
    }

    /// The address as uniqueness and search see it.
    pub(crate) fn email_key(&self) -> Option<String> {
        self.email.as_deref().map(EmailAddress::key_of)
    }

    /// What search sees of the address besides its key.
    pub(crate) fn email_search(&self) -> Option<String> {
        EmailAddress::search_text_of(self.email.as_deref()?)
    }

    /// The name as search sees it.
    pub(crate) fn name_key(&self) -> Option<String> {
        self.name.as_deref().map(search_key)
    }
}

impl FromRow<'_, PgRow> for UserRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            version: row.try_get("version")?,
            username: row.try_get("username")?,
            email: row.try_get("email")?,
            name: row.try_get("name")?,
            avatar_url: row.try_get("avatar_url")?,
            status: named(row, "status", Status::parse)?,
            login_type: named(row, "login_type", LoginType::parse)?,
            roles: all_named(row, "roles", Role::parse)?,
            organization_ids: row.try_get("organization_ids")?,
            organization_roles: all_named(row, "organization_roles", RoleAt::parse)?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
            deleted_at: row.try_get("deleted_at")?,
            position: row.try_get("position")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use rollcall_events::Personal;

    use super::*;
    use crate::{
        testing::{ADA, HOME, created, person, recorded},
        users::fold,
    };

    #[test]
    fn keys_are_those_that_the_domain_claims() {
        let mut person = person("Ada-L");
        person.email = EmailAddress::parse("ÉLÖDIE.İ+Σ@Example.COM").unwrap();
        let row = fold(&[recorded(ADA, 1, created(Personal::Known(person.clone())))]).unwrap();
        assert_eq!(row.username_key(), Some(Username::key(&person.username)));
        assert_eq!(row.email_key(), Some(EmailAddress::key(&person.email)));
        assert_eq!(row.name_key().as_deref(), Some("somebody"));
    }

    #[test]
    fn a_role_in_an_organization_is_read_as_it_was_written() {
        for role in OrganizationRole::ALL {
            let held = RoleAt {
                role,
                organization_id: HOME,
            };
            assert_eq!(held.to_string(), format!("{}:{HOME}", role.name()));
            assert_eq!(RoleAt::parse(&held.to_string()), Some(held));
        }
        for text in [
            "",
            "organization-admin",
            "organization-admin:home",
            &format!("owner:{HOME}"),
        ] {
            assert_eq!(RoleAt::parse(text), None, "{text}");
        }
    }
}
