//! What a read model's table looks like, for whoever copies it.

/// A table of `read`.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name there.
    pub name: &'static str,
    /// All columns, those of the primary key first.
    pub columns: &'static [(&'static str, Kind)],
    /// How many of the columns the primary key has.
    pub key: usize,
    /// The column that names the stream whose events alone decide about a row; none if many streams do, or if that can only
    /// be told by the event's position.
    pub stream: Option<&'static str>,
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
    /// The columns' names, with commas between.
    pub(crate) fn column_list(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }

    /// The names of the primary key's columns.
    pub(crate) fn key_names(&self) -> impl Iterator<Item = &'static str> {
        self.columns[..self.key].iter().map(|(name, _)| *name)
    }
}
