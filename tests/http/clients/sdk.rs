//! The API as the clients' library speaks it: the headers that it sends, and the types that it decodes.

use axum::http::Method;
use chrono::{DateTime, Utc};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use std::collections::HashMap;
use uuid::Uuid;

use crate::support::{
    TestApp,
    client::{Answer, Client},
};

/// A client of the library with this token, or with none: then the header is sent all the same, empty.
pub struct Sdk {
    client: Client,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct User {
    pub id: Uuid,
    pub username: String,
    #[serde(default)]
    pub name: String,
    pub email: String,
    pub avatar_url: String,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub last_seen_at: DateTime<Utc>,
    pub status: String,
    pub login_type: String,
    pub organization_ids: Vec<Uuid>,
    pub roles: Vec<SlimRole>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct SlimRole {
    pub name: String,
    pub display_name: String,
    #[serde(default)]
    pub organization_id: String,
}

#[derive(Debug, Deserialize)]
pub struct Users {
    pub users: Vec<User>,
    pub count: i64,
}

#[derive(Debug, Deserialize)]
pub struct AssignableRole {
    pub name: String,
    pub display_name: String,
    pub assignable: bool,
    pub built_in: bool,
    pub site_permissions: Vec<Value>,
    pub user_permissions: Vec<Value>,
    pub organization_permissions: Vec<Value>,
}

#[derive(Debug, Deserialize)]
pub struct UserRoles {
    pub roles: Vec<String>,
    pub organization_roles: HashMap<Uuid, Vec<String>>,
}

#[derive(Debug, Deserialize)]
pub struct Organization {
    pub id: Uuid,
    pub name: String,
    pub display_name: String,
    pub description: String,
    pub icon: String,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub is_default: bool,
}

#[derive(Debug, Deserialize)]
pub struct ApiKey {
    pub id: String,
    pub user_id: Uuid,
    pub last_used: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub login_type: String,
    pub scope: String,
    pub scopes: Vec<String>,
    pub token_name: String,
    pub lifetime_seconds: i64,
    pub allow_list: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub struct ApiKeyWithOwner {
    #[serde(flatten)]
    pub key: ApiKey,
    pub username: String,
}

#[derive(Debug, Deserialize)]
pub struct GeneratedKey {
    pub key: String,
}

#[derive(Debug, Deserialize)]
pub struct TokenConfig {
    pub max_token_lifetime: i64,
}

#[derive(Debug, Deserialize)]
pub struct FirstUser {
    pub user_id: Uuid,
    pub organization_id: Uuid,
}

#[derive(Debug, Deserialize)]
pub struct SignedIn {
    pub session_token: String,
}

#[derive(Debug, Deserialize)]
pub struct BuildInfo {
    pub external_url: String,
    pub version: String,
    pub dashboard_url: String,
}

#[derive(Debug, Deserialize)]
pub struct Entitlements {
    pub features: HashMap<String, Value>,
    pub warnings: Vec<String>,
    pub errors: Vec<String>,
    pub has_license: bool,
    pub trial: bool,
    pub require_telemetry: bool,
    pub refreshed_at: DateTime<Utc>,
}

/// What the library makes of every status that it did not expect.
#[derive(Debug, Deserialize)]
pub struct Failure {
    #[serde(skip)]
    pub status: u16,
    pub message: String,
    #[serde(default)]
    pub detail: String,
    #[serde(default)]
    pub validations: Vec<Validation>,
}

#[derive(Debug, Deserialize)]
pub struct Validation {
    pub field: String,
    pub detail: String,
}

impl Sdk {
    pub fn new(app: &TestApp, token: &str) -> Self {
        Self {
            client: Client::new(&app.app, Some(token.to_owned())),
        }
    }

    /// Decodes the answer if it has the status that the library expects, and its refusal otherwise.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let answer = self.request(Method::GET, path, None).await;
        expect(&answer, 200).map(|()| decoded(&answer))
    }

    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: Value) -> Result<T, Failure> {
        let answer = self.request(Method::POST, path, Some(body)).await;
        expect(&answer, 201).map(|()| decoded(&answer))
    }

    /// As the library does where there is nothing to say.
    pub async fn post_nothing<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let answer = self.request(Method::POST, path, None).await;
        expect(&answer, 201).map(|()| decoded(&answer))
    }

    pub async fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        body: Option<Value>,
    ) -> Result<T, Failure> {
        let answer = self.request(Method::PUT, path, body).await;
        expect(&answer, 200).map(|()| decoded(&answer))
    }

    /// A change that is answered with a status alone.
    pub async fn tell(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<(), Failure> {
        let answer = self.request(method, path, body).await;
        if [200, 204].contains(&answer.status) {
            return Ok(());
        }
        expect(&answer, 204)
    }

    /// Any request, with the headers of the newest command line.
    pub async fn request(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut headers = vec![
            (
                "User-Agent",
                "coder-cli/v2.35.0 (linux/amd64; coder users list)",
            ),
            ("Coder-CLI-Telemetry", "eyJjb21tYW5kIjoiY29kZXIifQ=="),
        ];
        let body = body.map(|body| serde_json::to_vec(&body).unwrap());
        if body.is_some() {
            headers.push(("Content-Type", "application/json"));
        }
        let path = format!("/api/v2{path}");
        let answer = self
            .client
            .send(method, &path, &headers, body.unwrap_or_default())
            .await;
        // On a mismatch the command line warns; without it, it takes us for another server.
        assert!(answer.header("x-coder-build-version").starts_with("v2."));
        answer.header("x-coder-request-id").parse::<Uuid>().unwrap();
        answer
    }
}

fn decoded<T: DeserializeOwned>(answer: &Answer) -> T {
    serde_json::from_str(&answer.text).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}

/// The library reads a refusal only if it says that it is JSON.
fn expect(answer: &Answer, status: u16) -> Result<(), Failure> {
    if answer.status == status {
        return Ok(());
    }
    let media_type = answer.header("content-type").split(';').next();
    assert_eq!(media_type, Some("application/json"), "{answer:?}");
    let mut failure: Failure = decoded(answer);
    assert!(!failure.message.is_empty(), "{answer:?}");
    failure.status = answer.status;
    Err(failure)
}
