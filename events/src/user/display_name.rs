//! The name people call a user by.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::InvalidField;

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
    /// When the value is too long, has white space at its ends, or holds control characters.
    pub fn parse(value: &str) -> Result<Self, InvalidField> {
        let refused = |must| Err(InvalidField::new("name", "user_real_name", must, value));
        if value.len() > MAX_BYTES {
            return refused("must be at most 128 bytes long");
        }
        if value.trim() != value {
            return refused("must not begin or end with white space");
        }
        if value.contains(char::is_control) {
            return refused("must not contain control characters");
        }
        Ok(Self(value.to_owned()))
    }

    /// Makes a name of whatever a provider sent: nobody is kept from signing in by a long name they
    /// cannot change there.
    #[must_use]
    pub fn truncated(value: &str) -> Self {
        let mut name = value.replace(char::is_control, "");
        name = name.trim().to_owned();
        name.truncate(name.floor_char_boundary(MAX_BYTES));
        // The cut may have come right after a space.
        name.truncate(name.trim_end().len());
        Self(name)
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
        ] {
            assert_eq!(DisplayName::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn padded_long_and_unprintable_names_are_refused() {
        let long = "é".repeat(65);
        for name in [" Ada", "Ada ", "Ada\u{3000}", "A\u{0}da", "A\nda", &long] {
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
        fn whatever_a_provider_sends_becomes_a_valid_name(value in any::<String>()) {
            let name = DisplayName::truncated(&value);
            prop_assert_eq!(DisplayName::parse(name.as_str()), Ok(name));
        }
    }
}
