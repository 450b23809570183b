//! What there is to say of an organisation besides its name.

use crate::{unicode::hidden_character, user::AvatarUrl};

const MOST_BYTES_OF_NAME: usize = 64;
const MOST_BYTES_OF_DESCRIPTION: usize = 1024;

/// What an organisation is called by people, what it is for, and where its picture is. All may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrganizationDetails {
    display_name: String,
    description: String,
    icon: String,
}

/// A detail that breaks the rule of its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the {field} must {rule}")]
pub struct InvalidDetail {
    /// The field as the API spells it.
    pub field: &'static str,
    /// What it must be.
    pub rule: &'static str,
}

impl OrganizationDetails {
    /// Accepts the details as somebody typed them.
    ///
    /// # Errors
    /// Every detail that breaks its rule.
    pub fn parse(
        display_name: &str,
        description: &str,
        icon: &str,
    ) -> Result<Self, Vec<InvalidDetail>> {
        let checks = [
            (
                is_display_name(display_name),
                "display_name",
                "have at most 64 bytes, no white space at its ends and no control or invisible characters",
            ),
            (
                is_description(description),
                "description",
                "have at most 1024 bytes and no control or invisible characters but line breaks and tabs",
            ),
            (
                AvatarUrl::parse(icon).is_ok(),
                "icon",
                "be empty, a path, or an address that begins with https:// or http://",
            ),
        ];
        let broken = checks.into_iter().filter(|(is_good, ..)| !is_good);
        let broken: Vec<_> = broken
            .map(|(_, field, rule)| InvalidDetail { field, rule })
            .collect();
        if !broken.is_empty() {
            return Err(broken);
        }
        Ok(Self {
            display_name: display_name.to_owned(),
            description: description.to_owned(),
            icon: icon.to_owned(),
        })
    }

    /// What people call it.
    #[must_use]
    pub fn display_name(&self) -> &str {
        &self.display_name
    }

    /// What it is for.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Where its picture is.
    #[must_use]
    pub fn icon(&self) -> &str {
        &self.icon
    }
}

fn is_display_name(text: &str) -> bool {
    text.len() <= MOST_BYTES_OF_NAME && text.trim() == text && hidden_character(text).is_none()
}

fn is_description(text: &str) -> bool {
    let mut lines = text.split(['\n', '\r', '\t']);
    text.len() <= MOST_BYTES_OF_DESCRIPTION && lines.all(|line| hidden_character(line).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_may_be_empty_and_keep_what_they_are_given() {
        let none = OrganizationDetails::parse("", "", "").unwrap();
        assert_eq!(none, OrganizationDetails::default());
        let all = OrganizationDetails::parse("Ångström & Co", "Two\n\tlines", "/icon.png").unwrap();
        let texts = (all.display_name(), all.description(), all.icon());
        assert_eq!(texts, ("Ångström & Co", "Two\n\tlines", "/icon.png"));
    }

    #[test]
    fn every_detail_that_breaks_its_rule_is_told() {
        let fields = |display_name: &str, description: &str, icon: &str| {
            let broken = OrganizationDetails::parse(display_name, description, icon).unwrap_err();
            broken.iter().map(|broken| broken.field).collect::<Vec<_>>()
        };
        let long = "x".repeat(1025);
        for name in [" a", "a ", "a\0", "a\nb", "a\u{202e}b", &long[..65]] {
            assert_eq!(fields(name, "", ""), ["display_name"], "{name:?}");
        }
        for description in ["\0", "\u{7f}", "a\n\u{2066}b", &long] {
            assert_eq!(fields("", description, ""), ["description"]);
        }
        assert_eq!(
            fields(" ", "\0", "javascript:alert(1)"),
            ["display_name", "description", "icon"]
        );
    }
}
