//! Somebody can always manage the service: whoever asks whom to go, in whichever way, on whichever node, of the active
//! owners one stays.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::Method;
use rollcall_events::{
    Event, EventSourced,
    ids::Ids,
    user::{Role, User},
};
use serde_json::json;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::{
    given::{ME, USERS, member, text, wish_with, with_role},
    support::{Readable as _, TestApp, client::Client},
};

/// Requests at once.
const AT_ONCE: usize = 64;
const ROUNDS: usize = 8;

/// The ways in which an owner would go, each with what it may be answered: done, refused because it is the last one,
/// oneself or still an owner, asked by who is nobody any more, not allowed any more, to somebody who is gone, or
/// overtaken by others.
const WAYS: &[(Method, &str, &[&str], &[u16])] = &[
    (
        Method::PUT,
        "/status/suspend",
        &[],
        &[200, 400, 401, 403, 404],
    ),
    (Method::PUT, "/roles", &[], &[200, 400, 401, 403, 404, 409]),
    (
        Method::PUT,
        "/roles",
        &["auditor", "user-admin"],
        &[200, 400, 401, 403, 404, 409],
    ),
    (Method::DELETE, "", &[], &[200, 400, 401, 403, 404, 409]),
];

/// Somebody who can be asked to go, and who asks.
#[derive(Clone)]
struct Person {
    id: Uuid,
    client: Client,
}

fn any(among: usize) -> usize {
    usize::try_from(Ids.below(among as u64)).unwrap()
}

/// One more owner, whom `owner` makes and who signs in.
async fn another_owner(app: &TestApp, owner: &Client, username: &str) -> Person {
    let wish = wish_with(app, username, &json!({ "roles": ["owner"] }));
    let created = owner.post(USERS, &wish).await;
    assert_eq!(created.status, 201, "{created:?}");
    let email = format!("{username}@example.com");
    Person {
        id: text(&created, "id").parse().unwrap(),
        client: app.sign_in(&email).await,
    }
}

/// Sends one of the requests: some caller asks one of the two to go, in some way, on some node.
fn ask(nodes: &[&TestApp], callers: &[&Client], two: &[Person; 2]) -> JoinHandle<u16> {
    let node = nodes[any(nodes.len())];
    let caller = node.with_token(callers[any(callers.len())].token());
    let (method, rest, roles, expected) = &WAYS[any(WAYS.len())];
    let path = format!("{USERS}/{}{rest}", two[any(2)].id);
    let body = json!({ "roles": roles }).to_string().into_bytes();
    tokio::spawn(async move {
        let answer = caller.send(method.clone(), &path, &[], body).await;
        assert!(
            expected.contains(&answer.status),
            "{method} {path}: {answer:?}"
        );
        answer.status
    })
}

/// By the log there has been an active owner ever since there was a first one.
async fn assert_never_without_owner(app: &TestApp) {
    let mut users: BTreeMap<Uuid, User> = BTreeMap::new();
    let mut owners = BTreeSet::new();
    for recorded in app.app.log.after(0, i64::MAX).await.unwrap().readable() {
        let Event::User(event) = recorded.event else {
            continue;
        };
        let state = users.entry(recorded.stream).or_default();
        state.evolve(&event);
        if matches!(state, User::Live(account) if account.is_active_owner()) {
            owners.insert(recorded.stream);
        } else if owners.remove(&recorded.stream) {
            let position = recorded.position;
            assert!(!owners.is_empty(), "the last one went at {position}");
        }
    }
    assert!(!owners.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_owners_whom_everybody_asks_to_go_on_two_nodes_at_once_one_stays_and_can_manage() {
    let app = TestApp::start().await;
    let second = app.second_node().await;
    let nodes = [&app, &second];
    let ada = app.owner().await;
    let admin = with_role(&app, &ada, "admin", Role::UserAdmin).await;
    let mut stays = Person {
        id: text(&ada.get(ME).await, "id").parse().unwrap(),
        client: ada,
    };
    let mut counts: BTreeMap<u16, usize> = BTreeMap::new();
    for round in 0..ROUNDS {
        let name = format!("owner{round}");
        let two = [
            stays.clone(),
            another_owner(&app, &stays.client, &name).await,
        ];
        let callers = [&two[0].client, &two[1].client, &admin];
        let waiting: Vec<_> = (0..AT_ONCE).map(|_| ask(&nodes, &callers, &two)).collect();
        for status in waiting {
            *counts.entry(status.await.unwrap()).or_default() += 1;
        }
        let mut left = Vec::new();
        for person in two {
            let me = nodes[round % 2].with_token(person.client.token());
            let me = me.get(ME).await;
            if me.status == 200 && me.json["roles"][0]["name"] == "owner" {
                left.push(person);
            }
        }
        assert_eq!(left.len(), 1, "round {round}: {counts:?}");
        stays = left.remove(0);
        let again = format!("guest{round}");
        member(&app, &stays.client, &again).await;
    }
    assert_never_without_owner(&app).await;
    // Who was the last one was told so, and who had become nobody was not heard.
    for status in [200, 400] {
        assert!(counts.contains_key(&status), "{counts:?}");
    }
}
