//! The cookies that we set and read.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::config::Config;

/// Holds the session's token.
pub const SESSION_COOKIE: &str = "coder_session_token";
/// Held it for applications under the first generation of the API; still read, never set.
pub const OLD_SESSION_COOKIE: &str = "coder_devurl_session_token";
/// Holds the proof that a form comes from our own page.
pub const CSRF_COOKIE: &str = "csrf_token";

/// The first cookie of that name. Others on our domain may set cookies too, in any bytes: these hide none of ours.
#[must_use]
pub fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b';'))
        .map(String::from_utf8_lossy)
        .find_map(|pair| {
            let (found, value) = pair.trim().split_once('=')?;
            (found == name).then(|| value.trim_matches('"').to_owned())
        })
}

/// The token that a browser sends by itself, whoever made it ask.
#[must_use]
pub fn automatic_token(headers: &HeaderMap) -> Option<String> {
    [SESSION_COOKIE, OLD_SESSION_COOKIE]
        .iter()
        .filter_map(|name| cookie(headers, name))
        .find(|token| !token.is_empty())
}

/// Sets the session's cookie, or, with an empty token, removes it. Ends with the browser: the service decides when
/// the session ends.
#[must_use]
pub fn session_cookie(token: &str, config: &Config) -> Option<HeaderValue> {
    let age = if token.is_empty() { "; Max-Age=0" } else { "" };
    let text = format!(
        "{SESSION_COOKIE}={token}; Path=/{age}; HttpOnly; SameSite=Lax{}",
        secure(config)
    );
    HeaderValue::try_from(text).ok()
}

/// Sets the cookie against forged requests. Not `HttpOnly`: our own pages read it and send it back as a header.
#[must_use]
pub fn csrf_cookie(proof: &str, config: &Config) -> Option<HeaderValue> {
    let text = format!(
        "{CSRF_COOKIE}={proof}; Path=/; SameSite=Lax{}",
        secure(config)
    );
    HeaderValue::try_from(text).ok()
}

/// Sets a cookie of a flow by way of a provider, for as long as a flow may take. `Lax`, because the provider is
/// another site that sends the browser back.
#[must_use]
pub fn flow_cookie(name: &str, value: &str, config: &Config) -> Option<HeaderValue> {
    const LIFETIME_S: u32 = 600;
    let text = format!(
        "{name}={value}; Path=/; Max-Age={LIFETIME_S}; HttpOnly; SameSite=Lax{}",
        secure(config)
    );
    HeaderValue::try_from(text).ok()
}

/// Removes a cookie of such a flow.
#[must_use]
pub fn no_flow_cookie(name: &str, config: &Config) -> Option<HeaderValue> {
    let text = format!(
        "{name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax{}",
        secure(config)
    );
    HeaderValue::try_from(text).ok()
}

/// Makes a browser keep the name under which it was handed a form to sign in. Never sent with what other sites make it
/// send.
#[must_use]
pub fn form_cookie(name: &str, config: &Config) -> Option<HeaderValue> {
    let cookie = form_cookie_name(config);
    let text = format!(
        "{cookie}={name}; Path=/; HttpOnly; SameSite=Lax{}",
        secure(config)
    );
    HeaderValue::try_from(text).ok()
}

/// What that cookie is called. Over https by a name that browsers take from this very host alone, so that no other
/// host of our domain can plant it.
#[must_use]
pub fn form_cookie_name(config: &Config) -> &'static str {
    if config.secure_cookies {
        "__Host-sign_in_form"
    } else {
        "sign_in_form"
    }
}

fn secure(config: &Config) -> &'static str {
    if config.secure_cookies {
        "; Secure"
    } else {
        ""
    }
}
