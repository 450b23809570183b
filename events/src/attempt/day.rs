//! The days, each with a stream of its own.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use uuid::Uuid;

/// What the identifier of every day's stream begins with. It is a UUID of version 8, whose content is ours; those of users
/// have version 7, so that the two never meet.
const PREFIX: u128 = 0x6174_7465_6d70_8473_8000_0000_0000_0000;

/// A day in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(NaiveDate);

impl Day {
    /// The day of that moment.
    #[must_use]
    pub fn of(moment: DateTime<Utc>) -> Self {
        Self(moment.date_naive())
    }

    /// The stream of the day's attempts, the same on every node. It can be read: `20261123` is its end on 23 November
    /// 2026. In the order of the days, so that those before a day are a range.
    #[must_use]
    pub fn stream(self) -> Uuid {
        let (year, month, day) = (self.0.year(), self.0.month(), self.0.day());
        // Nothing happened before the year 1, and nothing will after 9999.
        let year = u32::try_from(year.clamp(1, 9999)).unwrap_or(1);
        let digits = format!("{year:04}{month:02}{day:02}");
        // Written in decimal, read in hexadecimal.
        Uuid::from_u128(PREFIX | u128::from_str_radix(&digits, 16).unwrap_or_default())
    }

    /// Before the streams of all days.
    #[must_use]
    pub fn before_all() -> Uuid {
        Uuid::from_u128(PREFIX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(moment: &str) -> Uuid {
        Day::of(moment.parse().unwrap()).stream()
    }

    #[test]
    fn a_stream_is_named_after_its_day() {
        let expected = "61747465-6d70-8473-8000-000020261123";
        assert_eq!(stream("2026-11-23T00:00:00Z").to_string(), expected);
        assert_eq!(stream("2026-11-23T23:59:59.999999Z").to_string(), expected);
        assert_ne!(stream("2026-11-24T00:00:00Z").to_string(), expected);
    }

    #[test]
    fn it_is_a_uuid_whose_content_is_ours() {
        let stream = stream("2026-11-23T12:00:00Z");
        assert_eq!(stream.get_version_num(), 8);
        assert_eq!(stream.get_variant(), uuid::Variant::RFC4122);
    }

    #[test]
    fn streams_are_in_the_order_of_their_days() {
        let days = [
            "1970-01-01T00:00:00Z",
            "2026-09-30T00:00:00Z",
            "2026-10-01T00:00:00Z",
            "2026-12-31T00:00:00Z",
            "2027-01-01T00:00:00Z",
            "9999-12-31T00:00:00Z",
        ];
        let streams: Vec<Uuid> = days.into_iter().map(stream).collect();
        assert!(streams.is_sorted(), "{streams:?}");
        assert!(Day::before_all() < streams[0]);
    }
}
