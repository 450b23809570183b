//! An entry as clients see one: the union of the fields that their generations know.

use std::collections::HashMap;

use rollcall_events::{Event, attempt::ResourceType, user::UserEvent};
use rollcall_projections::{
    audit::{Entry, people},
    organizations::{self, OrganizationRow},
    users::FoundUser,
};
use serde::Serialize;
use serde_json::{Map, Value};
use sqlx::PgPool;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    description::description,
    diff::{Change, Diff, diff},
    told::{additional_fields, status},
};
use crate::http::{openapi::schemas, timestamp::Timestamp, users::UserView};

/// Something that was done, or tried.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditLog)]
pub struct EntryView {
    /// Holds the entry's place in the list.
    #[schema(example = "00064733-a5e0-8400-8000-000000000007")]
    id: Uuid,
    /// The request that it came of.
    request_id: Uuid,
    time: Timestamp,
    /// The nil id if it was in no organization.
    organization_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<OrganizationSummary>,
    /// The address that the request came from; empty if it is not known, or was erased.
    #[schema(example = "192.0.2.7")]
    ip: String,
    #[schema(example = "curl/8.5.0")]
    user_agent: String,
    #[schema(value_type = schemas::AuditResourceType)]
    resource_type: &'static str,
    /// Of a session or a token, its user's. The nil id if there is none.
    resource_id: Uuid,
    /// What it is called now.
    #[schema(example = "ada")]
    resource_target: String,
    #[schema(example = "")]
    resource_icon: &'static str,
    #[schema(value_type = schemas::AuditAction)]
    action: &'static str,
    /// What changed.
    #[schema(value_type = std::collections::BTreeMap<String, Change>)]
    diff: Diff,
    #[schema(example = 200)]
    status_code: u16,
    /// Who acted, how they had signed in, why, how often, and whatever else there is to tell.
    #[schema(value_type = Object, example = json!({ "actor": "user:6f9619ff-8b86-4d01-b42d-00cf4fc964ff" }))]
    additional_fields: Map<String, Value>,
    /// A sentence with places for the names.
    #[schema(example = "{user} updated user {target}")]
    description: String,
    #[schema(example = "/users?filter=ada")]
    resource_link: String,
    /// Whether what it was done to is no more.
    is_deleted: bool,
    /// Who did it; of a refused sign-in, whose account it was about. Null if it was nobody who has one.
    user: Option<UserView>,
}

/// An organization, in short.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = MinimalOrganization)]
pub struct OrganizationSummary {
    id: Uuid,
    #[schema(example = "rowing-club")]
    name: String,
    #[schema(example = "The Rowing Club")]
    display_name: String,
    #[schema(example = "")]
    icon: String,
}

/// Whom and what entries name, as it is now.
pub struct Around {
    users: HashMap<Uuid, FoundUser>,
    organizations: HashMap<Uuid, OrganizationRow>,
}

impl Around {
    /// Finds those of these identifiers that are users, and those that are organisations.
    pub async fn read(
        pool: &PgPool,
        users: &[Uuid],
        organizations: &[Uuid],
    ) -> Result<Self, sqlx::Error> {
        let organizations = organizations::find::all(pool, Some(organizations)).await?;
        Ok(Self {
            users: people::by_ids(pool, users).await?,
            organizations: organizations.into_iter().map(|row| (row.id, row)).collect(),
        })
    }
}

impl EntryView {
    /// The entry, among those whom it names.
    pub fn new(entry: &Entry, around: &Around) -> Self {
        let row = &entry.row;
        let target = target(entry, around);
        let legible = entry.legible();
        let status_code = legible.map_or_else(
            || u16::from(!row.kind.is_refused) * 200,
            |recorded| status(&recorded.event),
        );
        let origin = legible.and_then(|recorded| recorded.metadata.origin.known());
        let ip = origin.and_then(|origin| origin.ip);
        let organization = row
            .organization_id
            .and_then(|id| around.organizations.get(&id));
        let user = row.user_id.and_then(|id| around.users.get(&id));
        Self {
            id: row.place().id(),
            request_id: row.request_id,
            time: Timestamp(row.at),
            organization_id: row.organization_id.unwrap_or_default(),
            organization: organization.cloned().map(OrganizationSummary::from),
            ip: ip.map_or_else(String::new, |ip| ip.to_string()),
            user_agent: origin.map_or_else(String::new, |origin| origin.user_agent.clone()),
            resource_type: row.kind.resource_type.name(),
            resource_id: row.resource_id.unwrap_or_default(),
            resource_target: target.name,
            resource_icon: "",
            action: row.kind.action.name(),
            diff: legible.map_or_else(Diff::new, |recorded| {
                diff(recorded, entry.before.as_ref(), entry.after.as_ref())
            }),
            status_code,
            additional_fields: additional_fields(entry),
            description: description(row.kind),
            resource_link: target.link,
            is_deleted: target.is_deleted,
            user: user.cloned().map(UserView::from),
        }
    }
}

/// What it was done to.
#[derive(Default)]
struct Target {
    name: String,
    link: String,
    is_deleted: bool,
}

fn target(entry: &Entry, around: &Around) -> Target {
    let Some(id) = entry.row.resource_id else {
        return Target::default();
    };
    match entry.row.kind.resource_type {
        ResourceType::User | ResourceType::OrganizationMember => {
            around.users.get(&id).map_or_else(Target::default, a_user)
        }
        ResourceType::Organization => Target {
            name: around
                .organizations
                .get(&id)
                .map_or_else(String::new, |row| row.name.clone()),
            ..Target::default()
        },
        ResourceType::ApiKey => Target {
            name: entry
                .legible()
                .map_or_else(String::new, |recorded| token_name(&recorded.event)),
            ..Target::default()
        },
        _ => Target::default(),
    }
}

fn a_user(user: &FoundUser) -> Target {
    let is_deleted = user.row.deleted_at.is_some();
    let name = user.row.username.clone().unwrap_or_default();
    // Usernames need no escaping.
    let link = if is_deleted || name.is_empty() {
        String::new()
    } else {
        format!("/users?filter={name}")
    };
    Target {
        name,
        link,
        is_deleted,
    }
}

/// Sessions have no names, but tokens do.
fn token_name(event: &Event) -> String {
    let Event::User(UserEvent::SessionStarted {
        token_name: Some(name),
        ..
    }) = event
    else {
        return String::new();
    };
    name.known()
        .map_or_else(String::new, |name| name.as_str().to_owned())
}

impl From<OrganizationRow> for OrganizationSummary {
    fn from(row: OrganizationRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            display_name: row.display_name,
            icon: row.icon,
        }
    }
}
