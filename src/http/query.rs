//! The query parameters of lists.
//!
//! Read as Go's `url.ParseQuery` reads them, with one difference: what cannot be decoded is a problem of the request.
//! Go drops such a pair, so that a filter with a typing error would show everybody.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// A parameter with a value that it cannot have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// The name of the parameter.
    pub field: String,
    /// What it should have been.
    pub detail: String,
}

/// The parameters of one request, and what has been found wrong with them so far.
///
/// Each getter answers even when the value is bad, so that [`Parameters::finish`] can tell about all problems at once.
#[derive(Debug)]
pub struct Parameters {
    pairs: Vec<(String, String)>,
    problems: Vec<Invalid>,
}

impl Parameters {
    /// Decodes the part of the address after the `?`.
    #[must_use]
    pub fn parse(raw: Option<&str>) -> Self {
        let mut parameters = Self {
            pairs: Vec::new(),
            problems: Vec::new(),
        };
        let pairs = raw.unwrap_or_default().split('&');
        for pair in pairs.filter(|pair| !pair.is_empty()) {
            parameters.add(pair);
        }
        parameters
    }

    /// The value of a parameter, or nothing when it is absent.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        self.first(name).to_owned()
    }

    /// An id. Absent, empty and the nil id all mean that there is none.
    pub fn uuid(&mut self, name: &str) -> Option<Uuid> {
        let value = self.first(name);
        if value.is_empty() {
            return None;
        }
        if let Ok(id) = Uuid::parse_str(value) {
            return Some(id).filter(|id| !id.is_nil());
        }
        let detail = format!("Query param {name:?} must be a valid uuid");
        self.refuse(name, detail);
        None
    }

    /// A count, as large as Go's `int32` can be. Absent and empty mean 0.
    pub fn non_negative(&mut self, name: &str) -> u32 {
        let value = self.first(name);
        if value.is_empty() {
            return 0;
        }
        if let Ok(Ok(count)) = value.parse::<i32>().map(u32::try_from) {
            return count;
        }
        let largest = i32::MAX;
        let detail = format!("Query param {name:?} must be an integer from 0 to {largest}");
        self.refuse(name, detail);
        0
    }

    /// A switch, in any of Go's spellings. Absent and empty mean off.
    pub fn flag(&mut self, name: &str) -> bool {
        match self.first(name) {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => true,
            "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => false,
            _ => {
                self.refuse(
                    name,
                    format!("Query param {name:?} must be a valid boolean"),
                );
                false
            }
        }
    }

    /// A position in the log. Absent and empty mean 0: before everything.
    pub fn position(&mut self, name: &str) -> i64 {
        let value = self.first(name);
        if value.is_empty() {
            return 0;
        }
        match value.parse::<i64>() {
            Ok(position) if position >= 0 => position,
            _ => {
                let detail = format!("Query param {name:?} must be a position: a number from 0");
                self.refuse(name, detail);
                0
            }
        }
    }

    /// A moment, as RFC 3339 writes it. Absent and empty mean that there is none.
    pub fn time(&mut self, name: &str) -> Option<DateTime<Utc>> {
        let value = self.first(name);
        if value.is_empty() {
            return None;
        }
        if let Ok(time) = DateTime::parse_from_rfc3339(value) {
            return Some(time.to_utc());
        }
        let detail =
            format!("Query param {name:?} must be a time like 2026-01-31T12:00:00Z (RFC 3339)");
        self.refuse(name, detail);
        None
    }

    /// Complains about a parameter.
    pub fn refuse(&mut self, name: &str, detail: String) {
        self.problems.push(Invalid {
            field: name.to_owned(),
            detail,
        });
    }

    /// Call this last.
    ///
    /// # Errors
    ///
    /// When any parameter has a bad value: all of them, in the order in which they were found.
    pub fn finish(self) -> Result<(), Vec<Invalid>> {
        if self.problems.is_empty() {
            Ok(())
        } else {
            Err(self.problems)
        }
    }

    fn add(&mut self, pair: &str) {
        let (raw_name, raw_value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = match decode(raw_name) {
            Ok(name) => name,
            Err(problem) => return self.refuse(raw_name, problem.to_owned()),
        };
        match decode(raw_value) {
            Ok(value) => self.pairs.push((name, value)),
            Err(problem) => self.refuse(&name, problem.to_owned()),
        }
    }

    fn first(&self, name: &str) -> &str {
        let found = self.pairs.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }
}

/// Undoes the encoding of one name or value. A bare `;` is refused, as Go does: it once separated pairs, and what two
/// readers split differently can be used to fool one of them.
fn decode(encoded: &str) -> Result<String, &'static str> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut bytes = encoded.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b';' => return Err("Query param must not contain an unescaped semicolon"),
            b'%' => escaped(&mut bytes).ok_or("Query param has a malformed percent escape")?,
            plain => plain,
        });
    }
    String::from_utf8(decoded).map_err(|_| "Query param must be valid UTF-8")
}

/// The byte that the two hexadecimal digits after a `%` stand for.
fn escaped(bytes: &mut impl Iterator<Item = u8>) -> Option<u8> {
    let mut digit = || char::from(bytes.next()?).to_digit(16);
    let (high, low) = (digit()?, digit()?);
    u8::try_from(high * 16 + low).ok()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    const ID: &str = "0b9b3f4e-6d5a-4f0f-9d5d-2f6a3c1e7b8a";

    fn text(query: &str, name: &str) -> String {
        let parameters = Parameters::parse(Some(query));
        let value = parameters.text(name);
        assert_eq!(parameters.finish(), Ok(()));
        value
    }

    fn problems(parameters: Parameters) -> Vec<(String, String)> {
        let problems = parameters.finish().expect_err("there is a problem");
        let pairs = problems.into_iter();
        pairs
            .map(|invalid| (invalid.field, invalid.detail))
            .collect()
    }

    fn fields(parameters: Parameters) -> Vec<String> {
        let problems = problems(parameters).into_iter();
        problems.map(|(field, _)| field).collect()
    }

    #[test]
    fn values_are_decoded() {
        assert_eq!(
            text("q=status%3Aactive+ada%20%26%2b", "q"),
            "status:active ada &+"
        );
        assert_eq!(text("%71=caf%C3%A9", "q"), "café");
        assert_eq!(text("q=a=b", "q"), "a=b");
    }

    #[test]
    fn what_is_absent_is_empty() {
        for query in ["", "q", "q=", "&&", "other=1", "Q=1"] {
            assert_eq!(text(query, "q"), "");
        }
        let mut parameters = Parameters::parse(None);
        assert_eq!(parameters.uuid("after_id"), None);
        assert_eq!(parameters.non_negative("limit"), 0);
        assert_eq!(parameters.finish(), Ok(()));
    }

    #[test]
    fn empty_values_are_absent() {
        let mut parameters = Parameters::parse(Some("after_id=&limit="));
        assert_eq!(parameters.uuid("after_id"), None);
        assert_eq!(parameters.non_negative("limit"), 0);
        assert_eq!(parameters.finish(), Ok(()));
    }

    #[test]
    fn the_first_of_repeated_parameters_wins() {
        assert_eq!(text("q=a&q=b", "q"), "a");
        assert_eq!(text("q=&q=b", "q"), "");
    }

    #[test]
    fn ids_are_read_and_the_nil_id_is_none() {
        let nil = Uuid::nil();
        let mut parameters = Parameters::parse(Some(&format!("a={ID}&b={nil}")));
        assert_eq!(parameters.uuid("a"), Uuid::parse_str(ID).ok());
        assert_eq!(parameters.uuid("b"), None);
        assert_eq!(parameters.finish(), Ok(()));
    }

    #[test]
    fn counts_are_read() {
        for (value, count) in [
            ("0", 0),
            ("7", 7),
            ("007", 7),
            ("2147483647", 2_147_483_647),
        ] {
            let mut parameters = Parameters::parse(Some(&format!("limit={value}")));
            assert_eq!(parameters.non_negative("limit"), count);
            assert_eq!(parameters.finish(), Ok(()));
        }
    }

    #[test]
    fn switches_are_read_as_go_reads_them() {
        for (value, on) in [
            ("", false),
            ("0", false),
            ("f", false),
            ("False", false),
            ("1", true),
            ("T", true),
            ("TRUE", true),
        ] {
            let mut parameters = Parameters::parse(Some(&format!("all={value}")));
            assert_eq!(parameters.flag("all"), on, "{value}");
            assert_eq!(parameters.finish(), Ok(()));
        }
        for value in ["yes", "on", "2", "tRUE", "+true"] {
            let mut parameters = Parameters::parse(Some(&format!("all={value}")));
            assert!(!parameters.flag("all"), "{value}");
            assert_eq!(fields(parameters), ["all"], "{value}");
        }
    }

    #[test]
    fn counts_out_of_range_are_refused() {
        for value in ["-1", "2147483648", "1.5", "1e3", "x", "+", "1_000", "0x1"] {
            let mut parameters = Parameters::parse(Some(&format!("limit={value}")));
            assert_eq!(parameters.non_negative("limit"), 0);
            assert_eq!(fields(parameters), ["limit"], "{value}");
        }
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let mut parameters = Parameters::parse(Some("after_id=bogus&limit=-1&offset=x&q=fine"));
        parameters.uuid("after_id");
        parameters.non_negative("limit");
        parameters.non_negative("offset");
        let problems = problems(parameters);
        let fields: Vec<_> = problems.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(fields, ["after_id", "limit", "offset"]);
        assert!(problems[0].1.contains("must be a valid uuid"));
        assert!(
            problems[1]
                .1
                .contains("must be an integer from 0 to 2147483647")
        );
    }

    #[test]
    fn what_cannot_be_decoded_is_refused_once() {
        for value in [
            "%", "%4", "%zz", "%+1", "a%", "%ff", "%C3", "a;b", "%\u{e9}",
        ] {
            let mut parameters = Parameters::parse(Some(&format!("limit={value}&q=a")));
            assert_eq!(parameters.non_negative("limit"), 0);
            assert_eq!(parameters.text("q"), "a");
            assert_eq!(fields(parameters), ["limit"], "{value}");
        }
        assert_eq!(fields(Parameters::parse(Some("%zz=1"))), ["%zz"]);
    }

    proptest! {
        #[test]
        fn parsing_never_panics(query in any::<String>()) {
            let mut parameters = Parameters::parse(Some(&query));
            parameters.uuid("a");
            parameters.non_negative("a");
            let _ = parameters.finish();
        }

        #[test]
        fn any_text_survives_being_encoded(value in any::<String>()) {
            let mut query = "q=".to_owned();
            for byte in value.bytes() {
                write!(query, "%{byte:02X}").expect("writing to a string does not fail");
            }
            prop_assert_eq!(text(&query, "q"), value);
        }
    }
}
