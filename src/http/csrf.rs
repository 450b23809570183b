//! Against forged requests: a browser sends the session's cookie with whatever any page asks for, so that a change
//! which comes with the cookie must also prove that it was asked for by a page that can read our cookies.

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
    cookies::{CSRF_COOKIE, SESSION_COOKIE, automatic_token, cookie, csrf_cookie},
    identity::bearer,
    query::Parameters,
};
use crate::app::AppState;

const PROOF_HEADER: &str = "x-csrf-token";

/// Refuses changes that come with the session's cookie and without a proof, and hands out the proof.
pub async fn guard(State(app): State<AppState>, request: Request<Body>, next: Next) -> Response {
    let Some(session) = automatic_token(request.headers()) else {
        return next.run(request).await;
    };
    let proof = proof(&app.csrf_key, &session);
    if changes_something(&request) && !is_proven(&request, &session, &proof) {
        let refusal = "This request came with a session cookie and without a proof that our own page sent it. \
                       Send the cookie csrf_token back as the header X-CSRF-TOKEN, or use Coder-Session-Token instead of the cookie.\n";
        return (StatusCode::BAD_REQUEST, refusal).into_response();
    }
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

fn changes_something(request: &Request<Body>) -> bool {
    let is_safe =
        [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE].contains(request.method());
    let path = request.uri().path();
    !is_safe && path.starts_with("/api") && path != "/api/v2/users/first"
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
