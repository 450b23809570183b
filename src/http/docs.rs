//! `GET /openapi.json`: the description of the API. `GET /docs`: the same, to read and to try in a browser.
//!
//! Anybody may see both: they say what can be asked, and nothing about anybody. The page needs nothing but itself and the
//! description; the policy that goes with it lets the browser load nothing else.

use std::{borrow::Cow, sync::LazyLock};

use axum::{
    extract::State,
    http::{HeaderName, HeaderValue, header},
    response::{Html, IntoResponse},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{answer::json_type, openapi::DOCUMENT};
use crate::{app::AppState, config::AccessUrl};

const STYLE: &str = include_str!("docs/style.css");
const SCRIPT: &str = include_str!("docs/script.js");

/// The style and the script that are in the page, known by their hashes, and requests to us.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; img-src data:; \
         form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
        hash(STYLE),
        hash(SCRIPT),
    );
    let nothing = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    HeaderValue::try_from(policy).unwrap_or(nothing)
});

/// This description, as OpenAPI 3.1.
#[utoipa::path(get, path = "/openapi.json", tag = "service", operation_id = "openapi",
    responses((status = 200, description = "The description.", body = Object, example = json!({ "openapi": "3.1.0" }))))]
pub async fn openapi(State(app): State<AppState>) -> impl IntoResponse {
    (json_type(), served_at(app.config.access_url.as_ref()))
}

/// The description, which says where its paths begin unless that is where it is read.
fn served_at(address: Option<&AccessUrl>) -> Cow<'static, str> {
    match address {
        Some(address) if !address.path().is_empty() => {
            let servers = json!([{ "url": address.as_str() }]);
            // It is an object, and not an empty one.
            Cow::Owned(DOCUMENT.replacen('{', &format!("{{\n  \"servers\": {servers},"), 1))
        }
        _ => Cow::Borrowed(DOCUMENT.as_str()),
    }
}

/// This description, to read and to try in a browser.
#[utoipa::path(get, path = "/docs", tag = "service", operation_id = "docs",
    responses((status = 200, description = "A page.", body = String, content_type = "text/html")))]
pub async fn page(State(app): State<AppState>) -> impl IntoResponse {
    let page = format!(
        include_str!("docs/page.html"),
        base = app.config.base_path(),
        style = STYLE,
        script = SCRIPT,
    );
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY.clone()),
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        ),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            HeaderValue::from_static("same-origin"),
        ),
    ];
    (headers, Html(page))
}
