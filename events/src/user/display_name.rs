//! The name people call a user by.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::InvalidField;
use crate::unicode::{hidden_character, without_hidden};

const MAX_BYTES: usize = 128;

/// A display name; empty when there is none.
///
/// Deserialising checks nothing. What the log holds was parsed when it happened, and an old event
/// must stay readable when the rule grows stricter. Requests go through [`DisplayName::parse`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DisplayName(String);

impl DisplayName {
    /// Accepts a name as somebody typed it.
    ///
    /// # Errors
    ///
    /// When the value is too long, has white space at its ends, or holds characters that nobody sees
    /// (see [`hidden_character`]).
    pub fn parse(value: &str) -> Result<Self, InvalidField> {
        let refused = |must| Err(InvalidField::new("name", "user_real_name", must, value));
        if value.len() > MAX_BYTES {
            return refused("must be at most 128 bytes long");
        }
        if value.trim() != value {
            return refused("must not begin or end with white space");
        }
        if let Some(hidden) = hidden_character(value) {
            return refused(&format!(
                "must not contain control characters or invisible ones, such as {}",
                hidden.escape_unicode()
            ));
        }
        Ok(Self(value.to_owned()))
    }

    /// Makes a name of what a provider sent: no user is kept from signing in by a name that they cannot change there.
    #[must_use]
    pub fn truncated(value: &str) -> Self {
        let mut name = without_hidden(value).trim().to_owned();
        name.truncate(name.floor_char_boundary(MAX_BYTES));
        // The cut may have come within an emoji, or right after a space.
        Self(without_hidden(&name).trim().to_owned())
    }

    /// The name; empty when there is none.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_in_every_script_and_no_name_are_accepted() {
        for name in [
            "",
            "Ada Lovelace",
            "Ядвига",
            "李 小龍",
            "O'Brien-Smith, Jr.",
            "می\u{200c}خواهم",
            "Ada 👩🏽\u{200d}🚀",
        ] {
            assert_eq!(DisplayName::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn padded_long_and_unprintable_names_are_refused() {
        let long = "é".repeat(65);
        for name in [
            " Ada",
            "Ada ",
            "Ada\u{3000}",
            "A\u{0}da",
            "A\nda",
            "Ada\u{202e}evil",
            "Ad\u{200b}a",
            "\u{2800}",
            &long,
        ] {
            let error = DisplayName::parse(name).unwrap_err();
            assert_eq!((error.field, error.rule), ("name", "user_real_name"));
        }
    }

    #[test]
    fn a_providers_name_is_cut_between_characters() {
        let name = DisplayName::truncated(&format!("  x{}", "é".repeat(100)));
        assert_eq!(name.as_str(), format!("x{}", "é".repeat(63)));
    }

    #[test]
    fn no_space_is_left_where_a_name_was_cut() {
        let name = DisplayName::truncated(&format!("{} Lovelace", "a".repeat(127)));
        assert_eq!(name.as_str(), "a".repeat(127));
    }

    #[test]
    fn the_log_is_trusted() {
        let name: DisplayName = serde_json::from_str(r#"" Ada ""#).unwrap();
        assert_eq!(serde_json::to_string(&name).unwrap(), r#"" Ada ""#);
    }

    proptest! {
        #[test]
        fn whatever_a_provider_sends_becomes_a_valid_name(
            value in "(👩🏽\u{200d}|می\u{200c}|\u{202e}|\u{200b}| |a|.){0,60}",
        ) {
            let name = DisplayName::truncated(&value);
            prop_assert_eq!(DisplayName::parse(name.as_str()), Ok(name));
        }
    }
}
