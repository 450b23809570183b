//! A password somebody chooses.
//!
//! Strength is guessability, not a mix of character classes: `zxcvbn` estimates how many guesses a
//! password withstands from an attacker who knows its owner. Upstream's rules were none and later
//! an entropy formula; ours is a deliberate difference.

use std::fmt;

use unicode_normalization::UnicodeNormalization;
use zeroize::ZeroizeOnDrop;
use zxcvbn::zxcvbn;

use super::InvalidField;

const MIN_CHARS: usize = 8;

/// Room for any passphrase; a bound for what is hashed.
const MAX_BYTES: usize = 256;

/// The estimate takes quadratic time: for digits and signs that may stand for letters, 0.7 s at 100 characters
/// (where `zxcvbn` itself stops) and 0.1 s at 40, about what hashing takes. Anybody may have one made, so it ends
/// here. A password that is weak so far is refused for all that follows; few are.
const JUDGED_CHARS: usize = 40;

/// Shorter pieces of the context are no hint, but would make every password look weaker.
const MIN_HINT_CHARS: usize = 3;

/// Shorter pieces of the context are in many words.
const MIN_REMOVED_CHARS: usize = 4;

/// How strong a new password must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordPolicy {
    /// The least score of `zxcvbn`, from 0 (anything) to 4 (more than 10^10 guesses).
    pub minimum_score: u8,
}

impl Default for PasswordPolicy {
    /// More than 10^6 guesses: enough where guesses are counted and hashes are slow.
    fn default() -> Self {
        Self { minimum_score: 2 }
    }
}

/// A password that satisfied the policy, on its way to being hashed: in NFC, so that it is the same on every keyboard
/// (NIST SP 800-63B). Wiped from memory when dropped.
#[derive(ZeroizeOnDrop)]
pub struct NewPassword(String);

impl NewPassword {
    /// Accepts a password that is hard to guess for somebody who knows the `context`: its owner's username, e-mail
    /// address and display name, and the names of the service and the organization.
    ///
    /// Lengths are those of the password as it was typed.
    ///
    /// # Errors
    ///
    /// When the password is empty, too short, too long or too easily guessed. The error never
    /// repeats the password.
    pub fn parse(
        value: &str,
        policy: &PasswordPolicy,
        context: &[&str],
    ) -> Result<Self, InvalidField> {
        let refused = |must| Err(InvalidField::secret("password", "password", must));
        if value.is_empty() {
            return Err(InvalidField::required("password"));
        }
        if value.contains(char::REPLACEMENT_CHARACTER) {
            return refused("must be valid Unicode text");
        }
        if value.chars().count() < MIN_CHARS {
            return refused("must be at least 8 characters long");
        }
        if value.len() > MAX_BYTES {
            return refused("must be at most 256 bytes long");
        }
        let normalized = Self(value.nfc().collect());
        if score(&normalized.0, context) < policy.minimum_score {
            return refused(
                "is too easily guessed: choose a longer one, without common words, patterns, \
                 your name, your address or the name of the service",
            );
        }
        Ok(normalized)
    }

    /// The password itself. For hashing, and nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for NewPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewPassword(..)")
    }
}

fn score(password: &str, context: &[&str]) -> u8 {
    let judged = match password.char_indices().nth(JUDGED_CHARS) {
        Some((end, _)) => &password[..end],
        None => password,
    };
    let hints = hints(context);
    let whole: u8 = zxcvbn(judged, &hints).score().into();
    // The estimate takes any three parts for hard to guess: `Rollcall`, `2026` and `!`. What is known adds nothing.
    let rest = without(judged, &hints);
    if rest.len() == judged.len() {
        return whole;
    }
    whole.min(zxcvbn(&rest, &hints).score().into())
}

/// What remains of the password without the words that are known.
fn without(password: &str, hints: &[&str]) -> String {
    let mut rest: Vec<char> = password.chars().collect();
    let mut words: Vec<Vec<char>> = hints
        .iter()
        .map(|hint| hint.to_lowercase().chars().collect())
        .filter(|word: &Vec<char>| word.len() >= MIN_REMOVED_CHARS)
        .collect();
    // The longest first: of `rollcall`, no `call` remains.
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    for word in words {
        while let Some(at) = rest.windows(word.len()).position(|part| {
            part.iter()
                .zip(&word)
                .all(|(typed, known)| is_like(*typed, *known))
        }) {
            rest.drain(at..at + word.len());
        }
    }
    rest.into_iter().collect()
}

/// The same letter, in any case, or a sign that often stands for it.
fn is_like(typed: char, known: char) -> bool {
    let sign_for: &[char] = match typed {
        '0' => &['o'],
        '1' | '!' | '|' => &['i', 'l'],
        '3' => &['e'],
        '4' | '@' => &['a'],
        '5' | '$' => &['s'],
        '7' => &['t'],
        _ => &[],
    };
    typed.to_lowercase().eq([known]) || sign_for.contains(&known)
}

/// Each text of the context whole and in words: of `Ada Lovelace`, `lovelace` alone is a hint too.
fn hints<'a>(context: &[&'a str]) -> Vec<&'a str> {
    let words = context
        .iter()
        .flat_map(|text| text.split(|char: char| !char.is_alphanumeric()));
    context
        .iter()
        .copied()
        .chain(words)
        .filter(|hint| hint.chars().count() >= MIN_HINT_CHARS)
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ADA: [&str; 4] = [
        "countess1815",
        "ada.byron@example.com",
        "ada.byron",
        "Augusta Zwettlinger",
    ];

    fn parse(value: &str) -> Result<NewPassword, InvalidField> {
        NewPassword::parse(value, &PasswordPolicy::default(), &ADA)
    }

    fn is_weak(value: &str) -> bool {
        parse(value).is_err_and(|error| error.detail.contains("guessed"))
    }

    #[test]
    fn a_password_that_is_hard_to_guess_is_accepted_as_typed() {
        for value in ["correct horse battery staple", " PasswordSecured123! "] {
            assert_eq!(parse(value).unwrap().expose(), value);
        }
    }

    #[test]
    fn common_passwords_and_patterns_are_refused() {
        for value in ["password", "testpass", "qwertyuiop", "aaaaaaaaaaaa"] {
            assert!(is_weak(value), "{value}");
        }
    }

    #[test]
    fn what_is_known_of_the_owner_makes_a_password_weak() {
        for value in ["countess1815", "ada.byron@example.com", "zwettlinger"] {
            assert!(is_weak(value), "{value}");
            assert!(NewPassword::parse(value, &PasswordPolicy::default(), &[]).is_ok());
        }
    }

    #[test]
    fn a_password_is_the_same_in_whichever_form_it_was_typed() {
        let composed = "\u{e9}t\u{e9} \u{e0} la \u{ee}le";
        let decomposed: String = composed.nfd().collect();
        assert_ne!(composed, decomposed);
        assert_eq!(parse(&decomposed).unwrap().expose(), composed);
    }

    #[test]
    fn names_of_the_service_and_the_organization_make_a_password_weak() {
        let context = ["rollcall", "acme", "Initech GmbH"];
        let policy = PasswordPolicy::default();
        for value in [
            "Rollcall2026",
            "rollcall!1",
            "R0llcall2026",
            "llaclloR2026",
            "acme2026",
            "Acme2026!",
            "initech99",
            "ACMErollcall1",
            "Rollcall-2026!",
            "R0llc@ll_2026",
            "2026!Acme#",
            "Initech_GmbH_1",
        ] {
            assert!(
                NewPassword::parse(value, &policy, &context).is_err(),
                "{value}"
            );
        }
        for value in [
            "correct horse battery staple at rollcall",
            "Rollcall purple monkey dishwasher",
            "acme-j4kQ9-xW2mP",
        ] {
            assert!(
                NewPassword::parse(value, &policy, &context).is_ok(),
                "{value}"
            );
        }
    }

    #[test]
    fn the_policy_sets_the_bar() {
        let with_score = |minimum_score| {
            let policy = PasswordPolicy { minimum_score };
            NewPassword::parse("password", &policy, &[])
        };
        assert!(with_score(0).is_ok());
        assert!(with_score(1).is_err());
    }

    #[test]
    fn length_is_counted_in_characters_below_and_in_bytes_above() {
        assert!(parse("žluťoučk").is_ok());
        assert!(parse("žluťouč").unwrap_err().detail.contains("at least 8"));
        let long = "correct horse battery staple ".repeat(9);
        assert!(parse(&long[..256]).is_ok());
        assert!(parse(&long[..257]).unwrap_err().detail.contains("at most"));
    }

    #[test]
    fn a_strong_end_does_not_save_a_long_weak_beginning() {
        let value = format!("{}correct horse battery staple", "a".repeat(40));
        assert!(is_weak(&value));
    }

    #[test]
    fn a_password_in_which_a_character_was_lost_is_refused() {
        let error = parse("correct horse battery \u{fffd} staple").unwrap_err();
        assert!(error.detail.contains("valid Unicode"), "{error}");
    }

    #[test]
    fn an_empty_password_is_missing() {
        assert_eq!(parse("").unwrap_err().rule, "required");
    }

    #[test]
    fn debug_output_hides_the_password() {
        let password = parse("correct horse battery staple").unwrap();
        assert_eq!(format!("{password:?}"), "NewPassword(..)");
    }

    #[test]
    fn an_error_hides_the_password() {
        for value in ["hunter2", "qwertyuiop", &"hunter2".repeat(40)] {
            let error = parse(value).unwrap_err();
            assert_eq!((error.field, error.rule), ("password", "password"));
            assert!(!format!("{error:?}{error}").contains(value));
        }
    }

    proptest! {
        #[test]
        fn any_password_gets_an_answer(value in ".{0,120}", hint in any::<String>()) {
            let _ = NewPassword::parse(&value, &PasswordPolicy::default(), &[&hint]);
        }
    }
}
