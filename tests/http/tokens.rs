//! API tokens: names, lifetimes and scopes; shown once, and kept as a hash.

use std::{collections::BTreeSet, fmt::Write as _, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use chrono::TimeDelta;
use rollcall::config::Config;
use rollcall_events::user::{Role, Status, UserCommand};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::ConnectOptions;

use crate::{
    given::{
        LOGOUT, ME, USERS, assert_refused, first_complaint, history, member, post_raw, text,
        wish_with, with_role, wrong_fields,
    },
    keys::{NOT_FOUND, delete, id_of, keys_of, put, seen, time, with_new_key},
    support::{
        TestApp, beginning,
        client::{Answer, Client},
    },
};

const TOKENS: &str = "/api/v2/users/me/keys/tokens";
const CONFIG: &str = "/api/v2/users/me/keys/tokens/tokenconfig";
const HOUR_NS: i64 = 3_600_000_000_000;
const DAY_NS: i64 = 24 * HOUR_NS;

/// A new token of one's own, as this body asks for it.
async fn new_token(app: &TestApp, client: &Client, wish: &Value) -> Client {
    with_new_key(app, &client.post(TOKENS, wish).await)
}

/// The address of a token by its name.
fn by_name(name: &str) -> String {
    let mut path = format!("{TOKENS}/");
    for byte in name.bytes() {
        write!(path, "%{byte:02X}").unwrap();
    }
    path
}

/// The names on a list of tokens.
#[track_caller]
fn names(answer: &Answer) -> Vec<&str> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let tokens = answer.json.as_array().unwrap().iter();
    tokens
        .map(|token| token["token_name"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_token_opens_the_api_as_its_user() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    let answer = bob.post(TOKENS, &json!({ "token_name": "ci" })).await;
    let token = with_new_key(&app, &answer);
    assert_eq!(answer.json, json!({ "key": token.token() }));
    assert_eq!(answer.cookies(), Vec::<&str>::new());
    assert_eq!(answer.header("rollcall-position"), "");
    assert_eq!(token.get(ME).await.json["username"], "bob");
    assert_eq!(token.get("/api/v2/users/ada").await.status, 404);
}

#[tokio::test]
async fn a_token_is_seen_with_all_fields_that_clients_decode() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let me = owner.get(ME).await;
    let wish = json!({ "token_name": "ci", "lifetime": 90 * 1_000_000_000_i64, "scope": "application_connect" });
    let token = new_token(&app, &owner, &wish).await;
    let expected = json!({
        "id": id_of(&token),
        "user_id": me.json["id"],
        "username": "ada",
        "last_used": "1970-01-01T00:00:00Z",
        "expires_at": "2026-01-01T12:01:30Z",
        "created_at": "2026-01-01T12:00:00Z",
        "updated_at": "2026-01-01T12:00:00Z",
        "login_type": "token",
        "scope": "application_connect",
        "scopes": ["coder:application_connect"],
        "token_name": "ci",
        "allow_list": ["*:*"],
        "lifetime_seconds": 90,
    });
    assert_eq!(seen(&owner, id_of(&token)).await, expected);
    assert_eq!(owner.get(&by_name("ci")).await.json, expected);
    assert_eq!(owner.get(TOKENS).await.json, json!([expected]));
}

/// Every place of the database that holds this text, as it is or in a column of bytes.
async fn places_of(app: &TestApp, text: &str) -> BTreeSet<String> {
    let mut conn = app.superuser.connect().await.unwrap();
    let columns: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT table_schema || '.' || table_name, column_name, data_type
           FROM information_schema.columns
           JOIN information_schema.tables USING (table_schema, table_name)
          WHERE table_type = 'BASE TABLE' AND table_schema IN ('log', 'vault', 'read', 'live', 'cqrs', 'public')",
    )
    .fetch_all(&mut conn)
    .await
    .unwrap();
    assert!(columns.len() > 50, "{columns:?}");
    let mut places = BTreeSet::new();
    for (table, column, kind) in columns {
        let holds = match kind.as_str() {
            "bytea" => format!("position(convert_to($1, 'UTF8') IN {column}) > 0"),
            _ => format!("position($1 IN {column}::text) > 0"),
        };
        let question = format!("SELECT EXISTS (SELECT FROM {table} WHERE {holds})");
        let found: bool = sqlx::query_scalar(&question)
            .bind(text)
            .fetch_one(&mut conn)
            .await
            .unwrap();
        if found {
            places.insert(table);
        }
    }
    places
}

#[tokio::test]
async fn a_token_is_shown_once_and_stored_as_a_hash_alone() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let name = "Zephyrina's teapot";
    let token = new_token(&app, &owner, &json!({ "token_name": name })).await;
    token.get(ME).await;
    let (id, secret) = token.token().split_once('-').unwrap();
    for path in [TOKENS, &by_name(name), &format!("{ME}/keys/{id}")] {
        let answer = owner.get(path).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(!answer.text.contains(secret), "{path}");
    }
    assert_eq!(places_of(&app, secret).await, BTreeSet::new());
    assert!(places_of(&app, id).await.contains("read.sessions"));
    let hash = Sha256::digest(secret);
    let kept: Vec<u8> = sqlx::query_scalar("SELECT secret_sha256 FROM read.sessions WHERE id = $1")
        .bind(id)
        .fetch_one(app.pool())
        .await
        .unwrap();
    assert_eq!(kept, hash.to_vec());
    let in_the_log = places_of(&app, &STANDARD_NO_PAD.encode(hash)).await;
    assert!(in_the_log.contains("log.events"), "{in_the_log:?}");
    // What somebody calls a token is theirs: the log has it sealed.
    let named = BTreeSet::from(["read.sessions".to_owned()]);
    assert_eq!(places_of(&app, name).await, named);
}

// Lifetimes.

#[tokio::test]
async fn a_token_lives_for_a_week_unless_its_maker_says_otherwise() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for wish in [
        json!({}),
        json!({ "lifetime": 0 }),
        json!({ "lifetime": null }),
    ] {
        let token = new_token(&app, &owner, &wish).await;
        let key = seen(&owner, id_of(&token)).await;
        assert_eq!(time(&key, "expires_at"), beginning() + TimeDelta::days(7));
        assert_eq!(key["lifetime_seconds"], 604_800);
    }
}

#[tokio::test]
async fn a_token_ends_to_the_second_however_much_it_is_used() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let token = new_token(&app, &owner, &json!({ "lifetime": 6 * HOUR_NS })).await;
    for _ in 0..5 {
        assert_eq!(token.get(ME).await.status, 200);
        app.pass(TimeDelta::minutes(70));
    }
    app.pass(TimeDelta::minutes(10) - TimeDelta::microseconds(1));
    assert_eq!(token.get(ME).await.status, 200);
    let end = beginning() + TimeDelta::hours(6);
    assert_eq!(time(&seen(&owner, id_of(&token)).await, "expires_at"), end);
    app.pass(TimeDelta::microseconds(1));
    let late = token.get(ME).await;
    assert_refused(&late, 401, "session has expired");
    assert!(text(&late, "detail").contains("expired"), "{late:?}");
    assert_eq!(time(&seen(&owner, id_of(&token)).await, "expires_at"), end);
}

#[tokio::test]
async fn a_token_may_live_for_a_hundred_years_and_no_longer() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    let longest = bob.get(CONFIG).await.json["max_token_lifetime"].clone();
    assert_eq!(longest, 876_600 * HOUR_NS);
    let token = new_token(&app, &bob, &json!({ "lifetime": longest })).await;
    let key = seen(&bob, id_of(&token)).await;
    assert_eq!(key["expires_at"], "2126-01-02T12:00:00Z");
    assert_eq!(key["lifetime_seconds"], 876_600_i64 * 3_600);
    app.pass(TimeDelta::days(36_000));
    assert_eq!(token.get(ME).await.status, 200);
}

#[tokio::test]
async fn a_lifetime_that_is_too_long_negative_or_no_second_is_refused() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, bob) = member(&app, &owner, "bob").await;
    let before = history(&app, id).await;
    let longest = 876_600 * HOUR_NS;
    for lifetime in [
        longest + 1,
        longest + HOUR_NS,
        i64::MAX,
        -1,
        -DAY_NS,
        i64::MIN,
        1,
        999_999_999,
    ] {
        let answer = bob.post(TOKENS, &json!({ "lifetime": lifetime })).await;
        assert_eq!(wrong_fields(&answer), ["lifetime"], "{lifetime}");
        let detail = text(&answer, "detail");
        assert!(detail.contains("lifetime must be less"), "{detail}");
    }
    assert_eq!(history(&app, id).await, before);
}

#[tokio::test]
async fn a_lifetime_is_a_whole_number_of_nanoseconds_that_go_can_hold() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for lifetime in ["9223372036854775808", "1.5", "1e12", "\"24h\"", "true"] {
        let body = format!(r#"{{"lifetime":{lifetime}}}"#);
        let answer = post_raw(&owner, TOKENS, body.as_bytes()).await;
        assert_refused(&answer, 400, "valid JSON");
    }
}

#[tokio::test]
async fn a_part_of_a_second_is_not_given() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let token = new_token(&app, &owner, &json!({ "lifetime": 1_999_999_999 })).await;
    let key = seen(&owner, id_of(&token)).await;
    assert_eq!(
        time(&key, "expires_at"),
        beginning() + TimeDelta::seconds(1)
    );
    assert_eq!(key["lifetime_seconds"], 1);
}

#[tokio::test]
async fn a_token_of_an_owner_lives_for_a_week_at_most_whoever_makes_it() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    app.user(&owner, "bob").await;
    with_role(&app, &owner, "grace", Role::Owner).await;
    let month = json!({ "lifetime": 30 * DAY_NS });
    let of = |user: &str| format!("{}/tokens", keys_of(user));
    for user in ["ada", "me", "grace"] {
        let answer = owner.post(&of(user), &month).await;
        assert_eq!(wrong_fields(&answer), ["lifetime"], "{user}");
        let config = owner.get(&format!("{}/tokenconfig", of(user))).await;
        assert_eq!(config.json, json!({ "max_token_lifetime": 7 * DAY_NS }));
    }
    assert_eq!(owner.post(&of("bob"), &month).await.status, 201);
    let config = owner.get(&format!("{}/tokenconfig", of("bob"))).await;
    assert_eq!(
        config.json,
        json!({ "max_token_lifetime": 876_600 * HOUR_NS })
    );
    let week = json!({ "lifetime": 7 * DAY_NS });
    assert_eq!(owner.post(TOKENS, &week).await.status, 201);
}

#[tokio::test]
async fn lifetimes_are_as_configured() {
    let other = |config: &mut Config| {
        config.token_default_lifetime = Duration::from_hours(48);
        config.token_max_lifetime = Duration::from_hours(72);
        config.token_max_lifetime_owner = Duration::from_hours(24);
    };
    let app = TestApp::start_with(other).await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    for (client, usual_h, most_h) in [(&owner, 24, 24), (&bob, 48, 72)] {
        let most = client.get(CONFIG).await.json["max_token_lifetime"].clone();
        assert_eq!(most, most_h * HOUR_NS);
        let token = new_token(&app, client, &json!({})).await;
        let key = seen(client, id_of(&token)).await;
        assert_eq!(key["lifetime_seconds"], usual_h * 3_600);
        let too_long = json!({ "lifetime": most_h * HOUR_NS + 1 });
        assert_eq!(client.post(TOKENS, &too_long).await.status, 400);
    }
}

// Scopes.

#[tokio::test]
async fn a_token_has_the_scope_that_it_was_made_with_in_either_spelling() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for (wish, scope) in [
        (json!({}), "all"),
        (json!({ "scope": "", "scopes": [] }), "all"),
        (json!({ "scope": "all" }), "all"),
        (json!({ "scope": "coder:all" }), "all"),
        (json!({ "scopes": ["all"] }), "all"),
        (json!({ "scopes": ["coder:all"] }), "all"),
        (json!({ "scope": "all", "scopes": ["coder:all"] }), "all"),
        (
            json!({ "scope": "application_connect" }),
            "application_connect",
        ),
        (
            json!({ "scopes": ["application_connect"] }),
            "application_connect",
        ),
        (
            json!({ "scopes": ["coder:application_connect", "application_connect"] }),
            "application_connect",
        ),
    ] {
        let token = new_token(&app, &owner, &wish).await;
        let key = seen(&owner, id_of(&token)).await;
        assert_eq!(key["scope"], scope, "{wish}");
        assert_eq!(key["scopes"], json!([format!("coder:{scope}")]), "{wish}");
        let status = if scope == "all" { 200 } else { 403 };
        assert_eq!(token.get(ME).await.status, status, "{wish}");
    }
}

#[tokio::test]
async fn a_token_never_gives_more_than_was_asked_for() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let me = owner.get(ME).await;
    let id = text(&me, "id").parse().unwrap();
    let before = history(&app, id).await;
    for (wish, field) in [
        (json!({ "scope": "everything" }), "scope"),
        (json!({ "scope": "user:read" }), "scope"),
        (json!({ "scope": "ALL" }), "scope"),
        (json!({ "scope": "coder:" }), "scope"),
        (json!({ "scope": "coder:coder:all" }), "scope"),
        (json!({ "scopes": ["user:read"] }), "scopes"),
        (json!({ "scopes": [""] }), "scopes"),
        (json!({ "scopes": ["coder:all", "user:read"] }), "scopes"),
        (
            json!({ "scopes": ["coder:application_connect", "coder:all"] }),
            "scopes",
        ),
        (
            json!({ "scope": "application_connect", "scopes": ["coder:all"] }),
            "scopes",
        ),
        (
            json!({ "scope": "all", "scopes": ["application_connect"] }),
            "scopes",
        ),
        (json!({ "allow_list": ["user:*"] }), "allow_list"),
        (json!({ "allow_list": ["*:*", "user:*"] }), "allow_list"),
        (json!({ "allow_list": ["*"] }), "allow_list"),
        (json!({ "allow_list": [""] }), "allow_list"),
        (
            json!({ "allow_list": ["workspace:497f6eca-6276-4993-bfeb-53cbbbba6f08"] }),
            "allow_list",
        ),
    ] {
        let answer = owner.post(TOKENS, &wish).await;
        assert_eq!(wrong_fields(&answer), [field], "{wish}");
    }
    let partly = json!({ "allow_list": ["user:*"] });
    let partly = owner.post(TOKENS, &partly).await;
    assert!(first_complaint(&partly).contains("not supported"));
    let other_form = json!({ "allow_list": [{ "type": "*", "id": "*" }] });
    assert_refused(&owner.post(TOKENS, &other_form).await, 400, "valid JSON");
    assert_eq!(history(&app, id).await, before);
    for wish in [
        json!({ "allow_list": [] }),
        json!({ "allow_list": null }),
        json!({ "allow_list": ["*:*"] }),
        json!({ "allow_list": ["*:*", "*:*"] }),
    ] {
        assert_eq!(owner.post(TOKENS, &wish).await.status, 201, "{wish}");
    }
}

#[tokio::test]
async fn all_that_is_wrong_is_said_at_once() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let wish = json!({ "scope": "x", "allow_list": ["y"], "token_name": "a/b" });
    let answer = owner.post(TOKENS, &wish).await;
    assert_eq!(wrong_fields(&answer), ["allow_list", "scope", "token_name"]);
}

// Names.

#[tokio::test]
async fn a_token_without_a_name_gets_one_that_can_be_said_aloud() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for wish in [
        json!({}),
        json!({ "token_name": "" }),
        json!({ "token_name": null }),
    ] {
        let token = new_token(&app, &owner, &wish).await;
        let key = seen(&owner, id_of(&token)).await;
        let name = key["token_name"].as_str().unwrap();
        let parts: Vec<&str> = name.split('_').collect();
        let [adjective, noun, digit] = parts[..] else {
            panic!("{name}");
        };
        for word in [adjective, noun] {
            assert!(word.len() >= 3, "{name}");
            assert!(word.bytes().all(|byte| byte.is_ascii_lowercase()), "{name}");
        }
        assert!(digit.len() == 1 && digit.parse::<u8>().is_ok(), "{name}");
        assert_eq!(owner.get(&by_name(name)).await.json["id"], key["id"]);
    }
}

#[tokio::test]
async fn a_token_is_found_by_its_name_whatever_that_holds() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let long = "é".repeat(64);
    let names_of_tokens = [
        "ci",
        "CI",
        "Ada's \"laptop\"",
        "a+b c&d=e;f",
        "<b>&amp;",
        "日本語 🔑",
        "expire",
        "me",
        "-",
        "...",
        "a.b",
        "null",
        "tokens",
        "' OR 1=1; --",
        "{name}",
        ":id",
        "*",
        &long,
    ];
    for name in names_of_tokens {
        let token = new_token(&app, &owner, &json!({ "token_name": name })).await;
        let found = owner.get(&by_name(name)).await;
        assert_eq!(found.status, 200, "{name}");
        assert_eq!(text(&found, "id"), id_of(&token), "{name}");
        assert_eq!(text(&found, "token_name"), name);
    }
}

#[tokio::test]
async fn a_name_that_would_not_fit_into_an_address_is_refused() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let long = "x".repeat(65);
    for name in [
        "a/b",
        "a\\b",
        "a?b",
        "a#b",
        "a%b",
        "a\0b",
        "a\nb",
        " a",
        "a ",
        " ",
        ".",
        "..",
        "tokenconfig",
        &long,
    ] {
        let answer = owner.post(TOKENS, &json!({ "token_name": name })).await;
        assert_eq!(wrong_fields(&answer), ["token_name"], "{name:?}");
    }
}

#[tokio::test]
async fn a_name_that_no_token_has_is_not_found() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    new_token(&app, &owner, &json!({ "token_name": "ci" })).await;
    for name in ["CI", "c", "ci ", "nobody", "\0", "a\0b"] {
        assert_refused(&owner.get(&by_name(name)).await, 404, NOT_FOUND);
    }
    assert_refused(&bob.get(&by_name("ci")).await, 404, NOT_FOUND);
    let other_user = format!("{}/tokens/ci", keys_of("bob"));
    assert_refused(&owner.get(&other_user).await, 404, NOT_FOUND);
    for path in [format!("{TOKENS}/%FF"), format!("{TOKENS}/%C3%28")] {
        assert_refused(&owner.get(&path).await, 404, NOT_FOUND);
    }
}

#[tokio::test]
async fn a_name_belongs_to_one_token_of_each_user() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    let wish = json!({ "token_name": "ci" });
    let first = new_token(&app, &owner, &wish).await;
    let again = owner.post(TOKENS, &wish).await;
    assert_refused(&again, 409, "name");
    assert_eq!(again.json["validations"][0]["field"], "name");
    assert_eq!(bob.post(TOKENS, &wish).await.status, 201);
    let other_case = json!({ "token_name": "CI" });
    assert_eq!(owner.post(TOKENS, &other_case).await.status, 201);
    assert_eq!(first.get(ME).await.status, 200);
}

#[tokio::test]
async fn a_name_is_free_again_when_its_token_is_deleted_or_was_long_past_its_end() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    let wish = json!({ "token_name": "ci", "lifetime": HOUR_NS });
    let first = new_token(&app, &bob, &wish).await;
    let path = format!("{ME}/keys/{}", id_of(&first));
    assert_eq!(delete(&bob, &path).await.status, 204);
    let second = new_token(&app, &bob, &wish).await;
    let path = format!("{ME}/keys/{}/expire", id_of(&second));
    assert_eq!(put(&bob, &path).await.status, 204);
    assert_eq!(bob.post(TOKENS, &wish).await.status, 409);
    app.pass(TimeDelta::days(7) + TimeDelta::microseconds(1));
    let bob = app.sign_in("bob@example.com").await;
    rollcall::upkeep::tidy_up(&app.app).await.unwrap();
    assert_eq!(bob.post(TOKENS, &wish).await.status, 201);
}

#[tokio::test]
async fn of_many_who_want_one_name_at_once_one_gets_it() {
    let app = TestApp::start().await;
    let other_node = app.second_node().await;
    let owner = app.owner().await;
    for round in 0..4 {
        let nodes = [&app, &other_node];
        let tries: Vec<_> = (0..12)
            .map(|nth| {
                let client = nodes[nth % 2].with_token(owner.token());
                let wish = json!({ "token_name": format!("ci {round}") });
                tokio::spawn(async move { client.post(TOKENS, &wish).await })
            })
            .collect();
        let mut made = 0;
        for attempt in tries {
            let answer = attempt.await.unwrap();
            if answer.status == 201 {
                made += 1;
            } else {
                assert_refused(&answer, 409, "name");
                assert_eq!(answer.json["validations"][0]["field"], "name");
            }
        }
        assert_eq!(made, 1);
    }
    assert_eq!(names(&owner.get(TOKENS).await).len(), 4);
}

// Lists.

#[tokio::test]
async fn the_list_has_the_tokens_of_the_user_alone_the_oldest_first() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    assert_eq!(bob.get(TOKENS).await.json, json!([]));
    for name in ["third", "first", "second"] {
        app.pass(TimeDelta::seconds(1));
        new_token(&app, &bob, &json!({ "token_name": name })).await;
    }
    new_token(&app, &owner, &json!({ "token_name": "the owner's" })).await;
    let expected = ["third", "first", "second"];
    assert_eq!(names(&bob.get(TOKENS).await), expected);
    let of_bob = format!("{}/tokens", keys_of("bob"));
    assert_eq!(names(&owner.get(&of_bob).await), expected);
    assert_eq!(names(&owner.get(TOKENS).await), ["the owner's"]);
    let plain = format!("{TOKENS}?include_expired=false&include_all=false");
    assert_eq!(names(&bob.get(&plain).await), expected);
}

#[tokio::test]
async fn tokens_past_their_end_are_listed_on_demand() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    new_token(
        &app,
        &owner,
        &json!({ "token_name": "short", "lifetime": HOUR_NS }),
    )
    .await;
    let cut = new_token(&app, &owner, &json!({ "token_name": "cut" })).await;
    new_token(&app, &owner, &json!({ "token_name": "long" })).await;
    put(&owner, &format!("{ME}/keys/{}/expire", id_of(&cut))).await;
    let all = format!("{TOKENS}?include_expired=true");
    let listed = |answer: &Answer| names(answer).into_iter().map(str::to_owned).collect();
    let shown: BTreeSet<String> = listed(&owner.get(TOKENS).await);
    assert_eq!(shown, ["long", "short"].map(str::to_owned).into());
    app.pass(TimeDelta::hours(1));
    assert_eq!(names(&owner.get(TOKENS).await), ["long"]);
    let shown: BTreeSet<String> = listed(&owner.get(&all).await);
    assert_eq!(shown, ["cut", "long", "short"].map(str::to_owned).into());
    assert_eq!(owner.get(&by_name("short")).await.status, 200);
}

#[tokio::test]
async fn an_owner_may_list_everybodys_tokens_and_nobody_else_may() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    let admin = with_role(&app, &owner, "eve", Role::UserAdmin).await;
    for (client, name) in [(&owner, "of ada"), (&bob, "of bob"), (&admin, "of eve")] {
        app.pass(TimeDelta::seconds(1));
        new_token(&app, client, &json!({ "token_name": name })).await;
    }
    let all = format!("{TOKENS}?include_all=true&include_expired=false");
    let everybodys = owner.get(&all).await;
    assert_eq!(names(&everybodys), ["of ada", "of bob", "of eve"]);
    let users = everybodys.json.as_array().unwrap().iter();
    let users: Vec<&str> = users
        .map(|token| token["username"].as_str().unwrap())
        .collect();
    assert_eq!(users, ["ada", "bob", "eve"]);
    assert_eq!(names(&bob.get(&all).await), ["of bob"]);
    assert_eq!(names(&admin.get(&all).await), ["of eve"]);
}

#[tokio::test]
async fn a_switch_of_the_list_is_on_off_or_refused() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for good in ["1", "t", "T", "TRUE", "true", "True", "0", "f", "False", ""] {
        let path = format!("{TOKENS}?include_all={good}&include_expired={good}");
        assert_eq!(owner.get(&path).await.status, 200, "{good}");
    }
    let path = format!("{TOKENS}?include_all=yes&include_expired=2");
    assert_eq!(
        wrong_fields(&owner.get(&path).await),
        ["include_all", "include_expired"]
    );
}

#[tokio::test]
async fn sessions_are_no_tokens() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    post_raw(&owner, &format!("{ME}/keys"), b"").await;
    let all = format!("{TOKENS}?include_all=true&include_expired=true");
    assert_eq!(owner.get(&all).await.json, json!([]));
}

// Rules beyond the single token.

#[tokio::test]
async fn a_user_has_two_hundred_tokens_at_most_and_loses_none_to_another() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    let first = new_token(&app, &bob, &json!({ "lifetime": HOUR_NS })).await;
    for _ in 1..200 {
        new_token(&app, &bob, &json!({})).await;
    }
    let one_more = bob.post(TOKENS, &json!({})).await;
    assert_refused(&one_more, 400, "as many API tokens as one can have");
    assert_eq!(first.get(ME).await.status, 200);
    assert_eq!(owner.post(TOKENS, &json!({})).await.status, 201);
    let session = post_raw(&bob, &format!("{ME}/keys"), b"").await;
    assert_eq!(session.status, 201, "a session is no token");
    app.pass(TimeDelta::hours(1));
    let in_the_place_of_the_first = new_token(&app, &bob, &json!({})).await;
    assert_eq!(bob.post(TOKENS, &json!({})).await.status, 400);
    let path = format!("{ME}/keys/{}", id_of(&in_the_place_of_the_first));
    assert_eq!(delete(&bob, &path).await.status, 204);
    assert_eq!(bob.post(TOKENS, &json!({})).await.status, 201);
}

#[tokio::test]
async fn a_token_can_make_a_session_as_the_command_line_does_to_sign_in() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let token = new_token(&app, &owner, &json!({})).await;
    let minted = post_raw(&token, &format!("{ME}/keys"), b"").await;
    let session = with_new_key(&app, &minted);
    assert_eq!(session.get(ME).await.json["username"], "ada");
    assert_eq!(session.post(LOGOUT, &json!({})).await.status, 200);
    assert_eq!(session.get(ME).await.status, 401);
    assert_eq!(token.get(ME).await.status, 200);
}

#[tokio::test]
async fn a_dormant_user_comes_with_the_first_use_of_a_token_and_not_with_its_making() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let dormant = json!({ "user_status": "dormant" });
    let created = owner.post(USERS, &wish_with(&app, "bob", &dormant)).await;
    assert_eq!(created.status, 201, "{created:?}");
    let path = format!("{}/tokens", keys_of("bob"));
    let token = with_new_key(&app, &owner.post(&path, &json!({})).await);
    let bob = owner.get("/api/v2/users/bob").await;
    assert_eq!(bob.json["status"], Status::Dormant.name());
    assert_eq!(token.get(ME).await.json["status"], Status::Active.name());
}

#[tokio::test]
async fn who_loses_a_role_loses_it_for_their_tokens_too() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let auditor = with_role(&app, &owner, "eve", Role::Auditor).await;
    let token = new_token(&app, &auditor, &json!({})).await;
    assert_eq!(token.get("/api/v2/users/ada").await.status, 200);
    let id = text(&auditor.get(ME).await, "id").parse().unwrap();
    let nothing = UserCommand::AssignRoles {
        roles: [].into(),
        tokens_end_by: None,
    };
    app.command(id, nothing).await;
    assert_eq!(token.get("/api/v2/users/ada").await.status, 404);
}

#[tokio::test]
async fn the_right_to_make_a_token_is_asked_for_before_the_body_is_read() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let admin = with_role(&app, &owner, "eve", Role::UserAdmin).await;
    let path = format!("{}/tokens", keys_of("ada"));
    assert_refused(&post_raw(&admin, &path, b"garbage").await, 403, "Forbidden");
    assert_refused(
        &post_raw(&owner, &path, b"garbage").await,
        400,
        "valid JSON",
    );
    let empty = post_raw(&owner, &path, b"").await;
    assert_refused(&empty, 400, "valid JSON");
    assert_eq!(text(&empty, "detail"), "EOF");
}

#[tokio::test]
async fn a_wish_is_read_as_leniently_as_clients_are_used_to() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let body = br#"{"Token_Name":"ci","LIFETIME":3600000000000,"unknown":[1]} trailing"#;
    let token = with_new_key(&app, &post_raw(&owner, TOKENS, body).await);
    let key = seen(&owner, id_of(&token)).await;
    assert_eq!(key["token_name"], "ci");
    assert_eq!(key["lifetime_seconds"], 3_600);
}

#[tokio::test]
async fn the_command_line_makes_lists_and_removes_a_token() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    // `tokens create`: as long as it may be.
    let longest = bob.get(CONFIG).await.json["max_token_lifetime"].clone();
    let wish = json!({ "lifetime": longest, "token_name": "laptop" });
    let token = new_token(&app, &bob, &wish).await;
    assert_eq!(token.get(ME).await.status, 200);
    // `tokens ls`
    let list = format!("{TOKENS}?include_all=false&include_expired=false");
    assert_eq!(names(&bob.get(&list).await), ["laptop"]);
    // `tokens rm`: by name, else by id; ended, or with a flag deleted.
    let id = text(&bob.get(&by_name("laptop")).await, "id").to_owned();
    assert_eq!(bob.get(&by_name(&id)).await.status, 404);
    assert_eq!(bob.get(&format!("{ME}/keys/{id}")).await.status, 200);
    let expired = put(&bob, &format!("{ME}/keys/{id}/expire")).await;
    assert_eq!(expired.status, 204);
    assert_eq!(token.get(ME).await.status, 401);
    assert_eq!(bob.get(TOKENS).await.json, json!([]));
    let deleted = delete(&bob, &format!("{ME}/keys/{id}")).await;
    assert_eq!((deleted.status, deleted.text.as_str()), (204, ""));
}

#[tokio::test]
async fn a_session_that_an_api_token_makes_does_not_outlive_it() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let day = TimeDelta::days(1).num_nanoseconds().unwrap();
    let wish = json!({ "lifetime": day });
    let made = owner.post("/api/v2/users/me/keys/tokens", &wish).await;
    let token = app.with_token(made.json["key"].as_str().unwrap());
    let minted = token.post("/api/v2/users/me/keys", &Value::Null).await;
    let session = app.with_token(minted.json["key"].as_str().unwrap());
    assert_eq!(session.get("/api/v2/users/me").await.status, 200);
    app.pass(TimeDelta::hours(23));
    assert_eq!(session.get("/api/v2/users/me").await.status, 200);
    app.pass(TimeDelta::hours(1));
    assert_eq!(session.get("/api/v2/users/me").await.status, 401);
}
