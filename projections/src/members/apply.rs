//! What events make of members' rows. Pure.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use rollcall_events::{
    Event, Recorded,
    user::{OrganizationRole, UserEvent},
};
use uuid::Uuid;

use super::MemberRow;

/// A user in an organisation: the organisation first.
pub(super) type Place = (Uuid, Uuid);

/// What a batch makes of the members. Nobody's place is in two of these, so that the order of writing does not matter.
#[derive(Debug, Default)]
pub struct MemberRows {
    /// Users who lose all their places. They are gone for good: none of them joins again.
    pub(super) gone: BTreeSet<Uuid>,
    pub(super) left: BTreeSet<Place>,
    /// Places that were there, the roles that go with them now, and since when.
    pub(super) changed: BTreeMap<Place, (Vec<OrganizationRole>, DateTime<Utc>)>,
    /// Places that are new, or another start after having left.
    pub(super) joined: BTreeMap<Place, MemberRow>,
}

impl MemberRows {
    pub(super) fn is_empty(&self) -> bool {
        self.gone.is_empty()
            && self.left.is_empty()
            && self.changed.is_empty()
            && self.joined.is_empty()
    }
}

pub(super) fn apply(rows: &mut MemberRows, recorded: &Recorded) {
    let Event::User(event) = &recorded.event else {
        return;
    };
    let (user, at) = (recorded.stream, recorded.recorded_at);
    match event {
        UserEvent::UserCreated { organizations, .. } => {
            for organization in organizations {
                join(rows, (*organization, user), at);
            }
        }
        UserEvent::OrganizationJoined { organization_id } => {
            join(rows, (*organization_id, user), at);
        }
        UserEvent::OrganizationLeft { organization_id } => leave(rows, (*organization_id, user)),
        UserEvent::OrganizationRolesAssigned {
            organization_id,
            roles,
        } => assign(rows, (*organization_id, user), roles, at),
        UserEvent::UserDeleted {} | UserEvent::UserErased {} => go(rows, user),
        UserEvent::ProfileChanged { .. }
        | UserEvent::RolesAssigned { .. }
        | UserEvent::UserSuspended {}
        | UserEvent::UserActivated { .. }
        | UserEvent::PasswordChanged { .. }
        | UserEvent::PasswordRehashed { .. }
        | UserEvent::SessionStarted { .. }
        | UserEvent::SessionEnded { .. }
        | UserEvent::SessionShortened { .. }
        | UserEvent::SessionsExpired { .. }
        | UserEvent::IdentityLinked { .. }
        | UserEvent::IdentityUnlinked {}
        | UserEvent::LoginTypeChanged { .. } => {}
    }
}

fn join(rows: &mut MemberRows, place: Place, at: DateTime<Utc>) {
    let (organization_id, user_id) = place;
    rows.left.remove(&place);
    rows.joined.insert(
        place,
        MemberRow {
            organization_id,
            user_id,
            roles: Vec::new(),
            created_at: at,
            updated_at: at,
        },
    );
}

/// Also for who joined in this batch: their place may have been there before they left and joined again.
fn leave(rows: &mut MemberRows, place: Place) {
    rows.joined.remove(&place);
    rows.changed.remove(&place);
    rows.left.insert(place);
}

fn assign(
    rows: &mut MemberRows,
    place: Place,
    roles: &BTreeSet<OrganizationRole>,
    at: DateTime<Utc>,
) {
    let roles = roles.iter().copied().collect();
    if let Some(row) = rows.joined.get_mut(&place) {
        row.roles = roles;
        row.updated_at = at;
    } else {
        rows.changed.insert(place, (roles, at));
    }
}

fn go(rows: &mut MemberRows, user: Uuid) {
    let is_theirs = |place: &Place| place.1 == user;
    rows.joined.retain(|place, _| !is_theirs(place));
    rows.changed.retain(|place, _| !is_theirs(place));
    rows.left.retain(|place| !is_theirs(place));
    rows.gone.insert(user);
}

#[cfg(test)]
mod tests {
    use rollcall_events::Personal;

    use super::*;
    use crate::testing::{ADA, BOB, HOME, at, created, recorded};

    const CLUB: Uuid = Uuid::from_u128(0xc1b);

    fn after(events: Vec<(Uuid, UserEvent)>) -> MemberRows {
        let mut rows = MemberRows::default();
        for ((stream, event), version) in events.into_iter().zip(1..) {
            apply(&mut rows, &recorded(stream, version, event));
        }
        rows
    }

    fn joined(organization_id: Uuid) -> UserEvent {
        UserEvent::OrganizationJoined { organization_id }
    }

    fn left(organization_id: Uuid) -> UserEvent {
        UserEvent::OrganizationLeft { organization_id }
    }

    fn assigned(organization_id: Uuid, roles: &[OrganizationRole]) -> UserEvent {
        UserEvent::OrganizationRolesAssigned {
            organization_id,
            roles: roles.iter().copied().collect(),
        }
    }

    fn row(organization_id: Uuid, user_id: Uuid, second: i64) -> MemberRow {
        MemberRow {
            organization_id,
            user_id,
            roles: Vec::new(),
            created_at: at(second),
            updated_at: at(second),
        }
    }

    #[track_caller]
    fn assert_leaves(rows: MemberRows, gone: &[Uuid], left: &[Place], joined: &[MemberRow]) {
        assert_eq!(rows.gone.into_iter().collect::<Vec<_>>(), gone);
        assert_eq!(rows.left.into_iter().collect::<Vec<_>>(), left);
        assert_eq!(rows.joined.into_values().collect::<Vec<_>>(), joined);
    }

    #[test]
    fn a_user_is_a_member_from_their_creation() {
        let rows = after(vec![(ADA, created(Personal::Erased))]);
        assert_leaves(rows, &[], &[], &[row(HOME, ADA, 1)]);
    }

    #[test]
    fn who_joins_is_a_plain_member() {
        let rows = after(vec![(ADA, joined(CLUB)), (BOB, joined(CLUB))]);
        assert_leaves(rows, &[], &[], &[row(CLUB, ADA, 1), row(CLUB, BOB, 2)]);
    }

    #[test]
    fn roles_are_replaced_the_most_powerful_first() {
        use OrganizationRole::{Admin, Auditor};
        let rows = after(vec![
            (ADA, assigned(HOME, &[])),
            (ADA, assigned(HOME, &[Auditor, Admin])),
        ]);
        let expected = ((HOME, ADA), (vec![Admin, Auditor], at(2)));
        assert_eq!(rows.changed.into_iter().collect::<Vec<_>>(), [expected]);
    }

    #[test]
    fn roles_of_who_has_just_joined_are_written_with_them() {
        let roles = [OrganizationRole::Auditor];
        let rows = after(vec![(ADA, joined(CLUB)), (ADA, assigned(CLUB, &roles))]);
        assert!(rows.changed.is_empty());
        let expected = MemberRow {
            roles: roles.to_vec(),
            updated_at: at(2),
            ..row(CLUB, ADA, 1)
        };
        assert_leaves(rows, &[], &[], &[expected]);
    }

    #[test]
    fn who_leaves_loses_place_and_roles() {
        let rows = after(vec![
            (ADA, assigned(CLUB, &[OrganizationRole::Admin])),
            (ADA, left(CLUB)),
        ]);
        assert!(rows.changed.is_empty());
        assert_leaves(rows, &[], &[(CLUB, ADA)], &[]);
    }

    #[test]
    fn who_leaves_and_joins_again_begins_anew() {
        let rows = after(vec![(ADA, left(CLUB)), (ADA, joined(CLUB))]);
        assert_leaves(rows, &[], &[], &[row(CLUB, ADA, 2)]);
        let rows = after(vec![
            (ADA, left(CLUB)),
            (ADA, joined(CLUB)),
            (ADA, left(CLUB)),
        ]);
        assert_leaves(rows, &[], &[(CLUB, ADA)], &[]);
    }

    #[test]
    fn who_goes_leaves_every_organization_and_takes_nobody_along() {
        for gone in [UserEvent::UserDeleted {}, UserEvent::UserErased {}] {
            let rows = after(vec![
                (BOB, joined(CLUB)),
                (ADA, joined(CLUB)),
                (ADA, left(HOME)),
                (ADA, gone),
            ]);
            assert_leaves(rows, &[ADA], &[], &[row(CLUB, BOB, 1)]);
        }
    }

    #[test]
    fn what_else_happens_to_users_concerns_no_organization() {
        let rows = after(vec![
            (ADA, UserEvent::UserSuspended {}),
            (ADA, UserEvent::RolesAssigned { roles: [].into() }),
        ]);
        assert!(rows.changed.is_empty());
        assert_leaves(rows, &[], &[], &[]);
    }
}
