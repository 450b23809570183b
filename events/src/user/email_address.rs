//! The address a user signs in with.
//!
//! The grammar is what both generations of the upstream API accept: the `email` rule of
//! go-playground/validator and Go's `net/mail`. It differs from RFC 5321 in known ways: the domain
//! needs a dot, its last label begins and ends with a letter (so no bare IP addresses), and letters
//! may be non-ASCII.

use std::fmt;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use super::InvalidField;
use crate::unicode::{caseless, is_hidden, search_key};

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
        if value.contains(|char| is_hidden(char) || is_space_of_another_kind(char)) {
            return refused("must not contain invisible characters");
        }
        match value.rsplit_once('@') {
            Some((local, domain)) if is_local_part(local) && is_domain(domain) => {
                Ok(Self(value.to_owned()))
            }
            _ => refused("must be a valid e-mail address"),
        }
    }

    /// An address that was accepted before, perhaps under another rule.
    #[must_use]
    pub fn recorded(address: &str) -> Self {
        Self(address.to_owned())
    }

    /// The address as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form in which addresses are the same, for uniqueness and sign-in. See [`EmailAddress::key_of`].
    #[must_use]
    pub fn key(&self) -> String {
        Self::key_of(&self.0)
    }

    /// The key of an address that may have been accepted under another rule, or of a text that is no address.
    ///
    /// The local part is compared without case, as Unicode folds it, and composed (NFC); the domain as DNS would be
    /// asked for it, so that `bücher.example` is `xn--bcher-kva.example`.
    #[must_use]
    pub fn key_of(address: &str) -> String {
        match address.rsplit_once('@') {
            Some((local, domain)) => format!("{}@{}", caseless(local), domain_key(domain)),
            None => caseless(address),
        }
    }

    /// What a search looks at besides the key: the address as it was given, and with its domain in the letters of
    /// people, one a line. None for most: their key is all there is.
    #[must_use]
    pub fn search_text_of(address: &str) -> Option<String> {
        let key = Self::key_of(address);
        let mut forms = vec![search_key(address)];
        if let Some((local, domain)) = address.rsplit_once('@') {
            let (domain, _) = idna::domain_to_unicode(domain);
            forms.push(search_key(&format!("{local}@{domain}")));
        }
        forms.dedup();
        forms.retain(|form| *form != key);
        Some(forms.join("\n")).filter(|text| !text.is_empty())
    }

    /// Whether mail to both goes to one mailbox for certain: whoever proves to have the one has the other.
    ///
    /// Narrower than having one key: letters that are the same only without case, as Unicode folds it, may be those of
    /// different mailboxes.
    #[must_use]
    pub fn is_same_mailbox(&self, other: &Self) -> bool {
        let parts = |address: &Self| {
            let (local, domain) = address.0.rsplit_once('@')?;
            Some((composed(local).to_ascii_lowercase(), domain_key(domain)))
        };
        parts(self) == parts(other)
    }

    /// The key of the domain.
    #[must_use]
    pub fn domain_key(&self) -> String {
        domain_key(self.domain())
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

/// A domain as DNS would be asked for it (A-labels, in lower case). What cannot be asked for is at least without case.
fn domain_key(domain: &str) -> String {
    if domain.is_ascii() {
        return domain.to_ascii_lowercase();
    }
    ascii_domain(domain, DnsLength::Ignore).unwrap_or_else(|| caseless(domain))
}

/// The key of a domain that addresses can have, with or without a dot in it; or nothing for a text that can be no
/// address's domain, so that comparing with it would be in vain.
#[must_use]
pub fn possible_domain_key(domain: &str) -> Option<String> {
    let is_possible = domain.split('.').all(is_label) && !domain.contains(is_hidden);
    is_possible
        .then(|| ascii_domain(domain, DnsLength::Verify))
        .flatten()
}

/// A text whose accents are apart (NFD), with them in place (NFC). Another stays: the sign for kelvins does not become a K.
fn composed(text: &str) -> String {
    if text.nfd().eq(text.chars()) {
        text.nfc().collect()
    } else {
        text.to_owned()
    }
}

fn ascii_domain(domain: &str, length: DnsLength) -> Option<String> {
    let ascii = Uts46::new().to_ascii(
        domain.as_bytes(),
        AsciiDenyList::EMPTY,
        Hyphens::Allow,
        length,
    );
    ascii.ok().map(Into::into)
}

/// White space beyond ASCII, which looks like a blank or like nothing.
fn is_space_of_another_kind(char: char) -> bool {
    !char.is_ascii() && char.is_whitespace()
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
    fn the_key_forgets_case_encoding_and_the_letters_of_the_domain() {
        for forms in [
            &["Ada@Example.COM", "ada@example.com"][..],
            &[
                "Ärger@Пример.РФ",
                "a\u{308}rger@пример.рф",
                "ärger@xn--e1afmkfd.xn--p1ai",
            ],
            &[
                "ada@bücher.example",
                "ADA@BÜCHER.example",
                "ada@bu\u{308}cher.example",
                "ada@xn--bcher-kva.example",
                "ada@XN--BCHER-KVA.example",
            ],
            &["straße@example.com", "STRASSE@example.com"],
            &["ΟΔΟΣ@example.com", "οδος@example.com", "οδοσ@example.com"],
        ] {
            let key = EmailAddress::key_of(forms[0]);
            for form in forms {
                assert_eq!(EmailAddress::key_of(form), key, "{form}");
                assert_eq!(EmailAddress::parse(form).unwrap().key(), key, "{form}");
            }
        }
        for (one, other) in [
            ("ada@example.com", "ada@example.org"),
            ("ıan@example.com", "ian@example.com"),
            ("ada@fass.example", "ada@faß.example"),
            ("jose@example.com", "josé@example.com"),
        ] {
            assert_ne!(EmailAddress::key_of(one), EmailAddress::key_of(other));
        }
    }

    #[test]
    fn only_what_is_certain_to_be_one_mailbox_is_one() {
        let address = |text: &str| EmailAddress::parse(text).unwrap();
        for (one, other, is_same) in [
            ("Ada@Example.com", "ada@example.COM", true),
            (
                "jose\u{301}@bücher.example",
                "josé@xn--bcher-kva.example",
                true,
            ),
            ("\u{212a}im@example.com", "kim@example.com", false),
            ("straße@example.com", "strasse@example.com", false),
            ("JOSÉ@example.com", "josé@example.com", false),
            ("ada@example.com", "ada@example.org", false),
        ] {
            assert_eq!(
                address(one).is_same_mailbox(&address(other)),
                is_same,
                "{one} {other}"
            );
        }
    }

    #[test]
    fn every_part_of_an_address_is_in_its_key_or_its_search_text() {
        for (address, parts) in [
            ("Ada@Example.com", &["ADA@", "example"][..]),
            (
                "ada@BÜCHER.example",
                &["bücher", "xn--bcher", "ada@bu\u{308}c"],
            ),
            (
                "ada@xn--bcher-kva.example",
                &["bücher", "xn--bcher", "ada@BÜCHER"],
            ),
            (
                "Jose\u{301}@example.com",
                &["josé@example.com", "jose\u{301}@"],
            ),
        ] {
            let searched = EmailAddress::search_text_of(address);
            for part in parts {
                let part = search_key(part);
                let is_in = |text: &str| text.contains(&part);
                let is_found =
                    is_in(&EmailAddress::key_of(address)) || searched.as_deref().is_some_and(is_in);
                assert!(is_found, "{part} in {address}");
            }
        }
        assert_eq!(EmailAddress::search_text_of("Ada@Example.com"), None);
    }

    #[test]
    fn an_address_holds_nothing_that_nobody_sees() {
        for hidden in [
            '\u{200b}', '\u{200d}', '\u{202e}', '\u{ad}', '\u{feff}', '\u{a0}', '\u{3000}',
            '\u{fe0f}',
        ] {
            for address in [
                format!("ad{hidden}a@example.com"),
                format!("ada@exam{hidden}ple.com"),
                format!("\"ad{hidden}a\"@example.com"),
            ] {
                let error = EmailAddress::parse(&address).unwrap_err();
                assert!(error.detail.contains("invisible"), "{address:?}: {error}");
            }
        }
    }

    #[test]
    fn a_domain_that_no_address_can_have_has_no_key() {
        for (domain, key) in [
            ("Example.com", "example.com"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(possible_domain_key(domain).as_deref(), Some(key));
        }
        for domain in [
            "",
            ".",
            "a..b",
            ".example.com",
            "example.com.",
            "exa mple.com",
            "ada@example.com",
            "xn--a\u{fc}.example",
            "xn--zzzzzzz99999.example",
            "exa_mple.com",
            "\u{200b}example.com",
            "*.example.com",
            &format!("{}.example", "a".repeat(64)),
        ] {
            assert_eq!(possible_domain_key(domain), None, "{domain:?}");
        }
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
