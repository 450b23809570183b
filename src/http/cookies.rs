//! The cookies that we set and read.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::config::Config;

/// Holds the session's token.
pub const SESSION_COOKIE: &str = "coder_session_token";
/// Held it for applications under the first generation of the API; still read, never set.
pub const OLD_SESSION_COOKIE: &str = "coder_devurl_session_token";
/// Holds the proof that a form comes from our own page.
pub const CSRF_COOKIE: &str = "csrf_token";
/// Browsers take a cookie whose name begins so from this very host alone, over https.
const HOST_PREFIX: &str = "__Host-";

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

/// Leaves only the cookies that browsers took from this very host, and shows each by its plain name as well: whatever reads
/// cookies then reads no other host's.
pub fn keep_those_of_the_host(headers: &mut HeaderMap) {
    let mut kept: Vec<u8> = Vec::new();
    let values = headers.get_all(header::COOKIE).iter();
    for pair in values.flat_map(|value| value.as_bytes().split(|byte| *byte == b';')) {
        let pair = pair.trim_ascii();
        if let Some(plain) = pair.strip_prefix(HOST_PREFIX.as_bytes()) {
            kept.extend([pair, b"; ", plain, b"; "].concat());
        }
    }
    headers.remove(header::COOKIE);
    if let Ok(value) = HeaderValue::from_bytes(&kept)
        && !kept.is_empty()
    {
        headers.insert(header::COOKIE, value);
    }
}

/// Sets the session's cookie, or, with an empty token, removes it. Ends with the browser: the service decides when
/// the session ends.
#[must_use]
pub fn session_cookie(token: &str, config: &Config) -> Option<HeaderValue> {
    let age = if token.is_empty() { "; Max-Age=0" } else { "" };
    set(SESSION_COOKIE, token, &format!("{age}; HttpOnly"), config)
}

/// Sets the cookie against forged requests. Not `HttpOnly`: our own pages read it and send it back as a header.
#[must_use]
pub fn csrf_cookie(proof: &str, config: &Config) -> Option<HeaderValue> {
    set(CSRF_COOKIE, proof, "", config)
}

/// Sets a cookie of a flow by way of a provider, for as long as a flow may take. `Lax`, because the provider is
/// another site that sends the browser back.
#[must_use]
pub fn flow_cookie(name: &str, value: &str, config: &Config) -> Option<HeaderValue> {
    const LIFETIME_S: u32 = 600;
    set(
        name,
        value,
        &format!("; Max-Age={LIFETIME_S}; HttpOnly"),
        config,
    )
}

/// Removes a cookie of such a flow.
#[must_use]
pub fn no_flow_cookie(name: &str, config: &Config) -> Option<HeaderValue> {
    set(name, "", "; Max-Age=0; HttpOnly", config)
}

/// Makes a browser keep the name under which it was handed a form to sign in. Never sent with what other sites make it
/// send.
#[must_use]
pub fn form_cookie(name: &str, config: &Config) -> Option<HeaderValue> {
    cookie_as(form_cookie_name(config), name, "; HttpOnly", config)
}

/// What that cookie is called. Over https by a name that browsers take from this very host alone, so that no other
/// host of our domain can plant it; such a cookie is the whole host's, and so not for a service below a path.
#[must_use]
pub fn form_cookie_name(config: &Config) -> &'static str {
    if config.secure_cookies && config.base_path().is_empty() {
        "__Host-sign_in_form"
    } else {
        "sign_in_form"
    }
}

fn set(name: &str, value: &str, attributes: &str, config: &Config) -> Option<HeaderValue> {
    let prefix = if config.host_cookies { HOST_PREFIX } else { "" };
    cookie_as(&format!("{prefix}{name}"), value, attributes, config)
}

/// A cookie for all that is below the access URL's path, and nothing else of the host.
fn cookie_as(name: &str, value: &str, attributes: &str, config: &Config) -> Option<HeaderValue> {
    let path = match config.base_path() {
        "" => "/",
        base => base,
    };
    let secure = if config.secure_cookies {
        "; Secure"
    } else {
        ""
    };
    let text = format!("{name}={value}; Path={path}{attributes}; SameSite=Lax{secure}");
    HeaderValue::try_from(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_cookies_of_others_none_is_left() {
        let mut headers = HeaderMap::new();
        for cookies in [
            "coder_session_token=planted; __Host-coder_session_token=ours",
            "__Host-csrf_token=proof;other=x; csrf_token=planted",
        ] {
            headers.append(header::COOKIE, HeaderValue::from_static(cookies));
        }
        keep_those_of_the_host(&mut headers);
        let found = |name| cookie(&headers, name);
        assert_eq!(found(SESSION_COOKIE).as_deref(), Some("ours"));
        assert_eq!(found(CSRF_COOKIE).as_deref(), Some("proof"));
        assert_eq!(found("__Host-csrf_token").as_deref(), Some("proof"));
        assert_eq!(found("other"), None);
        let mut none = HeaderMap::new();
        none.insert(
            header::COOKIE,
            HeaderValue::from_static("coder_session_token=planted"),
        );
        keep_those_of_the_host(&mut none);
        assert!(none.is_empty());
    }
}
