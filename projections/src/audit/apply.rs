//! Which events are told, and as what. Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use rollcall_events::{
    Event, Metadata, Recorded,
    attempt::{Action, AttemptEvent, ResourceType},
    user::{EndReason, LoginType, UserEvent},
};
use uuid::Uuid;

use super::{AuditRow, Kind};

/// The entries that a batch adds, and how many of each kind and day.
#[derive(Debug, Default)]
pub struct AuditRows {
    pub(super) entries: Vec<AuditRow>,
    pub(super) counts: BTreeMap<(Kind, NaiveDate), i64>,
}

pub(super) fn apply(rows: &mut AuditRows, recorded: &Recorded) {
    if let Some(row) = row(recorded) {
        let day = row.at.date_naive();
        *rows.counts.entry((row.kind, day)).or_default() += 1;
        rows.entries.push(row);
    }
}

/// The entry that tells of an event, if one does.
pub(super) fn row(recorded: &Recorded) -> Option<AuditRow> {
    let told = match &recorded.event {
        Event::User(event) => of_user(recorded, event)?,
        Event::Organization(_) => Told {
            resource_id: Some(recorded.stream),
            organization_id: Some(recorded.stream),
            ..Told::done(Action::Create, ResourceType::Organization)
        },
        Event::Attempt(event) => of_attempt(event),
    };
    Some(AuditRow {
        at: told.at.unwrap_or(recorded.recorded_at),
        position: recorded.position,
        kind: told.kind,
        user_id: told.user_id.or(recorded.metadata.actor.user()),
        resource_id: told.resource_id,
        organization_id: told.organization_id,
        request_id: told.request_id.unwrap_or(recorded.metadata.correlation_id),
    })
}

/// What an event itself says of its entry. The rest is as for every event.
struct Told {
    kind: Kind,
    resource_id: Option<Uuid>,
    organization_id: Option<Uuid>,
    user_id: Option<Uuid>,
    request_id: Option<Uuid>,
    at: Option<DateTime<Utc>>,
}

impl Told {
    fn as_of(kind: Kind) -> Self {
        Self {
            kind,
            resource_id: None,
            organization_id: None,
            user_id: None,
            request_id: None,
            at: None,
        }
    }

    fn done(action: Action, resource_type: ResourceType) -> Self {
        Self::as_of(Kind::done(action, resource_type))
    }
}

fn of_user(recorded: &Recorded, event: &UserEvent) -> Option<Told> {
    use {Action as A, ResourceType as R};
    let (action, resource_type) = match event {
        UserEvent::UserCreated { .. } => (A::Create, R::User),
        UserEvent::ProfileChanged { .. }
        | UserEvent::RolesAssigned { .. }
        | UserEvent::UserSuspended {}
        | UserEvent::UserActivated { .. }
        | UserEvent::PasswordChanged { .. }
        | UserEvent::IdentityLinked { .. }
        | UserEvent::IdentityUnlinked {}
        | UserEvent::LoginTypeChanged { .. } => (A::Write, R::User),
        UserEvent::UserDeleted {} | UserEvent::UserErased {} => (A::Delete, R::User),
        UserEvent::SessionStarted { session, .. } => {
            let action = if is_sign_in(&recorded.metadata, session.login_type) {
                A::Login
            } else {
                A::Create
            };
            (action, R::ApiKey)
        }
        UserEvent::SessionEnded { reason, .. } => match reason {
            EndReason::SignedOut => (A::Logout, R::ApiKey),
            EndReason::Revoked | EndReason::Superseded | EndReason::ProviderRefused => {
                (A::Delete, R::ApiKey)
            }
        },
        UserEvent::SessionShortened { .. } => (A::Write, R::ApiKey),
        UserEvent::OrganizationJoined { .. } => (A::Create, R::OrganizationMember),
        UserEvent::OrganizationLeft { .. } => (A::Delete, R::OrganizationMember),
        UserEvent::OrganizationRolesAssigned { .. } => (A::Write, R::OrganizationMember),
        // Nobody's doing.
        UserEvent::PasswordRehashed { .. } | UserEvent::SessionsExpired { .. } => return None,
    };
    Some(Told {
        resource_id: Some(recorded.stream),
        organization_id: organization(event),
        ..Told::done(action, resource_type)
    })
}

/// A session that comes of another one is made, and not signed in for.
fn is_sign_in(metadata: &Metadata, login_type: LoginType) -> bool {
    let by_session = |text: &String| text.starts_with("session:");
    login_type != LoginType::Token && !metadata.authentication.as_ref().is_some_and(by_session)
}

fn organization(event: &UserEvent) -> Option<Uuid> {
    match event {
        UserEvent::OrganizationJoined { organization_id }
        | UserEvent::OrganizationLeft { organization_id }
        | UserEvent::OrganizationRolesAssigned {
            organization_id, ..
        } => Some(*organization_id),
        _ => None,
    }
}

fn of_attempt(event: &AttemptEvent) -> Told {
    match event {
        AttemptEvent::AttemptRefused {
            action,
            resource_type,
            resource_id,
            user_id,
            organization_id,
            ..
        } => Told {
            resource_id: *resource_id,
            organization_id: *organization_id,
            user_id: *user_id,
            ..Told::as_of(Kind::refused(*action, *resource_type))
        },
        AttemptEvent::AttemptsNotListed {
            action,
            resource_type,
            user_id,
            ..
        } => Told {
            resource_id: *user_id,
            user_id: *user_id,
            ..Told::as_of(Kind::refused(*action, *resource_type))
        },
        AttemptEvent::TestEntryMade {
            action,
            resource_type,
            resource_id,
            organization_id,
            request_id,
            time,
            ..
        } => Told {
            resource_id: Some(*resource_id),
            organization_id: *organization_id,
            request_id: Some(*request_id),
            at: Some(*time),
            ..Told::done(*action, *resource_type)
        },
    }
}
