//! What holds of every history.

use proptest::{collection, option, prelude::*, sample};

use super::*;

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
    fn no_active_owner_goes_without_claiming_that_another_stays(commands in any_commands()) {
        let mut user = User::default();
        for command in commands {
            let (was_owner, claims) = (is_active_owner(&user), user.claims(&command));
            let events = user.decide(&command).unwrap_or_default();
            evolve_all(&mut user, &events);
            let goes = was_owner && !is_active_owner(&user);
            prop_assert!(!goes || claims == [Claim::AnotherOwner], "{command:?}");
            prop_assert!(was_owner || !claims.contains(&Claim::AnotherOwner), "{command:?}");
        }
    }

    #[test]
    fn a_user_belongs_to_an_organization_once(commands in any_commands()) {
        let mut user = replayed(&[created()]);
        for command in commands {
            let events = user.decide(&command).unwrap_or_default();
            evolve_all(&mut user, &events);
            if let User::Live(account) = &user {
                let ids = account.organizations.iter().map(|membership| membership.organization_id);
                prop_assert_eq!(ids.collect::<BTreeSet<_>>().len(), account.organizations.len());
            }
        }
    }

    #[test]
    fn who_is_linked_or_has_a_session_of_a_provider_signs_in_by_one(commands in any_commands()) {
        let mut user = User::default();
        let mut schemes = 0;
        for command in commands {
            let events = user.decide(&command).unwrap_or_default();
            evolve_all(&mut user, &events);
            schemes += events.iter().filter(|event| brings_a_hash(event)).count();
            if let User::Live(account) = &user {
                prop_assert!(!account.is_linked || is_provider(account.login_type), "{command:?}");
                for session in account.sessions.values() {
                    let by_provider = is_provider(session.login_type);
                    prop_assert!(!by_provider || session.login_type == account.login_type, "{command:?}");
                }
                let by_password = account.login_type == LoginType::Password;
                prop_assert!(!by_password || account.password_revision > 0, "{command:?}");
                prop_assert_eq!(account.password_revision, i64::try_from(schemes).unwrap());
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

fn is_suspended(user: &User) -> bool {
    matches!(user, User::Live(account) if account.status == Status::Suspended)
}

fn is_active_owner(user: &User) -> bool {
    matches!(user, User::Live(account) if account.is_active_owner())
}

fn is_provider(login_type: LoginType) -> bool {
    matches!(login_type, LoginType::Github | LoginType::Oidc)
}

/// Whether the vault holds another hash after it.
fn brings_a_hash(event: &UserEvent) -> bool {
    match event {
        UserEvent::UserCreated {
            password_scheme, ..
        }
        | UserEvent::LoginTypeChanged {
            password_scheme, ..
        } => password_scheme.is_some(),
        UserEvent::PasswordChanged { .. } | UserEvent::PasswordRehashed { .. } => true,
        _ => false,
    }
}

/// Whether the command is content with a user who is gone.
fn asks_only_for_an_end(command: &UserCommand) -> bool {
    match command {
        UserCommand::DeleteUser
        | UserCommand::EraseUser
        | UserCommand::EndSession { .. }
        | UserCommand::EndSessions { .. }
        | UserCommand::ExpireSession { .. } => true,
        UserCommand::CreateUser(_)
        | UserCommand::ChangeProfile(_)
        | UserCommand::AssignRoles { .. }
        | UserCommand::SuspendUser
        | UserCommand::ActivateUser(_)
        | UserCommand::ChangePassword { .. }
        | UserCommand::LinkIdentity { .. }
        | UserCommand::ConvertToProvider { .. }
        | UserCommand::ConvertToPassword { .. }
        | UserCommand::RehashPassword { .. }
        | UserCommand::StartSession(_)
        | UserCommand::JoinOrganization(_)
        | UserCommand::LeaveOrganization(_)
        | UserCommand::AssignOrganizationRoles { .. } => false,
    }
}

// Whatever may be asked. Few values each, so that commands meet.

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
        4 => (any_roles(), option::weighted(0.2, 0..120_i64)).prop_map(|(roles, end)| {
            let tokens_end_by = end.map(minute);
            UserCommand::AssignRoles { roles, tokens_end_by }
        }),
        1 => any::<bool>().prop_map(end_sessions),
        4 => Just(UserCommand::SuspendUser),
        4 => cause.prop_map(UserCommand::ActivateUser),
        1 => Just(UserCommand::DeleteUser),
        1 => (0..4_i64).prop_map(change_password),
        4 => (0..4_i64).prop_map(rehash),
        2 => (any_login_type(), any_identity())
            .prop_map(|(provider, identity)| UserCommand::LinkIdentity { provider, identity }),
        2 => (any_login_type(), any_identity(), 0..4_i64).prop_map(|(provider, identity, revision)| {
            UserCommand::ConvertToProvider { provider, identity, revision }
        }),
        2 => (0..4_i64).prop_map(convert_to_password),
        8 => any_start().prop_map(UserCommand::StartSession),
        4 => (any_session_id(), reason)
            .prop_map(|(session_id, reason)| UserCommand::EndSession { session_id, reason }),
        2 => (any_session_id(), 0..60_i64)
            .prop_map(|(session_id, at)| UserCommand::ExpireSession { session_id, at: minute(at) }),
        2 => any_organization().prop_map(UserCommand::JoinOrganization),
        2 => any_organization().prop_map(UserCommand::LeaveOrganization),
        2 => (any_organization(), any_organization_roles())
            .prop_map(|(organization_id, roles)| UserCommand::AssignOrganizationRoles { organization_id, roles }),
    ]
}

fn any_creation() -> impl Strategy<Value = CreateUser> {
    let status = sample::select(Status::ALL.to_vec());
    let identity = option::of(any_identity());
    (
        status,
        any_login_type(),
        identity,
        any_roles(),
        any::<[bool; 2]>(),
    )
        .prop_map(
            |(status, login_type, identity, roles, [has_password, first])| CreateUser {
                status,
                login_type,
                roles,
                password_scheme: has_password.then(|| "argon2id".into()),
                identity,
                first,
                ..ada()
            },
        )
}

fn any_login_type() -> impl Strategy<Value = LoginType> {
    sample::select(LoginType::ALL.to_vec())
}

fn any_identity() -> impl Strategy<Value = Identity> {
    sample::select(vec!["1", "2"]).prop_map(identity)
}

fn any_profile_change() -> impl Strategy<Value = ProfileChange> {
    let addresses = sample::select(vec!["Ada@example.org", "countess@example.org"]);
    let addresses = addresses.prop_map(|text| EmailAddress::parse(text).unwrap());
    let usernames = sample::select(vec!["Ada", "ada", "countess"]).prop_map(username);
    let names = sample::select(vec!["", "Ada Lovelace"]).prop_map(name);
    let pictures = sample::select(vec!["", "https://example.org/ada.png"]).prop_map(str::to_owned);
    (
        option::of(addresses),
        option::of(usernames),
        option::of(names),
        option::of(pictures),
    )
        .prop_map(|(email, username, name, avatar_url)| ProfileChange {
            email,
            username,
            name,
            avatar_url,
        })
}

fn any_roles() -> impl Strategy<Value = BTreeSet<Role>> {
    sample::subsequence(Role::ALL.to_vec(), 0..=2).prop_map(|roles| roles.into_iter().collect())
}

fn any_organization() -> impl Strategy<Value = Uuid> {
    sample::select(vec![HOME, AWAY])
}

fn any_organization_roles() -> impl Strategy<Value = BTreeSet<OrganizationRole>> {
    sample::subsequence(OrganizationRole::ALL.to_vec(), 0..=2)
        .prop_map(|roles| roles.into_iter().collect())
}

fn any_start() -> impl Strategy<Value = StartSession> {
    let revision = option::of(0..4_i64);
    let name = option::of(sample::select(vec!["laptop", "ci"]).prop_map(token_name));
    (any_session(), name, revision, 0..60_i64).prop_map(|(session, name, password_revision, at)| {
        StartSession {
            token_name: name.filter(|_| session.login_type == LoginType::Token),
            session,
            password_revision,
            owner_limit_s: None,
            at: minute(at),
        }
    })
}

fn any_session() -> impl Strategy<Value = Session> {
    let login_types = vec![LoginType::Password, LoginType::Oidc, LoginType::Token];
    let login_type = sample::select(login_types);
    let scope = sample::select(Scope::ALL.to_vec());
    (any_session_id(), -2..60_i64, login_type, scope).prop_map(
        |(SessionId(id), ends_at, login_type, scope)| Session {
            login_type,
            scope,
            ..session(&id, ends_at)
        },
    )
}

fn any_session_id() -> impl Strategy<Value = SessionId> {
    sample::select(vec!["A", "B", "C"]).prop_map(session_id)
}
