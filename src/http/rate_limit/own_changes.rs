//! How often users may change themselves. Each change is an event that is kept for ever, so that a user who changes
//! themselves all day long would fill the log.
//!
//! Counted by user and kind of change, whichever way the path names the user. What users change about others does not
//! count: automation that creates and updates users goes on. Nor does signing in by a password or a provider, which has
//! a limit of its own; sessions that are made from another session have ten times the limit, because the command line
//! makes one whenever it signs in. Ending a session or a token does not count: each was counted when it was made.

use axum::{
    RequestPartsExt,
    body::Body,
    extract::{MatchedPath, RawPathParams, Request, State},
    http::{Method, request::Parts},
    middleware::Next,
    response::Response,
};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    NoLimits, address,
    limiter::{HOUR_S, Limiter, Verdict},
};
use crate::{
    app::AppState,
    config::Config,
    http::{identity::Identity, pages::CLI_AUTH, users::target},
};

/// Sessions that are made from another session have so many times the limit.
const SESSION_FACTOR: u32 = 10;

/// The limits of what users change about themselves.
#[derive(Debug)]
pub struct OwnChanges {
    changes: Option<Limiter>,
    sessions: Option<Limiter>,
}

/// A kind of change, by the route that makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind<'a> {
    /// A session made from another one.
    Session,
    /// What the route calls it: `profile`, `password`, `keys` (API tokens), ...
    Of(&'a str),
}

impl OwnChanges {
    /// The limit that is configured.
    pub fn new(config: &Config) -> Self {
        let limit = config.own_change_limit;
        Self {
            changes: Limiter::new(limit, HOUR_S),
            sessions: Limiter::new(limit.saturating_mul(SESSION_FACTOR), HOUR_S),
        }
    }

    fn limiter(&self, kind: Kind<'_>) -> Option<&Limiter> {
        match kind {
            Kind::Session => self.sessions.as_ref(),
            Kind::Of(_) => self.changes.as_ref(),
        }
    }

    fn take(&self, user: Uuid, kind: Kind<'_>, now: DateTime<Utc>) -> Option<Verdict> {
        let limiter = self.limiter(kind)?;
        Some(limiter.take(&(user, kind), &user, now))
    }

    fn give_back(&self, user: Uuid, kind: Kind<'_>, now: DateTime<Utc>) {
        if let Some(limiter) = self.limiter(kind) {
            limiter.give_back(&(user, kind), &user, now);
        }
    }
}

/// Refuses changes of users to themselves that exceed the limit. A change that fails does not count.
pub async fn limit(State(app): State<AppState>, request: Request<Body>, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let user = own_change(&mut parts).await;
    let path = parts.extensions.get::<MatchedPath>().cloned();
    let kind = path
        .as_ref()
        .and_then(|path| kind(&parts.method, path.as_str()));
    let request = Request::from_parts(parts, body);
    let (Some(user), Some(kind)) = (user, kind) else {
        return next.run(request).await;
    };
    let now = app.clock.now();
    let limits = &app.rate_limits;
    match limits.own_changes.take(user, kind, now) {
        Some(verdict) if !verdict.is_within => {
            let message = format!(
                "More than {} such changes to your own account in an hour are too many. Try again later.",
                verdict.limit
            );
            limits.refuse(message, verdict, address(&request), now)
        }
        _ => {
            let response = next.run(request).await;
            if !response.status().is_success() {
                limits.own_changes.give_back(user, kind, now);
            }
            response
        }
    }
}

/// The caller, if the request would change them.
async fn own_change(parts: &mut Parts) -> Option<Uuid> {
    let path = parts.extensions.get::<MatchedPath>()?.clone();
    kind(&parts.method, path.as_str())?;
    if parts.extensions.get::<NoLimits>().is_some() {
        return None;
    }
    let me = Identity::of(&parts.extensions).ok()?.user.clone();
    if path.as_str() != CLI_AUTH {
        // What is no text, percent-decoded, names nobody.
        let params = parts.extract::<RawPathParams>().await.ok()?;
        let (_, user) = params.iter().find(|(name, _)| *name == "user")?;
        if !target::is_self(&me, user) {
            return None;
        }
    }
    Some(me.row.id)
}

/// The kind of change that a request asks for.
fn kind<'a>(method: &Method, route: &'a str) -> Option<Kind<'a>> {
    if method.is_safe() {
        return None;
    }
    if route == CLI_AUTH {
        return Some(Kind::Session);
    }
    let (_, rest) = route.split_once("/{user}")?;
    match rest.trim_start_matches('/') {
        "keys" => Some(Kind::Session),
        rest if rest.starts_with("keys/{") => None,
        rest => Some(Kind::Of(rest.split('/').next().unwrap_or_default())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_of_the_kind_that_its_route_names() {
        for (method, route, expected) in [
            (
                Method::PUT,
                "/api/v2/users/{user}/profile",
                Some(Kind::Of("profile")),
            ),
            (
                Method::PUT,
                "/api/v2/users/{user}/password",
                Some(Kind::Of("password")),
            ),
            (
                Method::PUT,
                "/api/v2/users/{user}/status/suspend",
                Some(Kind::Of("status")),
            ),
            (
                Method::POST,
                "/api/v2/users/{user}/keys/tokens",
                Some(Kind::Of("keys")),
            ),
            (
                Method::POST,
                "/api/v2/users/{user}/keys",
                Some(Kind::Session),
            ),
            (Method::POST, "/cli-auth", Some(Kind::Session)),
            (Method::DELETE, "/api/v2/users/{user}/keys/{id}", None),
            (Method::PUT, "/api/v2/users/{user}/keys/{id}/expire", None),
            (Method::GET, "/api/v2/users/{user}/profile", None),
            (Method::POST, "/api/v2/users/login", None),
            (Method::POST, "/api/v2/users", None),
        ] {
            assert_eq!(kind(&method, route), expected, "{method} {route}");
        }
    }
}
