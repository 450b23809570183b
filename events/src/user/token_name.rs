//! What somebody calls an API token of theirs.

use serde::{Deserialize, Serialize};

use super::InvalidField;
use crate::unicode::hidden_character;

/// A name of 1 to 64 characters, by which its owner knows a token: unique among the owner's tokens. It stands in
/// addresses, so that it holds nothing that would end a path.
///
/// Reading one from the log trusts it: what was written stays readable under a newer rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenName(String);

const FIELD: &str = "token_name";
const MOST_CHARACTERS: usize = 64;
/// The address of the tokens' configuration stands where a token's name would.
const RESERVED: &str = "tokenconfig";

impl TokenName {
    /// Reads a name.
    ///
    /// # Errors
    /// The rule is broken.
    pub fn parse(text: &str) -> Result<Self, InvalidField> {
        let refused = |predicate| Err(InvalidField::new(FIELD, "token_name", predicate, text));
        if text.is_empty() {
            return Err(InvalidField::required(FIELD));
        }
        if text.chars().count() > MOST_CHARACTERS {
            return refused("must have at most 64 characters");
        }
        if text.trim() != text {
            return refused("must not begin or end with a space");
        }
        if hidden_character(text).is_some() || text.contains(['/', '\\', '?', '#', '%']) {
            return refused("must hold no control or invisible character and none of / \\ ? # %");
        }
        if [RESERVED, ".", ".."].contains(&text) {
            return refused("is reserved");
        }
        Ok(Self(text.to_owned()))
    }

    /// As it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_fits_into_an_address() {
        for good in ["ci", "Ada's laptop", "a.b-c_d~1", "é"] {
            assert_eq!(TokenName::parse(good).unwrap().as_str(), good);
        }
        let long = "x".repeat(65);
        for bad in [
            "",
            " ci",
            "ci ",
            "a/b",
            "a\\b",
            "a?b",
            "a#b",
            "a%b",
            "a\nb",
            "a\u{202e}b",
            "a\u{200d}b",
            "tokenconfig",
            "..",
            &long,
        ] {
            assert_eq!(TokenName::parse(bad).unwrap_err().field, FIELD, "{bad:?}");
        }
    }
}
