//! The names of API tokens: each of a user's is another, and nobody else's matters.

use chrono::TimeDelta;
use rollcall::command_bus::CommandError;
use rollcall_events::{
    Claim, Event, Personal,
    clock::Clock,
    user::{EndReason, SessionId, UserCommand, UserEvent},
};
use sqlx::ConnectOptions;
use uuid::Uuid;

use crate::{
    support::{Readable as _, TestApp},
    tools::{Answer, execute, in_one_batch, replay, sessions_of, spawn, token_at, user},
};

fn token(app: &TestApp, id: &str, name: Option<&str>) -> UserCommand {
    token_at(id, name, app.clock.now())
}

fn is_taken(answer: &Answer, name: &str) -> bool {
    let claim = Claim::TokenName(name.to_owned());
    matches!(answer, Err(CommandError::Taken(taken)) if *taken == claim)
}

async fn names_of(app: &TestApp, user: Uuid) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT token_name FROM read.sessions WHERE user_id = $1 ORDER BY token_name",
    )
    .bind(user)
    .fetch_all(app.pool())
    .await
    .unwrap()
}

#[tokio::test]
async fn of_two_tokens_of_one_name_in_one_batch_a_user_gets_the_first() {
    let app = TestApp::start().await;
    let bob = user(&app, "bob").await;
    let answers = in_one_batch(
        &app,
        vec![
            (bob, token(&app, "one", Some("laptop"))),
            (bob, token(&app, "two", Some("laptop"))),
            (bob, token(&app, "three", Some("Laptop"))),
        ],
    )
    .await;
    assert!(answers[0].is_ok(), "{:?}", answers[0]);
    assert!(is_taken(&answers[1], "laptop"), "{:?}", answers[1]);
    assert!(answers[2].is_ok(), "{:?}", answers[2]);
    assert_eq!(names_of(&app, bob).await, ["Laptop", "laptop"]);
}

#[tokio::test]
async fn two_users_give_their_tokens_one_name_in_one_batch() {
    let app = TestApp::start().await;
    let [ada, bob] = [user(&app, "ada").await, user(&app, "bob").await];
    let answers = in_one_batch(
        &app,
        vec![
            (ada, token(&app, "one", Some("laptop"))),
            (bob, token(&app, "two", Some("laptop"))),
        ],
    )
    .await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    for id in [ada, bob] {
        assert_eq!(names_of(&app, id).await, ["laptop"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_tokens_of_one_name_on_two_nodes_a_user_gets_one() {
    let app = TestApp::start().await;
    let second = app.second_node().await;
    let bob = user(&app, "bob").await;
    let waiting: Vec<_> = (0..24)
        .map(|nth| {
            let node = if nth % 2 == 0 { &app } else { &second };
            spawn(
                node,
                bob,
                token(node, &format!("token{nth}"), Some("laptop")),
            )
        })
        .collect();
    let mut won = 0;
    for answer in waiting {
        match answer.await.unwrap() {
            Ok(_) => won += 1,
            Err(CommandError::Contended) => {}
            refused => assert!(is_taken(&refused, "laptop"), "{refused:?}"),
        }
    }
    assert_eq!(won, 1);
    assert_eq!(names_of(&app, bob).await, ["laptop"]);
}

#[tokio::test]
async fn tokens_without_a_name_are_as_many_as_one_likes() {
    let app = TestApp::start().await;
    let bob = user(&app, "bob").await;
    let commands = vec![
        (bob, token(&app, "one", None)),
        (bob, token(&app, "two", None)),
    ];
    for answer in in_one_batch(&app, commands).await {
        answer.unwrap();
    }
    assert_eq!(sessions_of(&app, bob).await.len(), 2);
}

#[tokio::test]
async fn a_name_is_free_again_when_its_token_is_deleted_or_forgotten_and_not_before() {
    let app = TestApp::start().await;
    let bob = user(&app, "bob").await;
    let named = |id: &str| token(&app, id, Some("laptop"));
    execute(&app, bob, named("one")).await.unwrap();
    let deletion = UserCommand::EndSession {
        session_id: SessionId("one".to_owned()),
        reason: EndReason::Revoked,
    };
    execute(&app, bob, deletion).await.unwrap();
    execute(&app, bob, named("two")).await.unwrap();
    let expiry = UserCommand::ExpireSession {
        session_id: SessionId("two".to_owned()),
        at: app.clock.now(),
    };
    execute(&app, bob, expiry).await.unwrap();
    let again = execute(&app, bob, named("three")).await;
    assert!(is_taken(&again, "laptop"), "{again:?}");
    app.pass(TimeDelta::days(7));
    // The name is free as soon as the token is swept: later than seven days after its end, by the time of the log.
    app.pass(TimeDelta::microseconds(1));
    user(&app, "eve").await;
    rollcall::upkeep::tidy_up(&app.app).await.unwrap();
    execute(&app, bob, named("three")).await.unwrap();
    assert_eq!(sessions_of(&app, bob).await, ["three".to_owned()].into());
}

#[tokio::test]
async fn the_name_of_a_token_is_erased_with_its_owner() {
    let app = TestApp::start().await;
    let [ada, bob] = [user(&app, "ada").await, user(&app, "bob").await];
    execute(&app, ada, token(&app, "one", Some("laptop")))
        .await
        .unwrap();
    execute(&app, bob, token(&app, "two", Some("phone")))
        .await
        .unwrap();
    let mut superuser = app.superuser.connect().await.unwrap();
    sqlx::query("DELETE FROM vault.subject_keys WHERE subject_id = $1")
        .bind(ada)
        .execute(&mut superuser)
        .await
        .unwrap();
    let second = app.second_node().await;
    let events = second.app.log.stream(ada, 0).await.unwrap().readable();
    assert!(
        matches!(
            &events[1].event,
            Event::User(UserEvent::SessionStarted {
                token_name: Some(Personal::Erased),
                ..
            })
        ),
        "{:?}",
        events[1]
    );
    let mut replayed = replay(&second.app.log, &[10])
        .await
        .connect()
        .await
        .unwrap();
    let names: Vec<(String, Option<String>)> =
        sqlx::query_as("SELECT id, token_name FROM read.sessions ORDER BY id")
            .fetch_all(&mut replayed)
            .await
            .unwrap();
    let expected = [("one", None), ("two", Some("phone"))];
    assert_eq!(
        names,
        expected.map(|(id, name)| (id.to_owned(), name.map(str::to_owned)))
    );
}
