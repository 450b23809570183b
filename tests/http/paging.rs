//! The order of the list, its pages, and its count.

use std::collections::BTreeSet;

use rollcall_events::{Authority, Metadata, ids::Ids, user::UserCommand};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    given::{USERS, member, usernames, wish, wish_with},
    support::{TestApp, client::Client},
};

const NOBODY: &str = "497f6eca-6276-4993-bfeb-53cbbbba6f08";

/// A hundred users, made all at once, and Ada.
async fn a_hundred() -> (TestApp, Client) {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let made: Vec<_> = (0..100)
        .map(|nth| {
            let (owner, wish) = (owner.clone(), wish(&app, &format!("u{nth}")));
            tokio::spawn(async move { owner.post(USERS, &wish).await.status })
        })
        .collect();
    for status in made {
        assert_eq!(status.await.unwrap(), 201);
    }
    (app, owner)
}

async fn list(owner: &Client, query: &str) -> Value {
    let answer = owner.get(&format!("{USERS}?{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {answer:?}");
    answer.json
}

fn users(list: &Value) -> &[Value] {
    list["users"].as_array().unwrap()
}

#[tokio::test]
async fn pages_of_every_size_by_cursor_and_by_offset_are_the_whole_list() {
    let (_app, owner) = a_hundred().await;
    let whole = list(&owner, "").await;
    assert_eq!(users(&whole).len(), 101);
    for size in [3, 5, 7, 10] {
        let (mut by_cursor, mut by_offset) = (Vec::new(), Vec::new());
        loop {
            let got = by_cursor.len();
            let after = by_cursor
                .last()
                .map_or(json!(""), |user: &Value| user["id"].clone());
            let after = after.as_str().unwrap_or_default().to_owned();
            let page = list(&owner, &format!("limit={size}&after_id={after}")).await;
            let other = list(&owner, &format!("limit={size}&offset={got}")).await;
            assert_eq!(page["users"], other["users"], "{size} after {got}");
            let rest = 101 - got;
            assert_eq!(page["count"], rest, "what comes after the cursor");
            let all = if rest == 0 { 0 } else { 101 };
            assert_eq!(other["count"], all, "what there is before the offset");
            assert_eq!(users(&page).len(), rest.min(size));
            if rest == 0 {
                break;
            }
            by_cursor.extend_from_slice(users(&page));
            by_offset.extend_from_slice(users(&other));
        }
        assert_eq!(by_cursor, users(&whole), "{size}");
        assert_eq!(by_offset, users(&whole), "{size}");
    }
}

#[tokio::test]
async fn the_streamed_list_is_the_page_that_is_large_enough_and_its_count() {
    let (_app, owner) = a_hundred().await;
    let whole = list(&owner, "").await;
    assert_eq!(list(&owner, "limit=2147483647").await, whole);
    let cursor = users(&whole)[40]["id"].as_str().unwrap();
    for query in [
        "offset=10",
        "q=u1",
        "q=u1&offset=3",
        "q=nobody",
        "offset=101",
        &format!("after_id={cursor}"),
        &format!("after_id={cursor}&offset=5&q=u"),
    ] {
        let streamed = list(&owner, query).await;
        // Of these the first two are pages, the third is large enough to be streamed, and the last has no limit.
        for limit in ["500", "1000", "1001", "0"] {
            let other = list(&owner, &format!("{query}&limit={limit}")).await;
            assert_eq!(other, streamed, "{query} limit {limit}");
        }
    }
}

#[tokio::test]
async fn the_cursor_comes_first_then_the_offset_then_the_limit() {
    let (_app, owner) = a_hundred().await;
    let whole = list(&owner, "").await;
    let cursor = users(&whole)[9]["id"].as_str().unwrap();
    let page = list(&owner, &format!("after_id={cursor}&offset=5&limit=3")).await;
    assert_eq!(users(&page), &users(&whole)[15..18]);
    assert_eq!(page["count"], 91);
    let filtered = list(&owner, &format!("q=u&after_id={cursor}&limit=1")).await;
    assert_eq!(filtered["count"], 91);
}

#[tokio::test]
async fn every_user_is_on_one_page_while_others_come_and_go() {
    let (app, owner) = a_hundred().await;
    let whole = list(&owner, "").await;
    let ids: BTreeSet<_> = users(&whole)
        .iter()
        .map(|user| user["id"].as_str())
        .collect();
    let first = list(&owner, "limit=50").await;
    let last = users(&first)[49]["id"].as_str().unwrap();
    let gone: Uuid = users(&first)[10]["id"].as_str().unwrap().parse().unwrap();
    app.command(gone, UserCommand::DeleteUser).await;
    owner.post(USERS, &wish(&app, "a-newcomer")).await;
    let second = list(&owner, &format!("after_id={last}")).await;
    let seen = users(&first).iter().chain(users(&second));
    let seen: BTreeSet<_> = seen.map(|user| user["id"].as_str()).collect();
    assert_eq!(seen, ids);
}

#[tokio::test]
async fn the_order_is_that_of_the_bytes_of_the_lower_case_username() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for username in ["b", "B-1", "a1", "A-2", "Z", "10", "9", "b1", "ab"] {
        app.user(&owner, username).await;
    }
    let answer = owner.get(USERS).await;
    assert_eq!(
        usernames(&answer),
        ["10", "9", "A-2", "a1", "ab", "ada", "b", "B-1", "b1", "Z"]
    );
}

#[tokio::test]
async fn an_unknown_cursor_is_followed_by_nobody() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for query in [
        format!("after_id={NOBODY}"),
        format!("after_id={NOBODY}&limit=5"),
    ] {
        let nobody = list(&owner, &query).await;
        assert_eq!(nobody, json!({ "users": [], "count": 0 }));
    }
}

#[tokio::test]
async fn the_nil_cursor_is_none() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let all = list(&owner, &format!("after_id={}", Uuid::nil())).await;
    assert_eq!(all["count"], 1);
}

#[tokio::test]
async fn a_cursor_may_be_suspended_deleted_or_outside_of_the_filter() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for name in ["b", "c", "d"] {
        app.user(&owner, name).await;
    }
    let cursor = app.user(&owner, "bb").await;
    for command in [
        None,
        Some(UserCommand::SuspendUser),
        Some(UserCommand::DeleteUser),
    ] {
        if let Some(command) = command {
            app.command(cursor, command).await;
        }
        let answer = owner.get(&format!("{USERS}?after_id={cursor}")).await;
        assert_eq!(usernames(&answer), ["c", "d"]);
        let answer = owner
            .get(&format!("{USERS}?after_id={cursor}&q=d&limit=5"))
            .await;
        assert_eq!(usernames(&answer), ["d"]);
        assert_eq!(answer.json["count"], 1);
    }
}

#[tokio::test]
async fn a_deleted_cursor_keeps_its_place_when_its_name_is_taken_again() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let cursor = app.user(&owner, "b").await;
    app.user(&owner, "c").await;
    app.command(cursor, UserCommand::DeleteUser).await;
    app.user(&owner, "b").await;
    let answer = owner.get(&format!("{USERS}?after_id={cursor}")).await;
    assert_eq!(usernames(&answer), ["c"]);
}

#[tokio::test]
async fn an_offset_beyond_the_end_is_an_empty_page_and_a_count_of_nothing() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for query in [
        "offset=1",
        "offset=1&limit=5",
        "offset=2147483647",
        "offset=2147483647&limit=2147483647",
    ] {
        let nobody = list(&owner, query).await;
        assert_eq!(nobody, json!({ "users": [], "count": 0 }), "{query}");
    }
}

#[tokio::test]
async fn a_member_pages_through_themselves() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, bob) = member(&app, &owner, "bob").await;
    assert_eq!(list(&bob, "limit=1").await["count"], 1);
    let nobody = json!({ "users": [], "count": 0 });
    assert_eq!(list(&bob, &format!("after_id={id}")).await, nobody);
    assert_eq!(list(&bob, "offset=1").await, nobody);
}

#[tokio::test]
async fn a_streamed_list_of_many_pieces_is_whole() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let name = "n".repeat(128);
    let made: Vec<_> = (0..200)
        .map(|nth| {
            let other = json!({ "name": name, "login_type": "none", "password": "" });
            let wish = wish_with(&app, &format!("u{nth}"), &other);
            let owner = owner.clone();
            tokio::spawn(async move { owner.post(USERS, &wish).await.status })
        })
        .collect();
    for status in made {
        assert_eq!(status.await.unwrap(), 201);
    }
    let answer = owner.get(USERS).await;
    assert!(answer.text.len() > 64 * 1024, "{}", answer.text.len());
    assert_eq!(answer.json["count"], 201);
    assert_eq!(users(&answer.json).len(), 201);
    let limited = list(&owner, "limit=1001").await;
    assert_eq!(limited, answer.json);
}

async fn rename(owner: &Client, id: &str, username: &str) {
    let profile = json!({ "username": username });
    let path = format!("{USERS}/{id}/profile");
    assert_eq!(owner.put(&path, &profile).await.status, 200);
}

/// Twenty users and Ada.
async fn twenty() -> (TestApp, Client) {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for nth in 0..20 {
        app.user(&owner, &format!("u{nth:02}")).await;
    }
    (app, owner)
}

/// The ids on the pages of a list, of which the last user of the first page changes before the second is asked for.
async fn ids_of_pages(
    first: &Client,
    then: &Client,
    list: &str,
    items: &str,
    id: &str,
    change: impl AsyncFnOnce(&str),
) -> (Vec<String>, String) {
    let ids = |answer: &Value| -> Vec<String> {
        let items = answer[items].as_array().unwrap().iter();
        items
            .map(|item| item[id].as_str().unwrap().to_owned())
            .collect()
    };
    let mut seen = ids(&first.get(&format!("{list}?limit=10")).await.json);
    let changed = seen.last().unwrap().clone();
    change(&changed).await;
    loop {
        let after = seen.last().unwrap();
        let next = format!("{list}?limit=10&after_id={after}");
        let page = ids(&then.get(&next).await.json);
        if page.is_empty() {
            return (seen, changed);
        }
        seen.extend(page);
    }
}

#[tokio::test]
async fn a_list_goes_on_where_its_page_ended_whatever_became_of_the_last_user_on_it() {
    let organization = "/api/v2/organizations/default/paginated-members".to_owned();
    for (list, items, id) in [
        (USERS, "users", "id"),
        (&*organization, "members", "user_id"),
    ] {
        for (name, is_seen_again) in [("a-first", false), ("z-last", true)] {
            let (_app, owner) = twenty().await;
            let all = async |last: &str| rename(&owner, last, name).await;
            let (mut seen, last) = ids_of_pages(&owner, &owner, list, items, id, all).await;
            let times = seen.iter().filter(|id| **id == last).count();
            assert_eq!(times, 1 + usize::from(is_seen_again), "{name}");
            seen.sort();
            seen.dedup();
            assert_eq!(seen.len(), 21, "{list}: renamed to {name}");
        }
        let (app, owner) = twenty().await;
        let erase = async |last: &str| {
            let subject = last.parse().unwrap();
            let metadata = Metadata::system(Ids.uuid());
            rollcall::erasure::erase(&app.app, subject, Authority::system(metadata))
                .await
                .unwrap();
        };
        let (mut seen, _) = ids_of_pages(&owner, &owner, list, items, id, erase).await;
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 21, "{list}: erased");
    }
}

#[tokio::test]
async fn a_list_that_goes_on_at_another_node_leaves_nobody_out() {
    for name in ["a-first", "z-last"] {
        let (app, owner) = twenty().await;
        let node = app.second_node().await;
        let there = node.with_token(owner.token());
        let change = async |last: &str| rename(&owner, last, name).await;
        let (mut seen, _) = ids_of_pages(&owner, &there, USERS, "users", "id", change).await;
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 21, "renamed to {name}");
    }
    let (app, owner) = twenty().await;
    let node = app.second_node().await;
    let there = node.with_token(owner.token());
    let delete = async |last: &str| {
        assert_eq!(owner.delete(&format!("{USERS}/{last}")).await.status, 200);
    };
    let (seen, _) = ids_of_pages(&owner, &there, USERS, "users", "id", delete).await;
    assert_eq!(seen.len(), 21, "deleted");
}
