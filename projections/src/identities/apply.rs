//! What events make of identities' rows. Pure.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use rollcall_events::{
    Event, Recorded,
    user::{Identity, LoginType, UserEvent},
};
use uuid::Uuid;

/// What a batch makes of the identities, by user: first those that were there go, then the new ones come.
#[derive(Debug, Default)]
pub struct IdentityRows {
    /// Users whose link from before the batch is gone.
    pub(super) unlinked: BTreeSet<Uuid>,
    pub(super) linked: BTreeMap<Uuid, IdentityRow>,
}

/// A row of `read.identities`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IdentityRow {
    pub user_id: Uuid,
    pub provider: LoginType,
    pub identity: Identity,
    pub linked_at: DateTime<Utc>,
}

pub(super) fn apply(rows: &mut IdentityRows, recorded: &Recorded) {
    let Event::User(event) = &recorded.event else {
        return;
    };
    let user_id = recorded.stream;
    match event {
        UserEvent::IdentityLinked { provider, identity } => {
            // Sealed without a key to open it is erased, for all that we can show.
            if let Some(identity) = identity.known() {
                let row = IdentityRow {
                    user_id,
                    provider: *provider,
                    identity: identity.clone(),
                    linked_at: recorded.recorded_at,
                };
                rows.linked.insert(user_id, row);
            }
        }
        UserEvent::IdentityUnlinked {} | UserEvent::UserDeleted {} | UserEvent::UserErased {} => {
            rows.linked.remove(&user_id);
            rows.unlinked.insert(user_id);
        }
        UserEvent::UserCreated { .. }
        | UserEvent::ProfileChanged { .. }
        | UserEvent::RolesAssigned { .. }
        | UserEvent::UserSuspended {}
        | UserEvent::UserActivated { .. }
        | UserEvent::PasswordChanged { .. }
        | UserEvent::LoginTypeChanged { .. }
        | UserEvent::PasswordRehashed { .. }
        | UserEvent::SessionStarted { .. }
        | UserEvent::SessionEnded { .. }
        | UserEvent::SessionShortened { .. }
        | UserEvent::SessionsExpired { .. }
        | UserEvent::OrganizationJoined { .. }
        | UserEvent::OrganizationLeft { .. }
        | UserEvent::OrganizationRolesAssigned { .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use rollcall_events::Personal;

    use super::*;
    use crate::testing::{ADA, BOB, at, recorded};

    fn identity(subject: &str) -> Identity {
        Identity {
            issuer: "https://id.example.com".to_owned(),
            subject: subject.to_owned(),
        }
    }

    fn linked(subject: &str) -> UserEvent {
        UserEvent::IdentityLinked {
            provider: LoginType::Oidc,
            identity: Personal::Known(identity(subject)),
        }
    }

    fn after(events: Vec<(Uuid, UserEvent)>) -> IdentityRows {
        let mut rows = IdentityRows::default();
        for ((stream, event), version) in events.into_iter().zip(1..) {
            apply(&mut rows, &recorded(stream, version, event));
        }
        rows
    }

    #[test]
    fn a_link_comes_with_its_time() {
        let rows = after(vec![(ADA, linked("1"))]);
        let expected = IdentityRow {
            user_id: ADA,
            provider: LoginType::Oidc,
            identity: identity("1"),
            linked_at: at(1),
        };
        assert_eq!(rows.linked[&ADA], expected);
        assert!(rows.unlinked.is_empty());
    }

    #[test]
    fn who_unlinks_or_goes_loses_the_link_and_nobody_else_does() {
        for event in [
            UserEvent::IdentityUnlinked {},
            UserEvent::UserDeleted {},
            UserEvent::UserErased {},
        ] {
            let rows = after(vec![(ADA, linked("1")), (BOB, linked("2")), (ADA, event)]);
            assert!(rows.unlinked.contains(&ADA) && !rows.unlinked.contains(&BOB));
            assert_eq!(rows.linked.keys().collect::<Vec<_>>(), [&BOB]);
        }
    }

    #[test]
    fn a_link_that_nobody_can_open_is_none() {
        let erased = UserEvent::IdentityLinked {
            provider: LoginType::Oidc,
            identity: Personal::Erased,
        };
        assert!(after(vec![(ADA, erased)]).linked.is_empty());
    }
}
