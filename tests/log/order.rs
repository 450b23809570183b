//! Positions: dense, equal to the order of commit, and seen once by whoever follows.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use rollcall_events::{clock::ManualClock, log::Subscription, user::UserCommand};
use sqlx::ConnectOptions;

use crate::{
    support::{Readable as _, TestApp, beginning},
    tools::{count_and_last, creation, execute, sign_in, spawn, until_true, user},
};

/// Follows until `last` has been seen; the positions in the order in which they were seen.
async fn positions(mut follower: Subscription, last: i64) -> Vec<i64> {
    let follow = async {
        let mut seen = Vec::new();
        while follower.position() < last {
            let events = follower.next().await.unwrap().readable();
            seen.extend(events.iter().map(|event| event.position));
        }
        seen
    };
    tokio::time::timeout(Duration::from_secs(30), follow)
        .await
        .unwrap()
}

/// A hundred writers, each of `nodes` in turn, who create four users each.
fn hundred_writers(nodes: &[&TestApp]) -> Vec<tokio::task::JoinHandle<crate::tools::Answer>> {
    (0..400)
        .map(|nth| {
            let command = creation(&format!("user{nth}"), &format!("user{nth}@example.com"));
            spawn(
                nodes[nth % nodes.len()],
                rollcall_events::ids::Ids.uuid(),
                command,
            )
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_sees_every_event_once_and_in_order_while_a_hundred_write() {
    let app = TestApp::start().await;
    let follower = tokio::spawn(positions(app.app.log.follow(0), 401));
    for writer in hundred_writers(&[&app]) {
        writer.await.unwrap().unwrap();
    }
    assert_eq!(follower.await.unwrap(), (1..=401).collect::<Vec<_>>());
    assert_eq!(count_and_last(&app).await, (401, 401));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn followers_on_every_node_see_the_same_order_while_three_nodes_write() {
    let app = TestApp::start().await;
    let (second, third) = (app.second_node().await, app.second_node().await);
    let nodes = [&app, &second, &third];
    let followers = nodes.map(|node| tokio::spawn(positions(node.app.log.follow(0), 401)));
    for writer in hundred_writers(&nodes) {
        writer.await.unwrap().unwrap();
    }
    for follower in followers {
        assert_eq!(follower.await.unwrap(), (1..=401).collect::<Vec<_>>());
    }
    assert_eq!(count_and_last(&app).await, (401, 401));
}

#[tokio::test]
async fn a_follower_misses_nothing_when_its_ear_is_cut_off() {
    let app = TestApp::start().await;
    let follower = tokio::spawn(positions(app.app.log.follow(0), 61));
    let mut superuser = app.superuser.connect().await.unwrap();
    for round in 0..3 {
        // Each time it listens, it is made deaf, and spoken to.
        until_true(
            &mut superuser,
            "SELECT coalesce(bool_or(pg_terminate_backend(pid)), false) FROM pg_stat_activity
              WHERE datname = current_database() AND query LIKE 'LISTEN%'",
        )
        .await;
        for nth in 0..20 {
            user(&app, &format!("user{round}x{nth}")).await;
        }
    }
    assert_eq!(follower.await.unwrap(), (1..=61).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_follower_wakes_up_by_the_notice_and_not_by_its_own_patience() {
    let app = TestApp::start().await;
    let mut follower = app.app.log.follow(1);
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move { while tell.send(follower.next().await.unwrap().len()).is_ok() {} });
    until_true(
        &mut app.superuser.connect().await.unwrap(),
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%')",
    )
    .await;
    // By its own patience alone, which is a second, it would take ten.
    let quickly = tokio::time::timeout(Duration::from_secs(6), async {
        for nth in 0..10 {
            user(&app, &format!("user{nth}")).await;
            assert_eq!(told.recv().await, Some(1));
        }
    });
    quickly.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_and_conflicts_leave_no_gap() {
    let app = TestApp::start().await;
    let second = app.second_node().await;
    let bob = user(&app, "bob").await;
    let mut waiting = Vec::new();
    for nth in 0..100 {
        let node = if nth % 2 == 0 { &app } else { &second };
        let id = rollcall_events::ids::Ids.uuid();
        // Names that collide, a user that does not exist, and a stream that everybody wants.
        waiting.push(spawn(
            node,
            id,
            creation(&format!("user{}", nth / 4), "one@example.com"),
        ));
        waiting.push(spawn(
            node,
            rollcall_events::ids::Ids.uuid(),
            UserCommand::SuspendUser,
        ));
        waiting.push(spawn(node, bob, sign_in(&format!("session{}", nth / 2))));
    }
    let mut refused = 0;
    for answer in waiting {
        refused += i64::from(answer.await.unwrap().is_err());
    }
    assert!(refused >= 200, "only {refused} were refused");
    let (count, last) = count_and_last(&app).await;
    assert_eq!(count, last);
    let head = rollcall_events::log::head(app.pool()).await.unwrap();
    assert_eq!(head.position, last);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_never_runs_backwards_in_the_log_though_the_nodes_disagree() {
    let app = TestApp::start().await;
    let name = app.database.get_database().unwrap();
    let late = Arc::new(ManualClock::at(beginning() + TimeDelta::hours(3)));
    let late = TestApp::on(name, late, |_| {}).await;
    let before = user(&app, "before").await;
    let during = user(&late, "during").await;
    let after = user(&app, "after").await;
    for writer in hundred_writers(&[&app, &late]) {
        writer.await.unwrap().unwrap();
    }
    let steps_back: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM (SELECT recorded_at < lag(recorded_at) OVER (ORDER BY position) AS back FROM log.events) AS step
          WHERE back",
    )
    .fetch_one(app.pool())
    .await
    .unwrap();
    assert_eq!(steps_back, 0);
    let mut times = Vec::new();
    for id in [before, during, after] {
        times.push(app.app.log.stream(id, 0).await.unwrap().readable()[0].recorded_at);
    }
    let three = beginning() + TimeDelta::hours(3);
    assert_eq!(times, [beginning(), three, three]);
}

#[tokio::test]
async fn a_follower_may_begin_anywhere_and_keeps_its_place_when_it_is_cancelled() {
    let app = TestApp::start().await;
    let bob = user(&app, "bob").await;
    for nth in 0..5 {
        let command = sign_in(&format!("session{nth}"));
        execute(&app, bob, command).await.unwrap();
    }
    let mut follower = app.app.log.follow(4);
    let mut seen = Vec::new();
    // Told to stop waiting, again and again.
    while follower.position() < 7 {
        if let Ok(events) = tokio::time::timeout(Duration::ZERO, follower.next()).await {
            seen.extend(
                events
                    .unwrap()
                    .readable()
                    .iter()
                    .map(|event| event.position),
            );
        }
    }
    assert_eq!(seen, [5, 6, 7]);
}
