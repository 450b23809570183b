//! Why a field was refused.
//!
//! One shape for every field: the API answers it as an entry of `validations`. It says which rule was broken in words
//! a person can act on.

use thiserror::Error;

use crate::unicode::is_hidden;

/// How much of a refused value is repeated: enough to recognise it, too little to fill a log with.
const ECHOED_CHARS: usize = 64;

/// A value that breaks the rule of its field.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{field}: {detail}")]
pub struct InvalidField {
    /// The field as the API spells it: `username`, `email`, `name` or `password`.
    pub field: &'static str,
    /// The tag of the broken rule: `required`, `email`, `username`, `user_real_name` or `password`.
    pub rule: &'static str,
    /// A sentence for people: the rule and, unless it is a secret, the beginning of the value.
    pub detail: String,
}

impl InvalidField {
    pub(super) fn required(field: &'static str) -> Self {
        Self::secret(field, "required", "must not be empty")
    }

    pub(super) fn new(
        field: &'static str,
        rule: &'static str,
        predicate: &str,
        value: &str,
    ) -> Self {
        let value = escaped(&shortened(value));
        Self {
            field,
            rule,
            detail: format!("The {field} {predicate}, but is {value}."),
        }
    }

    /// Like [`InvalidField::new`], without the value.
    pub(super) fn secret(field: &'static str, rule: &'static str, predicate: &str) -> Self {
        Self {
            field,
            rule,
            detail: format!("The {field} {predicate}."),
        }
    }
}

fn shortened(value: &str) -> String {
    match value.char_indices().nth(ECHOED_CHARS) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}

/// A value in quotes. What nobody sees is shown by its number: a line break in the value must not become one in a log.
/// The value in quotes, with characters that nobody sees by their numbers.
pub(crate) fn escaped(value: &str) -> String {
    let mut escaped = String::new();
    for char in format!("{value:?}").chars() {
        if is_hidden(char) {
            escaped.extend(char.escape_unicode());
        } else {
            escaped.push(char);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_detail_names_the_rule_and_the_value() {
        let error = InvalidField::new("email", "email", "must be an e-mail address", "ada\n");
        assert_eq!(
            error.to_string(),
            r#"email: The email must be an e-mail address, but is "ada\n"."#
        );
    }

    #[test]
    fn what_nobody_sees_in_a_value_is_shown_by_its_number() {
        let error = InvalidField::new(
            "name",
            "user_real_name",
            "must be seen",
            "a\u{202e}b\u{2800}",
        );
        assert!(
            error.detail.ends_with(r#"but is "a\u{202e}b\u{2800}"."#),
            "{error}"
        );
    }

    #[test]
    fn a_long_value_is_cut_between_characters() {
        let error = InvalidField::new("name", "user_real_name", "must be short", &"é".repeat(65));
        assert!(error.detail.ends_with(&format!("\"{}…\".", "é".repeat(64))));
    }
}
