//! Against forged requests: a browser sends the session's cookie with whatever any page asks for, so that a change
//! which comes with the cookie must also prove that it was asked for by a page that can read our cookies.
//!
//! Signing in needs no cookie and sets one: a page of another site could sign its readers in as somebody else, who then
//! sees what they do. Browsers say which site a request comes from, in headers that no page can change. Programs do not,
//! and need not.

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::{
    answer::Refusal,
    cookies::{CSRF_COOKIE, SESSION_COOKIE, automatic_token, cookie, csrf_cookie},
    identity::bearer,
    query::Parameters,
};
use crate::{
    app::AppState,
    config::{AccessUrl, Config},
};

const PROOF_HEADER: &str = "x-csrf-token";
/// By which browsers say what the page that sent a request is to us.
pub const SITE_HEADER: &str = "sec-fetch-site";
const FIRST_USER: &str = "/api/v2/users/first";
const LOGIN: &str = "/api/v2/users/login";

/// Refuses changes that come with the session's cookie and without a proof, and hands out the proof.
pub async fn guard(State(app): State<AppState>, request: Request<Body>, next: Next) -> Response {
    let session = automatic_token(request.headers()).map(|session| {
        let proof = proof(&app.csrf_key, &session);
        (session, proof)
    });
    if let Some((session, proof)) = &session
        && changes_something(&request)
        && !is_proven(&request, session, proof)
    {
        let refusal = "This request came with a session cookie and without a proof that our own page sent it. \
                       Send the cookie csrf_token back as the header X-CSRF-TOKEN, or use Coder-Session-Token instead of the cookie.\n";
        return (StatusCode::BAD_REQUEST, refusal).into_response();
    }
    if begins_session(&request) && is_from_elsewhere(&request, &app.config) {
        return from_elsewhere().into_response();
    }
    let Some((_, proof)) = session else {
        return next.run(request).await;
    };
    let has_proof = cookie(request.headers(), CSRF_COOKIE).as_deref() == Some(&proof);
    let mut response = next.run(request).await;
    let is_replaced = response.headers().contains_key(header::SET_COOKIE);
    if !has_proof
        && !is_replaced
        && let Some(value) = csrf_cookie(&proof, &app.config)
    {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

fn from_elsewhere() -> Refusal {
    Refusal::new(
        StatusCode::FORBIDDEN,
        "A page of another site made your browser send this.",
    )
    .with_detail(
        "Sign in at this service's own address. If its own page sent this, access_url is not the address by which you reach it.",
    )
}

/// Whether a request without a session may be answered with the cookies of one, or makes the first user.
fn begins_session(request: &Request<Body>) -> bool {
    let path = request.uri().path();
    !is_safe(request.method()) && [FIRST_USER, LOGIN].contains(&path)
}

/// Whether a browser says that a page of another origin sent this.
fn is_from_elsewhere(request: &Request<Body>, config: &Config) -> bool {
    let headers = request.headers();
    match headers.get(SITE_HEADER) {
        Some(site) => is_another_site(site),
        // Over plain http, browsers only name the page's origin.
        None => headers
            .get(header::ORIGIN)
            .is_some_and(|origin| !is_ours(origin.as_bytes(), request, config)),
    }
}

/// Whether browsers say of a request that it comes from elsewhere, be it another host of our own domain. What comes from
/// nowhere was typed in, or a bookmark.
pub fn is_another_site(site: &HeaderValue) -> bool {
    site != "same-origin" && site != "none"
}

/// Whether an origin is that of the access URL, or of the host that the request was sent to.
fn is_ours(origin: &[u8], request: &Request<Body>, config: &Config) -> bool {
    let known = config.access_url.as_ref().map(AccessUrl::origin);
    // HTTP/2 has no header for it.
    let authority = request
        .uri()
        .authority()
        .map(|host| host.as_str().as_bytes());
    let host = request
        .headers()
        .get(header::HOST)
        .map(HeaderValue::as_bytes)
        .or(authority);
    let sent_from = [&b"https://"[..], b"http://"]
        .into_iter()
        .find_map(|scheme| origin.strip_prefix(scheme));
    known.is_some_and(|known| known.as_bytes().eq_ignore_ascii_case(origin))
        || sent_from
            .zip(host)
            .is_some_and(|(sent_from, host)| sent_from.eq_ignore_ascii_case(host))
}

fn is_safe(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE].contains(method)
}

fn changes_something(request: &Request<Body>) -> bool {
    let path = request.uri().path();
    !is_safe(request.method()) && path.starts_with("/api") && path != FIRST_USER
}

fn is_proven(request: &Request<Body>, session: &str, proof: &str) -> bool {
    let headers = request.headers();
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    header("coder-session-token") == Some(session)
        || Parameters::parse(request.uri().query()).text(SESSION_COOKIE) == session
        || header("authorization")
            .and_then(bearer)
            .is_some_and(|token| !token.is_empty())
        || header(PROOF_HEADER).is_some_and(|given| given.as_bytes().ct_eq(proof.as_bytes()).into())
}

/// The proof for a session: nobody can make it without the service's key, and it is of no use for another session.
#[must_use]
pub fn proof(key: &[u8; 32], session: &str) -> String {
    // A key of any length is allowed, so there is nothing to fail.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return String::new();
    };
    mac.update(session.as_bytes());
    URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
}

/// The cookie with the proof for a session that just began.
#[must_use]
pub fn cookie_for(app: &AppState, session: &str) -> Option<HeaderValue> {
    csrf_cookie(&proof(&app.csrf_key, session), &app.config)
}
