//! Accounts at providers: each is one user's, whoever asks for it at the same moment.

use rollcall::command_bus::CommandError;
use rollcall_events::{
    Claim,
    ids::Ids,
    user::{EmailAddress, ProfileChange, UserCommand, UserError},
};
use rollcall_projections::identities::find;
use sqlx::{ConnectOptions, Executor};
use uuid::Uuid;

use crate::{
    support::TestApp,
    tools::{
        Answer, assert_same_rows, convert_to_password, creation_at_provider, execute, identity,
        in_one_batch, link, replay, rows_of, spawn, user_at_provider,
    },
};

fn is_taken(answer: &Answer) -> bool {
    matches!(answer, Err(CommandError::Taken(Claim::Identity(_))))
}

/// Whose account it is, and that they and nobody else are said to have it.
async fn owner(app: &TestApp, subject: &str) -> Option<Uuid> {
    let owner = find::user(app.pool(), &identity(subject)).await.unwrap();
    if let Some(owner) = owner {
        let account = find::identity(app.pool(), owner).await.unwrap();
        assert_eq!(account, Some(identity(subject)));
    }
    owner
}

async fn links(app: &TestApp) -> usize {
    let mut superuser = app.superuser.connect().await.unwrap();
    rows_of(&mut superuser, "read.identities").await.len()
}

#[tokio::test]
async fn of_two_users_who_want_one_account_in_one_batch_the_first_gets_it() {
    let app = TestApp::start().await;
    let ada = user_at_provider(&app, "ada").await;
    let bob = user_at_provider(&app, "bob").await;
    let answers = in_one_batch(
        &app,
        vec![(ada, link("1")), (bob, link("1")), (bob, link("2"))],
    )
    .await;
    assert!(answers[0].is_ok(), "{:?}", answers[0]);
    assert!(is_taken(&answers[1]), "{:?}", answers[1]);
    assert!(answers[2].is_ok(), "{:?}", answers[2]);
    assert_eq!(owner(&app, "1").await, Some(ada));
    assert_eq!(owner(&app, "2").await, Some(bob));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_users_who_want_one_account_on_two_nodes_one_gets_it() {
    let app = TestApp::start().await;
    let second = app.second_node().await;
    let mut waiting = Vec::new();
    for nth in 0..24 {
        let node = if nth % 2 == 0 { &app } else { &second };
        let user = user_at_provider(node, &format!("user{nth}")).await;
        waiting.push((node, user));
    }
    let waiting: Vec<_> = waiting
        .into_iter()
        .map(|(node, user)| (user, spawn(node, user, link("1"))))
        .collect();
    let mut won = Vec::new();
    for (user, answer) in waiting {
        match answer.await.unwrap() {
            Ok(_) => won.push(user),
            refused => assert!(is_taken(&refused), "{refused:?}"),
        }
    }
    assert_eq!(won.len(), 1);
    assert_eq!(owner(&app, "1").await, Some(won[0]));
    assert_eq!(links(&app).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_for_the_first_time_with_many_browsers_on_two_nodes_becomes_one_user() {
    let app = TestApp::start().await;
    let second = app.second_node().await;
    let waiting: Vec<_> = (0..24)
        .map(|nth| {
            let node = if nth % 2 == 0 { &app } else { &second };
            let creation = creation_at_provider(&format!("user{nth}"), Some("1"));
            spawn(node, Ids.uuid(), creation)
        })
        .collect();
    let mut won = 0;
    for answer in waiting {
        match answer.await.unwrap() {
            Ok(_) => won += 1,
            refused => assert!(is_taken(&refused), "{refused:?}"),
        }
    }
    assert_eq!((won, links(&app).await), (1, 1));
}

#[tokio::test]
async fn whoever_is_linked_is_not_linked_again_by_another_node_that_has_not_heard_of_it() {
    let app = TestApp::start().await;
    let second = app.second_node().await;
    let ada = user_at_provider(&app, "ada").await;
    // So that both know her.
    let elsewhere = find::user(second.pool(), &identity("1")).await.unwrap();
    assert_eq!(elsewhere, None);
    second.app.users.state(ada).await.unwrap();
    execute(&app, ada, link("1")).await.unwrap();
    for subject in ["1", "2"] {
        let again = execute(&second, ada, link(subject)).await;
        let is_refused = matches!(again, Err(CommandError::Refused(UserError::AlreadyLinked)));
        assert!(is_refused, "{again:?}");
    }
}

#[tokio::test]
async fn an_account_is_free_when_its_user_leaves_the_provider_or_goes() {
    let app = TestApp::start().await;
    for (nth, leaving) in [convert_to_password(0), UserCommand::DeleteUser]
        .into_iter()
        .enumerate()
    {
        let first = user_at_provider(&app, &format!("first{nth}")).await;
        let heir = user_at_provider(&app, &format!("heir{nth}")).await;
        let subject = nth.to_string();
        execute(&app, first, link(&subject)).await.unwrap();
        assert!(is_taken(&execute(&app, heir, link(&subject)).await));
        execute(&app, first, leaving).await.unwrap();
        assert_eq!(owner(&app, &subject).await, None);
        execute(&app, heir, link(&subject)).await.unwrap();
        assert_eq!(owner(&app, &subject).await, Some(heir));
    }
}

#[tokio::test]
async fn an_account_that_is_given_up_is_not_to_be_had_within_the_same_batch() {
    let app = TestApp::start().await;
    let ada = user_at_provider(&app, "ada").await;
    let bob = user_at_provider(&app, "bob").await;
    execute(&app, ada, link("1")).await.unwrap();
    let commands = vec![(ada, convert_to_password(0)), (bob, link("1"))];
    let answers = in_one_batch(&app, commands).await;
    assert!(answers[0].is_ok(), "{:?}", answers[0]);
    assert!(is_taken(&answers[1]), "{:?}", answers[1]);
    execute(&app, bob, link("1")).await.unwrap();
    assert_eq!(owner(&app, "1").await, Some(bob));
}

#[tokio::test]
async fn accounts_that_pass_from_one_to_another_are_replayed_in_one_batch() {
    let app = TestApp::start().await;
    let mut users = Vec::new();
    for nth in 0..4 {
        let user = user_at_provider(&app, &format!("user{nth}")).await;
        execute(&app, user, link(&nth.to_string())).await.unwrap();
        users.push(user);
    }
    // Each gives up their account, and then gets that of the one before.
    for user in &users {
        execute(&app, *user, convert_to_password(0)).await.unwrap();
    }
    for (nth, user) in users.iter().enumerate() {
        let subject = ((nth + 3) % 4).to_string();
        let again = crate::tools::convert_to_provider(&subject, 1);
        execute(&app, *user, again).await.unwrap();
    }
    execute(&app, users[0], UserCommand::DeleteUser)
        .await
        .unwrap();
    assert_eq!(links(&app).await, 3);
    // From the middle of it, too.
    for sizes in [&[100][..], &[6, 100], &[9, 4], &[1]] {
        let replayed = replay(&app.app.log, sizes).await;
        assert_same_rows(&app.superuser, &replayed).await;
    }
}

#[tokio::test]
async fn the_database_keeps_an_account_from_two_users_and_a_user_from_two_accounts() {
    let app = TestApp::start().await;
    let ada = user_at_provider(&app, "ada").await;
    execute(&app, ada, link("1")).await.unwrap();
    let mut superuser = app.superuser.connect().await.unwrap();
    for (constraint, user, key) in [
        ("identities_key", "gen_random_uuid()", "key"),
        ("identities_user", "user_id", "'another'"),
    ] {
        let statement = format!(
            "INSERT INTO read.identities SELECT {key}, {user}, provider, issuer, subject, linked_at FROM read.identities"
        );
        let refusal = superuser.execute(statement.as_str()).await.unwrap_err();
        let refusal = refusal.into_database_error().unwrap();
        assert_eq!(refusal.constraint(), Some(constraint));
    }
}

#[tokio::test]
async fn of_two_users_whose_providers_tell_one_address_the_first_gets_it() {
    let app = TestApp::start().await;
    let ada = user_at_provider(&app, "ada").await;
    let bob = user_at_provider(&app, "bob").await;
    let cleo = user_at_provider(&app, "cleo").await;
    let address = |text: &str| {
        UserCommand::ChangeProfile(ProfileChange {
            email: Some(EmailAddress::parse(text).unwrap()),
            ..ProfileChange::default()
        })
    };
    let answers = in_one_batch(
        &app,
        vec![
            (ada, address("new@example.com")),
            (bob, address("NEW@example.com")),
            (cleo, address("Bob@example.com")),
        ],
    )
    .await;
    assert!(answers[0].is_ok(), "{:?}", answers[0]);
    for answer in &answers[1..] {
        let is_taken = matches!(answer, Err(CommandError::Taken(Claim::Email(_))));
        assert!(is_taken, "{answer:?}");
    }
    let addresses: Vec<String> =
        sqlx::query_scalar("SELECT email FROM read.users WHERE id = ANY ($1) ORDER BY email")
            .bind([ada, bob, cleo])
            .fetch_all(app.pool())
            .await
            .unwrap();
    assert_eq!(
        addresses,
        ["bob@example.com", "cleo@example.com", "new@example.com"]
    );
}
