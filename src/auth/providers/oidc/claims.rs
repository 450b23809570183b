//! From claims to a user: what each claim must be, and how those of the ID token and of userinfo go together.

use rollcall_events::user::{DisplayName, EmailAddress, possible_domain_key};
use serde_json::Value;

use crate::{
    auth::providers::{Cause, ProviderError, json::Object, web_picture},
    config::{Config, allowed_domain},
};

const EMAIL_VERIFIED: &str = "email_verified";
/// Entra's claim for the same: it speaks of the claim `email`, and is sent where `email_verified` is not.
const ENTRA_EMAIL_VERIFIED: &str = "xms_edov";
const EMAIL: &str = "email";
/// The name claim whose parts may stand in for it.
const NAME: &str = "name";
/// The longest username claim that is looked at, in bytes.
const MAX_USERNAME_BYTES: usize = 512;

/// How claims are read: what the operator chose.
pub struct ClaimRules {
    username_field: String,
    email_field: String,
    name_field: String,
    ignore_email_verified: bool,
    allow_dotless_domains: bool,
    /// As addresses are compared. None: any.
    domains: Vec<String>,
}

/// What the claims say of a user.
#[derive(Debug, PartialEq, Eq)]
pub struct Profile {
    /// Verified by the provider, or the operator does not ask for that.
    pub email: EmailAddress,
    /// Empty when there is none.
    pub username: String,
    /// Empty when there is none.
    pub name: DisplayName,
    /// Empty when there is none, or none that a page may show.
    pub avatar_url: String,
}

impl ClaimRules {
    /// The rules of the configuration.
    pub fn new(config: &Config) -> Self {
        Self {
            username_field: config.oidc_username_field.clone(),
            email_field: config.oidc_email_field.clone(),
            name_field: config.oidc_name_field.clone(),
            ignore_email_verified: config.oidc_ignore_email_verified,
            allow_dotless_domains: config.oidc_allow_dotless_domains,
            domains: config
                .oidc_email_domains
                .iter()
                .map(|domain| {
                    let domain = allowed_domain(domain);
                    possible_domain_key(domain).unwrap_or_else(|| domain.to_lowercase())
                })
                .collect(),
        }
    }

    /// The profile. A claim of userinfo stands over the ID token's, unless it says nothing.
    ///
    /// # Errors
    /// The e-mail address is missing, is none, is not verified, or its domain is not allowed.
    pub fn read(
        &self,
        id_token: &Object,
        userinfo: Option<&Object>,
    ) -> Result<Profile, ProviderError> {
        let mut claims = id_token.clone();
        if let Some(userinfo) = userinfo {
            for name in userinfo.names() {
                claims.overlay(userinfo, name);
            }
        }
        let email = self.email(&claims)?;
        if !self.ignore_email_verified {
            let sources = userinfo.into_iter().chain([id_token]);
            self.check_verified(&email, sources).map_err(|what| {
                ProviderError::EmailNotVerified(Cause::new(format_args!(
                    "{what}; oidc_ignore_email_verified = true accepts such addresses, for providers where nobody can choose theirs; the claims that came are {}",
                    names(&claims)
                )))
            })?;
        }
        if !self.domains.is_empty() && !self.domains.contains(&email.domain_key()) {
            return Err(ProviderError::ForeignDomain(Cause::new(format_args!(
                "{:?} is not in oidc_email_domains",
                email.domain()
            ))));
        }
        let mut username = text(&claims, &self.username_field).unwrap_or_default();
        username.truncate(username.floor_char_boundary(MAX_USERNAME_BYTES));
        let picture = text(&claims, "picture").unwrap_or_default();
        Ok(Profile {
            email,
            username,
            name: DisplayName::truncated(&self.name(&claims)),
            avatar_url: web_picture(&picture),
        })
    }

    /// The claim with the address; without one, the claim with the username if it is an address.
    fn email(&self, claims: &Object) -> Result<EmailAddress, ProviderError> {
        let refused = |rule| ProviderError::Claim {
            claim: self.email_field.clone(),
            rule,
            source: Cause::new(format_args!("the claims that came are {}", names(claims))),
        };
        let claim = claims.value(&self.email_field);
        match claim.map(|claim| claim.map(single)) {
            Ok(Some(Value::String(email))) => self
                .address(&email)
                .ok_or_else(|| refused("must be an e-mail address")),
            Ok(None) => text(claims, &self.username_field)
                .and_then(|username| self.address(&username))
                .ok_or_else(|| refused("must not be missing")),
            _ => Err(refused("must be a text")),
        }
    }

    fn address(&self, text: &str) -> Option<EmailAddress> {
        if self.allow_dotless_domains {
            EmailAddress::parse_allowing_dotless(text).ok()
        } else {
            EmailAddress::parse(text).ok()
        }
    }

    /// That the provider vouches for this address. What a source says of an address counts for that address alone: it does
    /// not go over to the one of another source. The first source that says anything decides.
    fn check_verified<'a>(
        &self,
        email: &EmailAddress,
        sources: impl Iterator<Item = &'a Object>,
    ) -> Result<(), String> {
        for source in sources {
            let is_about_it = self
                .email(source)
                .is_ok_and(|found| is_same_address(found.as_str(), email.as_str()));
            if is_about_it && let Some((claim, value)) = self.verification(source) {
                return match value {
                    Some(value) if is_true(&value) => Ok(()),
                    Some(value) => Err(format!("`{claim}` is {:.40}", value.to_string())),
                    None => Err(format!("`{claim}` cannot be read")),
                };
            }
        }
        Err(format!("`{EMAIL_VERIFIED}` is missing"))
    }

    /// The claim of a source about whether its address is verified.
    fn verification(&self, source: &Object) -> Option<(&'static str, Option<Value>)> {
        let speaks_of_email = self.email_field == EMAIL && text(source, EMAIL).is_some();
        let entra = speaks_of_email.then_some(ENTRA_EMAIL_VERIFIED);
        [Some(EMAIL_VERIFIED), entra]
            .into_iter()
            .flatten()
            .find_map(|claim| match source.value(claim) {
                Ok(None) => None,
                Ok(value) => Some((claim, value)),
                Err(_) => Some((claim, None)),
            })
    }

    /// The claim with the name; if the operator names no other claim, given name and family name stand in for it.
    fn name(&self, claims: &Object) -> String {
        if let Some(name) = text(claims, &self.name_field) {
            return name;
        }
        if self.name_field != NAME {
            return String::new();
        }
        let parts = ["given_name", "family_name"];
        let parts = parts.into_iter().filter_map(|part| text(claims, part));
        let parts: Vec<String> = parts.map(|part| part.trim().to_owned()).collect();
        parts.join(" ").trim().to_owned()
    }
}

/// Whether two addresses differ in case at most. Letters of other alphabets that are ASCII in lower case, such as the
/// sign of the Kelvin, make no address the same.
pub fn is_same_address(one: &str, other: &str) -> bool {
    let mut pairs = one.chars().zip(other.chars());
    one.chars().count() == other.chars().count()
        && pairs.all(|(one, other)| {
            one == other
                || (one.is_ascii() == other.is_ascii()
                    && one.to_lowercase().eq(other.to_lowercase()))
        })
}

/// A claim that is a text, or a list of exactly one text, and not empty.
fn text(claims: &Object, field: &str) -> Option<String> {
    match claims.value(field).ok()?.map(single)? {
        Value::String(text) if !text.is_empty() => Some(text),
        _ => None,
    }
}

/// A list of exactly one value is that value: some providers know addresses and names only as lists.
fn single(value: Value) -> Value {
    match value {
        Value::Array(mut items) if items.len() == 1 && items[0].is_string() => items.remove(0),
        other => other,
    }
}

/// The names of the claims, which say no more of a person than which kind of provider this is.
fn names(claims: &Object) -> String {
    claims.names().collect::<Vec<_>>().join(", ")
}

/// Whether a provider says yes. Some say it as a text or as a number; anything else is no.
fn is_true(claim: &Value) -> bool {
    match claim {
        Value::Bool(yes) => *yes,
        Value::String(text) => text == "true",
        Value::Number(number) => number.as_u64() == Some(1),
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

#[cfg(test)]
mod tests;
