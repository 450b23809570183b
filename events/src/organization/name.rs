//! An organisation's name.

use serde::{Deserialize, Serialize};

use crate::user::escaped;

/// A name of 1 to 32 characters: letters and digits, in groups joined by single hyphens.
///
/// Reading one from the log trusts it: what was written stays readable under a newer rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OrganizationName(String);

/// A text that is no organisation's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is no organization name: 1 to 32 letters and digits, in groups joined by single hyphens"
)]
pub struct InvalidOrganizationName(String);

impl OrganizationName {
    /// Reads a name.
    ///
    /// # Errors
    /// The rule is broken.
    pub fn parse(text: &str) -> Result<Self, InvalidOrganizationName> {
        let groups_are_words = text.split('-').all(|group| {
            !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
        if groups_are_words && text.len() <= 32 {
            Ok(Self(text.to_owned()))
        } else {
            let beginning: String = text.chars().take(64).collect();
            Err(InvalidOrganizationName(escaped(&beginning)))
        }
    }

    /// As it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What uniqueness compares.
    #[must_use]
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_words_joined_by_single_hyphens() {
        for good in ["default", "A1", "the-big-one"] {
            assert_eq!(OrganizationName::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "-a",
            "a-",
            "a--b",
            "a b",
            "é",
            "abcdefghijklmnopqrstuvwxyz1234567",
        ] {
            assert!(OrganizationName::parse(bad).is_err(), "{bad:?}");
        }
    }
}
