//! The profile.

use super::*;

#[test]
fn a_profile_change_is_recorded() {
    let change = ProfileChange {
        email: Some(EmailAddress::parse("Countess@example.org").unwrap()),
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
            email: EmailAddress::parse("Countess@example.org").unwrap(),
            username: username("countess"),
            name: name("Countess of Lovelace"),
            avatar_url: "https://example.org/ada.png".into(),
        }
    );
}

#[test]
fn only_the_part_of_a_profile_that_becomes_new_is_recorded() {
    let wish = ProfileChange {
        email: Some(EmailAddress::parse("Ada@example.org").unwrap()),
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
        email: Some(EmailAddress::parse("Ada@example.org").unwrap()),
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
fn a_username_or_an_address_may_change_in_case_alone() {
    for other_case in [renamed("ADA"), readdressed("ada@EXAMPLE.org")] {
        given([created()])
            .when(UserCommand::ChangeProfile(other_case.clone()))
            .then_expect_events(vec![changed(other_case)]);
    }
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
