//! The rows of one table, as they come out of a fold.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use rollcall_events::copy::{PIECE_BYTES, Row};

use super::tuple::{Field, Tuple};

/// Rows to be copied, and numbers that are still being added up.
#[derive(Debug, Default)]
pub struct TableRows {
    /// Whole rows, as COPY takes them, in pieces: to keep them together would take as much memory again.
    pieces: Vec<Vec<u8>>,
    /// By the fields of the key, as COPY takes them.
    pub(crate) sums: HashMap<Vec<u8>, Sum, RandomState>,
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
        Tuple::begin(self.last_piece())
    }

    /// The piece that has room for another row.
    fn last_piece(&mut self) -> &mut Vec<u8> {
        if self
            .pieces
            .last()
            .is_none_or(|piece| piece.len() >= PIECE_BYTES)
        {
            self.pieces
                .push(Vec::with_capacity(PIECE_BYTES + PIECE_BYTES / 8));
        }
        let last = self.pieces.len() - 1;
        &mut self.pieces[last]
    }

    /// Adds to the number in the row of this key. Many streams do; the rows come when all have.
    pub fn add(&mut self, key: impl FnOnce(&mut Tuple<'_>), number: i64, position: i64) {
        let mut bytes = Vec::new();
        key(&mut Tuple::begin(&mut bytes));
        let sum = self.sums.entry(bytes).or_default();
        sum.number += number;
        sum.position = sum.position.max(position);
    }

    /// Takes the rows and the sums of another part of the log.
    pub(crate) fn merge(&mut self, other: Self) {
        self.pieces.extend(other.pieces);
        for (key, more) in other.sums {
            let sum = self.sums.entry(key).or_default();
            sum.number += more.number;
            sum.position = sum.position.max(more.position);
        }
    }

    /// All whole rows.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.pieces.iter().flat_map(|piece| Rows(piece))
    }

    /// How many bytes they have.
    pub(crate) fn bytes(&self) -> usize {
        self.pieces.iter().map(Vec::len).sum()
    }

    /// Takes them out, in pieces.
    pub(crate) fn take_pieces(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.pieces)
    }

    /// Takes out the pieces that have no room for another row.
    pub(crate) fn take_full_pieces(&mut self) -> impl Iterator<Item = Vec<u8>> {
        let full = self.pieces.len().saturating_sub(1);
        self.pieces.drain(..full)
    }

    /// Makes rows of the sums.
    pub(crate) fn sum_up(&mut self) {
        for (key, sum) in std::mem::take(&mut self.sums) {
            self.last_piece().extend(sum.row(&key));
        }
    }
}

/// Rows that are all there, one after another.
struct Rows<'a>(&'a [u8]);

impl<'a> Iterator for Rows<'a> {
    type Item = Row<'a>;

    fn next(&mut self) -> Option<Row<'a>> {
        let row = Row::first_of(self.0)?;
        self.0 = &self.0[row.0.len()..];
        Some(row)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_comes_out_once_in_whatever_pieces() {
        let row = |table: &mut TableRows, nth: i64| {
            table.row().field(nth).field([7_u8; 100].as_slice());
        };
        let mut table = TableRows::default();
        (0..2000).for_each(|nth| row(&mut table, nth));
        let mut pieces: Vec<Vec<u8>> = table.take_full_pieces().collect();
        assert!(pieces.len() > 3);
        (2000..2010).for_each(|nth| row(&mut table, nth));
        let mut other = TableRows::default();
        row(&mut other, 2010);
        let key = |key: &mut Tuple<'_>| {
            key.field(2011_i64);
        };
        other.add(key, 5, 1);
        table.add(key, 7, 2);
        table.merge(other);
        table.sum_up();
        pieces.extend(table.take_pieces());
        assert_eq!(table.rows().count(), 0);
        let first = |row: Row<'_>| i64::from_be_bytes(row.fields().array().unwrap());
        let rows: Vec<Row<'_>> = pieces.iter().flat_map(|piece| Rows(piece)).collect();
        assert!(rows.iter().copied().map(first).eq(0..2012));
        assert_eq!(Sum::number_of(rows[2011].0), Some(12));
    }
}
