//! The read models made from the log alone, in memory: what a rebuild writes, and what verification compares with.
//!
//! What a stream's events make of the rows needs no other stream. So the log is read once, and its streams are shared out among
//! threads, each of which folds its own, by the same [`Projection::apply`] that the append goes by.

mod fold;
mod output;
mod part;
mod rule;
mod table;
mod tuple;
mod turns;

pub(crate) use output::Sum;
pub use output::TableRows;
pub use table::{DecidedBy, Kind, Table};

pub(crate) use fold::Fold;
pub(crate) use part::{Reading, Share, Wanted, fold_part};
pub(crate) use rule::{RULES, Rule};
pub(crate) use tuple::{Texts, Tuple, show};
pub(crate) use turns::lock_out_others;

use crate::Projection;

/// A projection whose rows can be made from the log alone, from its beginning.
pub trait Replayed: Projection {
    /// The tables that the rows are of.
    const TABLES: &'static [Table];

    /// Whether no event changes a row that an earlier one made: such rows are put out as they come, and need no memory.
    const IS_FINAL: bool = false;

    /// Puts all rows out, those of the first of [`TABLES`](Self::TABLES) into the first of `out`, and so on.
    fn put(rows: &Self::Rows, out: &mut [TableRows]);

    /// Puts out, and forgets, those that no later event changes.
    fn put_settled(_: &mut Self::Rows, _: &mut [TableRows]) {}
}
