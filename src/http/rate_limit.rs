//! How many requests somebody may send.
//!
//! There are two limits. That of the API holds for each caller and path. That of proving who one is, by a password or
//! by a provider, holds for all the ways of doing so together: what is counted on one way cannot be tried on another.
//! A caller is a user, if the request has a good token, else the address that it came from.
//!
//! Each node counts for itself, in memory: see [`limiter`].

pub mod limiter;

use std::net::IpAddr;

use axum::{
    body::Body,
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use rollcall_events::user::{Role, Scope, Status};
use rollcall_projections::sessions::KnownSession;
use uuid::Uuid;

use super::{
    answer::Refusal,
    identity::Identity,
    is_api,
    pages::{LOGIN, is_page},
    request_context::RequestContext,
};
use crate::{app::AppState, config::Config};
use limiter::{Limiter, Verdict, WINDOW_S};

/// The ways of proving who one is. Whatever the method: a callback answers `HEAD` as well.
const PROOFS: [&str; 5] = [
    "/api/v2/users/login",
    "/api/v2/users/oauth2/github/callback",
    "/api/v2/users/oidc/callback",
    "/api/v2/users/{user}/password",
    "/api/v2/users/{user}/convert-login",
];

/// By this header owners ask for as many requests as they like, for load tests and automation.
const BYPASS: &str = "x-coder-bypass-ratelimit";
/// How clients of the API write `true`: as Go reads it.
const TRUE: [&str; 6] = ["1", "t", "T", "true", "TRUE", "True"];

/// What is counted. Users are counted apart from addresses, so that no stranger gets in their way by coming from ever
/// new ones.
#[derive(Debug)]
pub struct RateLimits {
    users: Option<Limiter>,
    addresses: Option<Limiter>,
    proofs: Option<Limiter>,
}

/// Who is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Who {
    User(Uuid),
    V4([u8; 4]),
    /// The network: whoever has one address of IPv6 has as many as they like.
    V6([u16; 4]),
    /// Without an address: all such requests are counted together.
    Unknown,
}

impl RateLimits {
    /// The limits that are configured.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            users: Limiter::new(config.api_rate_limit),
            addresses: Limiter::new(config.api_rate_limit),
            proofs: Limiter::new(config.login_rate_limit),
        }
    }

    /// Counts a request. Answers with the limit that it exceeds, else with the one that leaves the least; with nothing
    /// if none applies.
    fn count(
        &self,
        user: Option<Who>,
        address: Who,
        path: &str,
        is_proof: bool,
        now: DateTime<Utc>,
    ) -> Option<Verdict> {
        let proofs = self.proofs.as_ref().filter(|_| is_proof);
        let requests = if user.is_some() {
            &self.users
        } else {
            &self.addresses
        };
        let counted = [
            // By both: neither many addresses nor many sessions help to guess one user's password.
            proofs.map(|limiter| (limiter, address, "")),
            proofs.zip(user).map(|(limiter, user)| (limiter, user, "")),
            requests
                .as_ref()
                .map(|limiter| (limiter, user.unwrap_or(address), path)),
        ];
        let mut least: Option<Verdict> = None;
        for (limiter, who, path) in counted.into_iter().flatten() {
            let verdict = limiter.take(&(who, path), now);
            if !verdict.is_within {
                return Some(verdict);
            }
            if least.is_none_or(|least| verdict.remaining < least.remaining) {
                least = Some(verdict);
            }
        }
        least
    }
}

/// Refuses requests that exceed a limit, and tells in every answer how many more there may be.
pub async fn limit(State(app): State<AppState>, request: Request<Body>, next: Next) -> Response {
    let path = request.uri().path();
    if !is_api(path) && !is_page(path) {
        return next.run(request).await;
    }
    let session = Identity::of(request.extensions()).ok();
    if wants_bypass(request.headers()) {
        return if session.is_some_and(may_bypass) {
            next.run(request).await
        } else {
            may_not_bypass()
        };
    }
    let user = session.map(|session| Who::User(session.user.row.id));
    let verdict = app.rate_limits.count(
        user,
        address(&request),
        request.uri().path(),
        is_proof(&request),
        app.clock.now(),
    );
    let Some(verdict) = verdict else {
        return next.run(request).await;
    };
    let mut response = if verdict.is_within {
        next.run(request).await
    } else {
        too_many(verdict)
    };
    tell(response.headers_mut(), verdict);
    response
}

fn is_proof(request: &Request<Body>) -> bool {
    let pattern = request.extensions().get::<MatchedPath>();
    pattern.is_some_and(|pattern| {
        let is_form = request.method() == Method::POST && pattern.as_str() == LOGIN;
        is_form || PROOFS.contains(&pattern.as_str())
    })
}

fn address(request: &Request<Body>) -> Who {
    let context = request.extensions().get::<RequestContext>();
    context
        .and_then(|context| context.origin.ip)
        .map_or(Who::Unknown, Who::from)
}

impl From<IpAddr> for Who {
    /// An IPv4 address that arrives on an IPv6 socket is the address that it is.
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let [network @ .., _, _, _, _] = address.segments();
                Self::V6(network)
            }
        }
    }
}

fn wants_bypass(headers: &HeaderMap) -> bool {
    let value = headers.get(BYPASS).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| TRUE.contains(&value))
}

/// Owners, if they may come in, and by a token that is good for everything.
fn may_bypass(session: &KnownSession) -> bool {
    let user = &session.user.row;
    user.roles.contains(&Role::Owner)
        && user.status != Status::Suspended
        && user.deleted_at.is_none()
        && session.session.scope == Scope::All
}

fn may_not_bypass() -> Response {
    let refusal = "Only owners may send the header X-Coder-Bypass-Ratelimit.\n";
    (StatusCode::PRECONDITION_REQUIRED, refusal).into_response()
}

fn too_many(verdict: Verdict) -> Response {
    let mut response = Refusal::new(
        StatusCode::TOO_MANY_REQUESTS,
        format!(
            "More than {} requests in {WINDOW_S} seconds are too many here. Try again in a minute.",
            verdict.limit
        ),
    )
    .into_response();
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, HeaderValue::from(WINDOW_S));
    response
}

fn tell(headers: &mut HeaderMap, verdict: Verdict) {
    for (name, value) in [
        ("x-ratelimit-limit", i64::from(verdict.limit.get())),
        ("x-ratelimit-remaining", i64::from(verdict.remaining)),
        ("x-ratelimit-reset", verdict.reset_s),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(address: &str) -> Who {
        Who::from(address.parse::<IpAddr>().unwrap())
    }

    #[test]
    fn an_address_of_ipv4_counts_alone_and_one_of_ipv6_with_its_network() {
        assert_ne!(who("203.0.113.7"), who("203.0.113.8"));
        assert_eq!(who("2001:db8:1:2::1"), who("2001:db8:1:2:ffff::9"));
        assert_ne!(who("2001:db8:1:2::1"), who("2001:db8:1:3::1"));
    }

    #[test]
    fn mapped_addresses_do_not_share_one_network() {
        assert_eq!(who("::ffff:203.0.113.7"), who("203.0.113.7"));
        assert_ne!(who("::ffff:203.0.113.7"), who("::ffff:203.0.113.8"));
    }

    #[test]
    fn a_bypass_is_asked_for_as_go_writes_true() {
        for (value, asks) in [
            ("true", true),
            ("TRUE", true),
            ("True", true),
            ("t", true),
            ("T", true),
            ("1", true),
            ("tRUE", false),
            ("yes", false),
            ("false", false),
            ("0", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(
                HeaderName::from_static(BYPASS),
                HeaderValue::from_static(value),
            )]);
            assert_eq!(wants_bypass(&headers), asks, "{value:?}");
        }
        assert!(!wants_bypass(&HeaderMap::new()));
    }
}
