//! Changes that a signed-in user asked for and was refused: they are in the audit log too. Also if what they were about
//! does not exist: else the place of the next event in the log would tell those whom the asker may not see from nobody.
//!
//! What succeeded is told by its own event. An endpoint needs to do nothing for it but to be in the table below.

use std::{
    hash::{BuildHasher, RandomState},
    sync::LazyLock,
};

use axum::{
    body::Body,
    extract::{FromRequestParts, MatchedPath, RawPathParams, Request, State},
    http::{StatusCode, request::Parts},
    middleware::Next,
    response::Response,
};
use rollcall_events::{
    Actor, Metadata,
    attempt::{Action, RefusedAttempt, ResourceType},
};
use rollcall_projections::sessions::KnownSession;
use uuid::Uuid;

use crate::{
    app::{App, AppState},
    http::{
        answer::Refusal,
        identity::Identity,
        organizations::{self, target::Name},
        request_context::RequestContext,
        users::target::{self, UserName},
    },
};

/// What a request does to what, if that is audited.
fn audited(method: &str, route: &str) -> Option<(Action, ResourceType)> {
    let done = match (method, route.strip_prefix("/api/v2")?) {
        ("POST", "/users") => (Action::Create, ResourceType::User),
        ("DELETE", "/users/{user}" | "/users/{user}/personal-data") => {
            (Action::Delete, ResourceType::User)
        }
        (
            "PUT",
            "/users/{user}/profile"
            | "/users/{user}/status/suspend"
            | "/users/{user}/status/activate"
            | "/users/{user}/password"
            | "/users/{user}/roles",
        )
        | ("POST", "/users/{user}/convert-login") => (Action::Write, ResourceType::User),
        ("POST", "/users/logout") => (Action::Logout, ResourceType::ApiKey),
        ("POST", "/users/{user}/keys" | "/users/{user}/keys/tokens") => {
            (Action::Create, ResourceType::ApiKey)
        }
        ("DELETE", "/users/{user}/keys/{id}") => (Action::Delete, ResourceType::ApiKey),
        ("PUT", "/users/{user}/keys/{id}/expire") => (Action::Write, ResourceType::ApiKey),
        ("POST", "/organizations") => (Action::Create, ResourceType::Organization),
        ("POST", "/organizations/{organization}/members/{user}") => {
            (Action::Create, ResourceType::OrganizationMember)
        }
        ("DELETE", "/organizations/{organization}/members/{user}") => {
            (Action::Delete, ResourceType::OrganizationMember)
        }
        ("PUT", "/organizations/{organization}/members/{user}/roles") => {
            (Action::Write, ResourceType::OrganizationMember)
        }
        _ => return None,
    };
    Some(done)
}

/// Lets the request through, and notes it if it is refused.
pub async fn note(State(app): State<AppState>, request: Request<Body>, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let asked = Change::read(&mut parts).await;
    let response = next.run(Request::from_parts(parts, body)).await;
    let status = response.status();
    if let Some(change) = asked.filter(|_| is_refusal(status)) {
        // The answer does not wait for it: by the time that it takes, it would tell whether a hidden user exists.
        tokio::spawn(async move {
            if let Err(refusal) = change.note(&app, status).await {
                let reason = &refusal.notice().message;
                tracing::warn!(reason, "a refused change was not noted");
            }
        });
    }
    response
}

/// Who is not signed in was not refused the change, but to be let in; who asks too often is not heard at all.
fn is_refusal(status: StatusCode) -> bool {
    let is_error = status.is_client_error() || status.is_server_error();
    is_error && status != StatusCode::UNAUTHORIZED && status != StatusCode::TOO_MANY_REQUESTS
}

/// An audited change that somebody asks for.
struct Change {
    action: Action,
    resource_type: ResourceType,
    /// The user whom the path names.
    user: Option<String>,
    /// The organisation that the path names.
    organization: Option<String>,
    caller: KnownSession,
    request: RequestContext,
}

impl Change {
    async fn read(parts: &mut Parts) -> Option<Self> {
        let route = parts.extensions.get::<MatchedPath>()?;
        let (action, resource_type) = audited(parts.method.as_str(), route.as_str())?;
        let caller = Identity::of(&parts.extensions).ok()?.clone();
        let request = parts.extensions.get::<RequestContext>()?.clone();
        // What is no text, percent-decoded, names nothing.
        let named = RawPathParams::from_request_parts(parts, &()).await.ok()?;
        let part = |name| {
            let mut parts = named.iter();
            let found = parts.find(|(part, _)| *part == name);
            found.map(|(_, text)| text.to_owned())
        };
        Some(Self {
            action,
            resource_type,
            user: part("user"),
            organization: part("organization"),
            caller,
            request,
        })
    }

    async fn note(self, app: &App, status: StatusCode) -> Result<(), Refusal> {
        let attempt = RefusedAttempt {
            action: self.action,
            resource_type: self.resource_type,
            resource_id: self.user(app).await?,
            user_id: None,
            organization_id: self.organization(app).await?,
            status: status.as_u16(),
            reason: None,
            email: None,
        };
        let actor = Actor::User(self.caller.user.row.id);
        let authentication = format!("session:{}", self.caller.session.id.0);
        let metadata = Metadata {
            actor,
            ..self.request.metadata(Some(authentication), app.ids)
        };
        app.attempts.note(attempt, metadata).await;
        Ok(())
    }

    /// The user whom it is about, if it names one. Even one whom the caller may not see: those who read the log may.
    async fn user(&self, app: &App) -> Result<Option<Uuid>, Refusal> {
        let me = &self.caller.user;
        let Some(user) = &self.user else {
            return Ok((self.action == Action::Logout).then_some(me.row.id));
        };
        let found = target::find(app, me, user).await?;
        let missing = || match UserName::parse(user) {
            UserName::Id(id) => id,
            UserName::Username(key) => missing(&key),
            UserName::Me => me.row.id,
        };
        Ok(Some(found.map_or_else(missing, |user| user.row.id)))
    }

    /// The same of the organisation.
    async fn organization(&self, app: &App) -> Result<Option<Uuid>, Refusal> {
        let Some(organization) = &self.organization else {
            return Ok(None);
        };
        let found = organizations::target::find(app, organization).await?;
        let missing = || match Name::parse(organization) {
            Name::Id(id) => id,
            Name::Key(key) => missing(&key),
        };
        Ok(Some(found.map_or_else(missing, |found| found.id)))
    }
}

/// An identifier for what has no such name: one of this process, which does not give the name away. All spellings of a name
/// have one, as all spellings of a hidden user's name stand for that user.
fn missing(key: &str) -> Uuid {
    static SECRET: LazyLock<[RandomState; 2]> = LazyLock::new(Default::default);
    let [high, low] = SECRET.each_ref().map(|half| half.hash_one(key));
    Uuid::from_u64_pair(high, low)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::http::openapi::DOCUMENT;

    /// Changes that say nothing of anybody, or are told otherwise.
    const NOT_AUDITED: [(&str, &str); 5] = [
        ("POST", "/api/v2/authcheck"),
        ("POST", "/api/v2/audit/testgenerate"),
        ("POST", "/api/v2/users/first"),
        ("POST", "/api/v2/users/login"),
        ("POST", "/api/v2/users/validate-password"),
    ];

    #[test]
    fn every_change_is_audited_or_known_not_to_be() {
        let document: Value = serde_json::from_str(&DOCUMENT).unwrap();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for method in operations.as_object().unwrap().keys() {
                let method = method.to_uppercase();
                let is_change = method != "GET" && path.starts_with("/api/");
                let is_known =
                    audited(&method, path).is_some() || NOT_AUDITED.contains(&(&method, path));
                assert!(!is_change || is_known, "{method} {path}");
            }
        }
    }

    #[test]
    fn only_answers_that_refuse_the_change_itself_are_refusals() {
        for (status, is) in [
            (200, false),
            (204, false),
            (400, true),
            (401, false),
            (403, true),
            (404, true),
            (409, true),
            (429, false),
            (500, true),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(is_refusal(status), is, "{status}");
        }
    }
}
