//! Reads JSON objects of providers. Only what is used has to be well formed: a member is decoded when it is asked for,
//! so a number, a nesting depth or an escape in another member never costs a sign-in.

use std::collections::BTreeMap;

use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};

use super::Cause;

const UTF8_BOM: &[u8] = b"\xEF\xBB\xBF";

/// The members of a JSON object. Of two with the same name the last one counts.
#[derive(Debug, Clone, Default)]
pub struct Object {
    members: BTreeMap<String, Box<RawValue>>,
    has_bom: bool,
}

impl Object {
    /// Reads an object. A byte order mark is skipped, and half of a surrogate pair becomes U+FFFD.
    ///
    /// # Errors
    /// The text is not a JSON object. The cause quotes nothing of it: it may hold secrets.
    pub fn parse(json: &[u8]) -> Result<Self, Cause> {
        let has_bom = json.starts_with(UTF8_BOM);
        let text = text_of(json)?;
        match serde_json::from_str(&text) {
            Ok(members) => Ok(Self { members, has_bom }),
            Err(error) => Err(unreadable(&text, &error, "an object")),
        }
    }

    /// Reads a list of objects. What is none in it is left out.
    ///
    /// # Errors
    /// The text is not a JSON list.
    pub fn parse_list(json: &[u8]) -> Result<Vec<Self>, Cause> {
        let text = text_of(json)?;
        let items: Vec<Box<RawValue>> =
            serde_json::from_str(&text).map_err(|error| unreadable(&text, &error, "a list"))?;
        let objects = items.iter().map(|item| Self::parse(item.get().as_bytes()));
        Ok(objects.filter_map(Result::ok).collect())
    }

    /// Whether the text began with a byte order mark, which JSON does not allow.
    pub const fn has_bom(&self) -> bool {
        self.has_bom
    }

    /// The names of the members, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    /// A member; `None` when it is missing or null.
    ///
    /// # Errors
    /// Its value cannot be represented, such as `1e999`.
    pub fn value(&self, name: &str) -> Result<Option<Value>, Cause> {
        let Some(raw) = self.members.get(name) else {
            return Ok(None);
        };
        match serde_json::from_str(raw.get()) {
            Ok(Value::Null) => Ok(None),
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(Cause::new(format_args!("its `{name}` cannot be read"))),
        }
    }

    /// A text; `None` when it is missing, null or blank.
    ///
    /// # Errors
    /// It is something else.
    pub fn text(&self, name: &str) -> Result<Option<String>, Cause> {
        match self.value(name)? {
            None => Ok(None),
            Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong(name, "a text", &other)),
        }
    }

    /// A text that must be there.
    ///
    /// # Errors
    /// It is missing, null, empty, or something else.
    pub fn required_text(&self, name: &str) -> Result<String, Cause> {
        self.text(name)?
            .ok_or_else(|| Cause::new(format_args!("its `{name}` is missing")))
    }

    /// The texts of a list, or a text alone; `None` when it is neither.
    pub fn texts(&self, name: &str) -> Option<Vec<String>> {
        match self.value(name) {
            Ok(Some(Value::Array(items))) => {
                let texts = items.iter().filter_map(Value::as_str);
                Some(texts.map(str::to_owned).collect())
            }
            Ok(Some(Value::String(text))) => Some(vec![text]),
            _ => None,
        }
    }

    /// A whole number, rounded down; a text that holds one counts as well, as in Go's oauth2 library. What is too large
    /// for an `i64` becomes its bound.
    ///
    /// # Errors
    /// It is something else.
    pub fn number(&self, name: &str) -> Result<Option<i64>, Cause> {
        let Some(raw) = self.members.get(name) else {
            return Ok(None);
        };
        let raw = raw.get();
        if raw == "null" {
            return Ok(None);
        }
        let text = match serde_json::from_str::<Value>(raw) {
            Ok(Value::String(text)) if text.trim().is_empty() => return Ok(None),
            Ok(Value::String(text)) => text,
            // Only a number can be well formed and still not be represented.
            Ok(Value::Number(_)) | Err(_) => raw.to_owned(),
            Ok(other) => return Err(wrong(name, "a number", &other)),
        };
        match whole(text.trim()) {
            Some(number) => Ok(Some(number)),
            None => Err(Cause::new(format_args!("its `{name}` is not a number"))),
        }
    }

    /// Sets a member to a value of another object, unless that says nothing: null, an empty text, an empty list.
    pub fn overlay(&mut self, other: &Self, name: &str) {
        let says_nothing = match other.value(name) {
            Ok(Some(Value::String(text))) => text.is_empty(),
            Ok(Some(Value::Array(items))) => items.is_empty(),
            Ok(None) => true,
            _ => false,
        };
        if let Some(raw) = other.members.get(name).filter(|_| !says_nothing) {
            self.members.insert(name.to_owned(), raw.clone());
        }
    }
}

impl TryFrom<&Value> for Object {
    type Error = Cause;

    fn try_from(value: &Value) -> Result<Self, Cause> {
        let raw = to_raw_value(value).map_err(Cause::new)?;
        Self::parse(raw.get().as_bytes())
    }
}

fn whole(text: &str) -> Option<i64> {
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let is_numeric = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float that is too large becomes the bound, as documented"
    )]
    text.parse::<f64>()
        .ok()
        .filter(|number| is_numeric && !number.is_nan())
        .map(|number| number.floor() as i64)
}

fn wrong(name: &str, wanted: &str, found: &Value) -> Cause {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    Cause::new(format_args!("its `{name}` is {found}, not {wanted}"))
}

/// The text of JSON, made valid.
fn text_of(json: &[u8]) -> Result<String, Cause> {
    if json.starts_with(b"\xFF\xFE") || json.starts_with(b"\xFE\xFF") {
        return Err(Cause::new(
            "its answer is UTF-16 (it begins with that byte order mark), and JSON is UTF-8",
        ));
    }
    let mut json = json.strip_prefix(UTF8_BOM).unwrap_or(json).to_vec();
    replace_lone_surrogates(&mut json);
    Ok(String::from_utf8_lossy(&json).into_owned())
}

fn unreadable(text: &str, error: &serde_json::Error, wanted: &str) -> Cause {
    let start = text.trim_start();
    if start.is_empty() {
        return Cause::new("its answer is empty");
    }
    if start.starts_with('<') {
        return Cause::new("its answer is a page (HTML or XML), not JSON");
    }
    if error.is_data() {
        return Cause::new(format_args!("its answer is JSON, but not {wanted}"));
    }
    Cause::new(format_args!(
        "its answer is not the JSON that it should be (line {}, column {})",
        error.line(),
        error.column()
    ))
}

/// Replaces `\ud800` to `\udfff` by `\ufffd` where they are not a pair: Rust has no text with half a pair, and many
/// servers write what they cut in the middle of one.
fn replace_lone_surrogates(json: &mut [u8]) {
    let mut at = 0;
    while at < json.len() {
        if json[at] != b'\\' {
            at += 1;
            continue;
        }
        match escaped(json, at) {
            Some(0xD800..=0xDBFF) if matches!(escaped(json, at + 6), Some(0xDC00..=0xDFFF)) => {
                at += 12;
            }
            Some(0xD800..=0xDFFF) => {
                json[at + 2..at + 6].copy_from_slice(b"fffd");
                at += 6;
            }
            Some(_) => at += 6,
            None => at += 2,
        }
    }
}

/// The code unit of the `\uXXXX` at this index.
fn escaped(json: &[u8], at: usize) -> Option<u16> {
    let escape = json.get(at..at + 6)?;
    let digits = escape.strip_prefix(b"\\u")?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn object(json: &str) -> Object {
        Object::parse(json.as_bytes()).unwrap()
    }

    fn refused(json: &[u8]) -> String {
        Object::parse(json).unwrap_err().to_string()
    }

    #[test]
    fn what_is_not_used_does_not_matter() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        for unused in [
            r#""\ud800""#,
            r#""\udc00 \ud83d\ude00""#,
            "1e999",
            "-1e999",
            "123456789012345678901234567890",
            &deep,
            r#"{"a":1,"a":2}"#,
            "null",
        ] {
            let read = object(&format!(
                r#"{{"unused":{unused},"sub":"ada","\udfff":1,"unused":{unused}}}"#
            ));
            assert_eq!(read.required_text("sub").unwrap(), "ada");
        }
    }

    #[test]
    fn half_a_surrogate_pair_becomes_the_replacement_character_and_a_whole_pair_stays() {
        for (json, expected) in [
            (r#""a\ud800b""#, "a\u{FFFD}b"),
            (r#""\uDFFF""#, "\u{FFFD}"),
            (r#""\ud83d\ude00""#, "😀"),
            (r#""\ud83d\ud83d\ude00""#, "\u{FFFD}😀"),
            (r#""\ude00\ud83d""#, "\u{FFFD}\u{FFFD}"),
            (r#""\\ud800""#, r"\ud800"),
            (r#""\\\ud800""#, "\\\u{FFFD}"),
            (r#""\u00e4\n\"""#, "ä\n\""),
        ] {
            let read = object(&format!(r#"{{"name":{json}}}"#));
            assert_eq!(read.required_text("name").unwrap(), expected, "{json}");
        }
        let read = Object::parse(b"{\"name\":\"a\xFFb\"}").unwrap();
        assert_eq!(read.required_text("name").unwrap(), "a\u{FFFD}b");
    }

    #[test]
    fn of_two_members_with_one_name_the_last_one_counts() {
        assert_eq!(
            object(r#"{"a":"1","a":"2"}"#).required_text("a").unwrap(),
            "2"
        );
    }

    #[test]
    fn a_byte_order_mark_is_skipped_and_noted() {
        let read = Object::parse(b"\xEF\xBB\xBF{\"a\":\"1\"}").unwrap();
        assert!(read.has_bom());
        assert_eq!(read.required_text("a").unwrap(), "1");
        assert!(!object("{}").has_bom());
        assert!(refused(b"\xFF\xFE{\0}\0").contains("UTF-16"));
        assert!(refused(b"\xFE\xFF\0{\0}").contains("UTF-16"));
    }

    #[test]
    fn what_is_no_object_is_named() {
        for (json, words) in [
            ("", "empty"),
            (" \n", "empty"),
            ("<!doctype html>", "HTML"),
            ("[]", "not an object"),
            ("null", "not an object"),
            ("{\n\"swordfish\":}", "line 2, column 13"),
            ("{\"a\":1", "line 1"),
            ("{} {}", "line 1"),
        ] {
            let cause = refused(json.as_bytes());
            assert!(
                cause.contains(words) && !cause.contains("swordfish"),
                "{json}: {cause}"
            );
        }
    }

    #[test]
    fn numbers_are_read_as_leniently_as_in_go() {
        for (json, expected) in [
            ("3600", Some(3600)),
            ("\"3600\"", Some(3600)),
            ("\" 3600 \"", Some(3600)),
            ("3599.9", Some(3599)),
            ("\"3.6e3\"", Some(3600)),
            ("-1", Some(-1)),
            ("1e999", Some(i64::MAX)),
            ("99999999999999999999", Some(i64::MAX)),
            ("null", None),
            ("\"\"", None),
        ] {
            let read = object(&format!(r#"{{"expires_in":{json}}}"#));
            assert_eq!(read.number("expires_in").unwrap(), expected, "{json}");
        }
        for json in [
            "true", "[]", "{}", "\"soon\"", "\"NaN\"", "\"inf\"", "\"1h\"",
        ] {
            let read = object(&format!(r#"{{"expires_in":{json}}}"#));
            let cause = read.number("expires_in").unwrap_err().to_string();
            assert!(cause.contains("`expires_in`"), "{json}: {cause}");
        }
        assert_eq!(object("{}").number("expires_in").unwrap(), None);
    }

    #[test]
    fn a_list_is_read_object_by_object() {
        let json = br#"[{"a":"1","b":"\ud800","a":"2"},null,7,[],{"a":1e999},{}]"#;
        let list = Object::parse_list(json).unwrap();
        assert_eq!(list.len(), 3);
        assert_eq!(list[0].required_text("a").unwrap(), "2");
        assert!(list[1].value("a").is_err());
        let cause = Object::parse_list(b"{}").unwrap_err().to_string();
        assert!(cause.contains("not a list"), "{cause}");
    }

    proptest! {
        #[test]
        fn any_escape_in_another_member_leaves_a_member_as_it_is(
            units in prop::collection::vec(any::<u16>(), 0..40), used in "[ -~]{0,40}"
        ) {
            let unused: Vec<String> = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let unused = unused.concat();
            let expected = Value::from(used);
            let json = format!(r#"{{"unused":"{unused}","used":{expected}}}"#);
            let read = Object::parse(json.as_bytes()).unwrap();
            prop_assert_eq!(read.value("used").unwrap(), Some(expected));
            let lossy = String::from_utf16_lossy(&units);
            prop_assert_eq!(read.value("unused").unwrap(), Some(Value::from(lossy)));
        }
    }
}
