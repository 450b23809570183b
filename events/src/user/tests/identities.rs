//! Accounts at providers, and the ways to sign in.

use super::*;

const NO_PROVIDERS: [LoginType; 3] = [LoginType::Password, LoginType::None, LoginType::Token];

fn linked_at(provider: LoginType, subject: &str) -> UserEvent {
    UserEvent::IdentityLinked {
        provider,
        identity: Personal::Known(identity(subject)),
    }
}

fn link_at(provider: LoginType, subject: &str) -> UserCommand {
    UserCommand::LinkIdentity {
        provider,
        identity: identity(subject),
    }
}

fn convert_to(provider: LoginType) -> UserCommand {
    UserCommand::ConvertToProvider {
        provider,
        identity: identity("1"),
        revision: 1,
    }
}

/// Ada, who signs in by a provider that knows her; she never had a password.
fn created_linked() -> Vec<UserEvent> {
    vec![created_without_password(LoginType::Oidc), linked("1")]
}

/// A session, a token and a connection.
fn all_sorts() -> [UserEvent; 3] {
    [
        started("A", 60),
        began(token("T", 60)),
        began(connection("C", 60)),
    ]
}

// Coming by a provider.

#[test]
fn who_comes_by_a_provider_is_linked_as_soon_as_there_is_a_user() {
    for provider in [LoginType::Oidc, LoginType::Github] {
        let wish = CreateUser {
            identity: Some(identity("1")),
            ..without_password(provider)
        };
        let events = vec![created_without_password(provider), linked_at(provider, "1")];
        given([])
            .when(create(wish))
            .then_expect_events(events.clone());
        assert!(live(&events).is_linked);
        assert!(!live(&events[..1]).is_linked);
    }
}

#[test]
fn who_signs_in_by_no_provider_is_created_without_an_account_at_one() {
    let wishes = [ada(), without_password(LoginType::None)];
    for wish in wishes {
        let wish = CreateUser {
            identity: Some(identity("1")),
            ..wish
        };
        given([])
            .when(create(wish))
            .then_expect_error(UserError::LoginTypeNotAllowed);
    }
}

// Becoming known.

#[test]
fn a_user_who_was_made_for_a_provider_is_linked_once() {
    for provider in [LoginType::Oidc, LoginType::Github] {
        let past = [created_without_password(provider)];
        given(past.clone())
            .when(link_at(provider, "1"))
            .then_expect_events(vec![linked_at(provider, "1")]);
        let past = past.into_iter().chain([linked_at(provider, "1")]);
        for subject in ["1", "2"] {
            given(past.clone())
                .when(link_at(provider, subject))
                .then_expect_error(UserError::AlreadyLinked);
        }
    }
}

#[test]
fn who_signs_in_otherwise_is_not_linked() {
    for login_type in [LoginType::Github, LoginType::None] {
        given([created_without_password(login_type)])
            .when(link("1"))
            .then_expect_error(UserError::OtherLoginType(login_type));
    }
    given([created()])
        .when(link("1"))
        .then_expect_error(UserError::OtherLoginType(LoginType::Password));
}

#[test]
fn what_is_no_provider_knows_nobody() {
    for login_type in NO_PROVIDERS {
        given([created_without_password(LoginType::Oidc)])
            .when(link_at(login_type, "1"))
            .then_expect_error(UserError::LoginTypeNotAllowed);
        given([created()])
            .when(convert_to(login_type))
            .then_expect_error(UserError::LoginTypeNotAllowed);
    }
}

#[test]
fn a_link_ends_no_session() {
    let past = [created_without_password(LoginType::Oidc)];
    let past: Vec<_> = past.into_iter().chain(all_sorts()).collect();
    let after = [past, vec![linked("1")]].concat();
    assert_eq!(open_sessions(&after), ["A", "C", "T"]);
}

// From a password to a provider.

#[test]
fn who_converts_to_a_provider_is_linked_and_loses_all_sessions_and_tokens() {
    for provider in [LoginType::Oidc, LoginType::Github] {
        let past: Vec<_> = [created()].into_iter().chain(all_sorts()).collect();
        let events = vec![converted(provider), linked_at(provider, "1")];
        given(past.clone())
            .when(convert_to(provider))
            .then_expect_events(events.clone());
        let account = live(&[past, events].concat());
        assert!(account.sessions.is_empty());
        assert!(account.is_linked);
        assert_eq!(account.login_type, provider);
        assert_eq!(account.password_revision, 1, "it goes on from here");
    }
}

#[test]
fn a_password_that_was_replaced_meanwhile_converts_nobody() {
    for past in [password_changed(), rehashed()] {
        for revision in [0, 1, 3] {
            given([created(), past.clone()])
                .when(convert_to_provider(revision))
                .then_expect_error(UserError::CredentialsChanged);
        }
        given([created(), past])
            .when(convert_to_provider(2))
            .then_expect_events(vec![converted(LoginType::Oidc), linked("1")]);
    }
}

#[test]
fn who_signs_in_by_no_password_does_not_convert_to_a_provider() {
    for login_type in [LoginType::Github, LoginType::Oidc, LoginType::None] {
        for revision in [0, 1] {
            given([created_without_password(login_type)])
                .when(convert_to_provider(revision))
                .then_expect_error(UserError::OtherLoginType(login_type));
        }
    }
}

#[test]
fn a_password_that_was_verified_before_the_conversion_is_good_for_nothing_after_it() {
    given(converted_to_provider())
        .when(start_by_password("A", 1))
        .then_expect_error(UserError::CredentialsChanged);
    given(converted_to_provider())
        .when(change_password(1))
        .then_expect_error(UserError::HasNoPassword);
    given(converted_to_provider())
        .when(rehash(1))
        .then_expect_events(vec![]);
    given(converted_to_provider())
        .when(convert_to_provider(1))
        .then_expect_error(UserError::OtherLoginType(LoginType::Oidc));
}

// From a provider to a password.

#[test]
fn who_converts_to_a_password_is_unlinked_and_loses_all_sessions_and_tokens() {
    let past: Vec<_> = created_linked().into_iter().chain(all_sorts()).collect();
    let events = vec![
        UserEvent::IdentityUnlinked {},
        converted(LoginType::Password),
    ];
    given(past.clone())
        .when(convert_to_password(0))
        .then_expect_events(events.clone());
    let account = live(&[past, events].concat());
    assert!(account.sessions.is_empty());
    assert!(!account.is_linked);
    assert_eq!(account.login_type, LoginType::Password);
    assert_eq!(account.password_revision, 1);
}

#[test]
fn who_was_never_linked_is_not_unlinked() {
    given([created_without_password(LoginType::Github)])
        .when(convert_to_password(0))
        .then_expect_events(vec![converted(LoginType::Password)]);
}

#[test]
fn who_signs_in_by_no_provider_does_not_convert_to_a_password() {
    given([created()])
        .when(convert_to_password(1))
        .then_expect_error(UserError::OtherLoginType(LoginType::Password));
    given([created_without_password(LoginType::None)])
        .when(convert_to_password(0))
        .then_expect_error(UserError::OtherLoginType(LoginType::None));
}

#[test]
fn a_conversion_to_a_password_is_decided_by_the_hashes_that_there_have_been() {
    for revision in [0, 2] {
        given(converted_to_provider())
            .when(convert_to_password(revision))
            .then_expect_error(UserError::CredentialsChanged);
    }
    let back = [
        UserEvent::IdentityUnlinked {},
        converted(LoginType::Password),
    ];
    given(converted_to_provider())
        .when(convert_to_password(1))
        .then_expect_events(back.to_vec());
    let after = [converted_to_provider(), back.to_vec()].concat();
    assert_eq!(live(&after).password_revision, 2);
    given(after.clone())
        .when(start_by_password("B", 1))
        .then_expect_error(UserError::CredentialsChanged);
    given(after)
        .when(start_by_password("B", 2))
        .then_expect_events(vec![started("B", 60)]);
}

#[test]
fn who_came_back_to_a_password_can_convert_to_any_provider_again() {
    let past = [
        converted_to_provider(),
        vec![
            UserEvent::IdentityUnlinked {},
            converted(LoginType::Password),
        ],
    ];
    for provider in [LoginType::Oidc, LoginType::Github] {
        let again = UserCommand::ConvertToProvider {
            provider,
            identity: identity("1"),
            revision: 2,
        };
        given(past.concat())
            .when(again)
            .then_expect_events(vec![converted(provider), linked_at(provider, "1")]);
    }
}

// Whatever the status.

#[test]
fn a_dormant_or_suspended_user_is_linked_or_leaves_a_provider_and_stays_so() {
    let keeps = |status, past: Vec<UserEvent>, command: UserCommand| {
        let events = given(past.clone()).when(command).inspect_result().unwrap();
        assert!(!events.is_empty());
        assert_eq!(live(&[past, events].concat()).status, status);
    };
    let came = |login_type, status| {
        let created = CreateUser {
            status: Status::Dormant,
            ..without_password(login_type)
        };
        let suspension = (status == Status::Suspended).then_some(UserEvent::UserSuspended {});
        [granted(created)].into_iter().chain(suspension).collect()
    };
    for status in [Status::Dormant, Status::Suspended] {
        keeps(status, came(LoginType::Oidc, status), link("1"));
        keeps(
            status,
            came(LoginType::Oidc, status),
            convert_to_password(0),
        );
    }
    keeps(
        Status::Dormant,
        vec![created_dormant()],
        convert_to_provider(1),
    );
}

#[test]
fn a_suspended_user_does_not_convert_to_a_provider() {
    given(suspended())
        .when(convert_to_provider(1))
        .then_expect_error(UserError::Suspended);
}

// Sessions.

#[test]
fn a_provider_vouches_for_those_alone_who_sign_in_by_it() {
    let by = |provider| begin(vouched(provider, "A"), 0);
    for (provider, other) in [
        (LoginType::Oidc, LoginType::Github),
        (LoginType::Github, LoginType::Oidc),
    ] {
        given([created_without_password(provider)])
            .when(by(provider))
            .then_expect_events(vec![began(vouched(provider, "A"))]);
        given([created_without_password(provider)])
            .when(by(other))
            .then_expect_error(UserError::OtherLoginType(provider));
        given([created()])
            .when(by(provider))
            .then_expect_error(UserError::OtherLoginType(LoginType::Password));
        given([created_without_password(LoginType::None)])
            .when(by(provider))
            .then_expect_error(UserError::OtherLoginType(LoginType::None));
    }
}

#[test]
fn who_converted_to_a_password_while_the_provider_was_asked_gets_no_session_of_it() {
    let back = [
        UserEvent::IdentityUnlinked {},
        converted(LoginType::Password),
    ];
    given([created_linked(), back.to_vec()].concat())
        .when(begin(vouched(LoginType::Oidc, "A"), 0))
        .then_expect_error(UserError::OtherLoginType(LoginType::Password));
}

#[test]
fn who_is_dormant_comes_by_a_provider_and_who_is_suspended_does_not() {
    let session = vouched(LoginType::Oidc, "A");
    let dormant = granted(CreateUser {
        status: Status::Dormant,
        ..without_password(LoginType::Oidc)
    });
    given([dormant, linked("1")])
        .when(begin(session.clone(), 0))
        .then_expect_events(vec![
            activated(ActivationCause::Use),
            began(session.clone()),
        ]);
    let suspended = [created_linked(), vec![UserEvent::UserSuspended {}]];
    given(suspended.concat())
        .when(begin(session, 0))
        .then_expect_error(UserError::Suspended);
}

#[test]
fn who_signs_in_by_a_provider_has_tokens_and_sessions_of_the_command_line_too() {
    for session in [token("T", 60), session("A", 60)] {
        given(created_linked())
            .when(begin(session.clone(), 0))
            .then_expect_events(vec![began(session)]);
    }
}

#[test]
fn a_session_ends_when_its_provider_refuses() {
    let past = [created_linked(), vec![began(vouched(LoginType::Oidc, "A"))]].concat();
    let refused = ended_because(EndReason::ProviderRefused, "A");
    given(past.clone())
        .when(end_because(EndReason::ProviderRefused, "A"))
        .then_expect_events(vec![refused.clone()]);
    assert!(open_sessions(&[past, vec![refused]].concat()).is_empty());
}

#[test]
fn a_link_that_nobody_can_read_is_a_link() {
    let unreadable = UserEvent::IdentityLinked {
        provider: LoginType::Oidc,
        identity: Personal::Erased,
    };
    given([created_without_password(LoginType::Oidc), unreadable])
        .when(link("1"))
        .then_expect_error(UserError::AlreadyLinked);
}
