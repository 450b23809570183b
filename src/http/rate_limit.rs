//! How many requests a caller may send.
//!
//! There are two limits. That of the API holds for each caller and route: the pattern, and all paths without a route
//! together. Users who manage others have it for each user whom a path names, up to 16 times the limit for
//! the route, because clients such as Terraform read their users one by one. That of proving who one is, by a password or by a provider, holds for all the ways of
//! doing so together: what is counted on one way cannot be tried on another. A caller is a user, if the request has a
//! good token, else the address that it came from. What users change about themselves has a limit of its own: see
//! [`own_changes`].
//!
//! A request is decided before its token is looked up: it is remembered whose a token was, and tokens that are not
//! remembered are looked up only as long as their network has not sent too many bad ones.
//!
//! Refused requests are no lines in the log, but counted: see `refusals`. A network that goes on in spite of its
//! refusals gets them with a delay, so that it cannot take the processors.
//!
//! Each node counts for itself, in memory, and starts from zero: what a node protects are its own processors, its
//! connections to the database, and the growth of the log, which is at most the limit times the number of nodes.

pub mod limiter;
pub mod own_changes;
mod refusals;
mod verified_tokens;

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use axum::{
    RequestExt,
    body::Body,
    extract::{ConnectInfo, MatchedPath, RawPathParams, Request, State},
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
    health::is_probe,
    identity::{self, Identity},
    pages::LOGIN,
    request_context::{RequestContext, UnreadableForwardedFor},
    server::SlowDown,
};
use crate::{app::AppState, config::Config, network_prefix::NetworkPrefix};
use limiter::{Limiter, MINUTE_S, Verdict};
use own_changes::OwnChanges;
use refusals::Refusals;
use verified_tokens::{TokenDigest, VerifiedTokens, VerifiedUser, username_digest};

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

/// So many times the limit of a route a user has for all the users that the route's paths name.
const MANY_TARGETS: u32 = 16;
/// So many refusals a minute a network gets at once, and later ones with a delay.
const PROMPT_REFUSALS: u64 = 100;
/// How often it is looked whether counts of refusals are due in the log.
const REPORT_EVERY: Duration = Duration::from_secs(5);

/// What is counted. Users are counted apart from addresses, so that no stranger gets in their way by coming from ever
/// new ones.
#[derive(Debug)]
pub struct RateLimits {
    users: Option<Limiter>,
    /// By user and route, whatever user the path names.
    users_in_all: Option<Limiter>,
    addresses: Option<Limiter>,
    proofs: Option<Limiter>,
    /// Look-ups of tokens that turned out not to be good.
    lookups: Option<Limiter>,
    own_changes: OwnChanges,
    tokens: VerifiedTokens,
    refusals: Refusals,
}

/// For whom a request is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Who {
    User(Uuid),
    /// An address of IPv4, a /64 of IPv6: whoever has one address of it has all. `None`: not known.
    Address(Option<NetworkPrefix>),
}

/// In the extensions of a request: it is one of an owner who asked for no limits.
#[derive(Debug, Clone, Copy)]
pub struct NoLimits;

/// In the extensions of a response: it is a refusal that has been counted, and is no line in the log.
#[derive(Debug, Clone, Copy)]
pub struct Counted;

/// A request, as far as it is counted.
struct Counting {
    address: Option<IpAddr>,
    route: Option<MatchedPath>,
    /// The user whom the path names, as it is written but for case and percent-encoding.
    target: Option<String>,
    is_proof: bool,
    wants_bypass: bool,
    now: DateTime<Utc>,
}

impl RateLimits {
    /// The limits that are configured.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let of_api = || Limiter::new(config.api_rate_limit, MINUTE_S);
        Self {
            users: of_api(),
            users_in_all: Limiter::new(
                config.api_rate_limit.saturating_mul(MANY_TARGETS),
                MINUTE_S,
            ),
            addresses: of_api(),
            proofs: Limiter::new(config.login_rate_limit, MINUTE_S),
            lookups: of_api(),
            own_changes: OwnChanges::new(config),
            tokens: VerifiedTokens::default(),
            refusals: Refusals::default(),
        }
    }

    /// Writes into the log what has been counted and not reported.
    pub fn report_all(&self) {
        self.refusals.report_all();
    }

    /// Counts a request. Returns the limit that it exceeds, else the one that leaves the least; `None` if none applies.
    fn count(&self, user: Option<VerifiedUser>, counting: &Counting) -> Option<Verdict> {
        let of_address = (Who::Address(counting.address.map(address_prefix)), None);
        let of_user = user.map(|user| (Who::User(user.id), Some(user.id)));
        let target = user
            .and_then(|user| counting.other_user(user))
            .unwrap_or("");
        let proofs = self.proofs.as_ref().filter(|_| counting.is_proof);
        let requests = if user.is_some() {
            &self.users
        } else {
            &self.addresses
        };
        let route = counting.route.as_ref().map_or("", MatchedPath::as_str);
        let in_all = self.users_in_all.as_ref().filter(|_| !target.is_empty());
        let limits = [
            // By both: neither many addresses nor many sessions help to guess one user's password.
            proofs.map(|limiter| (limiter, of_address, "", "")),
            proofs
                .zip(of_user)
                .map(|(limiter, who)| (limiter, who, "", "")),
            in_all
                .zip(of_user)
                .map(|(limiter, who)| (limiter, who, route, "")),
            requests
                .as_ref()
                .map(|limiter| (limiter, of_user.unwrap_or(of_address), route, target)),
        ];
        let network = counting.network();
        let mut least: Option<Verdict> = None;
        for (limiter, (who, user), route, target) in limits.into_iter().flatten() {
            let key = (who, route, target);
            let verdict = match user {
                Some(user) => limiter.take(&key, &user, counting.now),
                None => limiter.take(&key, &network, counting.now),
            };
            if !verdict.is_within {
                return Some(verdict);
            }
            if least.is_none_or(|least| verdict.remaining < least.remaining) {
                least = Some(verdict);
            }
        }
        least
    }

    /// Notes what came of looking a token up: who it is, or that it is not good.
    fn settle(&self, digest: TokenDigest, identity: &Identity, is_new: bool, counting: &Counting) {
        match identity.session() {
            Some(session) => self.tokens.insert(digest, verified(session)),
            None if identity.is_refused() => return self.tokens.remove(&digest),
            None => {}
        }
        if let Some(lookups) = self.lookups.as_ref().filter(|_| is_new) {
            let network = counting.network();
            lookups.give_back(&network, &network, counting.now);
        }
    }

    /// A refusal, which is counted and not logged by itself.
    fn refuse(
        &self,
        message: String,
        verdict: Verdict,
        address: Option<IpAddr>,
        now: DateTime<Utc>,
    ) -> Response {
        let nth = self.refusals.count(address.map(NetworkPrefix::site), now);
        let mut response = Refusal::new(StatusCode::TOO_MANY_REQUESTS, message).into_response();
        response.extensions_mut().insert(Counted);
        if nth > PROMPT_REFUSALS {
            response.extensions_mut().insert(SlowDown);
        }
        let headers = response.headers_mut();
        let retry_after = HeaderValue::from(verdict.retry_after_s);
        headers.insert(header::RETRY_AFTER, retry_after);
        set_headers(headers, verdict);
        response
    }
}

impl Counting {
    /// # Errors
    /// A trusted proxy sent something that is no address.
    fn of(
        request: &Request<Body>,
        target: Option<String>,
        now: DateTime<Utc>,
    ) -> Result<Self, UnreadableForwardedFor> {
        let extensions = request.extensions();
        if let Some(error) = extensions.get::<UnreadableForwardedFor>() {
            return Err(error.clone());
        }
        let context = extensions.get::<RequestContext>();
        Ok(Self {
            address: context.and_then(|context| context.origin.ip),
            route: extensions.get::<MatchedPath>().cloned(),
            target,
            is_proof: is_proof(request),
            wants_bypass: wants_bypass(request.headers()),
            now,
        })
    }

    /// The user whom the path names, if it is not the caller.
    fn other_user(&self, caller: VerifiedUser) -> Option<&str> {
        let target = self.target.as_deref()?;
        let is_caller = target == "me"
            || Uuid::parse_str(target).is_ok_and(|id| id == caller.id)
            || username_digest(target) == caller.username;
        (!is_caller).then_some(target)
    }

    fn network(&self) -> Option<NetworkPrefix> {
        self.address.map(NetworkPrefix::site)
    }
}

/// Refuses requests that exceed a limit, and says in every response how many more there may be.
pub async fn limit(
    State(app): State<AppState>,
    mut request: Request<Body>,
    next: Next,
) -> Response {
    // They say whether the node is well, and are never too many.
    if is_probe(request.uri().path()) {
        return next.run(request).await;
    }
    let now = app.clock.now();
    let limits = &app.rate_limits;
    let target = target(&mut request).await;
    let counting = match Counting::of(&request, target, now) {
        Ok(counting) => counting,
        Err(error) => return limits.unreadable(&error, &request, now),
    };
    let refuse = |verdict| limits.refuse(too_many(verdict), verdict, counting.address, now);
    let token = identity::token(request.uri(), request.headers());
    let digest = match &token {
        Some(Ok(token)) => Some(VerifiedTokens::digest(token)),
        _ => None,
    };
    let remembered = digest.as_ref().and_then(|digest| limits.tokens.get(digest));
    // What can be decided before the token is looked up, is.
    let before = limits.before_lookup(digest.is_some(), remembered, &counting);
    if let Some(verdict) = before.verdict().filter(|verdict| !verdict.is_within) {
        return refuse(verdict);
    }
    let mut user = None;
    let mut is_refused = false;
    if let Some(token) = token {
        let identity = Identity::find(&app, token).await;
        user = identity.session().map(verified);
        is_refused = identity.is_refused();
        if let Some(digest) = digest {
            limits.settle(digest, &identity, remembered.is_none(), &counting);
        }
        request.extensions_mut().insert(identity);
    }
    if counting.wants_bypass && user.is_some_and(|user| user.may_bypass) {
        request.extensions_mut().insert(NoLimits);
        return next.run(request).await;
    }
    let verdict = match before {
        // A token that is no longer good makes nobody a caller of their own.
        Before::Counted(verdict) if remembered.is_none() || !is_refused => verdict,
        _ => limits.count(user, &counting),
    };
    if let Some(verdict) = verdict.filter(|verdict| !verdict.is_within) {
        return refuse(verdict);
    }
    let mut response = if counting.wants_bypass {
        may_not_bypass()
    } else {
        next.run(request).await
    };
    if let Some(verdict) = verdict {
        set_headers(response.headers_mut(), verdict);
    }
    response
}

/// What is known of a request before its token is looked up.
enum Before {
    /// It is counted.
    Counted(Option<Verdict>),
    /// It is not, because it is not known for whom. The look-up itself is counted, if the token is new.
    NotCounted(Option<Verdict>),
}

impl Before {
    fn verdict(&self) -> Option<Verdict> {
        match self {
            Self::Counted(verdict) | Self::NotCounted(verdict) => *verdict,
        }
    }
}

impl RateLimits {
    fn before_lookup(
        &self,
        has_token: bool,
        remembered: Option<VerifiedUser>,
        counting: &Counting,
    ) -> Before {
        match remembered {
            Some(user) if counting.wants_bypass && user.may_bypass => Before::NotCounted(None),
            None if has_token => {
                let network = counting.network();
                let lookups = self.lookups.as_ref();
                Before::NotCounted(
                    lookups.map(|limiter| limiter.take(&network, &network, counting.now)),
                )
            }
            _ => Before::Counted(self.count(remembered, counting)),
        }
    }

    /// Counted for the proxy that sent it, apart from everything else.
    fn unreadable(
        &self,
        error: &UnreadableForwardedFor,
        request: &Request<Body>,
        now: DateTime<Utc>,
    ) -> Response {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map(|peer| peer.0.ip());
        let verdict = self.addresses.as_ref().map(|limiter| {
            let key = (Who::Address(peer.map(address_prefix)), "unreadable");
            limiter.take(&key, &peer.map(NetworkPrefix::site), now)
        });
        match verdict.filter(|verdict| !verdict.is_within) {
            Some(verdict) => self.refuse(too_many(verdict), verdict, peer, now),
            None => Refusal::new(StatusCode::BAD_REQUEST, error.to_string()).into_response(),
        }
    }
}

/// Writes the counts of refusals into the log, for as long as the service runs.
pub async fn report(app: AppState) {
    loop {
        tokio::time::sleep(REPORT_EVERY).await;
        app.rate_limits.refusals.report(app.clock.now());
    }
}

fn is_proof(request: &Request<Body>) -> bool {
    let pattern = request.extensions().get::<MatchedPath>();
    pattern.is_some_and(|pattern| {
        let is_form = request.method() == Method::POST && pattern.as_str() == LOGIN;
        is_form || PROOFS.contains(&pattern.as_str())
    })
}

fn address(request: &Request<Body>) -> Option<IpAddr> {
    let context = request.extensions().get::<RequestContext>();
    context.and_then(|context| context.origin.ip)
}

/// An address of IPv4, a /64 of IPv6.
fn address_prefix(address: IpAddr) -> NetworkPrefix {
    NetworkPrefix::of(address, 32, 64)
}

fn wants_bypass(headers: &HeaderMap) -> bool {
    let value = headers.get(BYPASS).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| TRUE.contains(&value))
}

/// What the path has for `{user}`, decoded and in lower case.
async fn target(request: &mut Request<Body>) -> Option<String> {
    let params = request.extract_parts::<RawPathParams>().await.ok()?;
    let mut params = params.iter();
    let (_, target) = params.find(|(name, _)| *name == "user")?;
    Some(target.to_ascii_lowercase())
}

fn verified(session: &KnownSession) -> VerifiedUser {
    let username = session.user.row.username.as_deref().unwrap_or_default();
    VerifiedUser {
        id: session.user.row.id,
        username: username_digest(&username.to_ascii_lowercase()),
        may_bypass: may_bypass(session),
    }
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

fn too_many(verdict: Verdict) -> String {
    format!(
        "More than {} requests in {MINUTE_S} seconds are too many here. Try again in a minute.",
        verdict.limit
    )
}

fn set_headers(headers: &mut HeaderMap, verdict: Verdict) {
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

    fn prefix(address: &str) -> NetworkPrefix {
        address_prefix(address.parse().unwrap())
    }

    #[test]
    fn an_address_of_ipv4_counts_alone_and_one_of_ipv6_with_its_link() {
        assert_ne!(prefix("203.0.113.7"), prefix("203.0.113.8"));
        assert_eq!(prefix("::ffff:203.0.113.7"), prefix("203.0.113.7"));
        assert_eq!(prefix("2001:db8:1:2::1"), prefix("2001:db8:1:2:ffff::9"));
        assert_ne!(prefix("2001:db8:1:2::1"), prefix("2001:db8:1:3::1"));
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
