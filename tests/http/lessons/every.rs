//! Every operation of the API, by its description: what is forgotten in a list is attacked all the same.

use axum::http::Method;
use rollcall::http::openapi::DOCUMENT;
use serde_json::Value;
use sqlx::ConnectOptions;

use crate::support::{
    TestApp,
    client::{Answer, Client},
};

/// What a browser can open or send besides the API.
pub const PAGES: [(Method, &str); 7] = [
    (Method::GET, "/"),
    (Method::GET, "/login"),
    (Method::POST, "/login"),
    (Method::POST, "/login/first"),
    (Method::POST, "/logout"),
    (Method::GET, "/cli-auth"),
    (Method::POST, "/cli-auth"),
];

/// An operation.
#[derive(Debug)]
pub struct Operation {
    pub method: Method,
    /// With the names of its parts.
    pub path: String,
    pub takes_token: bool,
    pub takes_body: bool,
}

/// What stands in a path for its parts.
#[derive(Clone, Copy)]
pub struct Named<'a> {
    pub user: &'a str,
    pub organization: &'a str,
    pub key: &'a str,
    pub token: &'a str,
}

impl<'a> Named<'a> {
    /// Bob, where he belongs, with a key and a token that he does not have.
    pub const BOB: Self = Self {
        user: "bob",
        organization: "default",
        key: "a1B2c3D4e5",
        token: "ci",
    };

    /// The same, with another name for this part.
    pub fn with(self, part: &str, name: &'a str) -> Self {
        let mut named = self;
        match part {
            "user" => named.user = name,
            "organization" => named.organization = name,
            "id" => named.key = name,
            "token_name" => named.token = name,
            _ => panic!("a path has no part {part}"),
        }
        named
    }
}

/// All operations under the API's path.
pub fn operations() -> Vec<Operation> {
    let document: Value = serde_json::from_str(&DOCUMENT).unwrap();
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            operations.push(Operation {
                method: method.to_uppercase().parse().unwrap(),
                path: path.clone(),
                takes_token: operation["security"].is_null(),
                takes_body: operation["requestBody"].is_object(),
            });
        }
    }
    operations.retain(|operation| operation.path.starts_with("/api/"));
    assert!(operations.len() > 30, "{operations:?}");
    operations
}

impl Operation {
    pub fn changes_something(&self) -> bool {
        self.method != Method::GET
    }

    /// Whether its path names something.
    pub fn names(&self, part: &str) -> bool {
        self.path.contains(&format!("{{{part}}}"))
    }

    pub fn path(&self, named: Named) -> String {
        self.path
            .replace("{user}", named.user)
            .replace("{organization}", named.organization)
            .replace("{id}", named.key)
            .replace("{token_name}", named.token)
    }

    pub async fn send(
        &self,
        client: &Client,
        named: Named<'_>,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let body = body.as_bytes().to_vec();
        client
            .send(self.method.clone(), &self.path(named), headers, body)
            .await
    }
}

/// How many events there are in the log. What a test refuses must leave it as it is.
pub async fn events(app: &TestApp) -> i64 {
    let mut conn = app.superuser.connect().await.unwrap();
    sqlx::query_scalar("SELECT position FROM log.head")
        .fetch_one(&mut conn)
        .await
        .unwrap()
}

/// The same, of what happened to users and organisations alone.
pub async fn changes(app: &TestApp) -> i64 {
    let mut conn = app.superuser.connect().await.unwrap();
    sqlx::query_scalar("SELECT count(*) FROM log.events WHERE aggregate_type <> 'attempt'")
        .fetch_one(&mut conn)
        .await
        .unwrap()
}
