//! What happens to somebody while they do something: whoever is faster, what is left holds together.

use std::collections::BTreeMap;

use axum::http::Method;
use futures_util::future::join_all;
use rollcall_events::{
    ids::Ids,
    user::{Role, UserCommand},
};
use serde_json::{Value, json};
use sqlx::ConnectOptions;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::{
    given::{LOGIN, ME, USERS, history, member, text, wish, wish_with, with_role},
    support::{
        PASSWORD, TestApp,
        client::{Answer, Client},
    },
};

const ROUNDS: usize = 6;
const NEW: &str = "a quite different sentence";

/// A request on its way.
fn send(client: &Client, method: Method, path: String, body: &Value) -> JoinHandle<Answer> {
    let (client, body) = (client.clone(), body.to_string().into_bytes());
    tokio::spawn(async move {
        // Not all in the order in which they are sent.
        for _ in 0..Ids.below(8) {
            tokio::task::yield_now().await;
        }
        client.send(method, &path, &[], body).await
    })
}

async fn answers(waiting: Vec<JoinHandle<Answer>>) -> Vec<Answer> {
    let answers = join_all(waiting).await.into_iter();
    answers.map(Result::unwrap).collect()
}

fn counted(answers: &[Answer]) -> BTreeMap<u16, usize> {
    let mut counted = BTreeMap::new();
    for answer in answers {
        *counted.entry(answer.status).or_default() += 1;
    }
    counted
}

#[track_caller]
fn assert_among(answers: &[Answer], statuses: &[u16]) {
    for answer in answers {
        assert!(statuses.contains(&answer.status), "{answer:?}");
    }
}

/// The tokens that these answers gave.
fn tokens(answers: &[Answer]) -> Vec<&str> {
    let made = answers.iter().filter(|answer| answer.status == 201);
    let token = |answer| match text(answer, "key") {
        "" => text(answer, "session_token"),
        key => key,
    };
    made.map(token).collect()
}

/// The sessions that a user has, by the read model.
async fn sessions(app: &TestApp, user: Uuid) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM read.sessions WHERE user_id = $1")
        .bind(user)
        .fetch_one(app.pool())
        .await
        .unwrap()
}

/// Everything by which somebody gets a token, by themselves and by others, on two nodes.
fn get_tokens(
    nodes: [&TestApp; 2],
    owner: &Client,
    bob: &Client,
    name: &str,
) -> Vec<JoinHandle<Answer>> {
    let sign_in = json!({ "email": format!("{name}@example.com"), "password": PASSWORD });
    let mut waiting = Vec::new();
    for node in nodes {
        for client in [node.with_token(owner.token()), node.with_token(bob.token())] {
            for rest in ["keys", "keys/tokens"] {
                let path = format!("{USERS}/{name}/{rest}");
                waiting.push(send(&client, Method::POST, path, &json!({})));
            }
        }
        waiting.push(send(
            &node.anonymous(),
            Method::POST,
            LOGIN.to_owned(),
            &sign_in,
        ));
    }
    waiting
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_token_that_is_made_while_its_user_is_deleted_or_suspended_is_good_afterwards() {
    let app = TestApp::start().await;
    let second = app.second_node().await;
    let owner = app.owner().await;
    for round in 0..ROUNDS {
        for (end, method, rest) in [
            ("deleted", Method::DELETE, ""),
            ("suspended", Method::PUT, "/status/suspend"),
        ] {
            let name = format!("{end}{round}");
            let (id, bob) = member(&app, &owner, &name).await;
            let waiting = get_tokens([&app, &second], &owner, &bob, &name);
            let ending = send(&owner, method, format!("{USERS}/{id}{rest}"), &Value::Null);
            let made = answers(waiting).await;
            assert_eq!(ending.await.unwrap().status, 200);
            assert_among(&made, &[201, 400, 401, 404]);
            for token in tokens(&made).into_iter().chain([bob.token()]) {
                for node in [&app, &second] {
                    assert_eq!(node.with_token(token).get(ME).await.status, 401, "{end}");
                }
            }
            if end == "deleted" {
                assert_eq!(sessions(&app, id).await, 0);
                assert_eq!(history(&app, id).await.last().unwrap(), "UserDeleted");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_session_that_begins_while_the_password_changes_is_good_by_the_old_one() {
    let app = TestApp::start().await;
    let second = app.second_node().await;
    let owner = app.owner().await;
    for round in 0..ROUNDS {
        let name = format!("bob{round}");
        let (id, _) = member(&app, &owner, &name).await;
        let sign_in = json!({ "email": format!("{name}@example.com"), "password": PASSWORD });
        let waiting = [&app, &second, &app, &second, &app, &second]
            .map(|node| send(&node.anonymous(), Method::POST, LOGIN.to_owned(), &sign_in));
        let path = format!("{USERS}/{id}/password");
        let change = send(&owner, Method::PUT, path, &json!({ "password": NEW }));
        let made = answers(waiting.into()).await;
        assert_eq!(change.await.unwrap().status, 204);
        assert_among(&made, &[201, 401]);
        for token in tokens(&made) {
            assert_eq!(app.with_token(token).get(ME).await.status, 401);
        }
        assert_eq!(sessions(&app, id).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_deleted_while_being_changed_is_gone_and_keeps_nothing() {
    let app = TestApp::start().await;
    let second = app.second_node().await;
    let owner = app.owner().await;
    let club = crate::organizations::organization(&owner, "club").await;
    for round in 0..ROUNDS {
        let name = format!("bob{round}");
        let (id, bob) = member(&app, &owner, &name).await;
        let by_owner = second.with_token(owner.token());
        let user = format!("{USERS}/{id}");
        let place = format!("/api/v2/organizations/club/members/{id}");
        let mut waiting = Vec::new();
        for (client, method, path, body) in [
            (
                &owner,
                Method::PUT,
                format!("{user}/roles"),
                json!({ "roles": ["owner"] }),
            ),
            (
                &by_owner,
                Method::PUT,
                format!("{user}/roles"),
                json!({ "roles": ["auditor"] }),
            ),
            (
                &by_owner,
                Method::PUT,
                format!("{user}/status/suspend"),
                Value::Null,
            ),
            (
                &owner,
                Method::PUT,
                format!("{user}/status/activate"),
                Value::Null,
            ),
            (
                &owner,
                Method::PUT,
                format!("{user}/profile"),
                json!({ "username": format!("new{round}") }),
            ),
            (
                &bob,
                Method::PUT,
                format!("{USERS}/me/profile"),
                json!({ "username": name, "name": "B" }),
            ),
            (
                &by_owner,
                Method::PUT,
                format!("{user}/password"),
                json!({ "password": NEW }),
            ),
            (&owner, Method::POST, place.clone(), Value::Null),
            (&by_owner, Method::POST, place.clone(), Value::Null),
            (
                &owner,
                Method::PUT,
                format!("{place}/roles"),
                json!({ "roles": ["organization-admin"] }),
            ),
        ] {
            waiting.push(send(client, method, path, &body));
        }
        let delete = send(&owner, Method::DELETE, user.clone(), &Value::Null);
        assert_among(
            &answers(waiting).await,
            &[200, 204, 400, 401, 403, 404, 409],
        );
        assert_eq!(delete.await.unwrap().status, 200);
        let kinds = history(&app, id).await;
        assert_eq!(kinds.last().unwrap(), "UserDeleted", "{kinds:?}");
        let mut conn = app.superuser.connect().await.unwrap();
        let left: (i64, i64, i64) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM read.members WHERE user_id = $1)
                  , (SELECT count(*) FROM read.sessions WHERE user_id = $1)
                  , (SELECT count(*) FROM vault.credentials WHERE subject_id = $1)",
        )
        .bind(id)
        .fetch_one(&mut conn)
        .await
        .unwrap();
        assert_eq!(left, (0, 0, 0));
    }
    let members = owner
        .get(&format!("/api/v2/organizations/{club}/paginated-members"))
        .await;
    assert_eq!(members.json["count"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_successors_of_one_who_goes_one_comes_and_inherits_nothing() {
    let app = TestApp::start().await;
    let second = app.second_node().await;
    let owner = app.owner().await;
    let mut current = app.user(&owner, "bob").await;
    for round in 0..ROUNDS {
        let roles = json!({ "roles": ["auditor"] });
        let given = owner.put(&format!("{USERS}/{current}/roles"), &roles).await;
        assert_eq!(given.status, 200, "{given:?}");
        let old = app.sign_in("bob@example.com").await;
        let delete = send(
            &owner,
            Method::DELETE,
            format!("{USERS}/{current}"),
            &Value::Null,
        );
        let mut waiting = Vec::new();
        for nth in 0..12 {
            let node = if nth % 2 == 0 { &app } else { &second };
            let client = node.with_token(owner.token());
            waiting.push(send(
                &client,
                Method::POST,
                USERS.to_owned(),
                &wish(&app, "bob"),
            ));
        }
        let mut made = answers(waiting).await;
        assert_eq!(delete.await.unwrap().status, 200);
        if !counted(&made).contains_key(&201) {
            made = vec![owner.post(USERS, &wish(&app, "bob")).await];
        }
        assert_among(&made, &[201, 409]);
        assert_eq!(counted(&made)[&201], 1, "round {round}");
        let created = made.iter().find(|answer| answer.status == 201).unwrap();
        let new: Uuid = text(created, "id").parse().unwrap();
        assert_ne!(new, current);
        assert_eq!(old.get(ME).await.status, 401);
        let seen = owner.get(&format!("{USERS}/bob")).await;
        assert_eq!(seen.json["id"], json!(new));
        assert_eq!(seen.json["roles"], json!([]));
        assert_eq!(history(&app, new).await, ["UserCreated"]);
        current = new;
    }
    let live = owner.get(&format!("{USERS}?q=bob")).await;
    assert_eq!(live.json["count"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dormant_user_wakes_once_however_many_requests_are_the_first() {
    let app = TestApp::start().await;
    let second = app.second_node().await;
    let owner = app.owner().await;
    for round in 0..ROUNDS {
        let name = format!("bob{round}");
        let dormant = json!({ "user_status": "dormant" });
        let created = owner.post(USERS, &wish_with(&app, &name, &dormant)).await;
        let id: Uuid = text(&created, "id").parse().unwrap();
        let made = owner
            .post(&format!("{USERS}/{id}/keys/tokens"), &json!({}))
            .await;
        let waiting = (0..16).map(|nth| {
            let node = if nth % 2 == 0 { &app } else { &second };
            let client = node.with_token(text(&made, "key"));
            send(&client, Method::GET, ME.to_owned(), &Value::Null)
        });
        let first = answers(waiting.collect()).await;
        assert_among(&first, &[200]);
        let kinds = history(&app, id).await;
        let woken = kinds.iter().filter(|kind| *kind == "UserActivated").count();
        assert_eq!(woken, 1, "{kinds:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_suspended_with_their_first_request_stays_out() {
    let app = TestApp::start().await;
    let second = app.second_node().await;
    let owner = app.owner().await;
    for round in 0..ROUNDS {
        let name = format!("bob{round}");
        let dormant = json!({ "user_status": "dormant" });
        let created = owner.post(USERS, &wish_with(&app, &name, &dormant)).await;
        let id: Uuid = text(&created, "id").parse().unwrap();
        let made = owner
            .post(&format!("{USERS}/{id}/keys/tokens"), &json!({}))
            .await;
        let bob = second.with_token(text(&made, "key"));
        let waiting = (0..8).map(|_| send(&bob, Method::GET, ME.to_owned(), &Value::Null));
        let waiting: Vec<_> = waiting.collect();
        let path = format!("{USERS}/{id}/status/suspend");
        let suspended = owner.put(&path, &Value::Null).await;
        assert_eq!(suspended.json["status"], "suspended", "{suspended:?}");
        assert_among(&answers(waiting).await, &[200, 401]);
        assert_eq!(bob.get(ME).await.status, 401);
        let seen = owner.get(&format!("{USERS}/{id}")).await;
        assert_eq!(seen.json["status"], "suspended");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_admin_gets_no_owners_role_into_a_change_of_roles_by_being_slow() {
    let app = TestApp::start().await;
    let second = app.second_node().await;
    let owner = app.owner().await;
    let admin = with_role(&app, &owner, "admin", Role::UserAdmin).await;
    let bob = app.user(&owner, "bob").await;
    let path = format!("{USERS}/{bob}/roles");
    for _ in 0..ROUNDS {
        let reset = UserCommand::AssignRoles {
            roles: [].into(),
            tokens_end_by: None,
        };
        app.command(bob, reset).await;
        // The user admin may give and take being a member, and nothing else, whatever the roles are at that moment.
        let mut waiting = Vec::new();
        for nth in 0..8 {
            let node = if nth % 2 == 0 { &app } else { &second };
            let client = node.with_token(admin.token());
            let roles = [
                json!(["member"]),
                json!([]),
                json!(["owner"]),
                json!(["member", "auditor"]),
            ];
            let body = json!({ "roles": roles[nth % 4] });
            waiting.push(send(&client, Method::PUT, path.clone(), &body));
        }
        let given = owner.put(&path, &json!({ "roles": ["auditor"] })).await;
        assert!([200, 409].contains(&given.status), "{given:?}");
        assert_among(&answers(waiting).await, &[200, 403, 409]);
        let roles = owner.get(&path).await.json["roles"].clone();
        let has = |role: &str| roles.as_array().unwrap().contains(&json!(role));
        assert!(!has("owner"), "{roles}");
        assert_eq!(has("auditor"), given.status == 200, "{roles}");
    }
}
