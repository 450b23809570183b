//! Signed JSON Web Tokens (RFC 7515, RFC 7519): the form that ID tokens and signed userinfo have in common. Encrypted and
//! unsigned ones are not read.

mod keys;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{Cause, examine::SKEW, json::Object};

pub use keys::{Algorithm, Key, KeySet, algorithm};

/// The longest token, in bytes.
pub const MAX_BYTES: usize = 1024 * 1024;

/// Why a token is not believed. The kind is for decisions, the detail for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenError {
    /// Which rule is broken.
    pub fault: Fault,
    detail: String,
}

/// The rule that a token breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It has more bytes than [`MAX_BYTES`].
    #[error("it is too long")]
    TooLong,
    /// It is not a signed JSON Web Token, or one of its parts cannot be read.
    #[error("it is no signed token")]
    Malformed,
    /// It is not signed, or by an algorithm that proves nothing: with a shared secret, those who can verify can sign.
    #[error("it is signed by a way that is not allowed")]
    Algorithm,
    /// None of the provider's keys has signed it.
    #[error("it is signed by no key of the provider")]
    NoKey,
    /// Another issuer made it.
    #[error("it was issued by another issuer")]
    Issuer,
    /// It is for another client.
    #[error("it is for another client")]
    Audience,
    /// It has ended.
    #[error("it has expired")]
    Expired,
    /// It is not valid yet.
    #[error("it is not valid yet: one of the clocks is wrong")]
    NotYet,
    /// It does not answer this sign-in.
    #[error("it answers another sign-in")]
    Nonce,
    /// It has no nonce, which would tie it to this sign-in.
    #[error("it has no nonce")]
    NoNonce,
    /// It came with another access token.
    #[error("it is for another access token")]
    AccessToken,
    /// It names no subject, or one that cannot be used.
    #[error("it names no subject")]
    Subject,
}

impl Fault {
    /// The error, with what decided.
    pub fn because(self, detail: impl Into<String>) -> TokenError {
        TokenError {
            fault: self,
            detail: detail.into(),
        }
    }
}

impl From<TokenError> for Cause {
    fn from(error: TokenError) -> Self {
        Self::new(format_args!("{} ({})", error.fault, error.detail))
    }
}

/// A token whose signature is good.
pub struct Verified<'a> {
    /// Its claims.
    pub claims: Object,
    /// The key that signed it.
    pub key: &'a Key,
    /// How it is signed.
    pub algorithm: Algorithm,
}

/// The claims of a token that one of the keys has signed.
pub fn verify<'a>(token: &str, keys: &'a KeySet) -> Result<Verified<'a>, TokenError> {
    if token.len() > MAX_BYTES {
        return Err(Fault::TooLong.because(format!(
            "it has {} bytes, and at most {MAX_BYTES} are read",
            token.len()
        )));
    }
    let parts: Vec<&str> = token.splitn(6, '.').collect();
    let [header, payload, signature] = parts[..] else {
        return Err(Fault::Malformed.because(match parts.len() {
            5 => "it is encrypted, and only signed tokens are read".to_owned(),
            number => format!("it has {number} parts, not three"),
        }));
    };
    let header = decode("header", header)?;
    let algorithm = algorithm_of(&header)?;
    let kid = header
        .text("kid")
        .map_err(|cause| Fault::Malformed.because(format!("in its header, {cause}")))?;
    let signature = URL_SAFE_NO_PAD
        .decode(signature)
        .map_err(|_| Fault::Malformed.because("its signature is not base64url"))?;
    let signed = &token[..parts[0].len() + 1 + payload.len()];
    let key = keys
        .verify(&algorithm, kid.as_deref(), signed.as_bytes(), &signature)
        .ok_or_else(|| Fault::NoKey.because(keys.why_not(&algorithm, kid.as_deref())))?;
    // Only now is anything in it believed.
    Ok(Verified {
        claims: decode("payload", payload)?,
        key,
        algorithm,
    })
}

fn decode(part: &str, encoded: &str) -> Result<Object, TokenError> {
    let json = URL_SAFE_NO_PAD
        .decode(encoded)
        .map_err(|_| Fault::Malformed.because(format!("its {part} is not base64url")))?;
    Object::parse(&json)
        .map_err(|cause| Fault::Malformed.because(format!("its {part} cannot be read: {cause}")))
}

fn algorithm_of(header: &Object) -> Result<Algorithm, TokenError> {
    let malformed = |detail: String| Fault::Malformed.because(detail);
    let text = |name: &str| {
        header
            .text(name)
            .map_err(|cause| malformed(format!("in its header, {cause}")))
    };
    let is_jwt = text("typ")?.is_none_or(|typ| {
        ["jwt", "application/jwt"]
            .iter()
            .any(|jwt| typ.eq_ignore_ascii_case(jwt))
    });
    if !is_jwt {
        return Err(malformed("the `typ` of its header is not JWT".to_owned()));
    }
    for name in ["cty", "crit"] {
        if !matches!(header.value(name), Ok(None)) {
            return Err(malformed(format!(
                "its header has `{name}`, which is not understood"
            )));
        }
    }
    if !header.names().any(|name| name == "alg") {
        return Err(malformed("its header has no `alg`".to_owned()));
    }
    let name = text("alg")?.unwrap_or_default();
    algorithm(&name).ok_or_else(|| {
        let name: String = name.chars().take(32).collect();
        Fault::Algorithm.because(format!("the `alg` of its header is {name:?}"))
    })
}

/// That the claim `iss` is this issuer.
pub fn check_issuer(claims: &Object, issuer: &str) -> Result<(), TokenError> {
    match value(claims, "iss") {
        Some(Value::String(found)) if found == issuer => Ok(()),
        Some(Value::String(found)) => {
            Err(Fault::Issuer.because(format!("its `iss` is {}, not {issuer:?}", excerpt(&found))))
        }
        _ => Err(Fault::Issuer.because("its `iss` is missing or not a text")),
    }
}

/// That the claim `aud` names this client; whether it names others too.
pub fn check_audience(claims: &Object, client_id: &str) -> Result<bool, TokenError> {
    let client = Value::from(client_id);
    match value(claims, "aud") {
        Some(Value::Array(audience)) if audience.contains(&client) => Ok(audience.len() > 1),
        Some(audience) if audience == client => Ok(false),
        Some(Value::String(found)) => Err(Fault::Audience.because(format!(
            "its `aud` is {}, not the client id",
            excerpt(&found)
        ))),
        Some(_) => Err(Fault::Audience.because("its `aud` does not name the client id")),
        None => Err(Fault::Audience.because("its `aud` is missing")),
    }
}

/// That a token with these claims may be used at this time, as far as `exp`, `iat` and `nbf` are there.
pub fn check_times(claims: &Object, now: DateTime<Utc>) -> Result<(), TokenError> {
    if let Some(exp) = time(claims, "exp")?
        && exp + SKEW <= now
    {
        return Err(Fault::Expired.because(format!("its `exp` is {exp}, and it is {now}")));
    }
    for name in ["iat", "nbf"] {
        if let Some(time) = time(claims, name)?
            && time > now + SKEW
        {
            return Err(Fault::NotYet.because(format!("its `{name}` is {time}, and it is {now}")));
        }
    }
    Ok(())
}

/// A claim with a time, in seconds since 1970. A fraction is rounded down.
pub fn time(claims: &Object, name: &str) -> Result<Option<DateTime<Utc>>, TokenError> {
    let seconds = claims
        .number(name)
        .map_err(|cause| Fault::Malformed.because(cause.to_string()))?;
    seconds
        .map(|seconds| {
            // Beyond the year 9999 nothing can be added to it.
            DateTime::from_timestamp(seconds, 0)
                .filter(|time| time.timestamp() < 253_402_300_800)
                .ok_or_else(|| Fault::Malformed.because(format!("its `{name}` is no time")))
        })
        .transpose()
}

/// A claim, for comparisons that fail on anything unexpected.
pub fn value(claims: &Object, name: &str) -> Option<Value> {
    claims.value(name).ok().flatten()
}

fn excerpt(text: &str) -> String {
    let mut text = text.to_owned();
    text.truncate(text.floor_char_boundary(200));
    format!("{text:?}")
}
