//! What an event changed: each field with its value before and after.

use std::collections::BTreeMap;

use rollcall_events::{
    Event, Personal, Recorded,
    organization::OrganizationEvent,
    user::{Identity, Role, Session, TokenName, UserEvent},
};
use rollcall_projections::users::UserRow;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::{openapi::schemas, timestamp::Timestamp};

/// The changed fields, by name.
pub type Diff = BTreeMap<&'static str, Change>;

/// A field before and after. What is not there, or not known, is empty or absent.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = AuditDiffField)]
pub struct Change {
    /// Before.
    #[schema(value_type = schemas::AnyValue)]
    #[serde(skip_serializing_if = "Value::is_null")]
    pub old: Value,
    /// After.
    #[schema(value_type = schemas::AnyValue)]
    #[serde(skip_serializing_if = "Value::is_null")]
    pub new: Value,
    /// Whether the values are not told.
    pub secret: bool,
}

/// What an event changed, by its user before and after. A refused attempt changed nothing.
pub fn diff(recorded: &Recorded, before: Option<&UserRow>, after: Option<&UserRow>) -> Diff {
    match &recorded.event {
        Event::User(event) => of_user(recorded.stream, event, before, after),
        Event::Organization(event) => of_organization(recorded.stream, event),
        Event::Attempt(_) => Diff::new(),
    }
}

fn of_user(
    user: Uuid,
    event: &UserEvent,
    before: Option<&UserRow>,
    after: Option<&UserRow>,
) -> Diff {
    match event {
        UserEvent::UserCreated {
            password_scheme, ..
        } => {
            let mut diff = fields(None, after);
            if password_scheme.is_some() {
                diff.insert("hashed_password", secret());
            }
            diff
        }
        UserEvent::ProfileChanged { .. }
        | UserEvent::RolesAssigned { .. }
        | UserEvent::UserSuspended {}
        | UserEvent::UserActivated { .. }
        | UserEvent::UserDeleted {}
        | UserEvent::UserErased {} => fields(before, after),
        UserEvent::PasswordChanged { .. } | UserEvent::PasswordRehashed { .. } => {
            Diff::from([("hashed_password", secret())])
        }
        UserEvent::LoginTypeChanged { .. } => {
            let mut diff = fields(before, after);
            diff.insert("hashed_password", secret());
            diff
        }
        UserEvent::IdentityLinked { identity, .. } => {
            let linked_id = identity.known().map(Identity::key).unwrap_or_default();
            Diff::from([("linked_id", change(json!(""), json!(linked_id)))])
        }
        UserEvent::IdentityUnlinked {} => {
            Diff::from([("linked_id", change(Value::Null, json!("")))])
        }
        UserEvent::SessionStarted {
            session,
            token_name,
        } => of_session(session, token_name.as_ref()),
        UserEvent::SessionEnded { session_id, .. } => {
            Diff::from([("id", change(json!(session_id), json!("")))])
        }
        UserEvent::SessionShortened { ends_at, .. } => Diff::from([(
            "expires_at",
            change(Value::Null, json!(Timestamp(*ends_at))),
        )]),
        UserEvent::OrganizationJoined { organization_id } => {
            membership(user, *organization_id, |value| change(json!(""), value))
        }
        UserEvent::OrganizationLeft { organization_id } => {
            membership(user, *organization_id, |value| change(value, json!("")))
        }
        UserEvent::OrganizationRolesAssigned {
            organization_id, ..
        } => {
            let old = roles_in(*organization_id, before);
            let new = roles_in(*organization_id, after);
            Diff::from([("roles", change(old, new))])
        }
        UserEvent::SessionsExpired { .. } => Diff::new(),
    }
}

fn of_session(session: &Session, token_name: Option<&Personal<TokenName>>) -> Diff {
    let new = |value| change(json!(""), value);
    let mut diff = Diff::from([
        ("id", new(json!(session.id))),
        ("hashed_secret", secret()),
        ("login_type", new(json!(session.login_type.name()))),
        ("scope", new(json!(session.scope.name()))),
        ("expires_at", new(json!(Timestamp(session.expires_at)))),
    ]);
    if let Some(name) = token_name.and_then(Personal::known) {
        diff.insert("token_name", new(json!(name.as_str())));
    }
    diff
}

fn membership(user: Uuid, organization: Uuid, change: impl Fn(Value) -> Change) -> Diff {
    Diff::from([
        ("user_id", change(json!(user))),
        ("organization_id", change(json!(organization))),
    ])
}

fn of_organization(id: Uuid, event: &OrganizationEvent) -> Diff {
    let OrganizationEvent::OrganizationCreated {
        name,
        display_name,
        description,
        icon,
        is_default,
    } = event;
    differences(
        [
            ("id", json!("")),
            ("name", json!("")),
            ("display_name", json!("")),
            ("description", json!("")),
            ("icon", json!("")),
            ("is_default", json!(false)),
        ],
        [
            json!(id),
            json!(name),
            json!(display_name),
            json!(description),
            json!(icon),
            json!(is_default),
        ],
    )
}

/// The fields of a user that are other than before.
fn fields(before: Option<&UserRow>, after: Option<&UserRow>) -> Diff {
    let new = values(after).map(|(_, value)| value);
    differences(values(before), new)
}

/// Of a user who is not there, or whose person was forgotten, they are empty.
fn values(row: Option<&UserRow>) -> [(&'static str, Value); 9] {
    let text = |of: fn(&UserRow) -> Option<&str>| json!(row.and_then(of).unwrap_or_default());
    let id = row.map_or_else(String::new, |row| row.id.to_string());
    let roles = row.map_or_else(Vec::new, |row| {
        row.roles.iter().copied().map(Role::name).collect()
    });
    [
        ("id", json!(id)),
        ("email", text(|row| row.email.as_deref())),
        ("username", text(|row| row.username.as_deref())),
        ("name", text(|row| row.name.as_deref())),
        ("avatar_url", text(|row| row.avatar_url.as_deref())),
        ("status", text(|row| Some(row.status.name()))),
        ("login_type", text(|row| Some(row.login_type.name()))),
        ("rbac_roles", json!(roles)),
        (
            "deleted",
            json!(row.is_some_and(|row| row.deleted_at.is_some())),
        ),
    ]
}

fn roles_in(organization: Uuid, row: Option<&UserRow>) -> Value {
    let roles = row.map_or(&[][..], |row| &row.organization_roles);
    let there = roles
        .iter()
        .filter(|held| held.organization_id == organization);
    json!(there.map(|held| held.role.name()).collect::<Vec<_>>())
}

fn differences<const N: usize>(old: [(&'static str, Value); N], new: [Value; N]) -> Diff {
    let pairs = old.into_iter().zip(new);
    pairs
        .filter(|((_, old), new)| old != new)
        .map(|((name, old), new)| (name, change(old, new)))
        .collect()
}

fn change(old: Value, new: Value) -> Change {
    Change {
        old,
        new,
        secret: false,
    }
}

fn secret() -> Change {
    Change {
        old: json!(""),
        new: json!(""),
        secret: true,
    }
}
