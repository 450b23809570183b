//! The forms in which one password can have been hashed.

use unicode_normalization::UnicodeNormalization;

/// First NFC, in which passwords are hashed. Before they were normalized, they were hashed as they were typed: as this
/// time, or decomposed, as some systems type. The same for any account, so that the time it takes tells nothing of it.
pub fn forms(typed: &str) -> Vec<String> {
    let mut forms: Vec<String> = vec![typed.nfc().collect()];
    if !typed.is_ascii() {
        for other in [typed.to_owned(), typed.nfd().collect()] {
            if !forms.contains(&other) {
                forms.push(other);
            }
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_that_nothing_is_composed_in_has_one_form() {
        for password in [
            "",
            "correct horse",
            "\u{43f}\u{430}\u{440}\u{43e}\u{43b}\u{44c}",
        ] {
            assert_eq!(forms(password), [password]);
        }
    }

    #[test]
    fn others_have_their_composed_form_first() {
        assert_eq!(forms("e\u{301}"), ["\u{e9}", "e\u{301}"]);
        assert_eq!(forms("\u{e9}"), ["\u{e9}", "e\u{301}"]);
        let mixed = "\u{e9}e\u{301}";
        let expected = ["\u{e9}\u{e9}", mixed, "e\u{301}e\u{301}"];
        assert_eq!(forms(mixed), expected);
    }
}
