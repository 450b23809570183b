//! What happens when several want the same: one gets it, the others are told, and nothing is lost or done twice.

use std::collections::BTreeSet;

use rollcall::command_bus::CommandError;
use rollcall_events::{
    Claim, Metadata,
    ids::Ids,
    user::{DisplayName, ProfileChange, UserCommand, UserError, Username},
};
use sqlx::{ConnectOptions, Executor};
use uuid::Uuid;

use crate::{
    support::TestApp,
    tools::{
        Answer, count_and_last, count_and_last_of, creation, execute, execute_as, in_one_batch,
        new_avatar, renaming, sessions_of, sessions_started, sign_in, spawn, transactions_after,
        user,
    },
};

async fn all(waiting: Vec<tokio::task::JoinHandle<Answer>>) -> Vec<Answer> {
    let mut answers = Vec::new();
    for answer in waiting {
        answers.push(answer.await.unwrap());
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_identical_sessions_one_begins() {
    let app = TestApp::start().await;
    let second = app.second_node().await;
    let bob = user(&app, "bob").await;
    let waiting = vec![
        spawn(&app, bob, sign_in("same")),
        spawn(&second, bob, sign_in("same")),
    ];
    let answers = all(waiting).await;
    let refused = answers.iter().filter_map(|answer| answer.as_ref().err());
    let refused: Vec<_> = refused.collect();
    assert!(
        matches!(
            refused[..],
            [CommandError::Refused(UserError::SessionExists)]
        ),
        "{answers:?}"
    );
    assert_eq!(sessions_started(&app, bob).await, ["same"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_on_one_user_from_two_nodes_happen_once_or_are_refused() {
    let app = TestApp::start().await;
    let second = app.second_node().await;
    let bob = user(&app, "bob").await;
    let names: Vec<String> = (0..64).map(|nth| format!("session{nth}")).collect();
    let waiting = names.iter().enumerate().map(|(nth, name)| {
        let node = if nth % 2 == 0 { &app } else { &second };
        spawn(node, bob, sign_in(name))
    });
    let mut happened = BTreeSet::new();
    for (name, answer) in names.iter().zip(all(waiting.collect()).await) {
        match answer {
            Ok(done) => {
                assert_eq!(done.events.len(), 1);
                happened.insert(name.clone());
            }
            Err(CommandError::Contended) => {}
            Err(other) => panic!("{name}: {other:?}"),
        }
    }
    assert!(!happened.is_empty());
    assert_eq!(sessions_of(&app, bob).await, happened);
    let started = sessions_started(&app, bob).await;
    assert_eq!(started.len(), happened.len());
    assert_eq!(started.into_iter().collect::<BTreeSet<_>>(), happened);
    let expected = 1 + i64::try_from(happened.len()).unwrap();
    assert_eq!(count_and_last_of(&app, bob).await, (expected, expected));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_one_node_nobody_is_refused_for_being_slower() {
    let app = TestApp::start().await;
    let bob = user(&app, "bob").await;
    let waiting = (0..64).map(|nth| spawn(&app, bob, sign_in(&format!("session{nth}"))));
    for answer in all(waiting.collect()).await {
        answer.unwrap();
    }
    assert_eq!(count_and_last_of(&app, bob).await, (65, 65));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_two_nodes_race_for_goes_to_one() {
    let app = TestApp::start().await;
    let second = app.second_node().await;
    let waiting = (0..20).map(|nth| {
        let node = if nth % 2 == 0 { &app } else { &second };
        spawn(
            node,
            Ids.uuid(),
            creation(&format!("user{nth}"), "Same@example.com"),
        )
    });
    let answers = all(waiting.collect()).await;
    let key = Claim::Email("same@example.com".to_owned());
    let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.is_ok());
    assert_eq!(won.len(), 1);
    for answer in lost {
        assert!(
            matches!(answer, Err(CommandError::Taken(claim)) if *claim == key),
            "{answer:?}"
        );
    }
    assert_eq!(count_and_last(&app).await, (2, 2));
}

#[tokio::test]
async fn a_batch_is_one_transaction() {
    let app = TestApp::start().await;
    let mut commands = Vec::new();
    for nth in 0..5 {
        let id = user(&app, &format!("user{nth}")).await;
        commands.push((id, sign_in(&format!("session{nth}"))));
    }
    let (_, before) = count_and_last(&app).await;
    for answer in in_one_batch(&app, commands).await {
        answer.unwrap();
    }
    assert_eq!(transactions_after(&app, before + 1).await, 1);
}

#[tokio::test]
async fn a_taken_name_and_a_domain_refusal_do_not_hurt_their_neighbours() {
    let app = TestApp::start().await;
    let [ada, bob, eve, fay] = [
        user(&app, "ada").await,
        user(&app, "bob").await,
        user(&app, "eve").await,
        user(&app, "fay").await,
    ];
    execute(&app, fay, sign_in("fays")).await.unwrap();
    let (_, before) = count_and_last(&app).await;
    let answers = in_one_batch(
        &app,
        vec![
            (ada, sign_in("first")),
            (bob, renaming("ADA")),
            (eve, renaming("grace")),
            (ada, renaming("Grace")),
            (fay, sign_in("fays")),
            (bob, sign_in("last")),
        ],
    )
    .await;
    let username = |name: &str| Claim::Username(name.to_owned());
    assert!(answers[0].is_ok());
    assert!(matches!(&answers[1], Err(CommandError::Taken(claim)) if *claim == username("ada")));
    assert!(answers[2].is_ok());
    assert!(matches!(&answers[3], Err(CommandError::Taken(claim)) if *claim == username("grace")));
    assert!(matches!(
        answers[4],
        Err(CommandError::Refused(UserError::SessionExists))
    ));
    assert!(answers[5].is_ok());
    // The vanguard's event, then one transaction with the three that were accepted.
    assert_eq!(count_and_last(&app).await, (before + 4, before + 4));
    assert_eq!(transactions_after(&app, before + 1).await, 1);
}

#[tokio::test]
async fn a_user_may_claim_in_one_batch_what_they_have_just_got() {
    let app = TestApp::start().await;
    let bob = user(&app, "bob").await;
    let both = UserCommand::ChangeProfile(ProfileChange {
        email: None,
        username: Some(Username::parse("robert").unwrap()),
        name: Some(DisplayName::parse("Robert").unwrap()),
        avatar_url: None,
    });
    let answers = in_one_batch(&app, vec![(bob, renaming("robert")), (bob, both)]).await;
    for answer in answers {
        assert_eq!(answer.unwrap().events.len(), 1);
    }
}

#[tokio::test]
async fn a_constraint_of_the_database_hurts_only_who_broke_it() {
    let app = TestApp::start().await;
    let [ada, bob, eve] = [
        user(&app, "ada").await,
        user(&app, "bob").await,
        user(&app, "eve").await,
    ];
    let mut superuser = app.superuser.connect().await.unwrap();
    superuser
        .execute(
            "INSERT INTO read.sessions (id, user_id, secret_sha256, login_type, scope, lifetime_s, created_at, expires_at, ends_at)
             VALUES ('stray', gen_random_uuid(), sha256(''), 'password', 'all', 1, now(), now(), now())",
        )
        .await
        .unwrap();
    let commands = vec![
        (ada, sign_in("first")),
        (bob, sign_in("stray")),
        (eve, sign_in("last")),
    ];
    let answers = in_one_batch(&app, commands).await;
    assert!(answers[0].is_ok());
    assert!(
        matches!(answers[1], Err(CommandError::Internal)),
        "{:?}",
        answers[1]
    );
    assert!(answers[2].is_ok());
    assert_eq!(count_and_last_of(&app, bob).await, (1, 1));
    let (count, last) = count_and_last(&app).await;
    assert_eq!(count, last);
    // What was not recorded was not remembered either.
    execute(&app, bob, sign_in("bobs")).await.unwrap();
    assert_eq!(
        sessions_of(&app, bob).await,
        BTreeSet::from(["bobs".to_owned()])
    );
}

#[tokio::test]
async fn text_that_the_database_cannot_hold_hurts_only_who_gave_it() {
    let app = TestApp::start().await;
    let [ada, bob] = [user(&app, "ada").await, user(&app, "bob").await];
    let commands = vec![
        (ada, new_avatar("a\0b")),
        (bob, new_avatar("https://example.com/b")),
    ];
    let answers = in_one_batch(&app, commands).await;
    assert!(
        matches!(answers[0], Err(CommandError::Internal)),
        "{:?}",
        answers[0]
    );
    assert!(answers[1].is_ok());
    assert_eq!(count_and_last_of(&app, ada).await, (1, 1));
}

#[tokio::test]
async fn of_two_users_who_begin_the_same_session_in_one_batch_one_gets_it() {
    let app = TestApp::start().await;
    let [ada, bob] = [user(&app, "ada").await, user(&app, "bob").await];
    let answers = in_one_batch(&app, vec![(ada, sign_in("same")), (bob, sign_in("same"))]).await;
    assert!(answers[0].is_ok());
    assert!(
        matches!(answers[1], Err(CommandError::Internal)),
        "{:?}",
        answers[1]
    );
    assert_eq!(sessions_of(&app, ada).await.len(), 1);
    assert_eq!(sessions_started(&app, bob).await.len(), 0);
}

#[tokio::test]
async fn a_name_that_somebody_holds_without_an_event_is_taken() {
    let app = TestApp::start().await;
    let mut superuser = app.superuser.connect().await.unwrap();
    superuser
        .execute(
            "INSERT INTO read.users (id, version, username, username_key, status, login_type, roles, organization_ids, created_at, updated_at)
             VALUES (gen_random_uuid(), 1, 'Bob', 'bob', 'active', 'none', '{}', '{}', now(), now())",
        )
        .await
        .unwrap();
    let answer = execute(&app, Ids.uuid(), creation("bob", "bob@example.com")).await;
    assert!(
        matches!(answer, Err(CommandError::Taken(Claim::Username(_)))),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_command_that_is_sent_twice_is_done_once_and_answered_alike() {
    let app = TestApp::start().await;
    let second = app.second_node().await;
    let bob = Ids.uuid();
    let once = Metadata::system(Ids.uuid());
    let create = creation("bob", "bob@example.com");
    let first = execute_as(&app, bob, create.clone(), once.clone())
        .await
        .unwrap();
    for node in [&app, &second] {
        let again = execute_as(node, bob, create.clone(), once.clone())
            .await
            .unwrap();
        assert_eq!(again.events, first.events);
        assert_eq!(again.position, first.position);
    }
    assert_eq!(count_and_last_of(&app, bob).await, (1, 1));
}

#[tokio::test]
async fn a_command_that_is_sent_twice_at_once_is_done_once() {
    let app = TestApp::start().await;
    let second = app.second_node().await;
    let bob = user(&app, "bob").await;
    let once = Metadata::system(Ids.uuid());
    let send = |node| execute_as(node, bob, sign_in("once"), once.clone());
    let (a, b, c) = tokio::join!(send(&app), send(&app), send(&second));
    let (a, b, c) = (a.unwrap(), b.unwrap(), c.unwrap());
    assert_eq!(a.events, b.events);
    assert_eq!(a.events, c.events);
    assert_eq!(sessions_started(&app, bob).await, ["once"]);
}

#[tokio::test]
async fn nobody_is_created_where_somebody_is_or_was() {
    let app = TestApp::start().await;
    let second = app.second_node().await;
    let bob = user(&app, "bob").await;
    let refused = |answer: Answer| {
        assert!(
            matches!(answer, Err(CommandError::Refused(UserError::AlreadyExists))),
            "{answer:?}"
        );
    };
    for node in [&app, &second] {
        refused(execute(node, bob, creation("eve", "eve@example.com")).await);
    }
    execute(&app, bob, UserCommand::DeleteUser).await.unwrap();
    for node in [&app, &second] {
        refused(execute(node, bob, creation("eve", "eve@example.com")).await);
        refused(execute(node, bob, creation("bob", "bob@example.com")).await);
    }
    assert_eq!(count_and_last_of(&app, bob).await, (2, 2));
}

#[tokio::test]
async fn who_is_gone_leaves_their_names_to_others() {
    let app = TestApp::start().await;
    let bob = user(&app, "bob").await;
    execute(&app, bob, UserCommand::DeleteUser).await.unwrap();
    let heir: Uuid = user(&app, "bob").await;
    assert_ne!(heir, bob);
}

#[tokio::test]
async fn a_command_that_overtakes_the_creation_of_its_user_is_decided_again() {
    let app = TestApp::start().await;
    let bob = Ids.uuid();
    // Both find no such user yet, and then meet.
    let creates = spawn(&app, bob, creation("bob", "bob@example.com"));
    let changes = spawn(&app, bob, new_avatar("https://example.com/bob.png"));
    creates.await.unwrap().unwrap();
    match changes.await.unwrap() {
        Ok(_) | Err(CommandError::Refused(UserError::NotFound)) => {}
        Err(other) => panic!("{other:?}"),
    }
    // What was recorded opens under the key that was kept.
    let second = app.second_node().await;
    second.app.log.stream(bob, 0).await.unwrap();
}
