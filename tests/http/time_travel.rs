//! The past, as it was when it was the present.

use std::{collections::BTreeMap, time::Duration};

use axum::http::Method;
use chrono::TimeDelta;
use rollcall_events::{
    Authority, Metadata,
    clock::Clock,
    ids::Ids,
    user::{ActivationCause, DisplayName, ProfileChange, Role, UserCommand, Username},
};
use serde_json::{Value, json};
use sqlx::ConnectOptions;
use uuid::Uuid;

use crate::{
    given::{
        ME, USERS, assert_refused, member, text, usernames, wish, wish_with, with_role,
        wrong_fields,
    },
    support::{
        PASSWORD, TestApp,
        client::{Answer, Client},
    },
};

/// Falls the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % sides
    }

    fn choose<'a, T>(&mut self, things: &'a [T]) -> &'a T {
        &things[self.roll(things.len())]
    }
}

/// A user as somebody saw them when it was the present.
struct Seen {
    user: Uuid,
    at: String,
    position: i64,
    is: Value,
}

/// What was searched for, and who was found when it was the present.
struct Found {
    q: &'static str,
    at: String,
    position: i64,
    users: Vec<Value>,
}

fn without_visit(mut user: Value) -> Value {
    user.as_object_mut().unwrap().remove("last_seen_at");
    user
}

fn users(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let users = answer.json["users"].as_array().unwrap().iter().cloned();
    users.map(without_visit).collect()
}

fn now(app: &TestApp) -> String {
    app.clock.now().format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// Does something, or tries to, to somebody: who it was, and the position at which it is done.
async fn anything(
    dice: &mut Dice,
    owner: &Client,
    app: &TestApp,
    people: &mut Vec<Uuid>,
) -> Option<(Uuid, i64)> {
    let nth = dice.roll(60);
    if people.len() < 3 || dice.roll(40) == 0 {
        let created = owner.post(USERS, &wish(app, &format!("user{nth}"))).await;
        let id = created.json["id"].as_str()?.parse().unwrap();
        people.push(id);
        return Some((id, position(&created)?));
    }
    let id = *dice.choose(people);
    let path = format!("{USERS}/{id}");
    let command = match dice.roll(100) {
        0..40 => UserCommand::ChangeProfile(ProfileChange {
            username: Some(Username::parse(&format!("user{nth}")).unwrap()),
            name: Some(DisplayName::parse(&format!("Name {nth}")).unwrap()),
            ..ProfileChange::default()
        }),
        40..55 => UserCommand::SuspendUser,
        55..70 => UserCommand::ActivateUser(ActivationCause::Administrator),
        70..80 => {
            let roles = [&[Role::Auditor][..], &[Role::UserAdmin, Role::Auditor], &[]];
            UserCommand::AssignRoles {
                roles: dice.choose(&roles).iter().copied().collect(),
                tokens_end_by: None,
            }
        }
        80..86 => UserCommand::LeaveOrganization(app.app.default_organization),
        86..92 => UserCommand::JoinOrganization(app.app.default_organization),
        92..96 => {
            let password = json!({ "password": format!("{PASSWORD} {nth}") });
            let answer = owner.put(&format!("{path}/password"), &password).await;
            return Some((id, position(&answer)?));
        }
        96..98 => {
            let made = json!({ "token_name": format!("token {nth}") });
            let answer = owner.post(&format!("{path}/keys/tokens"), &made).await;
            return Some((id, position(&answer)?));
        }
        _ => UserCommand::DeleteUser,
    };
    let authority = Authority::system(Metadata::system(Ids.uuid()));
    let done = app.app.users.execute(id, command, authority, Vec::new());
    Some((id, done.await.ok()?.position))
}

/// Where in the log it is what was asked for, if it is.
fn position(answer: &Answer) -> Option<i64> {
    assert!(answer.status < 500, "{answer:?}");
    let is_done = (200..300).contains(&answer.status);
    is_done.then(|| answer.header("rollcall-position").parse().unwrap())
}

#[tokio::test]
async fn whoever_was_seen_in_a_random_history_of_a_thousand_commands_is_seen_so_again() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let mut dice = Dice(88_172_645_463_325_252);
    let (mut people, mut seen, mut found) = (Vec::new(), Vec::new(), Vec::new());
    for nth in 0..1_000 {
        app.pass(TimeDelta::milliseconds(7));
        let Some((user, position)) = anything(&mut dice, &owner, &app, &mut people).await else {
            continue;
        };
        let is = owner.get(&format!("{USERS}/{user}")).await;
        seen.push(Seen {
            user,
            at: now(&app),
            position,
            is: without_visit(is.json),
        });
        if nth % 20 == 0 {
            let q = [
                "",
                "status:active",
                "role:auditor",
                "user1",
                "name:%22name%201%22",
            ][nth / 20 % 5];
            found.push(Found {
                q,
                at: now(&app),
                position,
                users: users(&owner.get(&format!("{USERS}?q={q}")).await),
            });
        }
    }
    assert!(
        seen.len() > 400,
        "only {} commands did something",
        seen.len()
    );
    for Seen {
        user,
        at,
        position,
        is,
    } in &seen
    {
        for query in [format!("at={at}"), format!("position={position}")] {
            let then = owner.get(&format!("{USERS}/{user}?{query}")).await;
            assert_eq!(&without_visit(then.json), is, "{query}");
        }
    }
    every_version_is_what_was_seen(&owner, &seen).await;
    for found in &found {
        whoever_was_found_is_found_again(&owner, found).await;
    }
}

/// The events of the histories say which version was seen at which position.
async fn every_version_is_what_was_seen(owner: &Client, seen: &[Seen]) {
    let mut histories: BTreeMap<Uuid, Vec<Value>> = BTreeMap::new();
    for Seen { user, .. } in seen {
        if !histories.contains_key(user) {
            let path = format!("{USERS}/{user}/history?limit=1000");
            let entries = owner.get(&path).await.json["entries"].take();
            histories.insert(*user, entries.as_array().unwrap().clone());
        }
    }
    for Seen {
        user, position, is, ..
    } in seen
    {
        // A command that changes nothing is answered with the position of what had been before.
        let mut entries = histories[user].iter();
        let entry = entries.find(|entry| entry["position"].as_i64() <= Some(*position));
        let version = &entry.unwrap()["version"];
        let then = owner
            .get(&format!("{USERS}/{user}?version={version}"))
            .await;
        assert_eq!(&without_visit(then.json), is, "version {version}");
    }
}

async fn whoever_was_found_is_found_again(owner: &Client, found: &Found) {
    let Found {
        q,
        at,
        position,
        users: were,
    } = found;
    for moment in [format!("at={at}"), format!("position={position}")] {
        let path = format!("{USERS}?q={q}&{moment}");
        let then = owner.get(&path).await;
        assert_eq!(&users(&then), were, "{path}");
        let count = i64::try_from(were.len()).unwrap();
        assert_eq!(then.json["count"], count, "{path}");
        let mut paged: Vec<Value> = Vec::new();
        loop {
            let after = paged.last().map_or("", |last| last["id"].as_str().unwrap());
            let page = owner.get(&format!("{path}&limit=7&after_id={after}")).await;
            let left = were.len() - paged.len();
            assert_eq!(page.json["count"], left, "{path} after {after}");
            if left == 0 {
                break;
            }
            paged.extend(users(&page));
        }
        assert_eq!(&paged, were, "{path}, page by page");
        let part = owner.get(&format!("{path}&limit=3&offset=2")).await;
        let expected: Vec<Value> = were.iter().skip(2).take(3).cloned().collect();
        assert_eq!(users(&part), expected, "{path}, a part");
    }
}

#[tokio::test]
async fn the_list_of_a_moment_shows_who_was_there_and_pages_by_the_names_of_then() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    app.user(&owner, "cleo").await;
    let then = now(&app);
    app.pass(TimeDelta::hours(1));
    let profile = json!({ "username": "zoe", "name": "" });
    owner.put(&format!("{USERS}/{bob}/profile"), &profile).await;
    owner.delete(&format!("{USERS}/cleo")).await;
    let other = json!({ "email": "another@example.com" });
    let created = owner.post(USERS, &wish_with(&app, "bob", &other)).await;
    assert_eq!(created.status, 201, "{created:?}");
    assert_eq!(usernames(&owner.get(USERS).await), ["ada", "bob", "zoe"]);
    let at = |rest: &str| format!("{USERS}?at={then}{rest}");
    let all = owner.get(&at("")).await;
    assert_eq!(usernames(&all), ["ada", "bob", "cleo"]);
    assert_eq!(all.json["users"][1]["id"], bob.to_string());
    let page = owner.get(&at("&limit=1&offset=1")).await;
    assert_eq!(
        (usernames(&page), page.json["count"].as_i64()),
        (vec!["bob"], Some(3))
    );
    let rest = owner.get(&at(&format!("&after_id={bob}"))).await;
    assert_eq!(usernames(&rest), ["cleo"]);
    assert_eq!(
        usernames(&owner.get(&at("&q=zoe")).await),
        Vec::<&str>::new()
    );
    let early = owner.get(&format!("{USERS}?at=2025-01-01T00:00:00Z")).await;
    assert_eq!(
        (usernames(&early).len(), early.json["count"].as_i64()),
        (0, Some(0))
    );
    let bad = format!(
        "{USERS}?at=2036-01-01T00:00:00Z&q=last_seen_after:%222025-01-01T00:00:00Z%22%20github_com_user_id:1"
    );
    assert_eq!(
        wrong_fields(&owner.get(&bad).await),
        ["at", "github_com_user_id", "last_seen_after"]
    );
    // By its place in the log, too; and before anything, and after everything.
    let created: i64 = created.header("rollcall-position").parse().unwrap();
    let as_of = |position: i64| format!("{USERS}?position={position}");
    let before = owner.get(&as_of(created - 1)).await;
    assert_eq!(usernames(&before), ["ada", "zoe"]);
    let after = owner.get(&as_of(created)).await;
    assert_eq!(usernames(&after), ["ada", "bob", "zoe"]);
    let nothing = owner.get(&as_of(0)).await;
    assert_eq!(
        (usernames(&nothing).len(), nothing.json["count"].as_i64()),
        (0, Some(0))
    );
    for (query, field) in [
        ("position=1000", "position"),
        ("position=-1", "position"),
        ("position=x", "position"),
        ("at=noon", "at"),
        ("at=2026-01-01T12:00:00Z&position=1", "at"),
    ] {
        let refused = owner.get(&format!("{USERS}?{query}")).await;
        assert_eq!(wrong_fields(&refused), [field], "{query}");
    }
    let nobody = owner
        .get(&at(&format!("&after_id={}", Uuid::from_u128(7))))
        .await;
    assert_eq!(
        (usernames(&nobody).len(), nobody.json["count"].as_i64()),
        (0, Some(0))
    );
    // Who may not read histories finds themselves.
    let admin = with_role(&app, &owner, "ulla", Role::UserAdmin).await;
    let now = now(&app);
    let own = admin.get(&format!("{USERS}?at={now}")).await;
    assert_eq!(usernames(&own), ["ulla"]);
    let auditor = with_role(&app, &owner, "olga", Role::Auditor).await;
    assert_eq!(usernames(&auditor.get(&at("")).await).len(), 3);
}

#[tokio::test]
async fn an_erased_person_is_blank_in_every_list_of_the_past() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let id = app.user(&owner, "bob").await;
    let then = now(&app);
    app.pass(TimeDelta::hours(1));
    let path = format!("{USERS}/{id}/personal-data");
    let body = serde_json::to_vec(&json!({ "confirm": "bob" })).unwrap();
    let erased = owner.send(Method::DELETE, &path, &[], body).await;
    assert_eq!(erased.status, 200, "{erased:?}");
    let list = owner.get(&format!("{USERS}?at={then}")).await;
    assert_eq!(usernames(&list), ["ada", ""]);
    assert!(!list.text.contains("bob"), "{list:?}");
    let none = owner.get(&format!("{USERS}?at={then}&q=bob")).await;
    assert_eq!(usernames(&none), Vec::<&str>::new());
    // The blank can be paged through, too.
    let ada = list.json["users"][0]["id"].as_str().unwrap();
    let page = owner
        .get(&format!("{USERS}?at={then}&after_id={ada}"))
        .await;
    assert_eq!(page.json["users"][0]["id"], id.to_string());
    let end = owner.get(&format!("{USERS}?at={then}&after_id={id}")).await;
    assert_eq!(usernames(&end), Vec::<&str>::new());
}

#[tokio::test]
async fn the_difference_between_two_moments_names_each_field_before_and_after() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let id = app.user(&owner, "bob").await;
    app.pass(TimeDelta::hours(1));
    let profile = json!({ "username": "robert", "name": "Robert" });
    owner.put(&format!("{USERS}/{id}/profile"), &profile).await;
    let path = |query: &str| format!("{USERS}/{id}/difference?{query}");
    let told = owner.get(&path("from_version=1&version=2")).await;
    let expected = json!([
        { "op": "add", "path": "/name", "value": "Robert" },
        { "op": "replace", "path": "/updated_at", "old": "2026-01-01T12:00:00Z", "value": "2026-01-01T13:00:00Z" },
        { "op": "replace", "path": "/username", "old": "bob", "value": "robert" },
    ]);
    assert_eq!(told.json["changes"], expected);
    assert_eq!(told.json["before"]["username"], "bob");
    let now = owner.get(&path("from_version=2")).await;
    assert_eq!(now.json["changes"], json!([]));
    let back = owner
        .get(&path("from_version=2&at=2026-01-01T12:30:00Z"))
        .await;
    assert_eq!(
        back.json["changes"][0],
        json!({ "op": "remove", "path": "/name", "old": "Robert" })
    );
    let born = owner
        .get(&path("from_at=2026-01-01T11:00:00Z&version=1"))
        .await;
    assert_eq!(born.json["before"], Value::Null);
    let bad = path("from_at=2026-01-01T12:00:00Z&from_version=1&version=9");
    assert_eq!(wrong_fields(&owner.get(&bad).await), ["from_at"]);
    for (query, field) in [
        ("version=9", "version"),
        ("from_version=9", "from_version"),
        ("from_position=99", "from_position"),
        ("from_at=2027-01-01T12:00:00Z", "from_at"),
    ] {
        assert_eq!(wrong_fields(&owner.get(&path(query)).await), [field]);
    }
}

#[tokio::test]
async fn before_a_users_first_event_there_was_nobody() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let id = app.user(&owner, "bob").await;
    for path in ["?version=0", "/sessions?version=0"] {
        let answer = owner.get(&format!("{USERS}/{id}{path}")).await;
        assert_refused(&answer, 404, "Resource not found");
    }
    let path = |query| format!("{USERS}/{id}/difference?{query}");
    let since = owner.get(&path("from_version=0")).await;
    assert_eq!(since.json, owner.get(&path("")).await.json);
}

#[tokio::test]
async fn a_list_as_of_a_version_is_refused_and_not_that_of_the_present() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let answer = owner.get(&format!("{USERS}?version=1")).await;
    assert_eq!(wrong_fields(&answer), ["version"]);
}

#[tokio::test]
async fn what_is_being_written_is_waited_for_where_it_may_be_of_the_moment() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let id = app.user(&owner, "bob").await;
    app.pass(TimeDelta::hours(1));
    app.user(&owner, "cleo").await;
    app.pass(TimeDelta::hours(1));
    let mut writer = app.superuser.connect().await.unwrap();
    sqlx::raw_sql("BEGIN; SELECT FROM log.head FOR UPDATE")
        .execute(&mut writer)
        .await
        .unwrap();
    let before = format!("{USERS}/{id}?at=2026-01-01T12:30:00Z");
    assert_eq!(owner.get(&before).await.status, 200);
    let since = format!("{USERS}/{id}?at=2026-01-01T13:30:00Z");
    let asked = owner.get(&since);
    tokio::pin!(asked);
    let early = tokio::time::timeout(Duration::from_millis(300), &mut asked).await;
    assert!(early.is_err(), "{early:?}");
    sqlx::raw_sql("COMMIT").execute(&mut writer).await.unwrap();
    assert_eq!(asked.await.status, 200);
}

#[tokio::test]
async fn the_sessions_and_tokens_of_a_moment_are_told_with_how_they_were_made_and_what_became_of_them()
 {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, bob) = member(&app, &owner, "bob").await;
    let made = json!({ "token_name": "ci", "lifetime": 3_600_000_000_000_i64 });
    let made = bob.post(&format!("{ME}/keys/tokens"), &made).await;
    assert_eq!(made.status, 201, "{made:?}");
    let begun = now(&app);
    app.pass(TimeDelta::minutes(30));
    let halfway = now(&app);
    app.pass(TimeDelta::minutes(31));
    let later = now(&app);
    app.pass(TimeDelta::minutes(1));
    assert_eq!(
        bob.post("/api/v2/users/logout", &Value::Null).await.status,
        200
    );
    let end = now(&app);

    let at = |time: &str| format!("{USERS}/{id}/sessions?at={time}");
    let told = owner.get(&at(&halfway)).await;
    assert_eq!(told.json["user_status"], "active");
    let sessions = told.json["sessions"].as_array().unwrap();
    let session_id = bob.token().split_once('-').unwrap().0;
    let token = sessions
        .iter()
        .find(|session| session["token_name"] == "ci")
        .unwrap();
    let session = sessions
        .iter()
        .find(|session| session["id"] == session_id)
        .unwrap();
    assert_eq!(sessions.len(), 2);
    assert_eq!(token["login_type"], "token");
    assert_eq!(token["made_by"], format!("user:{id}"));
    assert_eq!(token["authentication"], format!("session:{session_id}"));
    assert_eq!(session["login_type"], "password");
    assert_eq!(session["ip"], "127.0.0.1");
    assert_eq!(session["is_certain"], true);
    assert_eq!(session["end_reason"], "signed_out");
    assert_eq!(session["ended_at"], "2026-01-01T13:02:00Z");
    let (_, secret) = bob.token().split_once('-').unwrap();
    assert!(!told.text.contains(secret) && !told.text.contains("sha256"));

    let ids = |answer: &Answer| answer.json["sessions"].as_array().unwrap().len();
    assert_eq!(ids(&owner.get(&at(&begun)).await), 2);
    assert_eq!(
        ids(&owner.get(&at(&later)).await),
        1,
        "the token was past its end"
    );
    assert_eq!(ids(&owner.get(&at(&end)).await), 0);
    let version = owner.get(&format!("{USERS}/{id}/sessions?version=1")).await;
    assert_eq!(ids(&version), 0);
    let missing = owner
        .get(&format!("{USERS}/{id}/sessions?at=2026-01-01T11:00:00Z"))
        .await;
    assert_refused(&missing, 404, "Resource not found");
    assert_eq!(
        text(
            &owner.get(&format!("{USERS}/{id}/sessions")).await,
            "user_status"
        ),
        "active"
    );
}

#[tokio::test]
async fn what_was_done_by_a_session_is_its_use_even_when_nothing_else_is_known_of_it() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let id = owner.get(ME).await.json["id"].clone();
    let id = id.as_str().unwrap();
    app.pass(TimeDelta::hours(23));
    app.user(&owner, "bob").await;
    let done = now(&app);
    app.pass(TimeDelta::minutes(30));
    let another = app.sign_in("ada@example.com").await;
    let key = owner.token().split_once('-').unwrap().0;
    let ended = another.delete(&format!("{ME}/keys/{key}")).await;
    assert_eq!(ended.status, 204, "{ended:?}");
    rollcall_projections::tidy_up_activity(app.pool())
        .await
        .unwrap();
    let told = another
        .get(&format!("{USERS}/{id}/sessions?at={done}"))
        .await;
    let session = &told.json["sessions"][0];
    assert_eq!(session["id"], key);
    assert_eq!(session["is_certain"], true, "{told:?}");
    assert_eq!(session["last_used"], "2026-01-02T11:00:00Z");
    assert_eq!(session["end_reason"], "revoked");
}

#[tokio::test]
async fn a_session_that_may_have_slid_is_told_as_uncertain_until_its_use_is_known() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, bob) = member(&app, &owner, "bob").await;
    app.pass(TimeDelta::hours(20));
    assert_eq!(bob.get(ME).await.status, 200);
    app.pass(TimeDelta::hours(20));
    assert_eq!(bob.get(ME).await.status, 200);
    let olga = app.sign_in("ada@example.com").await;
    let path = format!("{USERS}/{id}/sessions?at=2026-01-02T20:00:00Z");
    let told = olga.get(&path).await;
    assert_eq!(told.json["sessions"][0]["is_certain"], true, "{told:?}");
    assert_eq!(
        told.json["sessions"][0]["last_used"],
        "2026-01-03T04:00:00Z"
    );
    // What noted the use is tidied up when the session has ended by another's hand.
    let key = bob.token().split_once('-').unwrap().0;
    assert_eq!(
        olga.delete(&format!("{USERS}/{id}/keys/{key}"))
            .await
            .status,
        204
    );
    rollcall_projections::tidy_up_activity(app.pool())
        .await
        .unwrap();
    let told = olga.get(&path).await;
    assert_eq!(told.json["sessions"][0]["is_certain"], false, "{told:?}");
    assert_eq!(told.json["sessions"][0]["end_reason"], "revoked");
}
