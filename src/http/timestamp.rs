//! Points in time, written as Go writes them.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

/// A point in time in an answer: RFC 3339 in UTC, to the microsecond.
///
/// Microseconds are what the database keeps. Cutting off the rest here makes the answer that creates something agree
/// with the ones that read it later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-01-01T12:00:00.123456Z")]
pub struct Timestamp(pub DateTime<Utc>);

impl Timestamp {
    /// Go's zero time, with which the API says that something never happened: it uses neither `null` nor absence.
    pub const NEVER: Self = match DateTime::from_timestamp(-62_135_596_800, 0) {
        Some(start_of_year_one) => Self(start_of_year_one),
        None => panic!("the year 1 is within the range of chrono"),
    };
}

impl From<Option<DateTime<Utc>>> for Timestamp {
    fn from(time: Option<DateTime<Utc>>) -> Self {
        time.map_or(Self::NEVER, Self)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0.format("%Y-%m-%dT%H:%M:%S"))?;
        // Within a leap second chrono counts beyond a million.
        let micros = self.0.timestamp_subsec_micros() % 1_000_000;
        if micros > 0 {
            let digits = format!("{micros:06}");
            write!(formatter, ".{}", digits.trim_end_matches('0'))?;
        }
        formatter.write_str("Z")
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use chrono::SubsecRound as _;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time in RFC 3339")
    }

    #[test]
    fn the_fraction_is_trimmed() {
        for (given, written) in [
            ("2023-01-02T03:04:05Z", "2023-01-02T03:04:05Z"),
            ("2023-01-02T03:04:05.120Z", "2023-01-02T03:04:05.12Z"),
            ("2023-01-02T03:04:05.000001Z", "2023-01-02T03:04:05.000001Z"),
            (
                "2023-01-02T03:04:05.123456999Z",
                "2023-01-02T03:04:05.123456Z",
            ),
            ("2023-01-02T03:04:05.000000999Z", "2023-01-02T03:04:05Z"),
        ] {
            assert_eq!(json!(Timestamp(time(given))), json!(written));
        }
    }

    #[test]
    fn other_zones_are_written_in_utc() {
        let local = Timestamp(time("2023-01-02T03:04:05+02:00"));
        assert_eq!(local.to_string(), "2023-01-02T01:04:05Z");
    }

    #[test]
    fn never_is_the_zero_time_of_go() {
        assert_eq!(json!(Timestamp::from(None)), json!("0001-01-01T00:00:00Z"));
        let now = time("2023-01-02T03:04:05Z");
        assert_eq!(Timestamp::from(Some(now)), Timestamp(now));
    }

    proptest! {
        #[test]
        fn what_is_written_is_the_time_to_the_microsecond(
            seconds in -62_135_596_800_i64..253_402_300_800,
            nanos in 0_u32..1_000_000_000,
        ) {
            let given = DateTime::from_timestamp(seconds, nanos).expect("it is in range");
            let written = Timestamp(given).to_string();
            prop_assert_eq!(time(&written), given.trunc_subsecs(6));
        }
    }
}
