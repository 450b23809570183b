//! What events make of users' rows. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rollcall_events::{
    Event, Personal, Recorded,
    user::{OrganizationRole, Person, ProfileChange, Role, Status, UserEvent},
};
use uuid::Uuid;

use super::{RoleAt, UserRow, row::PastUser};

/// The rows that a batch touches: as they were, and as they have become; and what they were in between.
#[derive(Debug, Default)]
pub struct UserRows {
    before: BTreeMap<Uuid, UserRow>,
    now: BTreeMap<Uuid, UserRow>,
    past: Vec<PastUser>,
    erased: Vec<Uuid>,
}

impl UserRows {
    /// The rows before any event of the batch.
    pub(super) fn new(rows: Vec<UserRow>) -> Self {
        let before: BTreeMap<_, _> = rows.into_iter().map(|row| (row.id, row)).collect();
        Self {
            now: before.clone(),
            before,
            ..Self::default()
        }
    }

    /// How users were until they changed.
    pub(super) fn past(&self) -> &[PastUser] {
        &self.past
    }

    /// The same, for who forgets it.
    pub(super) fn take_past(&mut self) -> Vec<PastUser> {
        std::mem::take(&mut self.past)
    }

    /// Whose past is to be blank, too.
    pub(super) fn erased(&self) -> &[Uuid] {
        &self.erased
    }

    /// The rows that are new, or other than they were.
    pub(super) fn changed(&self) -> Vec<&UserRow> {
        let changed = self.now.values();
        changed
            .filter(|row| self.before.get(&row.id) != Some(*row))
            .collect()
    }

    /// Who held a name before the batch that somebody else holds after it.
    pub(super) fn passed_on(&self) -> Vec<Uuid> {
        let now = self.now.values();
        let holders: HashMap<String, Uuid> = now
            .filter_map(|row| Some((held_name(row)?, row.id)))
            .collect();
        let elsewhere = |row: &UserRow| {
            let holder = held_name(row).and_then(|name| holders.get(&name).copied());
            holder.is_some_and(|holder| holder != row.id)
        };
        let before = self.before.values();
        before
            .filter(|row| elsewhere(row))
            .map(|row| row.id)
            .collect()
    }
}

/// The username that a user keeps others from having. Who is gone holds none.
fn held_name(row: &UserRow) -> Option<String> {
    row.username_key().filter(|_| row.deleted_at.is_none())
}

/// The users whose rows the batch changes and does not make.
pub(super) fn known_before(batch: &[Recorded]) -> Vec<Uuid> {
    let mut changed = BTreeSet::new();
    let mut created = BTreeSet::new();
    for recorded in batch {
        match &recorded.event {
            Event::User(UserEvent::UserCreated { .. }) => created.insert(recorded.stream),
            Event::User(event) if changes_row(event) => changed.insert(recorded.stream),
            Event::User(_) | Event::Organization(_) | Event::Attempt(_) => false,
        };
    }
    changed.difference(&created).copied().collect()
}

/// The row of a user whose events, from the first, are these: what there is to say of a user who was just created.
pub fn fold(events: &[Recorded]) -> Option<UserRow> {
    let mut rows = UserRows::default();
    for event in events {
        apply(&mut rows, event);
    }
    rows.now.into_values().next()
}

/// The row of a user after an event, if the event changed it; `before` is absent for the event that made the user.
pub(crate) fn after(before: Option<&UserRow>, event: &Recorded) -> Option<UserRow> {
    let mut rows = UserRows::new(before.cloned().into_iter().collect());
    apply(&mut rows, event);
    let row = rows.now.remove(&event.stream);
    row.filter(|row| row.position == event.position)
}

pub(super) fn apply(rows: &mut UserRows, recorded: &Recorded) {
    let Event::User(event) = &recorded.event else {
        return;
    };
    if let Some(row) = created(recorded, event) {
        rows.now.insert(recorded.stream, row);
    } else if changes_row(event)
        && let Some(row) = rows.now.get_mut(&recorded.stream)
    {
        if row.deleted_at.is_none() {
            rows.past.push(PastUser {
                row: row.clone(),
                until: recorded.position,
            });
        }
        row.version = recorded.version;
        row.position = recorded.position;
        row.updated_at = recorded.recorded_at;
        change(row, event);
        if matches!(event, UserEvent::UserErased {}) {
            forget_past(rows, recorded.stream);
        }
    }
}

/// Whether an event changes its user's row.
pub(crate) fn changes_row(event: &UserEvent) -> bool {
    match event {
        UserEvent::UserCreated { .. }
        | UserEvent::ProfileChanged { .. }
        | UserEvent::RolesAssigned { .. }
        | UserEvent::UserSuspended {}
        | UserEvent::UserActivated { .. }
        | UserEvent::UserDeleted {}
        | UserEvent::UserErased {}
        | UserEvent::LoginTypeChanged { .. }
        | UserEvent::OrganizationJoined { .. }
        | UserEvent::OrganizationLeft { .. }
        | UserEvent::OrganizationRolesAssigned { .. } => true,
        UserEvent::PasswordChanged { .. }
        | UserEvent::IdentityLinked { .. }
        | UserEvent::IdentityUnlinked {}
        | UserEvent::PasswordRehashed { .. }
        | UserEvent::SessionStarted { .. }
        | UserEvent::SessionEnded { .. }
        | UserEvent::SessionShortened { .. }
        | UserEvent::SessionsExpired { .. } => false,
    }
}

fn created(recorded: &Recorded, event: &UserEvent) -> Option<UserRow> {
    let UserEvent::UserCreated {
        person,
        login_type,
        status,
        roles,
        organizations,
        password_scheme: _,
    } = event
    else {
        return None;
    };
    // Sealed without a key to open it is erased, for all that we can show.
    let person = person.known();
    let text = |of: fn(&Person) -> &str| person.map(|person| of(person).to_owned());
    Some(UserRow {
        id: recorded.stream,
        version: recorded.version,
        username: text(|person| person.username.as_str()),
        email: text(|person| person.email.as_str()),
        name: text(|person| person.name.as_str()),
        avatar_url: text(|person| &person.avatar_url),
        status: *status,
        login_type: *login_type,
        roles: roles.iter().copied().collect(),
        organization_ids: organizations.clone(),
        organization_roles: Vec::new(),
        created_at: recorded.recorded_at,
        updated_at: recorded.recorded_at,
        deleted_at: None,
        position: recorded.position,
    })
}

/// `row.updated_at` is already the time of the event.
fn change(row: &mut UserRow, event: &UserEvent) {
    match event {
        UserEvent::ProfileChanged { change } => change_profile(row, change),
        UserEvent::RolesAssigned { roles } => {
            row.roles = roles.iter().copied().collect::<Vec<Role>>();
        }
        UserEvent::LoginTypeChanged { login_type, .. } => row.login_type = *login_type,
        UserEvent::UserSuspended {} => row.status = Status::Suspended,
        UserEvent::UserActivated { .. } => row.status = Status::Active,
        UserEvent::UserDeleted {} => row.deleted_at = Some(row.updated_at),
        UserEvent::UserErased {} => {
            row.deleted_at.get_or_insert(row.updated_at);
            forget_person(row);
        }
        UserEvent::OrganizationJoined { organization_id } => {
            row.organization_ids.push(*organization_id);
        }
        UserEvent::OrganizationLeft { organization_id } => {
            row.organization_ids.retain(|id| id != organization_id);
            row.organization_roles
                .retain(|held| held.organization_id != *organization_id);
        }
        UserEvent::OrganizationRolesAssigned {
            organization_id,
            roles,
        } => assign_roles_at(row, *organization_id, roles),
        UserEvent::UserCreated { .. }
        | UserEvent::IdentityLinked { .. }
        | UserEvent::IdentityUnlinked {}
        | UserEvent::PasswordChanged { .. }
        | UserEvent::PasswordRehashed { .. }
        | UserEvent::SessionStarted { .. }
        | UserEvent::SessionEnded { .. }
        | UserEvent::SessionShortened { .. }
        | UserEvent::SessionsExpired { .. } => {}
    }
}

/// In the organisations' order of joining, so that the order of the events shows nowhere.
fn assign_roles_at(row: &mut UserRow, organization_id: Uuid, roles: &BTreeSet<OrganizationRole>) {
    row.organization_roles
        .retain(|held| held.organization_id != organization_id);
    row.organization_roles
        .extend(roles.iter().map(|role| RoleAt {
            role: *role,
            organization_id,
        }));
    let joined = |id| row.organization_ids.iter().position(|known| *known == id);
    row.organization_roles
        .sort_by_key(|held| (joined(held.organization_id), held.role));
}

fn change_profile(row: &mut UserRow, change: &Personal<ProfileChange>) {
    let Some(change) = change.known() else {
        return;
    };
    if let Some(email) = &change.email {
        row.email = Some(email.as_str().to_owned());
    }
    if let Some(username) = &change.username {
        row.username = Some(username.as_str().to_owned());
    }
    if let Some(name) = &change.name {
        row.name = Some(name.as_str().to_owned());
    }
    if let Some(avatar_url) = &change.avatar_url {
        row.avatar_url = Some(avatar_url.clone());
    }
}

fn forget_past(rows: &mut UserRows, user: Uuid) {
    rows.erased.push(user);
    for past in &mut rows.past {
        if past.row.id == user {
            forget_person(&mut past.row);
        }
    }
}

fn forget_person(row: &mut UserRow) {
    row.username = None;
    row.email = None;
    row.name = None;
    row.avatar_url = None;
}

#[cfg(test)]
mod tests {
    use rollcall_events::{
        organization::{OrganizationEvent, OrganizationName},
        user::{ActivationCause, DisplayName, EndReason, LoginType, SessionId, Username},
    };

    use super::*;
    use crate::testing::{ADA, BOB, HOME, at, created, person, recorded, session_started};

    /// Comes before [`HOME`] in every order but that of joining.
    const AWAY: Uuid = Uuid::from_u128(0x1);

    fn ada() -> UserEvent {
        created(Personal::Known(person("Ada")))
    }

    fn row() -> UserRow {
        UserRow {
            id: ADA,
            version: 1,
            username: Some("Ada".to_owned()),
            email: Some("Ada@Example.com".to_owned()),
            name: Some("Somebody".to_owned()),
            avatar_url: Some(String::new()),
            status: Status::Dormant,
            login_type: LoginType::Password,
            roles: vec![Role::Owner, Role::Auditor],
            organization_ids: vec![HOME],
            organization_roles: vec![],
            created_at: at(1),
            updated_at: at(1),
            deleted_at: None,
            position: 1,
        }
    }

    /// Ada's row once she was created and then `events` happened.
    fn after(events: impl IntoIterator<Item = UserEvent>) -> UserRow {
        let events: Vec<Recorded> = std::iter::once(ada())
            .chain(events)
            .zip(1..)
            .map(|(event, version)| recorded(ADA, version, event))
            .collect();
        fold(&events).unwrap()
    }

    fn renamed(username: &str) -> UserEvent {
        UserEvent::ProfileChanged {
            change: Personal::Known(ProfileChange {
                username: Some(Username::parse(username).unwrap()),
                ..ProfileChange::default()
            }),
        }
    }

    fn joined(organization_id: Uuid) -> UserEvent {
        UserEvent::OrganizationJoined { organization_id }
    }

    fn left(organization_id: Uuid) -> UserEvent {
        UserEvent::OrganizationLeft { organization_id }
    }

    fn assigned_at(organization_id: Uuid, roles: &[OrganizationRole]) -> UserEvent {
        UserEvent::OrganizationRolesAssigned {
            organization_id,
            roles: roles.iter().copied().collect(),
        }
    }

    fn held(role: OrganizationRole, organization_id: Uuid) -> RoleAt {
        RoleAt {
            role,
            organization_id,
        }
    }

    /// What is left to be written when `events`, of one user each, meet the rows that are there.
    fn batch(before: Vec<UserRow>, events: Vec<(Uuid, UserEvent)>) -> UserRows {
        let mut rows = UserRows::new(before);
        for ((stream, event), version) in events.into_iter().zip(2..) {
            apply(&mut rows, &recorded(stream, version, event));
        }
        rows
    }

    fn bob() -> UserRow {
        UserRow {
            id: BOB,
            username: Some("bob".to_owned()),
            email: Some("bob@example.com".to_owned()),
            ..row()
        }
    }

    #[test]
    fn a_user_comes_to_be() {
        assert_eq!(after([]), row());
    }

    #[test]
    fn who_cannot_be_read_comes_to_be_without_a_person() {
        for person in [Personal::Erased, Personal::Sealed("c2VhbGVk".to_owned())] {
            let row = fold(&[recorded(ADA, 1, created(person))]).unwrap();
            let person = (row.username, row.email, row.name, row.avatar_url);
            assert_eq!(person, (None, None, None, None));
        }
    }

    #[test]
    fn a_profile_changes_in_what_is_given() {
        let change = Personal::Known(ProfileChange {
            email: None,
            username: Some(Username::parse("Countess").unwrap()),
            name: Some(DisplayName::parse("Ada Lovelace").unwrap()),
            avatar_url: Some("/ada.png".to_owned()),
        });
        let expected = UserRow {
            version: 2,
            username: Some("Countess".to_owned()),
            name: Some("Ada Lovelace".to_owned()),
            avatar_url: Some("/ada.png".to_owned()),
            updated_at: at(2),
            position: 2,
            ..row()
        };
        assert_eq!(after([UserEvent::ProfileChanged { change }]), expected);
        let only_username = after([renamed("Countess")]);
        assert_eq!(only_username.name, row().name);
        assert_eq!(only_username.avatar_url, row().avatar_url);
    }

    #[test]
    fn a_change_that_cannot_be_read_is_still_a_change() {
        let expected = UserRow {
            version: 2,
            updated_at: at(2),
            position: 2,
            ..row()
        };
        let change = Personal::Erased;
        assert_eq!(after([UserEvent::ProfileChanged { change }]), expected);
    }

    #[test]
    fn roles_are_replaced() {
        let roles = [Role::Member].into();
        let row = after([UserEvent::RolesAssigned { roles }]);
        assert_eq!(row.roles, [Role::Member]);
        let roles = [].into();
        assert_eq!(after([UserEvent::RolesAssigned { roles }]).roles, []);
    }

    #[test]
    fn status_follows_suspension_and_activation() {
        let activated = |cause| UserEvent::UserActivated { cause };
        let suspended = after([UserEvent::UserSuspended {}]);
        assert_eq!(suspended.status, Status::Suspended);
        for cause in [ActivationCause::Administrator, ActivationCause::Use] {
            let active = after([UserEvent::UserSuspended {}, activated(cause)]);
            assert_eq!(active.status, Status::Active);
            assert_eq!((active.version, active.updated_at), (3, at(3)));
        }
    }

    #[test]
    fn who_is_deleted_stays_as_they_were() {
        let expected = UserRow {
            version: 2,
            updated_at: at(2),
            position: 2,
            deleted_at: Some(at(2)),
            ..row()
        };
        assert_eq!(after([UserEvent::UserDeleted {}]), expected);
    }

    #[test]
    fn who_is_erased_is_gone_and_forgotten() {
        let expected = UserRow {
            version: 2,
            username: None,
            email: None,
            name: None,
            avatar_url: None,
            updated_at: at(2),
            position: 2,
            deleted_at: Some(at(2)),
            ..row()
        };
        assert_eq!(after([UserEvent::UserErased {}]), expected);
    }

    #[test]
    fn who_is_erased_after_deletion_was_gone_already() {
        let erased = after([UserEvent::UserDeleted {}, UserEvent::UserErased {}]);
        assert_eq!((erased.deleted_at, erased.updated_at), (Some(at(2)), at(3)));
        assert_eq!(erased.username, None);
    }

    #[test]
    fn signing_in_and_out_changes_no_row() {
        let scheme = "argon2id".to_owned();
        let session_id = SessionId("s".to_owned());
        let reason = EndReason::SignedOut;
        let session_ids = vec![session_id.clone()];
        for event in [
            UserEvent::PasswordChanged {
                scheme: scheme.clone(),
            },
            UserEvent::PasswordRehashed { scheme },
            session_started("s"),
            UserEvent::SessionShortened {
                session_id: session_id.clone(),
                ends_at: at(60),
            },
            UserEvent::SessionEnded { session_id, reason },
            UserEvent::SessionsExpired { session_ids },
        ] {
            assert!(known_before(&[recorded(ADA, 2, event.clone())]).is_empty());
            assert_eq!(after([event]), row());
        }
    }

    #[test]
    fn who_joins_or_leaves_an_organization_is_listed_there_or_not() {
        let expected = UserRow {
            version: 2,
            organization_ids: vec![HOME, AWAY],
            updated_at: at(2),
            position: 2,
            ..row()
        };
        assert_eq!(after([joined(AWAY)]), expected);
        assert_eq!(after([joined(AWAY), left(HOME)]).organization_ids, [AWAY]);
        assert!(after([left(HOME)]).organization_ids.is_empty());
    }

    #[test]
    fn roles_in_organizations_stand_in_one_order_whatever_the_order_of_events() {
        let [admin, reader] = [OrganizationRole::Admin, OrganizationRole::Auditor];
        let expected = [
            held(admin, HOME),
            held(reader, HOME),
            held(admin, AWAY),
            held(reader, AWAY),
        ];
        let [home, away] = [
            assigned_at(HOME, &[reader, admin]),
            assigned_at(AWAY, &[admin, reader]),
        ];
        for events in [
            [joined(AWAY), home.clone(), away.clone()],
            [joined(AWAY), away.clone(), home.clone()],
            [home, joined(AWAY), away],
        ] {
            assert_eq!(after(events).organization_roles, expected);
        }
    }

    #[test]
    fn roles_in_an_organization_replace_those_before_there() {
        let row = after([
            joined(AWAY),
            assigned_at(AWAY, &[OrganizationRole::Admin]),
            assigned_at(HOME, &[OrganizationRole::Auditor]),
            assigned_at(HOME, &[OrganizationRole::UserAdmin]),
        ]);
        let expected = [
            held(OrganizationRole::UserAdmin, HOME),
            held(OrganizationRole::Admin, AWAY),
        ];
        assert_eq!(row.organization_roles, expected);
        assert_eq!((row.version, row.updated_at), (5, at(5)));
        let none = after([
            assigned_at(HOME, &[OrganizationRole::Admin]),
            assigned_at(HOME, &[]),
        ]);
        assert_eq!(none.organization_roles, []);
    }

    #[test]
    fn who_leaves_an_organization_has_no_roles_there_and_none_when_coming_back() {
        let both = || {
            [
                joined(AWAY),
                assigned_at(HOME, &[OrganizationRole::Admin]),
                assigned_at(AWAY, &[OrganizationRole::Auditor]),
                left(HOME),
            ]
        };
        let stays = [held(OrganizationRole::Auditor, AWAY)];
        assert_eq!(after(both()).organization_roles, stays);
        let back = after(both().into_iter().chain([joined(HOME)]));
        assert_eq!(back.organization_ids, [AWAY, HOME]);
        assert_eq!(back.organization_roles, stays);
    }

    #[test]
    fn the_row_after_an_event_is_that_before_it_with_what_the_event_changed() {
        let created = recorded(ADA, 1, ada());
        assert_eq!(super::after(None, &created), Some(row()));
        let session = recorded(ADA, 2, session_started("s"));
        assert_eq!(super::after(Some(&row()), &session), None);
        let renaming = recorded(ADA, 3, renamed("Countess"));
        let countess = super::after(Some(&row()), &renaming).unwrap();
        assert_eq!(countess.username.as_deref(), Some("Countess"));
        assert_eq!((countess.version, countess.position), (3, 3));
        assert_eq!(super::after(None, &renaming), None);
    }

    #[test]
    fn what_a_user_was_is_kept_until_they_change_again_or_go() {
        let events = vec![
            (ADA, renamed("Countess")),
            (ADA, session_started("s")),
            (ADA, UserEvent::UserDeleted {}),
            (ADA, UserEvent::UserErased {}),
        ];
        let rows = batch(vec![row()], events[..3].to_vec());
        let kept: Vec<_> = rows
            .past()
            .iter()
            .map(|past| (&past.row, past.until))
            .collect();
        let countess = UserRow {
            version: 2,
            username: Some("Countess".to_owned()),
            updated_at: at(2),
            position: 2,
            ..row()
        };
        assert_eq!(kept, [(&row(), 2), (&countess, 4)]);
        let erased = batch(vec![row()], events);
        let names = erased.past().iter().map(|past| &past.row.username);
        assert_eq!(names.collect::<Vec<_>>(), [&None, &None]);
        assert_eq!(erased.erased(), [ADA]);
    }

    #[test]
    fn what_happens_to_nobody_known_makes_nobody() {
        assert_eq!(fold(&[recorded(ADA, 2, renamed("Ada"))]), None);
        let organization = OrganizationEvent::OrganizationCreated {
            name: OrganizationName::parse("home").unwrap(),
            display_name: String::new(),
            description: String::new(),
            icon: String::new(),
            is_default: false,
        };
        assert_eq!(fold(&[recorded(HOME, 1, organization)]), None);
    }

    #[test]
    fn only_rows_that_were_there_are_read() {
        let batch = [
            recorded(ADA, 1, ada()),
            recorded(ADA, 2, renamed("Countess")),
            recorded(BOB, 5, UserEvent::UserSuspended {}),
        ];
        assert_eq!(known_before(&batch), [BOB]);
    }

    #[test]
    fn only_rows_that_changed_are_written() {
        let suspended = vec![(BOB, UserEvent::UserSuspended {})];
        let rows = batch(vec![row(), bob()], suspended);
        let changed: Vec<Uuid> = rows.changed().iter().map(|row| row.id).collect();
        assert_eq!(changed, [BOB]);
        assert!(batch(vec![row()], Vec::new()).changed().is_empty());
    }

    #[test]
    fn names_are_passed_on_by_renaming_deletion_and_exchange() {
        let renaming = vec![(ADA, renamed("Countess")), (BOB, renamed("ada"))];
        assert_eq!(batch(vec![row(), bob()], renaming).passed_on(), [ADA]);
        let deletion = vec![(ADA, UserEvent::UserDeleted {}), (BOB, ada())];
        assert_eq!(batch(vec![row()], deletion).passed_on(), [ADA]);
        let exchange = vec![
            (ADA, renamed("x")),
            (BOB, renamed("Ada")),
            (ADA, renamed("BOB")),
        ];
        assert_eq!(batch(vec![row(), bob()], exchange).passed_on(), [ADA, BOB]);
    }

    #[test]
    fn names_that_nobody_takes_are_not_passed_on() {
        let events = vec![
            (ADA, UserEvent::UserDeleted {}),
            (BOB, renamed("Robert")),
            (BOB, renamed("BOB")),
        ];
        assert!(batch(vec![row(), bob()], events).passed_on().is_empty());
    }
}
