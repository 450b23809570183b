//! What must be so beyond the stream, and what is personal.

use super::*;

fn claims(history: &[UserEvent], command: &UserCommand) -> Vec<Claim> {
    replayed(history).claims(command)
}

#[test]
fn a_new_user_claims_address_and_username_whatever_their_case() {
    assert_eq!(
        claims(&[], &create(ada())),
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
    assert!(claims(&[], &create(first)).contains(&Claim::FirstUser));
    assert!(!claims(&[], &create(ada())).contains(&Claim::FirstUser));
}

#[test]
fn a_change_of_username_claims_the_new_one() {
    let renaming = UserCommand::ChangeProfile(renamed("Countess"));
    assert_eq!(
        claims(&[created()], &renaming),
        [Claim::Username("countess".into())]
    );
    let nameless = UserCommand::ChangeProfile(ProfileChange {
        name: Some(name("Countess")),
        ..ProfileChange::default()
    });
    assert_eq!(claims(&[created()], &nameless), []);
}

#[test]
fn a_change_of_address_claims_the_new_one_whatever_its_case() {
    let readdressing = UserCommand::ChangeProfile(readdressed("Countess@Example.org"));
    assert_eq!(
        claims(&[created()], &readdressing),
        [Claim::Email("countess@example.org".into())]
    );
    let both = UserCommand::ChangeProfile(ProfileChange {
        username: Some(username("Countess")),
        ..readdressed("countess@example.org")
    });
    assert_eq!(
        claims(&[created()], &both),
        [
            Claim::Username("countess".into()),
            Claim::Email("countess@example.org".into())
        ]
    );
}

#[test]
fn whoever_becomes_known_by_an_account_claims_it_as_it_is() {
    let account = Identity {
        issuer: "https://ID.example.org/Realm".into(),
        subject: "Ab|1".into(),
    };
    let claimed = Claim::Identity("https://ID.example.org/Realm||Ab|1".into());
    let provider = LoginType::Oidc;
    let new = CreateUser {
        identity: Some(account.clone()),
        ..without_password(provider)
    };
    assert!(claims(&[], &create(new)).contains(&claimed));
    let unlinked = [created_without_password(provider)];
    let identity = account.clone();
    let linking = UserCommand::LinkIdentity { provider, identity };
    let converting = UserCommand::ConvertToProvider {
        provider,
        identity: account,
        revision: 1,
    };
    for (past, command) in [(&unlinked, linking), (&[created()], converting)] {
        assert_eq!(claims(past, &command), std::slice::from_ref(&claimed));
    }
}

#[test]
fn one_subject_at_two_issuers_and_two_subjects_at_one_are_different_claims() {
    let at = |issuer: &str, subject: &str| Identity {
        issuer: issuer.into(),
        subject: subject.into(),
    };
    let keys: BTreeSet<String> = [
        at("https://a.example", "1"),
        at("https://b.example", "1"),
        at("https://a.example", "2"),
        at("https://A.example", "1"),
        at("https://a.example", "x"),
        at("https://a.example", "X"),
    ]
    .iter()
    .map(Identity::key)
    .collect();
    assert_eq!(keys.len(), 6, "{keys:?}");
}

#[test]
fn a_token_claims_its_name_as_it_is_and_a_nameless_one_none() {
    let named = start_named("T", "Laptop");
    assert_eq!(
        claims(&[created()], &named),
        [Claim::TokenName("Laptop".into())]
    );
    assert_eq!(claims(&[created()], &begin(token("T", 60), 0)), []);
}

#[test]
fn an_active_owner_who_goes_claims_that_another_stays() {
    let owner = [created(), assigned([Role::Owner, Role::Auditor])];
    for going in [assign([]), assign([Role::Auditor]), UserCommand::DeleteUser] {
        assert_eq!(claims(&owner, &going), [Claim::AnotherOwner], "{going:?}");
    }
    let staying = assign([Role::Owner]);
    assert_eq!(claims(&owner, &staying), []);
}

#[test]
fn nobody_asks_for_another_owner_when_somebody_else_goes() {
    for history in [
        vec![],
        vec![created()],
        vec![created(), assigned([Role::UserAdmin])],
        vec![created_dormant(), assigned([Role::Owner])],
        [suspended(), vec![assigned([Role::Owner])]].concat(),
        vec![created(), assigned([Role::Owner]), assigned([])],
        deleted(),
        erased(),
    ] {
        for going in [assign([]), UserCommand::DeleteUser] {
            assert_eq!(claims(&history, &going), [], "{going:?} after {history:?}");
        }
    }
}

#[test]
fn nothing_else_claims_anything() {
    let owner = [created(), started("A", 60), assigned([Role::Owner])];
    for command in all_commands() {
        let expected = match &command {
            UserCommand::CreateUser(_)
            | UserCommand::ChangeProfile(_)
            | UserCommand::AssignRoles { .. }
            | UserCommand::DeleteUser
            | UserCommand::EraseUser
            | UserCommand::LinkIdentity { .. }
            | UserCommand::ConvertToProvider { .. } => continue,
            _ => [],
        };
        assert_eq!(claims(&owner, &command), expected, "{command:?}");
    }
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
    let named = UserEvent::SessionStarted {
        session: token("T", 60),
        token_name: Some(Personal::Known(token_name("countess"))),
    };
    let events = [
        created(),
        changed(renamed("countess")),
        changed(readdressed("countess@example.org")),
        linked("countess"),
        named,
    ];
    for mut event in events {
        assert!(serde_json::to_string(&event).is_err(), "{event:?}");
        event.personal().unwrap().seal("c2VhbGVk".into());
        let json = serde_json::to_string(&event).unwrap();
        assert!(
            !json.contains("countess") && !json.contains("ada"),
            "{json}"
        );
    }
}

#[test]
fn a_session_without_a_name_has_nothing_to_seal() {
    assert!(started("A", 60).personal().is_none());
}
