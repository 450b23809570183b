//! The tree over the log is the one of RFC 6962, and changes with every byte.

use rollcall_events::log::{Frontier, RawEvent, head};
use sha2::{Digest, Sha256};
use sqlx::ConnectOptions;

use crate::{
    support::TestApp,
    tools::{execute, raw_events, sign_in, user},
};

type Hash = [u8; 32];

/// The definition: a tree of n leaves is one of the largest power of two below n, and one of the rest.
fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Sha256::digest([]).into(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(1 << (leaves.len() - 1).ilog2());
            Sha256::new()
                .chain_update([1])
                .chain_update(root(left))
                .chain_update(root(right))
                .finalize()
                .into()
        }
    }
}

/// The roots of the perfect trees that it is made of, the largest first.
fn frontier(mut leaves: &[Hash]) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !leaves.is_empty() {
        let (perfect, rest) = leaves.split_at(1 << leaves.len().ilog2());
        bytes.extend(root(perfect));
        leaves = rest;
    }
    bytes
}

fn leaves(events: &[RawEvent]) -> Vec<Hash> {
    events.iter().map(RawEvent::leaf).collect()
}

/// Some events, in batches of many sizes, of two nodes.
async fn some_history(app: &TestApp) {
    let second = app.second_node().await;
    app.owner().await;
    let bob = user(app, "bob").await;
    for nth in 0..30 {
        let node = if nth % 3 == 0 { &second } else { app };
        execute(node, bob, sign_in(&format!("session{nth}")))
            .await
            .unwrap();
    }
    let waiting: Vec<_> = (0..50)
        .map(|nth| crate::tools::spawn(app, bob, sign_in(&format!("another{nth}"))))
        .collect();
    for answer in waiting {
        answer.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn the_head_holds_the_tree_of_all_events() {
    let app = TestApp::start().await;
    some_history(&app).await;
    let events = raw_events(&mut app.superuser.connect().await.unwrap()).await;
    let leaves = leaves(&events);
    let head = head(app.pool()).await.unwrap();
    assert_eq!(leaves.len(), 84);
    assert_eq!(head.frontier.size(), 84);
    assert_eq!(head.frontier.to_bytes(), frontier(&leaves));
    assert_eq!(head.frontier.root(), root(&leaves));
    assert_eq!(head.recorded_at, events.last().unwrap().recorded_at);
}

#[tokio::test]
async fn there_is_a_head_for_every_commit() {
    let app = TestApp::start().await;
    let mut superuser = app.superuser.connect().await.unwrap();
    for nth in 0..9 {
        user(&app, &format!("user{nth}")).await;
        let leaves = leaves(&raw_events(&mut superuser).await);
        assert_eq!(
            head(app.pool()).await.unwrap().frontier.root(),
            root(&leaves)
        );
    }
}

#[tokio::test]
async fn a_changed_byte_anywhere_changes_the_root() {
    let app = TestApp::start().await;
    some_history(&app).await;
    let events = raw_events(&mut app.superuser.connect().await.unwrap()).await;
    let before = root(&leaves(&events));
    let forgeries: [fn(&mut RawEvent); 9] = [
        |event| event.position += 1,
        |event| event.aggregate_type.push('s'),
        |event| event.aggregate_id = uuid::Uuid::nil(),
        |event| event.version += 1,
        |event| event.event_type.push('s'),
        |event| event.schema_version += 1,
        |event| event.payload[0] ^= 1,
        |event| *event.metadata.last_mut().unwrap() ^= 1,
        |event| event.recorded_at += chrono::TimeDelta::microseconds(1),
    ];
    for nth in [0, 41, events.len() - 1] {
        for forge in forgeries {
            let mut changed = events.clone();
            forge(&mut changed[nth]);
            assert_ne!(root(&leaves(&changed)), before, "{nth}: {:?}", changed[nth]);
        }
    }
    // What moves from one column to the next is a change too.
    let mut changed = events.clone();
    let letter = changed[3].event_type.remove(0);
    changed[3].aggregate_type.push(letter);
    assert_ne!(root(&leaves(&changed)), before);
}

#[tokio::test]
async fn events_in_another_order_are_another_tree() {
    let app = TestApp::start().await;
    some_history(&app).await;
    let events = raw_events(&mut app.superuser.connect().await.unwrap()).await;
    let mut leaves = leaves(&events);
    let before = root(&leaves);
    leaves.swap(10, 11);
    assert_ne!(root(&leaves), before);
    assert_eq!(Frontier::default().root(), root(&[]));
}
