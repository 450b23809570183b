//! Identifiers of history entries, by which pages go on.
//!
//! Readers of the audit log get those that the log shows: they hold the entry's position, which counts the events of all
//! users. Everyone else gets the same with the position enciphered: a keyed permutation of its 62 bits, different for
//! each time, so that neither a position nor the distance of two can be read from them.

use hmac::{Hmac, KeyInit, Mac};
use rollcall_projections::audit::Place;
use sha2::Sha256;
use uuid::Uuid;

/// The bits of each half of a position.
const HALF_BITS: u32 = 31;
const HALF: u64 = (1 << HALF_BITS) - 1;
/// Rounds of a Feistel network after which it is a strong pseudorandom permutation (Luby and Rackoff).
const ROUNDS: u8 = 4;

/// How identifiers of entries are written for a caller, and read.
pub struct EntryIds(Option<Hmac<Sha256>>);

impl EntryIds {
    /// Those for a caller who may read the log, or may not.
    #[must_use]
    pub fn for_caller(key: &[u8; 32], reads_log: bool) -> Self {
        let mut block = [0; 64];
        block[..32].copy_from_slice(key);
        Self((!reads_log).then(|| Hmac::new(&block.into())))
    }

    /// The identifier of the entry at this place.
    #[must_use]
    pub fn id(&self, place: Place) -> Uuid {
        self.permuted(place, 0..ROUNDS).id()
    }

    /// The place of an identifier, if it can be one of ours.
    #[must_use]
    pub fn place(&self, id: Uuid) -> Option<Place> {
        Some(self.permuted(Place::of(id)?, (0..ROUNDS).rev()))
    }

    /// Runs the rounds in this order: the reverse order undoes them, because the halves are swapped at the end.
    fn permuted(&self, place: Place, rounds: impl Iterator<Item = u8>) -> Place {
        let Some(key) = &self.0 else {
            return place;
        };
        let bits = place.position.unsigned_abs();
        let (mut left, mut right) = (bits >> HALF_BITS & HALF, bits & HALF);
        for round in rounds {
            let mixed = left ^ mix(key, round, place, right);
            (left, right) = (right, mixed);
        }
        let position = i64::try_from(right << HALF_BITS | left);
        Place {
            position: position.unwrap_or_default(),
            ..place
        }
    }
}

fn mix(key: &Hmac<Sha256>, round: u8, place: Place, half: u64) -> u64 {
    let mut mac = key.clone();
    mac.update(&[round]);
    mac.update(&place.at.timestamp_micros().to_be_bytes());
    mac.update(&half.to_be_bytes());
    let tag: [u8; 32] = mac.finalize().into_bytes().into();
    let bytes = tag.first_chunk().copied().unwrap_or_default();
    u64::from_be_bytes(bytes) & HALF
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use proptest::prelude::*;

    use super::*;

    fn place(micros: i64, position: i64) -> Place {
        let at = DateTime::from_timestamp_micros(micros).unwrap();
        Place { at, position }
    }

    proptest! {
        #[test]
        fn an_entry_is_found_again_by_its_identifier(
            micros in 0..253_402_300_800_000_000_i64,
            position in 1..1_i64 << 62,
            reads_log in any::<bool>(),
        ) {
            let place = place(micros, position);
            let ids = EntryIds::for_caller(&[7; 32], reads_log);
            let id = ids.id(place);
            prop_assert_eq!(ids.place(id), Some(place));
            prop_assert_eq!(id == place.id(), reads_log);
        }
    }

    #[test]
    fn identifiers_of_one_commit_do_not_show_how_far_apart_its_events_are() {
        let ids = EntryIds::for_caller(&[7; 32], false);
        let id = |position| ids.id(place(1, position)).as_u128();
        let distances: Vec<u128> = (1..9)
            .map(|position| id(position).abs_diff(id(position + 1)))
            .collect();
        assert!(
            distances.iter().all(|distance| *distance > 1 << 20),
            "{distances:?}"
        );
    }
}
