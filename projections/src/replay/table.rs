//! What a read model's table looks like, for whoever copies it.

use chrono::{DateTime, TimeDelta, Utc};
use rollcall_events::copy::Row;

use super::tuple::time_of;

/// A table of `read`.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name there.
    pub name: &'static str,
    /// All columns, those of the primary key first.
    pub columns: &'static [(&'static str, Kind)],
    /// How many of the columns the primary key has.
    pub key: usize,
    /// Whose events decide about a row.
    pub decided_by: DecidedBy,
    /// For rows that are deleted some time after their end, without an event: the column with the end, and how long
    /// rows are kept after it. Later a row may be there or not.
    pub kept_after: Option<(&'static str, TimeDelta)>,
}

/// Whose events decide about a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecidedBy {
    /// Those of the stream that this column names.
    Stream(&'static str),
    /// The one whose position is in this column.
    Event(&'static str),
    /// Those of many streams, which add to a number.
    Many,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `uuid`
    Uuid,
    /// `bigint`
    Long,
    /// `smallint`
    Short,
    /// `boolean`
    Truth,
    /// `text`
    Text,
    /// `bytea`
    Bytes,
    /// `timestamptz`
    Time,
    /// `date`
    Day,
    /// `text[]`
    Texts,
    /// `uuid[]`
    Uuids,
}

impl Table {
    /// Whether a row, as COPY gives it, is certain to be there at `now`.
    pub(crate) fn is_kept(&self, row: Row<'_>, now: DateTime<Utc>) -> bool {
        let Some((column, kept)) = self.kept_after else {
            return true;
        };
        let nth = self.columns.iter().position(|(name, _)| *name == column);
        let end = nth.and_then(|nth| row.fields().nth(nth)).flatten();
        end.and_then(time_of).is_none_or(|end| now - end <= kept)
    }

    /// The columns' names, with commas between.
    pub(crate) fn column_list(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }

    /// What a row of the key alone begins with.
    pub(crate) fn key_count(&self) -> Vec<u8> {
        u16::try_from(self.key)
            .unwrap_or_default()
            .to_be_bytes()
            .to_vec()
    }

    /// The names of the primary key's columns, with commas between.
    pub(crate) fn key_list(&self) -> String {
        let names: Vec<&str> = self.columns[..self.key]
            .iter()
            .map(|(name, _)| *name)
            .collect();
        names.join(", ")
    }
}
