//! The address a user signs in with.
//!
//! The grammar is what both generations of the upstream API accept: the `email` rule of
//! go-playground/validator and Go's `net/mail`. It differs from RFC 5321 in known ways: the domain
//! needs a dot, its last label begins and ends with a letter (so no bare IP addresses), and letters
//! may be non-ASCII.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::InvalidField;

/// 64 for the local part, 255 for the domain, one for the `@`: the limits of SMTP. Upstream has none.
const MAX_BYTES: usize = 320;

/// An e-mail address, spelled as it was given.
///
/// Deserialising checks nothing. What the log holds was parsed when it happened, and an old event
/// must stay readable when the rule grows stricter. Requests go through [`EmailAddress::parse`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// Accepts an address a user may have from now on.
    ///
    /// # Errors
    ///
    /// When the value is empty, too long, or no address.
    pub fn parse(value: &str) -> Result<Self, InvalidField> {
        Self::parse_with(value, is_domain)
    }

    /// Accepts also an address whose domain is a single name, such as `root@localhost`, as private networks have them.
    ///
    /// # Errors
    ///
    /// As [`EmailAddress::parse`].
    pub fn parse_allowing_dotless(value: &str) -> Result<Self, InvalidField> {
        Self::parse_with(value, |domain| is_domain(domain) || is_host_name(domain))
    }

    fn parse_with(value: &str, is_domain: impl FnOnce(&str) -> bool) -> Result<Self, InvalidField> {
        let refused = |must| Err(InvalidField::new("email", "email", must, value));
        if value.is_empty() {
            return Err(InvalidField::required("email"));
        }
        if value.len() > MAX_BYTES {
            return refused("must be at most 320 bytes long");
        }
        match value.rsplit_once('@') {
            Some((local, domain)) if is_local_part(local) && is_domain(domain) => {
                Ok(Self(value.to_owned()))
            }
            _ => refused("must be a valid e-mail address"),
        }
    }

    /// The address as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What uniqueness and sign-in look at: capitals make no other address.
    #[must_use]
    pub fn key(&self) -> String {
        self.0.to_lowercase()
    }

    /// The part after the last `@`, as it was given.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.0
            .rsplit_once('@')
            .map_or("", |(_local, domain)| domain)
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_local_part(local: &str) -> bool {
    let quoted = local
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    match quoted {
        Some(text) => is_quotable(text),
        None => local
            .split('.')
            .all(|atom| !atom.is_empty() && atom.chars().all(is_atom_char)),
    }
}

/// Between the quotes anything printable may stand; a quote or a backslash only after a backslash.
fn is_quotable(text: &str) -> bool {
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        let char = match char {
            '"' => return false,
            '\\' => chars.next().unwrap_or('\0'),
            plain => plain,
        };
        if !matches!(char, ' '..='~') && !is_international(char) {
            return false;
        }
    }
    !text.is_empty()
}

/// Upstream's expression allows dots inside of its labels. What remains of it once empty labels are
/// out (`net/mail` refuses those) is this: somewhere a dot stands between the end of a label and
/// the letter with which the last one begins.
fn is_domain(domain: &str) -> bool {
    let labels: Vec<&str> = domain.split('.').collect();
    labels.iter().all(|label| is_label(label))
        && domain.starts_with(is_alphanumeric)
        && domain.ends_with(is_letter)
        && labels
            .windows(2)
            .any(|pair| pair[0].ends_with(is_alphanumeric) && pair[1].starts_with(is_letter))
}

/// A single name, of which not everything is a digit.
fn is_host_name(domain: &str) -> bool {
    is_label(domain)
        && domain.starts_with(is_alphanumeric)
        && domain.ends_with(is_alphanumeric)
        && domain.contains(is_letter)
}

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label
            .chars()
            .all(|char| is_alphanumeric(char) || matches!(char, '-' | '~'))
}

fn is_atom_char(char: char) -> bool {
    is_alphanumeric(char) || "!#$%&'*+-/=?^_`{|}~".contains(char)
}

fn is_alphanumeric(char: char) -> bool {
    is_letter(char) || char.is_ascii_digit()
}

fn is_letter(char: char) -> bool {
    char.is_ascii_alphabetic() || is_international(char)
}

/// The characters beyond ASCII of RFC 3987, as far as upstream follows it: no controls, no private use.
fn is_international(char: char) -> bool {
    matches!(char, '\u{A0}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFEF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_accepted_as_spelled() {
        for address in [
            "ada@example.com",
            "Ada.Lovelace+tag@Mail.Example.COM",
            "!#$%&'*+-/=?^_`{|}~@example.com",
            r#""ada lovelace"@example.com"#,
            r#""a\"b@c\\"@example.com"#,
            "дата@пример.рф",
            "a@1.co",
            "a@x-y~z.museum",
            "a@b.c.1d.e",
        ] {
            assert_eq!(EmailAddress::parse(address).unwrap().as_str(), address);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for address in [
            "ada",
            "@example.com",
            "ada@",
            "ada@localhost",
            "ada@127.0.0.1",
            "ada@[127.0.0.1]",
            "ada@example.c0",
            "ada@-example.com",
            "ada@example.-com",
            "ada@example-.com",
            "ada@example.com-",
            "ada@example..com",
            "ada@.example.com",
            "ada@example.com.",
            "ada@exa_mple.com",
            ".ada@example.com",
            "ada.@example.com",
            "a..b@example.com",
            "a b@example.com",
            "a@b@example.com",
            " ada@example.com",
            "ada@example.com ",
            "ada@example.com\n",
            "Ada <ada@example.com>",
            r#"""@example.com"#,
            r#""@example.com"#,
            r#""a"b"@example.com"#,
            r#""a\"@example.com"#,
            "\"a\tb\"@example.com",
            "a\u{0}@example.com",
            "a\u{85}@example.com",
        ] {
            let error = EmailAddress::parse(address).unwrap_err();
            assert_eq!((error.field, error.rule), ("email", "email"), "{address:?}");
        }
    }

    #[test]
    fn a_domain_may_be_a_single_name_where_that_is_allowed() {
        for address in ["root@localhost", "ada@db1", "ada@Mail-2", "ada@example.com"] {
            assert!(
                EmailAddress::parse_allowing_dotless(address).is_ok(),
                "{address}"
            );
        }
        for address in [
            "root@",
            "root@-a",
            "root@a-",
            "root@127",
            "root@a_b",
            "root@127.0.0.1",
            "a b@localhost",
        ] {
            assert!(
                EmailAddress::parse_allowing_dotless(address).is_err(),
                "{address}"
            );
        }
    }

    #[test]
    fn an_empty_address_is_missing() {
        assert_eq!(EmailAddress::parse("").unwrap_err().rule, "required");
    }

    #[test]
    fn an_address_may_be_as_long_as_smtp_allows() {
        let address = |local: usize| format!("{}@example.com", "a".repeat(local));
        assert!(EmailAddress::parse(&address(320 - 12)).is_ok());
        assert!(EmailAddress::parse(&address(320 - 11)).is_err());
    }

    #[test]
    fn the_key_forgets_case_in_every_script() {
        let address = EmailAddress::parse("Ärger@Пример.РФ").unwrap();
        assert_eq!(address.key(), "ärger@пример.рф");
    }

    #[test]
    fn the_domain_follows_the_last_at_sign() {
        let address = EmailAddress::parse(r#""a@b.c"@Example.com"#).unwrap();
        assert_eq!(address.domain(), "Example.com");
    }

    #[test]
    fn the_log_is_trusted() {
        let address: EmailAddress = serde_json::from_str(r#""root@localhost""#).unwrap();
        assert_eq!(
            serde_json::to_string(&address).unwrap(),
            r#""root@localhost""#
        );
    }
}
