//! The form of `q`, which all lists share: `ada status:active "role":owner`.
//!
//! The string is cut at spaces outside of double quotes. An element with a `:` outside of quotes is a filter; all others
//! together are one text. Keys are read in any case, and so are values, unless they are texts, which are handed over as they
//! were typed. What is not understood is refused, since a filter that is silently dropped shows more than was
//! asked for.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

/// A part of `q` that is not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidQuery {
    /// `q` when its form is wrong, else the key whose value is.
    pub field: String,
    /// A sentence for people.
    pub detail: String,
}

/// The values of `q` by key, taken out as they are understood, and what was wrong on the way.
#[derive(Default)]
pub(crate) struct Terms {
    values: BTreeMap<String, Vec<String>>,
    problems: Vec<InvalidQuery>,
}

impl Terms {
    /// Reads a query. What is no filter is the value of the key `bare`.
    pub(crate) fn read(q: &str, bare: &str) -> Self {
        let mut terms = Self::default();
        // PostgreSQL cannot hold this character in a text, and would fail instead of finding nobody.
        if q.contains('\0') {
            terms.refuse("q", "Query must not contain a NUL character".to_owned());
        }
        let mut words: Vec<&str> = Vec::new();
        for element in split(q, ' ').filter(|element| !element.is_empty()) {
            terms.read_element(element, &mut words);
        }
        words.retain(|word| !word.is_empty());
        if !words.is_empty() {
            terms.add(bare, words.join(" "));
        }
        terms
    }

    fn read_element<'a>(&mut self, element: &'a str, words: &mut Vec<&'a str>) {
        let parts: Vec<&str> = split(element, ':').collect();
        match parts[..] {
            [word] => words.push(unquoted(word)),
            [.., ""] | ["", ..] => self.refuse(
                "q",
                format!("Query element {element:?} cannot start or end with ':'"),
            ),
            [key, value] => {
                self.add(&unquoted(key).to_lowercase(), unquoted(value).to_owned());
            }
            _ => self.refuse(
                "q",
                format!("Query element {element:?} can only contain 1 ':'"),
            ),
        }
    }

    fn add(&mut self, key: &str, value: String) {
        self.values.entry(key.to_owned()).or_default().push(value);
    }

    pub(crate) fn refuse(&mut self, field: &str, detail: String) {
        self.problems.push(InvalidQuery {
            field: field.to_owned(),
            detail,
        });
    }

    /// The value of a key that may be given once, read in lower case. An empty value is none.
    pub(crate) fn single<T>(
        &mut self,
        key: &str,
        kind: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        self.as_typed(key, kind, |value| read(&value.to_lowercase()))
    }

    fn as_typed<T>(
        &mut self,
        key: &str,
        kind: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let values = self.values.remove(key)?;
        let value = match &values[..] {
            [value] if value.is_empty() => return None,
            [value] => value,
            _ => {
                let times = values.len();
                self.refuse(
                    key,
                    format!("Query param {key:?} provided more than once, found {times} times"),
                );
                return None;
            }
        };
        let result = read(value);
        if result.is_none() {
            self.refuse(
                key,
                format!("Query param {key:?} must be a valid {kind}, but is {value:?}"),
            );
        }
        result
    }

    /// Any text that may be given once, in the form in which it is compared.
    pub(crate) fn text(&mut self, key: &str, form: impl FnOnce(&str) -> String) -> Option<String> {
        self.as_typed(key, "text", |value| Some(form(value)))
    }

    pub(crate) fn moment(&mut self, key: &str) -> Option<DateTime<Utc>> {
        let kind = "RFC 3339 time in double quotes, as in \"2006-01-02T15:04:05.999Z\"";
        self.single(key, kind, |value| {
            // The format has capitals, which went with all the others.
            let time = DateTime::parse_from_rfc3339(&value.to_ascii_uppercase()).ok()?;
            Some(time.to_utc())
        })
    }

    /// The values of a key that may be given often, each time with values between commas, read in lower case.
    pub(crate) fn list<T>(&mut self, key: &str, read: impl Fn(&str) -> Option<T>) -> Vec<T> {
        let values = self.values.remove(key).unwrap_or_default();
        let mut result = Vec::new();
        let mut bad = Vec::new();
        for value in values
            .iter()
            .filter(|value| !value.is_empty())
            .flat_map(|values| values.split(','))
        {
            match read(&value.to_lowercase()) {
                Some(value) => result.push(value),
                None => bad.push(format!("{value:?}")),
            }
        }
        if !bad.is_empty() {
            let bad = bad.join(", ");
            self.refuse(
                key,
                format!("Query param {key:?} has invalid values: {bad}"),
            );
        }
        result
    }

    /// What nobody has taken is a key nobody knows.
    pub(crate) fn finish(mut self) -> Vec<InvalidQuery> {
        for key in std::mem::take(&mut self.values).into_keys() {
            self.refuse(&key, format!("{key:?} is not a valid query param"));
        }
        self.problems
    }
}

/// Cuts at every `delimiter` outside of double quotes. A quote that is never closed reaches to the end.
fn split(text: &str, delimiter: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |char| {
        quoted ^= char == '"';
        char == delimiter && !quoted
    })
}

fn unquoted(text: &str) -> &str {
    text.trim_matches('"')
}
