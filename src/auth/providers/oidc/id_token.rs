//! What an ID token proves: that this provider, and nobody else, says this of this person, to us, now, and in answer
//! to this very sign-in.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use openidconnect::{
    JsonWebKey,
    core::{CoreJsonWebKey, CoreJsonWebKeySet, CoreJwsSigningAlgorithm as Algorithm},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use subtle::ConstantTimeEq;

use crate::auth::providers::{ProviderError, Trouble, examine::SKEW};

use super::Claims;

/// A subject is at most this long (OpenID Connect Core 1.0, section 2).
const MOST_SUBJECT_BYTES: usize = 255;
/// A token longer than this has not been signed by anybody in earnest.
const MOST_TOKEN_BYTES: usize = 64 * 1024;
/// Of the keys that may have signed a token, so many are tried.
const MOST_KEYS: usize = 16;

/// How a token may be signed: by a key of which the provider alone has the secret half.
const ALGORITHMS: [(&str, Algorithm); 9] = [
    ("RS256", Algorithm::RsaSsaPkcs1V15Sha256),
    ("RS384", Algorithm::RsaSsaPkcs1V15Sha384),
    ("RS512", Algorithm::RsaSsaPkcs1V15Sha512),
    ("PS256", Algorithm::RsaSsaPssSha256),
    ("PS384", Algorithm::RsaSsaPssSha384),
    ("PS512", Algorithm::RsaSsaPssSha512),
    ("ES256", Algorithm::EcdsaP256Sha256),
    ("ES384", Algorithm::EcdsaP384Sha384),
    ("EdDSA", Algorithm::EdDsa),
];

/// What a token has to be.
pub struct Expected<'a> {
    /// Who has to have made it.
    pub issuer: &'a str,
    /// For whom it has to be: us.
    pub client_id: &'a str,
    /// The sign-in that it has to answer.
    pub nonce: &'a str,
    /// What it came with.
    pub access_token: &'a str,
    /// The time.
    pub now: DateTime<Utc>,
}

/// Why a token proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is no JSON Web Token, or not one that we can read as a whole.
    #[error("it is no signed token")]
    Malformed,
    /// It is not signed, or by a way of signing that proves nothing: whoever can check such a signature can make one.
    #[error("it is signed by a way that is not allowed")]
    Algorithm,
    /// None of the provider's keys has signed it.
    #[error("it is signed by no key of the provider")]
    NoKey,
    /// It is somebody else's.
    #[error("it was issued by somebody else")]
    Issuer,
    /// It is not for us.
    #[error("it is for somebody else")]
    Audience,
    /// It is over.
    #[error("it has expired")]
    Expired,
    /// It is of the future.
    #[error("it is not valid yet: one of the clocks is wrong")]
    NotYet,
    /// It answers another sign-in.
    #[error("it answers another sign-in")]
    Nonce,
    /// It came with another access token.
    #[error("it is for another access token")]
    AccessToken,
    /// It is of nobody.
    #[error("it names no subject")]
    Subject,
}

impl From<Fault> for ProviderError {
    fn from(fault: Fault) -> Self {
        Self::IdToken(Trouble::new(fault))
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    cty: Option<Value>,
    crit: Option<Value>,
}

/// The claims of a token, if it proves them.
pub fn verify(
    token: &str,
    keys: &CoreJsonWebKeySet,
    expected: &Expected<'_>,
) -> Result<Claims, Fault> {
    if token.len() > MOST_TOKEN_BYTES {
        return Err(Fault::Malformed);
    }
    let (message, signature) = token.rsplit_once('.').ok_or(Fault::Malformed)?;
    let (header, payload) = message.split_once('.').ok_or(Fault::Malformed)?;
    if payload.contains('.') {
        return Err(Fault::Malformed);
    }
    let header: Header = decode(header)?;
    let algorithm = allowed(&header)?;
    let signature = URL_SAFE_NO_PAD
        .decode(signature)
        .map_err(|_| Fault::Malformed)?;
    let key = keys
        .keys()
        .iter()
        .filter(|key| header.kid.is_none() || header.kid.as_deref() == key_id(key))
        .take(MOST_KEYS)
        .find(|key| {
            key.verify_signature(&algorithm, message.as_bytes(), &signature)
                .is_ok()
        })
        .ok_or(Fault::NoKey)?;
    // Only now is anything in it believed.
    let claims: Claims = decode(payload)?;
    check(&claims, expected)?;
    check_access_token(&claims, expected, key, &algorithm)?;
    subject(&claims)?;
    Ok(claims)
}

/// How many of these keys could have signed a token that we believe.
pub fn usable(keys: &CoreJsonWebKeySet) -> usize {
    // Of another kind, or for another use, they are not asked for the hash either.
    let fits = |key: &&CoreJsonWebKey| {
        ALGORITHMS
            .iter()
            .any(|(_, algorithm)| key.hash_bytes(&[], algorithm).is_ok())
    };
    keys.keys().iter().filter(fits).count()
}

/// Whom the claims are of.
pub fn subject(claims: &Claims) -> Result<String, Fault> {
    match claims.get("sub") {
        Some(Value::String(subject))
            if !subject.is_empty()
                && subject.len() <= MOST_SUBJECT_BYTES
                && !subject.contains(char::is_control) =>
        {
            Ok(subject.clone())
        }
        _ => Err(Fault::Subject),
    }
}

/// By which algorithm it is signed, if by one of [`ALGORITHMS`].
fn allowed(header: &Header) -> Result<Algorithm, Fault> {
    let is_jwt = header.typ.as_deref().is_none_or(|typ| {
        ["jwt", "application/jwt"]
            .iter()
            .any(|jwt| typ.eq_ignore_ascii_case(jwt))
    });
    if !is_jwt || header.cty.is_some() || header.crit.is_some() {
        return Err(Fault::Malformed);
    }
    ALGORITHMS
        .into_iter()
        .find(|(name, _)| *name == header.alg)
        .map(|(_, algorithm)| algorithm)
        .ok_or(Fault::Algorithm)
}

fn key_id(key: &CoreJsonWebKey) -> Option<&str> {
    key.key_id().map(|id| id.as_str())
}

fn check(claims: &Claims, expected: &Expected<'_>) -> Result<(), Fault> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("iss") != Some(expected.issuer) {
        return Err(Fault::Issuer);
    }
    check_audience(claims, expected.client_id)?;
    let now = expected.now;
    if time(claims, "exp")?.is_none_or(|exp| exp + SKEW <= now) {
        return Err(Fault::Expired);
    }
    let is_future = |time: DateTime<Utc>| time > now + SKEW;
    if time(claims, "iat")?.is_none_or(is_future) || time(claims, "nbf")?.is_some_and(is_future) {
        return Err(Fault::NotYet);
    }
    let nonce = text("nonce").unwrap_or("");
    if nonce.is_empty() || !bool::from(nonce.as_bytes().ct_eq(expected.nonce.as_bytes())) {
        return Err(Fault::Nonce);
    }
    Ok(())
}

/// It may be for others besides us, if it was us who asked for it.
fn check_audience(claims: &Claims, client_id: &str) -> Result<(), Fault> {
    let us = Value::from(client_id);
    let (is_for_us, is_for_others) = match claims.get("aud") {
        Some(Value::Array(audience)) => (audience.contains(&us), audience.len() > 1),
        Some(audience) => (*audience == us, false),
        None => (false, false),
    };
    let asked_by_us = claims.get("azp").map(|party| *party == us);
    if is_for_us && asked_by_us.unwrap_or(!is_for_others) {
        Ok(())
    } else {
        Err(Fault::Audience)
    }
}

/// A time, which has to be a number where there is one. With a fraction it is rounded down.
fn time(claims: &Claims, name: &str) -> Result<Option<DateTime<Utc>>, Fault> {
    let Some(claim) = claims.get(name) else {
        return Ok(None);
    };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a cast of a float to an integer is its nearest, and no time is that far"
    )]
    let seconds = claim
        .as_i64()
        .or_else(|| claim.as_f64().map(|seconds| seconds.floor() as i64));
    seconds
        .and_then(|seconds| DateTime::from_timestamp(seconds, 0))
        .map(Some)
        .ok_or(Fault::Malformed)
}

/// The half of a hash of the access token, if the provider sent it.
fn check_access_token(
    claims: &Claims,
    expected: &Expected<'_>,
    key: &CoreJsonWebKey,
    algorithm: &Algorithm,
) -> Result<(), Fault> {
    let Some(claim) = claims.get("at_hash") else {
        return Ok(());
    };
    let hash = key
        .hash_bytes(expected.access_token.as_bytes(), algorithm)
        .map_err(|_| Fault::AccessToken)?;
    let half = URL_SAFE_NO_PAD.encode(&hash[..hash.len() / 2]);
    if claim.as_str() == Some(half.as_str()) {
        Ok(())
    } else {
        Err(Fault::AccessToken)
    }
}

fn decode<T: DeserializeOwned>(part: &str) -> Result<T, Fault> {
    let json = URL_SAFE_NO_PAD.decode(part).map_err(|_| Fault::Malformed)?;
    serde_json::from_slice(&json).map_err(|_| Fault::Malformed)
}

#[cfg(test)]
mod tests;
