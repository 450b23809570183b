//! How a user comes to be.

use super::*;

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
        organizations: vec![AWAY, HOME],
        ..ada()
    };
    let events = given([]).when(create(wish)).inspect_result().unwrap();
    let account = live(&events);
    assert_eq!(account.roles, [Role::Owner, Role::Auditor].into());
    assert_eq!(
        account.organizations,
        [Membership::new(AWAY), Membership::new(HOME)]
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
