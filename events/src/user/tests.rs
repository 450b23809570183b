//! The rules of a user, one test each, then what holds of every history, then what the log keeps for ever.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use cqrs_es::{
    Aggregate, DomainEvent,
    test::{AggregateTestExecutor, TestFramework},
};
use proptest::{collection, option, prelude::*, sample};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::*;
use crate::{Claim, Event, EventSourced, Personal};

// Creation.

#[test]
fn a_user_is_created_in_an_empty_stream() {
    given([])
        .when(create(ada()))
        .then_expect_events(vec![created()]);
}

#[test]
fn a_user_may_be_created_dormant() {
    let wish = CreateUser {
        status: Status::Dormant,
        ..ada()
    };
    given([])
        .when(create(wish))
        .then_expect_events(vec![created_dormant()]);
}

#[test]
fn a_user_without_password_is_created_without_password_scheme() {
    for login_type in [LoginType::Github, LoginType::Oidc, LoginType::None] {
        given([])
            .when(create(without_password(login_type)))
            .then_expect_events(vec![created_without_password(login_type)]);
    }
}

#[test]
fn a_new_user_has_the_roles_and_organizations_of_the_wish() {
    let wish = CreateUser {
        roles: [Role::Owner, Role::Auditor].into(),
        organizations: vec![Uuid::from_u128(1), Uuid::from_u128(2)],
        ..ada()
    };
    let events = given([]).when(create(wish)).inspect_result().unwrap();
    let account = live(&events);
    assert_eq!(account.roles, [Role::Owner, Role::Auditor].into());
    assert_eq!(
        account.organizations,
        [Uuid::from_u128(1), Uuid::from_u128(2)]
    );
}

#[test]
fn being_the_first_user_is_a_claim_and_no_part_of_the_fact() {
    let wish = CreateUser {
        first: true,
        ..ada()
    };
    given([])
        .when(create(wish))
        .then_expect_events(vec![created()]);
}

#[test]
fn a_user_is_not_created_suspended() {
    let wish = CreateUser {
        status: Status::Suspended,
        ..ada()
    };
    given([])
        .when(create(wish))
        .then_expect_error(UserError::StatusNotAllowed(Status::Suspended));
}

#[test]
fn a_user_is_not_created_to_sign_in_by_token() {
    for wish in [
        without_password(LoginType::Token),
        CreateUser {
            login_type: LoginType::Token,
            ..ada()
        },
    ] {
        given([])
            .when(create(wish))
            .then_expect_error(UserError::LoginTypeNotAllowed);
    }
}

#[test]
fn a_user_who_signs_in_by_password_is_not_created_without_one() {
    given([])
        .when(create(without_password(LoginType::Password)))
        .then_expect_error(UserError::PasswordNotAsLoginType);
}

#[test]
fn a_user_who_signs_in_otherwise_is_not_created_with_a_password() {
    for login_type in [LoginType::Github, LoginType::Oidc, LoginType::None] {
        let wish = CreateUser {
            login_type,
            ..ada()
        };
        given([])
            .when(create(wish))
            .then_expect_error(UserError::PasswordNotAsLoginType);
    }
}

#[test]
fn a_user_is_not_created_twice_in_one_stream() {
    given([created()])
        .when(create(ada()))
        .then_expect_error(UserError::AlreadyExists);
}

#[test]
fn the_stream_of_a_deleted_or_erased_user_is_never_used_again() {
    for past in [deleted(), erased()] {
        given(past)
            .when(create(ada()))
            .then_expect_error(UserError::AlreadyExists);
    }
}

// The stream before and after a user's life.

#[test]
fn nothing_but_creation_happens_to_a_user_who_was_never_created() {
    for command in all_commands_but_creation() {
        given([])
            .when(command)
            .then_expect_error(UserError::NotFound);
    }
}

#[test]
fn nothing_happens_to_a_user_who_is_gone() {
    for past in [deleted(), erased()] {
        for command in all_commands_but_creation() {
            if !asks_only_for_an_end(&command) {
                given(past.clone())
                    .when(command)
                    .then_expect_error(UserError::NotFound);
            }
        }
    }
}

#[test]
fn deleting_a_user_who_is_gone_changes_nothing() {
    for past in [deleted(), erased()] {
        given(past)
            .when(UserCommand::DeleteUser)
            .then_expect_events(vec![]);
    }
}

#[test]
fn ending_a_session_of_a_user_who_is_gone_changes_nothing() {
    for past in [deleted(), erased()] {
        given(past)
            .when(end_session("A"))
            .then_expect_events(vec![]);
    }
}

// The profile.

#[test]
fn a_profile_change_is_recorded() {
    let change = ProfileChange {
        username: Some(username("countess")),
        name: Some(name("Countess of Lovelace")),
        avatar_url: Some("https://example.org/ada.png".into()),
    };
    let events = [created(), changed(change.clone())];
    given([created()])
        .when(UserCommand::ChangeProfile(change))
        .then_expect_events(vec![events[1].clone()]);
    assert_eq!(
        live(&events).person.known().unwrap(),
        &Person {
            email: EmailAddress::parse("Ada@example.org").unwrap(),
            username: username("countess"),
            name: name("Countess of Lovelace"),
            avatar_url: "https://example.org/ada.png".into(),
        }
    );
}

#[test]
fn only_the_part_of_a_profile_that_becomes_new_is_recorded() {
    let wish = ProfileChange {
        username: Some(username("Ada")),
        name: Some(name("Countess of Lovelace")),
        avatar_url: Some(String::new()),
    };
    let new = ProfileChange {
        name: Some(name("Countess of Lovelace")),
        ..ProfileChange::default()
    };
    given([created()])
        .when(UserCommand::ChangeProfile(wish))
        .then_expect_events(vec![changed(new)]);
}

#[test]
fn a_profile_change_to_what_is_already_so_records_nothing() {
    let same = ProfileChange {
        username: Some(username("Ada")),
        name: Some(name("Ada Lovelace")),
        avatar_url: Some(String::new()),
    };
    for wish in [same, ProfileChange::default()] {
        given([created()])
            .when(UserCommand::ChangeProfile(wish))
            .then_expect_events(vec![]);
    }
}

#[test]
fn a_profile_is_compared_with_what_it_became_and_not_with_what_it_was() {
    given([created(), changed(renamed("countess"))])
        .when(UserCommand::ChangeProfile(renamed("countess")))
        .then_expect_events(vec![]);
    given([created(), changed(renamed("countess"))])
        .when(UserCommand::ChangeProfile(renamed("Ada")))
        .then_expect_events(vec![changed(renamed("Ada"))]);
}

#[test]
fn a_username_may_change_in_case_alone() {
    given([created()])
        .when(UserCommand::ChangeProfile(renamed("ADA")))
        .then_expect_events(vec![changed(renamed("ADA"))]);
}

#[test]
fn a_name_and_a_picture_can_be_taken_away() {
    let none = ProfileChange {
        name: Some(DisplayName::default()),
        ..ProfileChange::default()
    };
    given([created()])
        .when(UserCommand::ChangeProfile(none.clone()))
        .then_expect_events(vec![changed(none)]);
}

#[test]
fn the_profile_of_a_dormant_or_suspended_user_changes_too() {
    for past in [vec![created_dormant()], suspended()] {
        given(past)
            .when(UserCommand::ChangeProfile(renamed("countess")))
            .then_expect_events(vec![changed(renamed("countess"))]);
    }
}

#[test]
fn a_profile_that_nobody_can_read_does_not_change() {
    for person in [Personal::Erased, Personal::Sealed("c2VhbGVk".into())] {
        given([created_as(person)])
            .when(UserCommand::ChangeProfile(renamed("countess")))
            .then_expect_error(UserError::NotFound);
    }
}

#[test]
fn a_user_whose_person_nobody_can_read_lives_on_otherwise() {
    let unreadable = UserEvent::ProfileChanged {
        change: Personal::Erased,
    };
    given([created_as(Personal::Erased), unreadable])
        .when(UserCommand::DeleteUser)
        .then_expect_events(vec![UserEvent::UserDeleted {}]);
}

// Roles.

#[test]
fn assigned_roles_replace_those_before() {
    given([created(), assigned([Role::Auditor])])
        .when(assign([Role::UserAdmin, Role::Member]))
        .then_expect_events(vec![assigned([Role::UserAdmin, Role::Member])]);
    let events = [
        created(),
        assigned([Role::Auditor]),
        assigned([Role::UserAdmin]),
    ];
    assert_eq!(live(&events).roles, [Role::UserAdmin].into());
}

#[test]
fn all_roles_can_be_taken_away() {
    given([created(), assigned([Role::Owner])])
        .when(assign([]))
        .then_expect_events(vec![assigned([])]);
}

#[test]
fn assigning_the_roles_that_a_user_has_records_nothing() {
    given([created(), assigned([Role::Auditor, Role::UserAdmin])])
        .when(assign([Role::UserAdmin, Role::Auditor]))
        .then_expect_events(vec![]);
}

#[test]
fn a_dormant_or_suspended_user_is_assigned_roles_too() {
    for past in [vec![created_dormant()], suspended()] {
        given(past)
            .when(assign([Role::Auditor]))
            .then_expect_events(vec![assigned([Role::Auditor])]);
    }
}

// Suspension and activation.

#[test]
fn an_active_or_dormant_user_can_be_suspended() {
    for past in [created(), created_dormant()] {
        given([past])
            .when(UserCommand::SuspendUser)
            .then_expect_events(vec![UserEvent::UserSuspended {}]);
    }
}

#[test]
fn suspending_a_suspended_user_records_nothing() {
    given(suspended())
        .when(UserCommand::SuspendUser)
        .then_expect_events(vec![]);
}

#[test]
fn an_owner_cannot_be_suspended() {
    for past in [created(), created_dormant()] {
        given([past, assigned([Role::Owner, Role::Auditor])])
            .when(UserCommand::SuspendUser)
            .then_expect_error(UserError::OwnerCannotBeSuspended);
    }
}

#[test]
fn whoever_is_an_owner_no_more_can_be_suspended() {
    given([created(), assigned([Role::Owner]), assigned([])])
        .when(UserCommand::SuspendUser)
        .then_expect_events(vec![UserEvent::UserSuspended {}]);
}

#[test]
fn a_suspended_user_who_became_an_owner_stays_suspended_and_saying_so_again_records_nothing() {
    given(suspended())
        .and(vec![assigned([Role::Owner])])
        .when(UserCommand::SuspendUser)
        .then_expect_events(vec![]);
}

#[test]
fn an_administrator_ends_a_suspension() {
    given(suspended())
        .when(activate(ActivationCause::Administrator))
        .then_expect_events(vec![activated(ActivationCause::Administrator)]);
}

#[test]
fn use_never_ends_a_suspension() {
    given(suspended())
        .when(activate(ActivationCause::Use))
        .then_expect_error(UserError::Suspended);
}

#[test]
fn a_dormant_user_becomes_active_by_an_administrator_and_by_use() {
    for cause in [ActivationCause::Administrator, ActivationCause::Use] {
        given([created_dormant()])
            .when(activate(cause))
            .then_expect_events(vec![activated(cause)]);
    }
}

#[test]
fn activating_an_active_user_records_nothing() {
    for cause in [ActivationCause::Administrator, ActivationCause::Use] {
        for past in [
            vec![created()],
            vec![created_dormant(), activated(ActivationCause::Use)],
        ] {
            given(past).when(activate(cause)).then_expect_events(vec![]);
        }
    }
}

#[test]
fn a_user_who_was_suspended_when_dormant_comes_back_active() {
    let events = [
        created_dormant(),
        UserEvent::UserSuspended {},
        activated(ActivationCause::Administrator),
    ];
    assert_eq!(live(&events).status, Status::Active);
}

#[test]
fn a_suspension_keeps_the_sessions() {
    let mut events = vec![created(), started("A", 60)];
    events.push(UserEvent::UserSuspended {});
    assert_eq!(live(&events).sessions.len(), 1);
}

// Deletion.

#[test]
fn a_user_can_be_deleted_whatever_the_status() {
    for past in [vec![created()], vec![created_dormant()], suspended()] {
        given(past)
            .when(UserCommand::DeleteUser)
            .then_expect_events(vec![UserEvent::UserDeleted {}]);
    }
}

#[test]
fn the_sessions_of_a_deleted_user_die_with_the_user() {
    let past = [created(), started("A", 60), UserEvent::UserDeleted {}];
    assert_eq!(replayed(&past), User::Deleted);
    given(past.clone())
        .when(end_session("A"))
        .then_expect_events(vec![]);
    given(past)
        .when(start("B", 60))
        .then_expect_error(UserError::NotFound);
}

#[test]
fn what_the_log_says_of_a_user_who_is_gone_brings_nobody_back() {
    for past in [deleted(), erased()] {
        let user = replayed(&past);
        for event in [
            changed(renamed("countess")),
            assigned([Role::Owner]),
            activated(ActivationCause::Administrator),
            rehashed("argon2id"),
            started("A", 60),
        ] {
            let mut after = user.clone();
            EventSourced::evolve(&mut after, &event);
            assert_eq!(after, user, "{event:?}");
        }
    }
}

#[test]
fn a_user_can_be_erased_with_or_without_being_deleted_first() {
    for past in [vec![created()], vec![created(), UserEvent::UserDeleted {}]] {
        let mut user = replayed(&past);
        EventSourced::evolve(&mut user, &UserEvent::UserErased {});
        assert_eq!(user, User::Erased);
    }
}

// The password's hash.

#[test]
fn the_hash_of_the_current_password_is_renewed() {
    for revision in 1..=4 {
        let renewals = (1..revision).map(|_| rehashed("argon2id"));
        given([created()].into_iter().chain(renewals))
            .when(rehash(revision))
            .then_expect_events(vec![rehashed("argon2id")]);
    }
}

#[test]
fn a_new_hash_of_an_older_or_unknown_password_is_dropped() {
    for revision in [0, 1, 3] {
        given([created(), rehashed("argon2id")])
            .when(rehash(revision))
            .then_expect_events(vec![]);
    }
}

#[test]
fn a_user_without_password_gets_none_by_rehashing() {
    for revision in [0, 1] {
        given([created_without_password(LoginType::Oidc)])
            .when(rehash(revision))
            .then_expect_events(vec![]);
    }
}

#[test]
fn the_hash_of_a_dormant_or_suspended_user_is_renewed_too() {
    for past in [vec![created_dormant()], suspended()] {
        given(past)
            .when(rehash(1))
            .then_expect_events(vec![rehashed("argon2id")]);
    }
}

// Sessions.

#[test]
fn an_active_user_signs_in() {
    given([created()])
        .when(start("A", 60))
        .then_expect_events(vec![started("A", 60)]);
}

#[test]
fn a_dormant_user_becomes_active_at_the_first_sign_in() {
    given([created_dormant()])
        .when(start("A", 60))
        .then_expect_events(vec![activated(ActivationCause::Use), started("A", 60)]);
}

#[test]
fn a_suspended_user_cannot_sign_in() {
    given(suspended())
        .when(start("A", 60))
        .then_expect_error(UserError::Suspended);
}

#[test]
fn a_suspended_user_gets_no_session_from_a_provider_either() {
    given([
        created_without_password(LoginType::Github),
        UserEvent::UserSuspended {},
    ])
    .when(start("A", 60))
    .then_expect_error(UserError::Suspended);
}

#[test]
fn a_user_signs_in_again_after_the_suspension_ended() {
    given(suspended())
        .and(vec![activated(ActivationCause::Administrator)])
        .when(start("A", 60))
        .then_expect_events(vec![started("A", 60)]);
}

#[test]
fn a_session_comes_of_the_current_password() {
    given([created()])
        .when(start_by_password("A", 1))
        .then_expect_events(vec![started("A", 60)]);
    given([created(), rehashed("argon2id")])
        .when(start_by_password("A", 2))
        .then_expect_events(vec![started("A", 60)]);
}

#[test]
fn no_session_comes_of_a_password_that_was_replaced_while_it_was_verified() {
    for revision in [0, 1, 3] {
        given([created(), rehashed("argon2id")])
            .when(start_by_password("A", revision))
            .then_expect_error(UserError::CredentialsChanged);
    }
}

#[test]
fn no_session_comes_of_the_password_of_a_user_who_has_none() {
    for revision in [0, 1] {
        given([created_without_password(LoginType::Oidc)])
            .when(start_by_password("A", revision))
            .then_expect_error(UserError::CredentialsChanged);
    }
}

#[test]
fn a_dormant_user_stays_dormant_when_the_sign_in_is_refused() {
    given([created_dormant()])
        .when(start_by_password("A", 0))
        .then_expect_error(UserError::CredentialsChanged);
}

#[test]
fn a_session_is_not_started_twice() {
    given([created(), started("A", 60)])
        .when(start("A", 60))
        .then_expect_error(UserError::SessionExists);
}

#[test]
fn a_session_does_not_take_the_identifier_of_one_that_has_just_expired() {
    given([created(), started("A", 0)])
        .when(start("A", 60))
        .then_expect_error(UserError::SessionExists);
}

#[test]
fn a_user_has_several_sessions() {
    given([created(), started("A", 60)])
        .when(start("B", 60))
        .then_expect_events(vec![started("B", 60)]);
}

#[test]
fn a_sign_in_clears_away_the_sessions_past_their_end() {
    given([
        created(),
        started("A", -1),
        started("B", 0),
        started("C", 1),
        started("D", -60),
    ])
    .when(start("E", 60))
    .then_expect_events(vec![expired(["A", "B", "D"]), started("E", 60)]);
}

#[test]
fn a_session_that_still_slides_is_cleared_away_at_its_hard_end_alone() {
    let mut idle = session("A", 60);
    idle.expires_at = minute(-1);
    given([created(), UserEvent::SessionStarted { session: idle }])
        .when(start("B", 60))
        .then_expect_events(vec![started("B", 60)]);
}

#[test]
fn who_has_as_many_sessions_as_one_can_have_loses_the_one_that_would_end_first() {
    let names: Vec<String> = (1..=super::decide::MOST_SESSIONS)
        .map(|nth| format!("S{nth}"))
        .collect();
    let full = (1..).zip(&names).map(|(end, name)| started(name, end));
    let superseded = UserEvent::SessionEnded {
        session_id: SessionId("S1".to_owned()),
        reason: EndReason::Superseded,
    };
    given(std::iter::once(created()).chain(full))
        .when(start("New", 9_999))
        .then_expect_events(vec![superseded, started("New", 9_999)]);
}

#[test]
fn a_sign_in_first_activates_then_clears_away_then_starts() {
    given([created_dormant(), started("A", 0)])
        .when(start("B", 60))
        .then_expect_events(vec![
            activated(ActivationCause::Use),
            expired(["A"]),
            started("B", 60),
        ]);
}

#[test]
fn sessions_that_were_cleared_away_are_gone() {
    let events = [
        created(),
        started("A", 0),
        started("B", 60),
        expired(["A", "unheard of"]),
    ];
    assert_eq!(
        live(&events).sessions,
        BTreeMap::from([(session_id("B"), minute(60))])
    );
}

#[test]
fn a_session_ends_for_the_reason_given() {
    for reason in [EndReason::SignedOut, EndReason::Revoked] {
        let session_id = session_id("A");
        let command = UserCommand::EndSession {
            session_id: session_id.clone(),
            reason,
        };
        given([created(), started("A", 60)])
            .when(command)
            .then_expect_events(vec![UserEvent::SessionEnded { session_id, reason }]);
    }
}

#[test]
fn ending_a_session_leaves_the_others() {
    let events = [created(), started("A", 60), started("B", 60), ended("A")];
    assert_eq!(
        live(&events).sessions,
        BTreeMap::from([(session_id("B"), minute(60))])
    );
}

#[test]
fn ending_a_session_that_is_unknown_or_over_records_nothing() {
    for past in [
        vec![created()],
        vec![created(), started("A", 60), ended("A")],
        vec![created(), started("A", 0), expired(["A"])],
    ] {
        given(past)
            .when(end_session("A"))
            .then_expect_events(vec![]);
    }
}

#[test]
fn a_suspended_users_session_can_be_ended() {
    given([created(), started("A", 60), UserEvent::UserSuspended {}])
        .when(end_session("A"))
        .then_expect_events(vec![ended("A")]);
}

#[test]
fn a_dormant_users_session_can_be_ended() {
    given([created_dormant(), started("A", 60)])
        .when(end_session("A"))
        .then_expect_events(vec![ended("A")]);
}

// What must be free elsewhere, and what is personal.

#[test]
fn a_new_user_claims_address_and_username_whatever_their_case() {
    assert_eq!(
        User::claims(&create(ada())),
        [
            Claim::Email("ada@example.org".into()),
            Claim::Username("ada".into())
        ]
    );
}

#[test]
fn only_the_first_user_claims_to_be_the_first() {
    let first = CreateUser {
        first: true,
        ..ada()
    };
    assert!(User::claims(&create(first)).contains(&Claim::FirstUser));
    assert!(!User::claims(&create(ada())).contains(&Claim::FirstUser));
}

#[test]
fn a_change_of_username_claims_the_new_one_and_no_other_command_claims_anything() {
    for command in all_commands_but_creation() {
        let expected = match &command {
            UserCommand::ChangeProfile(_) => vec![Claim::Username("countess".into())],
            _ => vec![],
        };
        assert_eq!(User::claims(&command), expected, "{command:?}");
    }
    let nameless = UserCommand::ChangeProfile(ProfileChange {
        name: Some(name("Countess")),
        ..ProfileChange::default()
    });
    assert_eq!(User::claims(&nameless), []);
}

#[test]
fn only_a_live_user_has_personal_data() {
    assert!(replayed(&[created()]).personal().is_some());
    for past in [vec![], deleted(), erased()] {
        assert!(replayed(&past).personal().is_none());
    }
}

#[test]
fn an_event_that_knows_a_person_cannot_be_written_before_it_is_sealed() {
    for mut event in [created(), changed(renamed("countess"))] {
        assert!(serde_json::to_string(&event).is_err(), "{event:?}");
        event.personal().unwrap().seal("c2VhbGVk".into());
        let json = serde_json::to_string(&event).unwrap();
        assert!(
            !json.contains("countess") && !json.contains("ada"),
            "{json}"
        );
    }
}

// What holds of every history.

proptest! {
    #[test]
    fn what_was_accepted_is_refused_or_records_nothing_the_second_time(commands in any_commands()) {
        let mut user = User::default();
        for command in commands {
            if let Ok(events) = user.decide(&command) {
                evolve_all(&mut user, &events);
                let again = user.decide(&command).unwrap_or_default();
                prop_assert_eq!(again, vec![], "{:?} in {:?}", command, user);
            }
        }
    }

    #[test]
    fn nothing_is_recorded_of_a_user_after_the_deletion(
        before in any_commands(),
        after in any_commands(),
    ) {
        let mut user = replayed(&[created()]);
        for command in before {
            let events = user.decide(&command).unwrap_or_default();
            evolve_all(&mut user, &events);
        }
        let last = user.decide(&UserCommand::DeleteUser).unwrap();
        evolve_all(&mut user, &last);
        for command in after {
            match user.decide(&command) {
                Ok(events) => {
                    prop_assert!(asks_only_for_an_end(&command), "{command:?}");
                    prop_assert_eq!(events, vec![]);
                }
                Err(refusal) => {
                    let creation = matches!(command, UserCommand::CreateUser(_));
                    let expected = if creation { UserError::AlreadyExists } else { UserError::NotFound };
                    prop_assert_eq!(refusal, expected);
                }
            }
        }
        prop_assert_eq!(user, User::Deleted);
    }

    #[test]
    fn a_suspension_is_ended_by_an_administrator_alone_and_starts_no_session(
        commands in any_commands(),
    ) {
        let mut user = replayed(&[created()]);
        for command in commands {
            let was_suspended = is_suspended(&user);
            let events = user.decide(&command).unwrap_or_default();
            evolve_all(&mut user, &events);
            if was_suspended {
                let started = |event: &UserEvent| matches!(event, UserEvent::SessionStarted { .. });
                prop_assert!(!events.iter().any(started), "{events:?}");
                let may_end = command == activate(ActivationCause::Administrator)
                    || command == UserCommand::DeleteUser;
                prop_assert!(is_suspended(&user) || may_end, "{command:?}");
            }
        }
    }

    #[test]
    fn the_log_and_cqrs_es_see_the_same_user(commands in any_commands(), last in any_command()) {
        let mut user = User::default();
        let mut history = Vec::new();
        for command in commands {
            let events = user.decide(&command).unwrap_or_default();
            evolve_all(&mut user, &events);
            history.extend(events);
        }
        let mut applied = User::default();
        for event in history.clone() {
            applied.apply(event);
        }
        prop_assert_eq!(&applied, &user);
        prop_assert_eq!(given(history).when(last.clone()).inspect_result(), user.decide(&last));
    }
}

// What the log keeps for ever.

/// What is in the log stays there: lines are added here, and never changed.
const RECORDED: &str = include_str!("../../../tests/recorded/user_v1.jsonl");

#[derive(Deserialize)]
struct Line {
    event_type: String,
    schema_version: i32,
    payload: Value,
}

#[test]
fn every_event_ever_recorded_is_read_and_written_as_it_was() {
    for line in recorded() {
        let bytes = serde_json::to_vec(&line.payload).unwrap();
        let event = Event::from_json(User::TYPE, &bytes).unwrap();
        assert_eq!(serde_json::to_value(&event).unwrap(), line.payload);
        assert_eq!(event.event_type(), line.event_type);
        assert_eq!(event.aggregate_type(), "user");
        assert_eq!(
            event.schema_version(),
            line.schema_version,
            "the shape has a successor: read these lines through the upcaster, begin another file"
        );
        let event = UserEvent::try_from(event).unwrap();
        assert_eq!(event.event_type(), line.event_type);
        assert_eq!(event.event_version(), line.schema_version.to_string());
    }
}

#[test]
fn every_kind_of_event_has_been_recorded() {
    let recorded: BTreeSet<String> = recorded().map(|line| line.event_type).collect();
    assert_eq!(recorded, kinds_of_events());
}

#[test]
fn what_is_sealed_of_a_person_is_read_and_written_as_it_was() {
    let person =
        r#"{"email":"Ada@example.org","username":"Ada","name":"Ada Lovelace","avatar_url":""}"#;
    let mut event = created_as(Personal::Sealed(String::new()));
    event.personal().unwrap().open(person.as_bytes()).unwrap();
    assert_eq!(event, created());
    let revealed = event.personal().unwrap().reveal().unwrap().unwrap();
    assert_eq!(String::from_utf8(revealed).unwrap(), person);
}

#[test]
fn what_is_sealed_of_a_profile_change_is_read_and_written_as_it_was() {
    for (sealed, known) in [
        (r#"{"username":"countess"}"#, renamed("countess")),
        (
            r#"{"name":"","avatar_url":"https://example.org/ada.png"}"#,
            ProfileChange {
                username: None,
                name: Some(DisplayName::default()),
                avatar_url: Some("https://example.org/ada.png".into()),
            },
        ),
    ] {
        let mut event = changed(ProfileChange::default());
        event.personal().unwrap().open(sealed.as_bytes()).unwrap();
        assert_eq!(event, changed(known));
        let revealed = event.personal().unwrap().reveal().unwrap().unwrap();
        assert_eq!(String::from_utf8(revealed).unwrap(), sealed);
    }
}

// What the tests are made of: histories.

fn given(history: impl IntoIterator<Item = UserEvent>) -> AggregateTestExecutor<User> {
    TestFramework::<User>::with(()).given(history.into_iter().collect())
}

fn replayed(history: &[UserEvent]) -> User {
    let mut user = User::default();
    evolve_all(&mut user, history);
    user
}

fn evolve_all(user: &mut User, events: &[UserEvent]) {
    for event in events {
        EventSourced::evolve(user, event);
    }
}

#[track_caller]
fn live(history: &[UserEvent]) -> Account {
    match replayed(history) {
        User::Live(account) => account,
        gone => panic!("{gone:?} is not live"),
    }
}

fn is_suspended(user: &User) -> bool {
    matches!(user, User::Live(account) if account.status == Status::Suspended)
}

fn suspended() -> Vec<UserEvent> {
    vec![created(), UserEvent::UserSuspended {}]
}

fn deleted() -> Vec<UserEvent> {
    vec![created(), started("A", 60), UserEvent::UserDeleted {}]
}

fn erased() -> Vec<UserEvent> {
    let mut history = deleted();
    history.push(UserEvent::UserErased {});
    history
}

fn recorded() -> impl Iterator<Item = Line> {
    RECORDED
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
}

/// Every variant there is: whoever reads one that does not exist is told those that do.
fn kinds_of_events() -> BTreeSet<String> {
    let refusal = serde_json::from_str::<UserEvent>(r#"{"none of them":{}}"#).unwrap_err();
    let refusal = refusal.to_string();
    let (_, kinds) = refusal.split_once("expected").unwrap();
    let quoted = kinds.split('`').skip(1).step_by(2);
    quoted.map(str::to_owned).collect()
}

// What the tests are made of: events.

fn created() -> UserEvent {
    created_as(Personal::Known(ada().person))
}

fn created_as(person: Personal<Person>) -> UserEvent {
    UserEvent::UserCreated {
        person,
        login_type: LoginType::Password,
        status: Status::Active,
        roles: BTreeSet::new(),
        organizations: vec![Uuid::from_u128(1)],
        password_scheme: Some("argon2id".into()),
    }
}

fn created_dormant() -> UserEvent {
    UserEvent::UserCreated {
        person: Personal::Known(ada().person),
        login_type: LoginType::Password,
        status: Status::Dormant,
        roles: BTreeSet::new(),
        organizations: vec![Uuid::from_u128(1)],
        password_scheme: Some("argon2id".into()),
    }
}

fn created_without_password(login_type: LoginType) -> UserEvent {
    UserEvent::UserCreated {
        person: Personal::Known(ada().person),
        login_type,
        status: Status::Active,
        roles: BTreeSet::new(),
        organizations: vec![Uuid::from_u128(1)],
        password_scheme: None,
    }
}

fn changed(change: ProfileChange) -> UserEvent {
    UserEvent::ProfileChanged {
        change: Personal::Known(change),
    }
}

fn assigned<const N: usize>(roles: [Role; N]) -> UserEvent {
    UserEvent::RolesAssigned {
        roles: roles.into(),
    }
}

fn activated(cause: ActivationCause) -> UserEvent {
    UserEvent::UserActivated { cause }
}

fn rehashed(scheme: &str) -> UserEvent {
    UserEvent::PasswordRehashed {
        scheme: scheme.into(),
    }
}

fn started(id: &str, ends_at: i64) -> UserEvent {
    UserEvent::SessionStarted {
        session: session(id, ends_at),
    }
}

fn ended(id: &str) -> UserEvent {
    UserEvent::SessionEnded {
        session_id: session_id(id),
        reason: EndReason::SignedOut,
    }
}

fn expired<const N: usize>(ids: [&str; N]) -> UserEvent {
    UserEvent::SessionsExpired {
        session_ids: ids.map(session_id).into(),
    }
}

// What the tests are made of: commands. It is always minute 0.

fn create(wish: CreateUser) -> UserCommand {
    UserCommand::CreateUser(wish)
}

fn assign<const N: usize>(roles: [Role; N]) -> UserCommand {
    UserCommand::AssignRoles { roles: roles.into(), from: None }
}

fn activate(cause: ActivationCause) -> UserCommand {
    UserCommand::ActivateUser(cause)
}

fn rehash(revision: i64) -> UserCommand {
    UserCommand::RehashPassword {
        scheme: "argon2id".into(),
        revision,
    }
}

fn start(id: &str, ends_at: i64) -> UserCommand {
    UserCommand::StartSession(StartSession {
        session: session(id, ends_at),
        password_revision: None,
        at: minute(0),
    })
}

fn start_by_password(id: &str, revision: i64) -> UserCommand {
    UserCommand::StartSession(StartSession {
        session: session(id, 60),
        password_revision: Some(revision),
        at: minute(0),
    })
}

fn end_session(id: &str) -> UserCommand {
    UserCommand::EndSession {
        session_id: session_id(id),
        reason: EndReason::SignedOut,
    }
}

fn all_commands_but_creation() -> [UserCommand; 8] {
    [
        UserCommand::ChangeProfile(renamed("countess")),
        assign([Role::Owner]),
        UserCommand::SuspendUser,
        activate(ActivationCause::Administrator),
        UserCommand::DeleteUser,
        rehash(1),
        start("A", 60),
        end_session("A"),
    ]
}

/// Whether the command is content with a user who is gone.
fn asks_only_for_an_end(command: &UserCommand) -> bool {
    match command {
        UserCommand::DeleteUser | UserCommand::EndSession { .. } => true,
        UserCommand::CreateUser(_)
        | UserCommand::ChangeProfile(_)
        | UserCommand::AssignRoles { .. }
        | UserCommand::SuspendUser
        | UserCommand::ActivateUser(_)
        | UserCommand::RehashPassword { .. }
        | UserCommand::StartSession(_) => false,
    }
}

// What the tests are made of: values.

fn ada() -> CreateUser {
    CreateUser {
        person: Person {
            email: EmailAddress::parse("Ada@example.org").unwrap(),
            username: username("Ada"),
            name: name("Ada Lovelace"),
            avatar_url: String::new(),
        },
        login_type: LoginType::Password,
        status: Status::Active,
        roles: BTreeSet::new(),
        organizations: vec![Uuid::from_u128(1)],
        password_scheme: Some("argon2id".into()),
        first: false,
    }
}

fn without_password(login_type: LoginType) -> CreateUser {
    CreateUser {
        login_type,
        password_scheme: None,
        ..ada()
    }
}

fn renamed(to: &str) -> ProfileChange {
    ProfileChange {
        username: Some(username(to)),
        ..ProfileChange::default()
    }
}

fn username(text: &str) -> Username {
    Username::parse(text).unwrap()
}

fn name(text: &str) -> DisplayName {
    DisplayName::parse(text).unwrap()
}

fn session(id: &str, ends_at: i64) -> Session {
    Session {
        id: session_id(id),
        secret_sha256: SecretHash([7; 32]),
        login_type: LoginType::Password,
        scope: Scope::All,
        lifetime_s: 3600,
        expires_at: minute(ends_at),
        ends_at: minute(ends_at),
    }
}

fn session_id(text: &str) -> SessionId {
    SessionId(text.to_owned())
}

fn minute(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600 + 60 * minute, 0).unwrap()
}

// What the tests are made of: whatever may be asked. Few values each, so that commands meet.

fn any_commands() -> impl Strategy<Value = Vec<UserCommand>> {
    collection::vec(any_command(), 0..48)
}

fn any_command() -> impl Strategy<Value = UserCommand> {
    let cause = sample::select(vec![ActivationCause::Administrator, ActivationCause::Use]);
    let reason = sample::select(vec![EndReason::SignedOut, EndReason::Revoked]);
    prop_oneof![
        4 => Just(create(ada())),
        2 => any_creation().prop_map(UserCommand::CreateUser),
        4 => any_profile_change().prop_map(UserCommand::ChangeProfile),
        4 => any_roles().prop_map(|roles| UserCommand::AssignRoles { roles, from: None }),
        4 => Just(UserCommand::SuspendUser),
        4 => cause.prop_map(UserCommand::ActivateUser),
        1 => Just(UserCommand::DeleteUser),
        4 => (0..4_i64).prop_map(rehash),
        8 => any_start().prop_map(UserCommand::StartSession),
        4 => (any_session_id(), reason)
            .prop_map(|(session_id, reason)| UserCommand::EndSession { session_id, reason }),
    ]
}

fn any_creation() -> impl Strategy<Value = CreateUser> {
    let status = sample::select(Status::ALL.to_vec());
    let login_type = sample::select(LoginType::ALL.to_vec());
    (status, login_type, any_roles(), any::<[bool; 2]>()).prop_map(
        |(status, login_type, roles, [has_password, first])| CreateUser {
            status,
            login_type,
            roles,
            password_scheme: has_password.then(|| "argon2id".into()),
            first,
            ..ada()
        },
    )
}

fn any_profile_change() -> impl Strategy<Value = ProfileChange> {
    let usernames = sample::select(vec!["Ada", "ada", "countess"]).prop_map(username);
    let names = sample::select(vec!["", "Ada Lovelace"]).prop_map(name);
    let pictures = sample::select(vec!["", "https://example.org/ada.png"]).prop_map(str::to_owned);
    (
        option::of(usernames),
        option::of(names),
        option::of(pictures),
    )
        .prop_map(|(username, name, avatar_url)| ProfileChange {
            username,
            name,
            avatar_url,
        })
}

fn any_roles() -> impl Strategy<Value = BTreeSet<Role>> {
    sample::subsequence(Role::ALL.to_vec(), 0..=2).prop_map(|roles| roles.into_iter().collect())
}

fn any_start() -> impl Strategy<Value = StartSession> {
    let revision = option::of(0..4_i64);
    (any_session_id(), -2..60_i64, revision, 0..60_i64).prop_map(|(id, ends_at, revision, at)| {
        StartSession {
            session: session(&id.0, ends_at),
            password_revision: revision,
            at: minute(at),
        }
    })
}

fn any_session_id() -> impl Strategy<Value = SessionId> {
    sample::select(vec!["A", "B", "C"]).prop_map(session_id)
}
