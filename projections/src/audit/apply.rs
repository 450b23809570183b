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
    pub(super) counts: BTreeMap<(Kind, NaiveDate), Count>,
}

/// How many entries there are, and the position of the last one.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count {
    pub entries: i64,
    pub last: i64,
}

pub(super) fn apply(rows: &mut AuditRows, recorded: &Recorded) {
    if let Some(row) = row(recorded) {
        let day = row.at.date_naive();
        let count = rows.counts.entry((row.kind, day)).or_default();
        count.entries += 1;
        count.last = row.position;
        rows.entries.push(row);
    }
}

/// The entry that tells of an event, if one does.
pub(crate) fn row(recorded: &Recorded) -> Option<AuditRow> {
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

#[cfg(test)]
mod tests {
    use rollcall_events::{
        Actor, Personal,
        organization::{OrganizationEvent, OrganizationName},
        user::{ActivationCause, Role, SessionId},
    };

    use super::*;
    use crate::testing::{ADA, BOB, HOME, at, created, recorded, session_started};

    /// What Ada did to Bob, by a session.
    fn by_ada(event: impl Into<Event>) -> Recorded {
        let mut recorded = recorded(BOB, 7, event);
        recorded.metadata.actor = Actor::User(ADA);
        recorded.metadata.authentication = Some("session:abc".to_owned());
        recorded.metadata.correlation_id = Uuid::from_u128(8);
        recorded
    }

    fn kind(recorded: &Recorded) -> (Action, ResourceType) {
        let kind = row(recorded).unwrap().kind;
        assert!(!kind.is_refused);
        (kind.action, kind.resource_type)
    }

    #[test]
    fn an_entry_is_found_by_who_what_when_and_the_request() {
        let expected = AuditRow {
            at: at(7),
            position: 7,
            kind: Kind::done(Action::Write, ResourceType::User),
            user_id: Some(ADA),
            resource_id: Some(BOB),
            organization_id: None,
            request_id: Uuid::from_u128(8),
        };
        assert_eq!(row(&by_ada(UserEvent::UserSuspended {})), Some(expected));
    }

    #[test]
    fn what_happens_to_users_is_told() {
        let written = (Action::Write, ResourceType::User);
        let roles = [Role::Auditor].into();
        let cause = ActivationCause::Use;
        let scheme = "argon2id".to_owned();
        for (event, expected) in [
            (
                created(Personal::Erased),
                (Action::Create, ResourceType::User),
            ),
            (UserEvent::RolesAssigned { roles }, written),
            (UserEvent::UserActivated { cause }, written),
            (UserEvent::PasswordChanged { scheme }, written),
            (
                UserEvent::UserDeleted {},
                (Action::Delete, ResourceType::User),
            ),
            (
                UserEvent::UserErased {},
                (Action::Delete, ResourceType::User),
            ),
        ] {
            assert_eq!(kind(&by_ada(event.clone())), expected, "{event:?}");
        }
    }

    #[test]
    fn a_session_is_signed_in_for_by_a_credential_and_made_by_another_session() {
        let mut started = by_ada(session_started("a"));
        assert_eq!(kind(&started), (Action::Create, ResourceType::ApiKey));
        for credential in ["password", "github", "oidc"] {
            started.metadata.authentication = Some(credential.to_owned());
            assert_eq!(kind(&started), (Action::Login, ResourceType::ApiKey));
        }
    }

    #[test]
    fn a_session_is_signed_out_of_or_taken_away() {
        for (reason, action) in [
            (EndReason::SignedOut, Action::Logout),
            (EndReason::Revoked, Action::Delete),
            (EndReason::Superseded, Action::Delete),
            (EndReason::ProviderRefused, Action::Delete),
        ] {
            let session_id = SessionId("a".to_owned());
            let ended = by_ada(UserEvent::SessionEnded { session_id, reason });
            assert_eq!(kind(&ended), (action, ResourceType::ApiKey), "{reason:?}");
        }
    }

    #[test]
    fn belonging_is_told_with_the_organization() {
        let organization_id = HOME;
        let roles = [].into();
        for (event, action) in [
            (
                UserEvent::OrganizationJoined { organization_id },
                Action::Create,
            ),
            (
                UserEvent::OrganizationLeft { organization_id },
                Action::Delete,
            ),
            (
                UserEvent::OrganizationRolesAssigned {
                    organization_id,
                    roles,
                },
                Action::Write,
            ),
        ] {
            let row = row(&by_ada(event)).unwrap();
            let expected = Kind::done(action, ResourceType::OrganizationMember);
            assert_eq!(row.kind, expected);
            assert_eq!(
                (row.resource_id, row.organization_id),
                (Some(BOB), Some(HOME))
            );
        }
    }

    #[test]
    fn an_organization_is_its_own_place() {
        let created = OrganizationEvent::OrganizationCreated {
            name: OrganizationName::parse("home").unwrap(),
            display_name: String::new(),
            description: String::new(),
            icon: String::new(),
            is_default: false,
        };
        let row = row(&recorded(HOME, 1, created)).unwrap();
        assert_eq!(
            (row.resource_id, row.organization_id),
            (Some(HOME), Some(HOME))
        );
        assert_eq!(row.user_id, None, "the system has no user");
    }

    #[test]
    fn what_nobody_did_is_not_told() {
        let scheme = "argon2id".to_owned();
        let session_ids = vec![SessionId("a".to_owned())];
        for event in [
            UserEvent::PasswordRehashed { scheme },
            UserEvent::SessionsExpired { session_ids },
        ] {
            assert_eq!(row(&by_ada(event)), None);
        }
    }

    fn attempt(user_id: Option<Uuid>) -> AttemptEvent {
        AttemptEvent::AttemptRefused {
            action: Action::Login,
            resource_type: ResourceType::ApiKey,
            resource_id: user_id,
            user_id,
            organization_id: None,
            status: 401,
            reason: None,
            times: 3,
            email: None,
        }
    }

    #[test]
    fn an_attempt_is_found_by_whose_account_it_was_about() {
        let mut refused = recorded(HOME, 1, attempt(Some(BOB)));
        refused.metadata.actor = Actor::Anonymous;
        let row = row(&refused).unwrap();
        assert_eq!(row.kind, Kind::refused(Action::Login, ResourceType::ApiKey));
        assert_eq!((row.user_id, row.resource_id), (Some(BOB), Some(BOB)));
    }

    #[test]
    fn a_batch_is_counted_by_kind_and_day() {
        let mut rows = AuditRows::default();
        for event in [
            by_ada(UserEvent::UserSuspended {}),
            by_ada(UserEvent::UserDeleted {}),
            by_ada(UserEvent::RolesAssigned { roles: [].into() }),
            recorded(HOME, 86_400, attempt(None)),
            recorded(HOME, 7, attempt(None)),
        ] {
            apply(&mut rows, &event);
        }
        assert_eq!(rows.entries.len(), 5);
        let counts = rows.counts.values().map(|count| count.entries);
        assert_eq!(counts.collect::<Vec<_>>(), [2, 1, 1, 1]);
    }
}
