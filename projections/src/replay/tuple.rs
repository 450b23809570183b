//! Rows as COPY takes them in its binary format, and fields in words.

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use uuid::Uuid;

use super::Kind;

/// The types of an array's elements, as Postgres numbers them.
const TEXT_OID: u32 = 25;
const UUID_OID: u32 = 2950;

/// What Postgres counts times and days from.
const EPOCH: DateTime<Utc> = match NaiveDate::from_ymd_opt(2000, 1, 1) {
    Some(day) => match day.and_hms_opt(0, 0, 0) {
        Some(time) => time.and_utc(),
        None => DateTime::UNIX_EPOCH,
    },
    None => DateTime::UNIX_EPOCH,
};

/// A row that is being written.
pub struct Tuple<'a> {
    bytes: &'a mut Vec<u8>,
    start: usize,
    fields: u16,
}

impl<'a> Tuple<'a> {
    pub(super) fn begin(bytes: &'a mut Vec<u8>) -> Self {
        let start = bytes.len();
        bytes.extend([0; 2]);
        Self {
            bytes,
            start,
            fields: 0,
        }
    }

    /// Adds a field.
    pub fn field(&mut self, value: impl Field) -> &mut Self {
        let length_at = self.bytes.len();
        self.bytes.extend((-1_i32).to_be_bytes());
        if value.write(self.bytes) {
            let length = self.bytes.len() - length_at - 4;
            let length = i32::try_from(length).unwrap_or(i32::MAX);
            self.bytes[length_at..length_at + 4].copy_from_slice(&length.to_be_bytes());
        }
        self.fields += 1;
        self.bytes[self.start..self.start + 2].copy_from_slice(&self.fields.to_be_bytes());
        self
    }
}

/// What a field can hold.
pub trait Field {
    /// Writes the value, or says that it is null.
    fn write(self, bytes: &mut Vec<u8>) -> bool;
}

impl<T: Field> Field for Option<T> {
    fn write(self, bytes: &mut Vec<u8>) -> bool {
        self.is_some_and(|value| value.write(bytes))
    }
}

impl Field for Uuid {
    fn write(self, bytes: &mut Vec<u8>) -> bool {
        bytes.extend(self.as_bytes());
        true
    }
}

impl Field for i64 {
    fn write(self, bytes: &mut Vec<u8>) -> bool {
        bytes.extend(self.to_be_bytes());
        true
    }
}

impl Field for i16 {
    fn write(self, bytes: &mut Vec<u8>) -> bool {
        bytes.extend(self.to_be_bytes());
        true
    }
}

impl Field for bool {
    fn write(self, bytes: &mut Vec<u8>) -> bool {
        bytes.push(u8::from(self));
        true
    }
}

impl Field for &str {
    fn write(self, bytes: &mut Vec<u8>) -> bool {
        bytes.extend(self.as_bytes());
        true
    }
}

impl Field for &[u8] {
    fn write(self, bytes: &mut Vec<u8>) -> bool {
        bytes.extend(self);
        true
    }
}

impl Field for DateTime<Utc> {
    fn write(self, bytes: &mut Vec<u8>) -> bool {
        let micros = self.timestamp_micros() - EPOCH.timestamp_micros();
        micros.write(bytes)
    }
}

impl Field for NaiveDate {
    fn write(self, bytes: &mut Vec<u8>) -> bool {
        let days = (self - EPOCH.date_naive()).num_days();
        bytes.extend(i32::try_from(days).unwrap_or(i32::MAX).to_be_bytes());
        true
    }
}

impl Field for &[Uuid] {
    fn write(self, bytes: &mut Vec<u8>) -> bool {
        array(bytes, UUID_OID, self.len(), self.iter().copied())
    }
}

/// An array of texts.
pub struct Texts<I>(pub I);

impl<I: ExactSizeIterator<Item = T>, T: AsRef<str>> Field for Texts<I> {
    fn write(self, bytes: &mut Vec<u8>) -> bool {
        let length = self.0.len();
        array(bytes, TEXT_OID, length, self.0.map(TextOf))
    }
}

struct TextOf<T>(T);

impl<T: AsRef<str>> Field for TextOf<T> {
    fn write(self, bytes: &mut Vec<u8>) -> bool {
        self.0.as_ref().write(bytes)
    }
}

/// Dimensions, whether there are nulls, the elements' type; of the one dimension its length and where it begins.
fn array(
    bytes: &mut Vec<u8>,
    oid: u32,
    length: usize,
    elements: impl Iterator<Item = impl Field>,
) -> bool {
    bytes.extend(u32::from(length > 0).to_be_bytes());
    bytes.extend(0_u32.to_be_bytes());
    bytes.extend(oid.to_be_bytes());
    if length > 0 {
        bytes.extend(i32::try_from(length).unwrap_or(i32::MAX).to_be_bytes());
        bytes.extend(1_i32.to_be_bytes());
    }
    for element in elements {
        let length_at = bytes.len();
        bytes.extend([0; 4]);
        element.write(bytes);
        let length = i32::try_from(bytes.len() - length_at - 4).unwrap_or(i32::MAX);
        bytes[length_at..length_at + 4].copy_from_slice(&length.to_be_bytes());
    }
    true
}

/// A field in words, such that Postgres reads them as the same value.
pub(crate) fn show(kind: Kind, field: &[u8]) -> String {
    shown(kind, field).unwrap_or_else(|| format!("\\x{}", hex(field)))
}

fn shown(kind: Kind, field: &[u8]) -> Option<String> {
    Some(match kind {
        Kind::Uuid => Uuid::from_slice(field).ok()?.to_string(),
        Kind::Long => i64::from_be_bytes(field.try_into().ok()?).to_string(),
        Kind::Short => i16::from_be_bytes(field.try_into().ok()?).to_string(),
        Kind::Truth => (*field.first()? != 0).to_string(),
        Kind::Text => String::from_utf8(field.to_vec()).ok()?,
        Kind::Bytes => format!("\\x{}", hex(field)),
        Kind::Time => time_of(field)?.to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
        Kind::Day => {
            let days = i32::from_be_bytes(field.try_into().ok()?);
            let count = Days::new(u64::from(days.unsigned_abs()));
            let day = EPOCH.date_naive();
            let day = if days < 0 {
                day.checked_sub_days(count)
            } else {
                day.checked_add_days(count)
            };
            day?.to_string()
        }
        Kind::Texts => format!("{{{}}}", elements(Kind::Text, field)?.join(",")),
        Kind::Uuids => format!("{{{}}}", elements(Kind::Uuid, field)?.join(",")),
    })
}

/// A time, as COPY gives it.
pub(super) fn time_of(field: &[u8]) -> Option<DateTime<Utc>> {
    let micros = i64::from_be_bytes(field.try_into().ok()?);
    EPOCH.checked_add_signed(TimeDelta::microseconds(micros))
}

fn elements(kind: Kind, field: &[u8]) -> Option<Vec<String>> {
    let mut rest = field.get(12..)?;
    let mut shown = Vec::new();
    if !rest.is_empty() {
        rest = rest.get(8..)?;
    }
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(i32::from_be_bytes(*length)).ok()?;
        let (element, after) = after.split_at_checked(length)?;
        shown.push(show(kind, element));
        rest = after;
    }
    Some(shown)
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: impl Field) -> Vec<u8> {
        let mut bytes = Vec::new();
        assert!(value.write(&mut bytes));
        bytes
    }

    #[test]
    fn what_was_written_is_shown_as_it_is() {
        let time: DateTime<Utc> = "1969-07-20T20:17:40.000001Z".parse().unwrap();
        let day = NaiveDate::from_ymd_opt(1969, 7, 20).unwrap();
        for (kind, bytes, text) in [
            (
                Kind::Uuid,
                written(Uuid::nil()),
                "00000000-0000-0000-0000-000000000000",
            ),
            (Kind::Long, written(-7_i64), "-7"),
            (Kind::Short, written(300_i16), "300"),
            (Kind::Truth, written(true), "true"),
            (Kind::Text, written("Ada"), "Ada"),
            (Kind::Bytes, written(&[0, 255][..]), "\\x00ff"),
            (Kind::Time, written(time), "1969-07-20T20:17:40.000001Z"),
            (Kind::Day, written(day), "1969-07-20"),
            (Kind::Texts, written(Texts(["a", "bc"].iter())), "{a,bc}"),
            (Kind::Texts, written(Texts([""; 0].iter())), "{}"),
            (
                Kind::Uuids,
                written(&[Uuid::nil()][..]),
                "{00000000-0000-0000-0000-000000000000}",
            ),
            (Kind::Uuid, vec![1], "\\x01"),
        ] {
            assert_eq!(show(kind, &bytes), text);
        }
    }

    #[test]
    fn a_row_counts_its_fields() {
        let mut bytes = Vec::new();
        Tuple::begin(&mut bytes).field("a").field(None::<i64>);
        assert_eq!(bytes, [0, 2, 0, 0, 0, 1, b'a', 255, 255, 255, 255]);
    }
}
