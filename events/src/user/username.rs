//! The short name a user is addressed by.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::InvalidField;

const MAX_BYTES: usize = 32;

/// Words that mean something else where a username may stand in a path: whoever bore one could not
/// be reached by name. Upstream reserves `new` and `create` only; the others are our hardening.
const RESERVED: [&str; 10] = [
    "new",
    "create",
    "me",
    "first",
    "roles",
    "login",
    "logout",
    "authmethods",
    "oauth2",
    "oidc",
];

/// A username: ASCII letters and digits in groups joined by single hyphens.
///
/// Deserialising checks nothing. What the log holds was parsed when it happened, and an old event
/// must stay readable when the rule grows stricter. Requests go through [`Username::parse`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Username(String);

impl Username {
    /// Accepts what a user may be called from now on.
    ///
    /// # Errors
    ///
    /// When the value is empty, too long, of another shape, or reserved.
    pub fn parse(value: &str) -> Result<Self, InvalidField> {
        let refused = |must| Err(InvalidField::new("username", "username", must, value));
        if value.is_empty() {
            return Err(InvalidField::required("username"));
        }
        if value.len() > MAX_BYTES {
            return refused("must be at most 32 characters long");
        }
        if !value.split('-').all(is_group) {
            return refused(
                "may contain letters and digits only, in groups joined by single hyphens",
            );
        }
        if RESERVED.iter().any(|word| word.eq_ignore_ascii_case(value)) {
            return refused("must not be a reserved word");
        }
        Ok(Self(value.to_owned()))
    }

    /// The name as its owner spells it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What uniqueness and order look at: `Ada` and `ada` are one name.
    #[must_use]
    pub fn key(&self) -> String {
        Self::key_of(&self.0)
    }

    /// The key of a name that may have been accepted under another rule, or of a text that is no name.
    #[must_use]
    pub fn key_of(name: &str) -> String {
        name.to_ascii_lowercase()
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_group(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_letters_and_digits_are_accepted_as_spelled() {
        for name in ["a", "Ada", "ada-lovelace", "1-2-3", &"x".repeat(32)] {
            assert_eq!(Username::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn other_shapes_are_refused() {
        let long = "x".repeat(33);
        for name in [
            "-ada", "ada-", "a--b", "-", "a_b", "a b", "a.b", "ada\n", "adà", &long,
        ] {
            let error = Username::parse(name).unwrap_err();
            assert_eq!((error.field, error.rule), ("username", "username"));
        }
    }

    #[test]
    fn an_empty_name_is_missing() {
        assert_eq!(Username::parse("").unwrap_err().rule, "required");
    }

    #[test]
    fn reserved_words_are_refused_in_any_case_but_only_as_a_whole() {
        for name in RESERVED.iter().copied().chain(["ME", "Oauth2"]) {
            let error = Username::parse(name).unwrap_err();
            assert!(error.detail.contains("reserved"), "{name}");
        }
        assert!(Username::parse("me-too").is_ok());
    }

    #[test]
    fn the_key_forgets_case() {
        assert_eq!(Username::parse("Ada-L").unwrap().key(), "ada-l");
    }

    #[test]
    fn the_log_is_trusted() {
        let name: Username = serde_json::from_str(r#""an_old name""#).unwrap();
        assert_eq!(serde_json::to_string(&name).unwrap(), r#""an_old name""#);
    }
}
