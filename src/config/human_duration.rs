//! Lengths of time as people write them.

use std::{fmt, str::FromStr, time::Duration};

use serde::Serializer;

use super::text::{Refused, as_text};

/// The units, largest first: what they are called, and how many seconds they have.
const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// A hundred years: longer is a slip of the hand, and would overflow dates.
const MAX: Duration = Duration::from_hours(36_525 * 24);

/// A length of time such as `90m`, `24h`, `30d` or `1h30m`: from one second to 36525 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HumanDuration(Duration);

impl From<HumanDuration> for Duration {
    fn from(duration: HumanDuration) -> Self {
        duration.0
    }
}

/// To show one that was read long ago.
impl From<Duration> for HumanDuration {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl FromStr for HumanDuration {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let mut rest = text.trim();
        let mut seconds: u64 = 0;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or(Refused)?;
            let amount: u64 = rest[..digits].parse().map_err(|_| Refused)?;
            let (_, unit) = UNITS
                .into_iter()
                .find(|(name, _)| rest[digits..].starts_with(*name))
                .ok_or(Refused)?;
            seconds = amount
                .checked_mul(unit)
                .and_then(|more| seconds.checked_add(more))
                .ok_or(Refused)?;
            rest = &rest[digits + 1..];
        }
        let duration = Duration::from_secs(seconds);
        if duration.is_zero() || duration > MAX {
            Err(Refused)
        } else {
            Ok(Self(duration))
        }
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut seconds = self.0.as_secs();
        for (name, unit) in UNITS {
            if seconds >= unit {
                write!(f, "{}{name}", seconds / unit)?;
                seconds %= unit;
            }
        }
        Ok(())
    }
}

as_text!(HumanDuration);

/// Writes a length of time as people do.
pub(super) fn serialize<S: Serializer>(
    duration: &Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&HumanDuration(*duration))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_reads_and_prints_as_people_write_it() {
        for (text, seconds, printed) in [
            ("45s", 45, "45s"),
            ("90m", 5_400, "1h30m"),
            ("1h30m", 5_400, "1h30m"),
            ("24h", 86_400, "1d"),
            ("876600h", 3_155_760_000, "36525d"),
        ] {
            let duration: HumanDuration = text.parse().unwrap();
            assert_eq!(Duration::from(duration).as_secs(), seconds);
            assert_eq!(duration.to_string(), printed);
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for bad in [
            "",
            "0s",
            "90",
            "h",
            "1y",
            "-1h",
            "1.5h",
            "36526d",
            "1h 30m",
            "1µ",
            "99999999999999999999d",
            "400000000000000d",
        ] {
            assert!(
                bad.parse::<HumanDuration>().is_err(),
                "{bad:?} was taken for a duration"
            );
        }
    }
}
