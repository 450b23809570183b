//! The rows of one table, as they come out of a fold.

use std::collections::HashMap;

use super::tuple::{Field, Tuple};

/// Rows to be copied, and numbers that are still being added up.
#[derive(Debug, Default)]
pub struct TableRows {
    /// Whole rows, as COPY takes them.
    pub(crate) rows: Vec<u8>,
    /// More of them, which came before: to put them together would take as much memory again.
    pub(crate) settled: Vec<Vec<u8>>,
    /// By the fields of the key, as COPY takes them.
    pub(crate) sums: HashMap<Vec<u8>, Sum>,
}

/// A number that many events add to, as the last field of a row.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sum {
    pub number: i64,
    /// The position of the last event that added to it.
    pub position: i64,
}

impl TableRows {
    /// Begins a row.
    pub fn row(&mut self) -> Tuple<'_> {
        Tuple::begin(&mut self.rows)
    }

    /// Adds to the number in the row of this key. Many streams do; the rows come when all have.
    pub fn add(&mut self, key: impl FnOnce(&mut Tuple<'_>), number: i64, position: i64) {
        let mut bytes = Vec::new();
        key(&mut Tuple::begin(&mut bytes));
        let sum = self.sums.entry(bytes).or_default();
        sum.number += number;
        sum.position = sum.position.max(position);
    }

    /// Takes the sums of another part of the log.
    pub(crate) fn merge(&mut self, other: Self) {
        self.rows.extend(other.rows);
        self.settled.extend(other.settled);
        for (key, more) in other.sums {
            let sum = self.sums.entry(key).or_default();
            sum.number += more.number;
            sum.position = sum.position.max(more.position);
        }
    }

    /// All whole rows, in pieces.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.settled.iter().chain([&self.rows]).map(Vec::as_slice)
    }

    /// Makes rows of the sums.
    pub(crate) fn sum_up(&mut self) {
        for (key, sum) in std::mem::take(&mut self.sums) {
            self.rows.extend(sum.row(&key));
        }
    }
}

impl Sum {
    /// The number at the end of a row.
    pub(crate) fn number_of(row: &[u8]) -> Option<i64> {
        Some(i64::from_be_bytes(*row.last_chunk::<8>()?))
    }

    /// The row of a key with this number at its end.
    pub(crate) fn row(self, key: &[u8]) -> Vec<u8> {
        let mut row = key.to_vec();
        let fields = u16::from_be_bytes([row[0], row[1]]) + 1;
        row[..2].copy_from_slice(&fields.to_be_bytes());
        row.extend(8_i32.to_be_bytes());
        self.number.write(&mut row);
        row
    }
}
