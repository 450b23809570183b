//! Names that look like others: characters that nobody sees, or that show letters in another order.

use axum::http::Method;
use serde_json::{Value, json};

use crate::{
    given::{USERS, usernames, wish_with, wrong_fields},
    support::{TestApp, client::Client},
};

/// Directions of writing, nothing wide, blanks that look like nothing, and controls.
const HIDDEN: [char; 20] = [
    '\u{202e}',
    '\u{202a}',
    '\u{2066}',
    '\u{2069}',
    '\u{200e}',
    '\u{200f}',
    '\u{61c}',
    '\u{200b}',
    '\u{200c}',
    '\u{200d}',
    '\u{2060}',
    '\u{feff}',
    '\u{ad}',
    '\u{3164}',
    '\u{2800}',
    '\u{fe0f}',
    '\u{e0041}',
    '\u{2060}',
    '\u{85}',
    '\0',
];

/// Every place where somebody names something: method, address, body with the name, and the field that holds it.
fn places(app: &TestApp) -> Vec<(Method, &'static str, Value, &'static str)> {
    let user = |other: Value| wish_with(app, "bob", &other);
    vec![
        (Method::POST, USERS, user(json!({ "name": "B?b" })), "name"),
        (
            Method::POST,
            USERS,
            user(json!({ "username": "b?b" })),
            "username",
        ),
        (
            Method::POST,
            USERS,
            user(json!({ "email": "b?b@example.com" })),
            "email",
        ),
        (
            Method::POST,
            USERS,
            user(json!({ "email": "bob@exam?ple.com" })),
            "email",
        ),
        (
            Method::POST,
            USERS,
            user(json!({ "email": "\"b?b\"@example.com" })),
            "email",
        ),
        (
            Method::PUT,
            "/api/v2/users/me/profile",
            json!({ "username": "ada", "name": "A?da" }),
            "name",
        ),
        (
            Method::PUT,
            "/api/v2/users/me/profile",
            json!({ "username": "a?da", "name": "" }),
            "username",
        ),
        (
            Method::PUT,
            "/api/v2/users/me/profile",
            json!({ "username": "ada", "avatar_url": "https://example.com/a?b.png" }),
            "avatar_url",
        ),
        (
            Method::POST,
            "/api/v2/organizations",
            json!({ "name": "la?b" }),
            "name",
        ),
        (
            Method::POST,
            "/api/v2/organizations",
            json!({ "name": "lab", "display_name": "La?b" }),
            "display_name",
        ),
        (
            Method::POST,
            "/api/v2/organizations",
            json!({ "name": "lab", "description": "A la?b" }),
            "description",
        ),
        (
            Method::POST,
            "/api/v2/organizations",
            json!({ "name": "lab", "icon": "/la?b.png" }),
            "icon",
        ),
        (
            Method::POST,
            "/api/v2/users/me/keys/tokens",
            json!({ "token_name": "c?i" }),
            "token_name",
        ),
    ]
}

async fn send(
    client: &Client,
    method: &Method,
    path: &str,
    body: &Value,
    name: &str,
) -> crate::support::client::Answer {
    let text = json!(name).to_string();
    let body = body.to_string().replacen('?', text.trim_matches('"'), 1);
    client
        .send(method.clone(), path, &[], body.into_bytes())
        .await
}

#[tokio::test]
async fn a_name_holds_nothing_that_nobody_sees_wherever_one_is_given() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for (method, path, body, field) in places(&app) {
        for hidden in HIDDEN {
            let answer = send(&owner, &method, path, &body, &hidden.to_string()).await;
            assert_eq!(wrong_fields(&answer), [field], "{hidden:?} in {body}");
            assert!(
                !answer.text.contains(hidden),
                "{hidden:?} is repeated in {answer:?}"
            );
        }
    }
    assert_eq!(usernames(&owner.get(USERS).await), ["ada"]);
}

#[tokio::test]
async fn names_of_every_script_and_emoji_are_kept_to_the_letter() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for (number, name) in [
        "می\u{200c}خواهم",
        "മോഹന്\u{200d}",
        "র\u{200d}\u{9cd}যাব",
        "ක්\u{200d}රි",
        "葛\u{e0100}城",
        "Ada 👩🏽\u{200d}🚀",
        "❤\u{fe0f}",
        "עברית",
        "Zoë",
        "Nguyễn",
        "O'Brien-Smith, Jr.",
        "李\u{3000}小龍",
    ]
    .into_iter()
    .enumerate()
    {
        let wish = wish_with(&app, &format!("user{number}"), &json!({ "name": name }));
        let created = owner.post(USERS, &wish).await;
        assert_eq!(created.status, 201, "{created:?}");
        assert_eq!(created.json["name"], name);
    }
}
