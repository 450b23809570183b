//! Whatever is asked of the audit log, it lists and counts what a reader of all its entries would.

use std::fmt::Write as _;

use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};
use rollcall_events::user::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    audit::{NIL, audit, encoded},
    given::{LOGIN, USERS, with_role},
    support::{PASSWORD, TestApp, client::Client},
};

const ENTRIES: u128 = 240;
const QUESTIONS: u32 = 500;
const ACTIONS: [&str; 4] = ["create", "write", "login", "stop"];
const TYPES: [&str; 4] = ["user", "api_key", "organization", "workspace"];
const DAYS: [&str; 4] = ["2025-12-30", "2025-12-31", "2026-01-01", "2026-01-02"];

fn id(nth: u128) -> String {
    Uuid::from_u128(nth).to_string()
}

/// Two who make up entries of all sorts, about themselves, each other and whatever else, among real ones; and what those are
/// about.
async fn world() -> (TestApp, Client, Vec<String>) {
    let app = TestApp::start_with(|config| {
        config.audit_test_entries = true;
        config.api_rate_limit = 0;
        config.login_rate_limit = 0;
    })
    .await;
    let ada = app.owner().await;
    let bob = with_role(&app, &ada, "bob", Role::Owner).await;
    let mut things: Vec<String> = (1..4).map(id).collect();
    for who in [&ada, &bob] {
        let me = who.get(&format!("{USERS}/me")).await;
        things.push(me.json["id"].as_str().unwrap().to_owned());
    }
    for nth in 0..ENTRIES {
        let whoever = if nth % 3 == 0 { &bob } else { &ada };
        // Each of these goes round at another pace.
        let day = DAYS[usize::try_from(nth % 4).unwrap()];
        let made_up = json!({
            "action": ACTIONS[usize::try_from(nth / 2 % 4).unwrap()],
            "resource_type": TYPES[usize::try_from(nth / 5 % 4).unwrap()],
            "resource_id": things[usize::try_from(nth % 5).unwrap()],
            "organization_id": if nth % 2 == 0 { NIL.to_owned() } else { id(100 + nth % 3) },
            "request_id": id(1_000 + nth / 4),
            "time": format!("{day}T{:02}:00:00Z", nth % 24),
        });
        let made = whoever.post("/api/v2/audit/testgenerate", &made_up).await;
        assert_eq!(made.status, 204, "{made:?}");
        if nth % 40 == 0 {
            let (email, name) = (format!("u{nth}@example.com"), format!("u{nth}"));
            app.user(whoever, &name).await;
            for password in [PASSWORD, "wrong"] {
                let wish = json!({ "email": email, "password": password });
                app.anonymous().post(LOGIN, &wish).await;
            }
            let path = format!("{USERS}/{name}/status/suspend");
            assert_eq!(whoever.put(&path, &json!({})).await.status, 200);
        }
    }
    (app, ada, things)
}

/// A question: its keys with their values, each there or not.
#[derive(Debug, Clone)]
struct Question {
    keys: Vec<(&'static str, String)>,
    limit: usize,
    offset: usize,
    /// The place in the list behind which, or before which, the page is.
    cursor: Option<(bool, usize)>,
}

fn question(things: Vec<String>) -> impl Strategy<Value = Question> {
    let one_of = |key: &'static str, values: &[&str], weight: f64| {
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        prop::option::weighted(
            weight,
            prop::sample::select(values).prop_map(move |value| (key, value)),
        )
    };
    let ids = |from, to| (from..to).map(id).collect::<Vec<String>>();
    let some_id = |key: &'static str, ids: Vec<String>, weight: f64| {
        prop::option::weighted(
            weight,
            prop::sample::select(ids).prop_map(move |value| (key, value)),
        )
    };
    let keys = (
        one_of("resource_type", &TYPES, 0.2),
        one_of("action", &ACTIONS, 0.2),
        one_of(
            "username",
            &["ada", "bob", "me", "u0", "u40", "nobody"],
            0.5,
        ),
        one_of("date_from", &DAYS[..2], 0.2),
        one_of("date_to", &DAYS[1..], 0.2),
        some_id("resource_id", [things, ids(4, 5)].concat(), 0.4),
        some_id("organization", ids(100, 104), 0.1),
        some_id("request_id", ids(1_000, 1_060), 0.05),
    )
        .prop_map(|keys| {
            let keys = [
                keys.0, keys.1, keys.2, keys.3, keys.4, keys.5, keys.6, keys.7,
            ];
            keys.into_iter().flatten().collect()
        });
    let cursor = prop::option::weighted(0.4, (any::<bool>(), 0..400_usize));
    (keys, 1..60_usize, 0..30_usize, cursor).prop_map(|(keys, limit, offset, cursor)| Question {
        keys,
        limit,
        offset,
        cursor,
    })
}

/// What somebody or nobody named did to each of the things, on each side of the middle of the list.
fn by_and_to(things: &[String], all: usize) -> Vec<Question> {
    let mut questions = Vec::new();
    for username in [None, Some("me"), Some("bob")] {
        for thing in [None].into_iter().chain(things.iter().map(Some)) {
            for cursor in [None, Some((true, all / 2)), Some((false, all / 2))] {
                let by = username.map(|name| ("username", name.to_owned()));
                let to = thing.map(|thing| ("resource_id", thing.clone()));
                questions.push(Question {
                    keys: by.into_iter().chain(to).collect(),
                    limit: 5,
                    offset: 2,
                    cursor,
                });
            }
        }
    }
    questions
}

/// What a reader of the entry finds under this key.
fn holds(entry: &Value, key: &str, value: &str) -> bool {
    let text = |field: &str| entry[field].as_str().unwrap();
    let day = &text("time")[..10];
    match key {
        "username" => {
            let name = if value == "me" { "ada" } else { value };
            entry["user"]["username"] == name
        }
        "date_from" => day >= value,
        "date_to" => day <= value,
        "organization" => text("organization_id") == value,
        field => text(field) == value,
    }
}

impl Question {
    fn query(&self, all: &[Value]) -> String {
        let keys: Vec<String> = self
            .keys
            .iter()
            .map(|(key, value)| format!("{key}:{value}"))
            .collect();
        let mut query = format!(
            "q={}&limit={}&offset={}",
            encoded(&keys.join(" ")),
            self.limit,
            self.offset
        );
        if let Some((is_after, nth)) = self.cursor {
            let name = if is_after { "after_id" } else { "before_id" };
            let id = all[nth % all.len()]["id"].as_str().unwrap();
            write!(query, "&{name}={id}").unwrap();
        }
        query
    }

    /// The page and the count, from all entries.
    fn answer<'a>(&self, all: &'a [Value]) -> (Vec<&'a Value>, usize) {
        let is_found = |entry: &&Value| {
            let mut keys = self.keys.iter();
            keys.all(|(key, value)| holds(entry, key, value))
        };
        let count = all.iter().filter(is_found).count();
        let page: Vec<&Value> = match self.cursor {
            None => all
                .iter()
                .filter(is_found)
                .skip(self.offset)
                .take(self.limit)
                .collect(),
            Some((true, nth)) => {
                let rest = &all[nth % all.len() + 1..];
                rest.iter()
                    .filter(is_found)
                    .skip(self.offset)
                    .take(self.limit)
                    .collect()
            }
            Some((false, nth)) => {
                let newer = &all[..nth % all.len()];
                let next = newer.iter().rev().filter(is_found);
                let mut page: Vec<&Value> = next.skip(self.offset).take(self.limit).collect();
                page.reverse();
                page
            }
        };
        let count = if page.is_empty() { 0 } else { count };
        (page, count)
    }
}

#[test]
fn pages_and_counts_are_those_of_whoever_reads_everything() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (_app, ada, things) = runtime.block_on(world());
    let mut all = runtime.block_on(audit(&ada, "limit=1000"));
    let all: Vec<Value> = serde_json::from_value(all["audit_logs"].take()).unwrap();
    assert!(all.len() > 250, "{}", all.len());
    let config = Config {
        cases: QUESTIONS,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let check = |question: Question| {
        let answer = runtime.block_on(audit(&ada, &question.query(&all)));
        let (page, count) = question.answer(&all);
        prop_assert_eq!(&answer["audit_logs"], &json!(page));
        prop_assert_eq!(&answer["count"], &json!(count));
        Ok::<_, TestCaseError>(())
    };
    for question in by_and_to(&things, all.len()) {
        check(question.clone()).unwrap_or_else(|error| panic!("{question:?}: {error}"));
    }
    let outcome = TestRunner::new_with_rng(config, rng).run(&question(things), check);
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
