//! The userinfo endpoint (OpenID Connect Core 1.0, section 5.3): claims as JSON, or as a token that the provider signed.

use reqwest::header::CONTENT_TYPE;

use crate::auth::providers::{
    Cause,
    client::Response,
    json::Object,
    jwt::{self, KeySet, TokenError},
};

/// A response with claims.
pub enum Userinfo {
    /// Plain claims.
    Claims(Object),
    /// A token that is not verified yet.
    Signed(String),
}

/// Reads a response. Its body decides what it is: servers err in the type that they give.
pub fn read(response: &Response) -> Result<Userinfo, Cause> {
    response.ok()?;
    let text = String::from_utf8_lossy(&response.body);
    let text = text.trim().trim_matches('"');
    let is_called_jwt = response
        .header(CONTENT_TYPE.as_str())
        .and_then(|content_type| content_type.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/jwt"));
    let is_json = text.starts_with(['{', '[', '\u{FEFF}']);
    if !is_json && (is_called_jwt || is_compact(text)) {
        return Ok(Userinfo::Signed(text.to_owned()));
    }
    Object::parse(&response.body).map(Userinfo::Claims)
}

/// The claims of a signed response: section 5.3.2 wants `iss` and `aud` in it.
pub fn verify(
    token: &str,
    keys: &KeySet,
    issuer: &str,
    client_id: &str,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<Object, TokenError> {
    let claims = jwt::verify(token, keys)?.claims;
    jwt::check_issuer(&claims, issuer)?;
    jwt::check_audience(&claims, client_id)?;
    jwt::check_times(&claims, now)?;
    Ok(claims)
}

/// That the claims are about the user of the ID token.
pub fn check_subject(claims: &Object, subject: &str) -> Result<(), Cause> {
    match claims.text("sub")? {
        Some(found) if found == subject => Ok(()),
        Some(_) => Err(Cause::new("its `sub` is another than the ID token's")),
        None => Err(Cause::new("its `sub` is missing")),
    }
}

fn is_compact(text: &str) -> bool {
    text.starts_with("ey")
        && text.matches('.').count() >= 2
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}
