//! The database goes away: at the worst moment, and for a while. What is answered is true, and nothing is lost or done
//! twice.

use std::{sync::Arc, time::Duration};

use rollcall::{app::App, command_bus::CommandError};
use rollcall_events::{Metadata, ids::Ids, log::LogError, user::UserCommand};
use serde_json::json;
use sqlx::{ConnectOptions, Executor, PgConnection};
use uuid::Uuid;

use crate::{
    proxy::{Network, Proxy},
    support::{PASSWORD, Readable as _, TestApp, client::Answer, master_key},
    tools::{
        count_and_last, count_and_last_of, creation, execute, execute_as, sign_in, spawn,
        until_true, user,
    },
};

/// Makes every commit wait until nobody holds the advisory lock 1.
async fn slow_down_commits(superuser: &mut PgConnection) {
    superuser
        .execute(
            "CREATE FUNCTION public.wait_at_commit() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN
                 PERFORM pg_advisory_xact_lock_shared(1);
                 RETURN NULL;
             END
             $$;
             CREATE CONSTRAINT TRIGGER wait_at_commit AFTER INSERT ON log.events DEFERRABLE INITIALLY DEFERRED
                 FOR EACH ROW EXECUTE FUNCTION public.wait_at_commit();
             SELECT pg_advisory_lock(1)",
        )
        .await
        .unwrap();
}

const WAITS_AT_COMMIT: &str = "SELECT EXISTS (SELECT FROM pg_stat_activity
      WHERE datname = current_database() AND query LIKE '%COMMIT' AND wait_event = 'advisory')";
const KILL_WHO_WAITS_AT_COMMIT: &str =
    "SELECT bool_and(pg_terminate_backend(pid)) FROM pg_stat_activity
      WHERE datname = current_database() AND query LIKE '%COMMIT' AND wait_event = 'advisory'";

/// How often a command is in the log.
async fn recorded(app: &TestApp, command: Uuid) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM log.readable WHERE metadata ->> 'command_id' = $1")
        .bind(command.to_string())
        .fetch_one(app.pool())
        .await
        .unwrap()
}

#[tokio::test]
async fn whose_connection_dies_before_the_commit_is_done_is_told_that_nothing_happened() {
    let app = TestApp::start().await;
    let bob = user(&app, "bob").await;
    let mut superuser = app.superuser.connect().await.unwrap();
    slow_down_commits(&mut superuser).await;
    let doomed: Vec<_> = (0..5)
        .map(|nth| spawn(&app, bob, sign_in(&format!("session{nth}"))))
        .collect();
    let mut dead = 0;
    for waiting in doomed {
        // They may have come in more than one batch.
        while !waiting.is_finished() {
            until_true(
                &mut superuser,
                &format!("SELECT ({WAITS_AT_COMMIT}) OR {}", dead > 0),
            )
            .await;
            let killed: Option<bool> = sqlx::query_scalar(KILL_WHO_WAITS_AT_COMMIT)
                .fetch_one(&mut superuser)
                .await
                .unwrap();
            dead += usize::from(killed == Some(true));
            tokio::task::yield_now().await;
        }
        let answer = waiting.await.unwrap();
        assert!(
            matches!(answer, Err(CommandError::Unavailable(_))),
            "{answer:?}"
        );
    }
    assert_eq!(count_and_last_of(&app, bob).await, (1, 1));
    superuser
        .execute("SELECT pg_advisory_unlock(1)")
        .await
        .unwrap();
    execute(&app, bob, sign_in("later")).await.unwrap();
    let (count, last) = count_and_last(&app).await;
    assert_eq!((count, last), (3, 3));
}

#[tokio::test]
async fn a_commit_that_only_takes_its_time_is_waited_for() {
    let app = TestApp::start().await;
    let mut superuser = app.superuser.connect().await.unwrap();
    slow_down_commits(&mut superuser).await;
    let waiting = spawn(&app, Ids.uuid(), creation("bob", "bob@example.com"));
    until_true(&mut superuser, WAITS_AT_COMMIT).await;
    superuser
        .execute("SELECT pg_advisory_unlock(1)")
        .await
        .unwrap();
    waiting.await.unwrap().unwrap();
    assert_eq!(count_and_last(&app).await, (2, 2));
}

/// The service with a network between it and its database.
pub async fn behind_a_network() -> (TestApp, Proxy) {
    let near = TestApp::start().await;
    let proxy = Proxy::to(&near.database).await;
    let options = proxy.options(&near.database);
    let config = near.app.config.clone();
    let app = App::start(config, options.clone(), master_key(), near.clock.clone())
        .await
        .unwrap();
    let far = TestApp {
        app,
        clock: Arc::clone(&near.clock),
        database: options,
        superuser: near.superuser.clone(),
    };
    (far, proxy)
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_answered_as_done_and_is_done_once() {
    let (app, proxy) = behind_a_network().await;
    let (id, once) = (Ids.uuid(), Metadata::system(Ids.uuid()));
    proxy.becomes(Network::LosesAnswerToCommit);
    let done = execute_as(&app, id, creation("bob", "bob@example.com"), once.clone())
        .await
        .unwrap();
    assert_eq!(done.events.len(), 1);
    assert_eq!(recorded(&app, once.command_id).await, 1);
    assert_eq!(count_and_last(&app).await, (2, 2));
    // The node knows what it did, and goes on from there.
    assert_eq!(
        execute(&app, id, sign_in("first")).await.unwrap().position,
        3
    );
}

#[tokio::test]
async fn a_commit_that_is_lost_on_its_way_is_answered_as_not_done_and_is_not_done() {
    let (app, proxy) = behind_a_network().await;
    let (id, once) = (Ids.uuid(), Metadata::system(Ids.uuid()));
    let create = creation("bob", "bob@example.com");
    proxy.becomes(Network::LosesCommit);
    let answer = execute_as(&app, id, create.clone(), once.clone()).await;
    assert!(
        matches!(answer, Err(CommandError::Unavailable(_))),
        "{answer:?}"
    );
    assert_eq!(count_and_last(&app).await, (1, 1));
    // It may simply be sent again.
    execute_as(&app, id, create, once).await.unwrap();
    assert_eq!(count_and_last(&app).await, (2, 2));
}

#[tokio::test]
async fn a_commit_whose_fate_cannot_be_found_out_is_answered_as_unknown_and_never_guessed() {
    let (app, proxy) = behind_a_network().await;
    let (id, once) = (Ids.uuid(), Metadata::system(Ids.uuid()));
    let create = creation("bob", "bob@example.com");
    proxy.becomes(Network::GoesDownWithAnswerToCommit);
    let answer = execute_as(&app, id, create.clone(), once.clone()).await;
    assert!(
        matches!(answer, Err(CommandError::OutcomeUnknown(_))),
        "{answer:?}"
    );
    proxy.becomes(Network::Good);
    // Whoever sends it again, as the same command, learns that it was done.
    let done = loop {
        match execute_as(&app, id, create.clone(), once.clone()).await {
            Ok(done) => break done,
            Err(CommandError::Unavailable(_) | CommandError::Log(LogError::Database(_))) => {}
            Err(other) => panic!("{other:?}"),
        }
    };
    assert_eq!((done.events.len(), done.position), (1, 2));
    assert_eq!(count_and_last(&app).await, (2, 2));
}

#[tokio::test]
async fn a_whole_batch_whose_answer_is_lost_is_answered_as_done() {
    let (app, proxy) = behind_a_network().await;
    proxy.becomes(Network::LosesAnswerToCommit);
    let waiting: Vec<_> = (0..30)
        .map(|nth| {
            let command = creation(&format!("user{nth}"), &format!("user{nth}@example.com"));
            spawn(&app, Ids.uuid(), command)
        })
        .collect();
    for answer in waiting {
        answer.await.unwrap().unwrap();
    }
    assert_eq!(count_and_last(&app).await, (31, 31));
}

/// Tries until the database is back for good: connections that broke are noticed as they are used, and what is refused
/// meanwhile is not done.
async fn until_done(app: &TestApp, stream: Uuid, command: UserCommand) {
    for _ in 0..10 {
        match execute(app, stream, command.clone()).await {
            Ok(_) => return,
            Err(CommandError::Unavailable(_) | CommandError::Log(LogError::Database(_))) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    panic!("the service does not recover");
}

#[tokio::test]
async fn without_its_database_a_command_is_refused_promptly_and_later_done() {
    let (app, proxy) = behind_a_network().await;
    let bob = user(&app, "bob").await;
    execute(&app, bob, sign_in("first")).await.unwrap();
    proxy.becomes(Network::Down);
    let answer = tokio::time::timeout(
        Duration::from_secs(3),
        execute(&app, bob, sign_in("second")),
    );
    let answer = answer.await.unwrap();
    assert!(
        matches!(answer, Err(CommandError::Unavailable(_))),
        "{answer:?}"
    );
    proxy.becomes(Network::Good);
    until_done(&app, bob, sign_in("third")).await;
    assert_eq!(count_and_last_of(&app, bob).await, (3, 3));
}

#[tokio::test]
async fn a_follower_goes_on_when_the_database_is_back() {
    let (app, proxy) = behind_a_network().await;
    let mut follower = app.app.log.follow(0);
    follower.next().await.unwrap();
    proxy.becomes(Network::Down);
    assert!(follower.next().await.is_err());
    proxy.becomes(Network::Good);
    until_done(&app, Ids.uuid(), creation("bob", "bob@example.com")).await;
    let events = tokio::time::timeout(Duration::from_secs(5), async {
        loop {
            if let Ok(events) = follower.next().await {
                return events.readable();
            }
        }
    });
    assert_eq!(events.await.unwrap()[0].position, 2);
}

#[tokio::test]
async fn without_its_database_the_service_says_so_and_recovers_by_itself() {
    let (app, proxy) = behind_a_network().await;
    let owner = app.owner().await;
    let wish = json!({
        "email": "bob@example.com",
        "username": "bob",
        "password": PASSWORD,
        "organization_ids": [app.app.default_organization],
    });
    proxy.becomes(Network::Down);
    let anonymous = app.anonymous();
    let asked = tokio::time::timeout(Duration::from_secs(8), async {
        tokio::join!(
            anonymous.get("/healthz"),
            anonymous.get("/readyz"),
            owner.get("/api/v2/users/me"),
            owner.post("/api/v2/users", &wish),
        )
    });
    let (alive, ready, me, created) = asked.await.unwrap();
    assert_eq!(alive.status, 200);
    for answer in [ready, me, created] {
        assert_unavailable(&answer);
    }
    proxy.becomes(Network::Good);
    assert_eq!(anonymous.get("/readyz").await.status, 200);
    assert_eq!(owner.get("/api/v2/users/me").await.status, 200);
    let created = owner.post("/api/v2/users", &wish).await;
    assert_eq!(created.status, 201, "{created:?}");
}

fn assert_unavailable(answer: &Answer) {
    assert_eq!(answer.status, 503, "{answer:?}");
    let message = answer.json["message"].as_str().unwrap();
    assert!(message.contains("database does not answer"), "{message}");
    assert!(
        answer
            .header("content-type")
            .starts_with("application/json")
    );
    assert!(!answer.header("retry-after").is_empty());
}
