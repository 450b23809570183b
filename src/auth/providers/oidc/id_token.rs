//! What an ID token proves (OpenID Connect Core 1.0, section 3.1.3.7): that this provider says this of this user, to this
//! client, now, and in answer to this sign-in.

use chrono::{DateTime, Utc};
use serde_json::Value;
use subtle::ConstantTimeEq;

use crate::auth::providers::{
    ProviderError,
    json::Object,
    jwt::{self, Fault, KeySet, TokenError, Verified},
};

/// A subject is at most this long (OpenID Connect Core 1.0, section 2).
const MAX_SUBJECT_BYTES: usize = 255;

/// What a token has to be.
pub struct Expected<'a> {
    /// The issuer, to the letter.
    pub issuer: &'a str,
    /// The audience: this client.
    pub client_id: &'a str,
    /// The nonce of the sign-in that it answers.
    pub nonce: &'a str,
    /// Whether a token without a nonce is accepted. One with another nonce never is.
    pub allow_missing_nonce: bool,
    /// The access token that it came with.
    pub access_token: &'a str,
    /// The time.
    pub now: DateTime<Utc>,
}

impl From<TokenError> for ProviderError {
    fn from(error: TokenError) -> Self {
        match error.fault {
            Fault::TooLong => Self::IdTokenTooLong(error.into()),
            _ => Self::IdToken(error.into()),
        }
    }
}

/// The claims of a token, if it proves them.
pub fn verify(token: &str, keys: &KeySet, expected: &Expected<'_>) -> Result<Object, TokenError> {
    let verified = jwt::verify(token, keys)?;
    check(&verified.claims, expected)?;
    check_access_token(&verified, expected.access_token)?;
    subject(&verified.claims)?;
    Ok(verified.claims)
}

/// The user that the claims are about.
pub fn subject(claims: &Object) -> Result<String, TokenError> {
    let bad = |detail: &str| Err(Fault::Subject.because(detail));
    match jwt::value(claims, "sub") {
        Some(Value::String(subject)) if subject.is_empty() => bad("its `sub` is empty"),
        Some(Value::String(subject)) if subject.len() > MAX_SUBJECT_BYTES => {
            bad("its `sub` is longer than 255 bytes")
        }
        // Two subjects that are not text could become the same one.
        Some(Value::String(subject))
            if subject.contains(|char: char| char.is_control() || char == '\u{FFFD}') =>
        {
            bad("its `sub` holds control characters, or half of a surrogate pair")
        }
        Some(Value::String(subject)) => Ok(subject),
        Some(_) => bad("its `sub` is not a text"),
        None => bad("its `sub` is missing"),
    }
}

fn check(claims: &Object, expected: &Expected<'_>) -> Result<(), TokenError> {
    jwt::check_issuer(claims, expected.issuer)?;
    check_parties(claims, expected.client_id)?;
    if jwt::time(claims, "exp")?.is_none() {
        return Err(Fault::Expired.because("its `exp` is missing"));
    }
    if jwt::time(claims, "iat")?.is_none() {
        return Err(Fault::NotYet.because("its `iat` is missing"));
    }
    jwt::check_times(claims, expected.now)?;
    check_nonce(claims, expected)
}

/// A token may be for others besides us, if we are the party that asked for it.
fn check_parties(claims: &Object, client_id: &str) -> Result<(), TokenError> {
    let is_for_others = jwt::check_audience(claims, client_id)?;
    match claims.value("azp") {
        Ok(Some(party)) if party == client_id => Ok(()),
        Ok(None) if !is_for_others => Ok(()),
        Ok(None) => {
            Err(Fault::Audience.because("its `aud` names others too, and `azp` is missing"))
        }
        _ => Err(Fault::Audience.because("its `azp` is not the client id")),
    }
}

fn check_nonce(claims: &Object, expected: &Expected<'_>) -> Result<(), TokenError> {
    match claims.value("nonce") {
        Ok(Some(Value::String(nonce)))
            if bool::from(nonce.as_bytes().ct_eq(expected.nonce.as_bytes())) =>
        {
            Ok(())
        }
        Ok(None) if expected.allow_missing_nonce => Ok(()),
        Ok(None) => Err(Fault::NoNonce.because(
            "oidc_require_nonce = false accepts that, where PKCE ties the code to the sign-in",
        )),
        _ => Err(Fault::Nonce.because("its `nonce` is another")),
    }
}

/// The half of a hash of the access token, if the provider sent it.
fn check_access_token(verified: &Verified<'_>, access_token: &str) -> Result<(), TokenError> {
    let Verified { key, algorithm, .. } = verified;
    let hash = key.access_token_hash(algorithm, access_token);
    match verified.claims.value("at_hash") {
        Ok(None) => Ok(()),
        Ok(Some(Value::String(claim))) if Some(&claim) == hash.as_ref() => Ok(()),
        _ => Err(Fault::AccessToken.because("its `at_hash` is another")),
    }
}

#[cfg(test)]
mod tests;
