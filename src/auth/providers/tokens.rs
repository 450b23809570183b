//! Reads the responses of token endpoints, as leniently as Go's oauth2 library: as JSON or as a form, with or without a
//! token type, with a lifetime that is a number or a text. Responses hold tokens: no cause quotes them.

use std::{collections::HashMap, fmt};

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::CONTENT_TYPE;
use rollcall_events::{clock::Clock, vault::ProviderTokens};
use serde_json::Value;
use url::form_urlencoded;

use super::{Cause, application::Denied, client::Response, json::Object};

/// The longest token, in bytes. Those that list thousands of groups are long.
pub const MAX_TOKEN_BYTES: usize = 1024 * 1024;
/// Three tokens, and what surrounds them.
pub const MAX_RESPONSE_BYTES: usize = 4 * 1024 * 1024;
/// A longer lifetime is cut to this.
const MAX_LIFETIME: TimeDelta = TimeDelta::days(3650);
/// The longest description of an error that is repeated, in bytes.
const MAX_DESCRIPTION_BYTES: usize = 400;

/// What a token endpoint gave.
pub struct TokenResponse {
    /// The access token; never empty.
    pub access_token: String,
    /// The refresh token, if there is one.
    pub refresh_token: Option<String>,
    /// The ID token, if there is one.
    pub id_token: Option<String>,
    /// The lifetime of the access token in seconds, if it is known and positive.
    expires_in: Option<i64>,
}

impl TokenResponse {
    /// The tokens that are kept.
    pub fn tokens(&self) -> ProviderTokens {
        ProviderTokens {
            access_token: self.access_token.clone(),
            refresh_token: self.refresh_token.clone(),
        }
    }

    /// When the access token ends; `None` when the response does not say so.
    pub fn expires_at(&self, clock: &dyn Clock) -> Option<DateTime<Utc>> {
        let lifetime = TimeDelta::try_seconds(self.expires_in?).unwrap_or(MAX_LIFETIME);
        Some(clock.now() + lifetime.min(MAX_LIFETIME))
    }
}

impl fmt::Debug for TokenResponse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TokenResponse(..)")
    }
}

/// Reads a response. What it says besides an error code goes to the log, unless it quotes one of `secrets`.
pub fn read(response: &Response, secrets: &[&str]) -> Result<TokenResponse, Denied> {
    let fields = fields(response);
    // GitHub refuses with status 200.
    if let Ok(fields) = &fields
        && let Some(denied) = refused(fields, secrets)
    {
        return Err(denied);
    }
    if !response.status.is_success() {
        let cause = Cause::new(format_args!(
            "it answers with status {} and no error code",
            response.status.as_u16()
        ));
        return Err(Denied::Failed(cause));
    }
    fields.and_then(|it| tokens(&it)).map_err(Denied::Failed)
}

fn fields(response: &Response) -> Result<Object, Cause> {
    let content_type = response.header(CONTENT_TYPE.as_str()).unwrap_or_default();
    let content_type = content_type.split(';').next().unwrap_or_default().trim();
    let is_form = ["application/x-www-form-urlencoded", "text/plain"]
        .iter()
        .any(|form| content_type.eq_ignore_ascii_case(form));
    match Object::parse(&response.body) {
        Err(_) if is_form => {
            let pairs: HashMap<_, _> = form_urlencoded::parse(&response.body).collect();
            let value = serde_json::to_value(pairs).map_err(Cause::new)?;
            Object::try_from(&value)
        }
        read => read,
    }
}

fn tokens(fields: &Object) -> Result<TokenResponse, Cause> {
    let bounded = |name: &str| {
        let token = fields.text(name)?;
        match token {
            Some(token) if token.len() > MAX_TOKEN_BYTES && name != "id_token" => {
                Err(Cause::new(format_args!(
                    "its `{name}` is too long: {} bytes, and at most {MAX_TOKEN_BYTES} are read",
                    token.len()
                )))
            }
            token => Ok(token),
        }
    };
    Ok(TokenResponse {
        access_token: bounded("access_token")?
            .ok_or_else(|| Cause::new("its `access_token` is missing"))?,
        refresh_token: bounded("refresh_token")?,
        id_token: bounded("id_token")?,
        expires_in: fields.number("expires_in")?.filter(|seconds| *seconds > 0),
    })
}

/// The error of a response. Some providers send an object in place of the code.
fn refused(fields: &Object, secrets: &[&str]) -> Option<Denied> {
    let error = fields.value("error").ok().flatten()?;
    let text =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let (code, description) = match &error {
        Value::String(code) if code.is_empty() => return None,
        Value::String(code) => (
            code.clone(),
            fields.text("error_description").ok().flatten(),
        ),
        Value::Object(_) => (
            text(&error, "code").or_else(|| text(&error, "type"))?,
            text(&error, "message"),
        ),
        _ => return None,
    };
    let cause = match description.filter(|it| !secrets.iter().any(|secret| it.contains(secret))) {
        None => Cause::refused(&code),
        Some(mut description) => {
            description.truncate(description.floor_char_boundary(MAX_DESCRIPTION_BYTES));
            Cause::new(format_args!("{}: {description}", Cause::refused(&code)))
        }
    };
    Some(Denied::Refused { code, cause })
}

#[cfg(test)]
mod tests {
    use reqwest::{
        StatusCode,
        header::{HeaderMap, HeaderValue},
    };
    use serde_json::json;

    use super::*;

    struct At(DateTime<Utc>);

    impl Clock for At {
        fn now(&self) -> DateTime<Utc> {
            self.0
        }
    }

    fn response(status: u16, content_type: &'static str, body: &str) -> Response {
        let headers =
            HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        Response {
            url: "https://accounts.example.com/token".parse().unwrap(),
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            body: body.as_bytes().to_vec(),
        }
    }

    fn given(fields: &Value) -> Result<TokenResponse, Denied> {
        let mut body = json!({ "access_token": "a", "token_type": "bearer" });
        for (name, value) in fields.as_object().unwrap() {
            body[name] = value.clone();
        }
        read(&response(200, "application/json", &body.to_string()), &[])
    }

    fn cause(denied: Result<TokenResponse, Denied>) -> String {
        denied.unwrap_err().cause().to_string()
    }

    #[test]
    fn a_lifetime_is_read_as_leniently_as_in_go() {
        let clock = At(DateTime::UNIX_EPOCH);
        let ends = |value: Value| {
            given(&json!({ "expires_in": value }))
                .unwrap()
                .expires_at(&clock)
        };
        let hour = Some(clock.0 + TimeDelta::hours(1));
        for value in [json!(3600), json!("3600"), json!(3600.7), json!("3600.0")] {
            assert_eq!(ends(value.clone()), hour, "{value}");
        }
        for value in [json!(0), json!(-5), json!("-5"), json!(""), json!(null)] {
            assert_eq!(ends(value.clone()), None, "{value}");
        }
        for value in [json!(u64::MAX), json!(1e300), json!("9".repeat(400))] {
            assert_eq!(ends(value.clone()), Some(clock.0 + MAX_LIFETIME), "{value}");
        }
        assert_eq!(given(&json!({})).unwrap().expires_at(&clock), None);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (name, value) in [
            ("expires_in", json!("soon")),
            ("expires_in", json!([3600])),
            ("expires_in", json!(true)),
            ("access_token", json!(7)),
            ("access_token", json!(null)),
            ("access_token", json!("")),
            ("refresh_token", json!(false)),
            ("id_token", json!({})),
        ] {
            let cause = cause(given(&json!({ name: value.clone() })));
            assert!(cause.contains(&format!("`{name}`")), "{value}: {cause}");
        }
    }

    #[test]
    fn only_what_is_used_is_required() {
        for fields in [
            json!({ "token_type": null }),
            json!({ "token_type": 7, "scope": ["openid"], "expires_in": null }),
            json!({ "refresh_token": null, "id_token": null, "error": null }),
            json!({ "refresh_token": "", "scope": {}, "error": "" }),
        ] {
            let read = given(&fields).unwrap();
            assert_eq!(read.access_token, "a");
            assert_eq!((read.refresh_token, read.id_token), (None, None));
        }
        let created = response(201, "application/json", r#"{"access_token":"a"}"#);
        assert!(read(&created, &[]).is_ok());
    }

    #[test]
    fn a_form_is_read_as_well() {
        for content_type in [
            "application/x-www-form-urlencoded",
            "text/plain; charset=utf-8",
        ] {
            let form = response(200, content_type, "access_token=a%2Bb&expires_in=60&scope=");
            let read = read(&form, &[]).unwrap();
            assert_eq!(
                (read.access_token.as_str(), read.expires_in),
                ("a+b", Some(60))
            );
        }
        // JSON stays JSON, whatever it is called.
        let json = response(200, "text/plain", r#"{"access_token":"a"}"#);
        assert!(read(&json, &[]).is_ok());
        let error = response(400, "text/plain", "error=invalid_grant");
        let Err(Denied::Refused { code, .. }) = read(&error, &[]) else {
            panic!("it is refused");
        };
        assert_eq!(code, "invalid_grant");
    }

    #[test]
    fn a_token_is_not_huge() {
        let long = "x".repeat(MAX_TOKEN_BYTES);
        for name in ["access_token", "refresh_token"] {
            assert!(given(&json!({ name: long })).is_ok());
            let cause = cause(given(&json!({ name: format!("{long}x") })));
            assert!(
                cause.contains("too long") && cause.contains(name),
                "{cause}"
            );
        }
    }

    #[test]
    fn an_error_says_what_the_provider_says_but_no_secret() {
        let said = |status, body: Value| {
            let body = response(status, "application/json", &body.to_string());
            cause(read(&body, &["swordfish"]))
        };
        let description = "AADSTS7000215: Invalid client secret provided.";
        let error = json!({ "error": "invalid_client", "error_description": description });
        for status in [200, 400, 401, 500] {
            let cause = said(status, error.clone());
            assert!(cause.contains("invalid_client") && cause.contains("AADSTS7000215"));
        }
        let leaky = json!({ "error": "invalid_client", "error_description": "no: swordfish" });
        assert_eq!(said(401, leaky), r#"it says "invalid_client""#);
        let nested =
            json!({ "error": { "type": "OAuthException", "code": 190, "message": "Expired" } });
        assert_eq!(said(400, nested), r#"it says "OAuthException": Expired"#);
        assert!(said(502, json!({})).contains("status 502"));
        let page = response(503, "text/html", "<html>");
        assert!(cause(read(&page, &[])).contains("status 503"));
        let page = response(200, "text/html", "<html>");
        assert!(cause(read(&page, &[])).contains("HTML"));
    }

    #[test]
    fn a_response_shows_no_token() {
        let read = given(&json!({ "access_token": "swordfish", "id_token": "swordfish" }));
        assert!(!format!("{:?}", read.unwrap()).contains("swordfish"));
    }
}
