//! Where in the list an entry is.

use chrono::{DateTime, Utc};
use sqlx::FromRow;
use uuid::Uuid;

/// A place in the list. Later entries have greater places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, FromRow)]
pub struct Place {
    /// When it was.
    pub at: DateTime<Utc>,
    /// The position of the event.
    pub position: i64,
}

const VERSION: u128 = 0x8000 << 64;
const VARIANT: u128 = 0b10 << 126 >> 64;
/// The bits of a UUID of version 8 whose content is ours: 48 before the version, 12 before the variant, 62 after it.
const LATE_BITS: u32 = 62;

impl Place {
    /// The entry's identifier: a UUID of version 8 that holds the place, so that nobody has to look it up. In the order of
    /// the places. Times before 1970 cannot be told.
    #[must_use]
    pub fn id(self) -> Uuid {
        let micros = u128::try_from(self.at.timestamp_micros()).unwrap_or_default();
        let (early, middle) = (micros >> 12, micros & 0xfff);
        let late = u128::try_from(self.position).unwrap_or_default() & ((1 << LATE_BITS) - 1);
        Uuid::from_u128(early << 80 | VERSION | middle << 64 | VARIANT | late)
    }

    /// The place of an identifier, if it is one of ours.
    #[must_use]
    pub fn of(id: Uuid) -> Option<Self> {
        let bits = id.as_u128();
        let micros = (bits >> 80) << 12 | (bits >> 64 & 0xfff);
        let place = Self {
            at: DateTime::from_timestamp_micros(i64::try_from(micros).ok()?)?,
            position: i64::try_from(bits & ((1 << LATE_BITS) - 1)).ok()?,
        };
        (place.id() == id).then_some(place)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place(micros: i64, position: i64) -> Place {
        Place {
            at: DateTime::from_timestamp_micros(micros).unwrap(),
            position,
        }
    }

    /// Up to the year 9999.
    const MICROS: std::ops::Range<i64> = 0..253_402_300_800_000_000;
    const POSITIONS: std::ops::Range<i64> = 1..(1 << 62);

    proptest! {
        #[test]
        fn an_identifier_holds_its_place(micros in MICROS, position in POSITIONS) {
            let place = place(micros, position);
            prop_assert_eq!(place.id().get_version_num(), 8);
            prop_assert_eq!(place.id().get_variant(), uuid::Variant::RFC4122);
            prop_assert_eq!(Place::of(place.id()), Some(place));
        }

        #[test]
        fn identifiers_are_in_the_order_of_the_list(
            one in (MICROS, POSITIONS),
            other in (MICROS, POSITIONS),
        ) {
            let (one, other) = (place(one.0, one.1), place(other.0, other.1));
            prop_assert_eq!(one.cmp(&other), one.id().cmp(&other.id()));
            let later = Place { position: one.position + 1, ..one };
            prop_assert!(one.id() < later.id() || one.position + 1 == POSITIONS.end);
        }

        #[test]
        fn any_other_identifier_is_no_place(bits in any::<u128>()) {
            let id = Uuid::from_u128(bits);
            prop_assert!(Place::of(id).is_none_or(|place| place.id() == id));
        }
    }

    #[test]
    fn identifiers_of_others_are_no_places() {
        for id in [
            "00000000-0000-0000-0000-000000000000",
            "0199a5c0-0000-7000-8000-000000000001",
            "6ba7b810-9dad-41d1-80b4-00c04fd430c8",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
        ] {
            assert_eq!(Place::of(id.parse().unwrap()), None, "{id}");
        }
    }
}
