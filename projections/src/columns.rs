//! Columns: of many rows at once, and of text that names a state or a kind.

use sqlx::{Row, postgres::PgRow};

/// One column of `rows`, as UNNEST wants it.
pub(crate) fn column<'a, R, T>(rows: &[&'a R], value: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(|row| value(row)).collect()
}

/// The values as one text, with commas between: arrays of arrays cannot be unnested.
pub(crate) fn joined<T>(values: &[T], text: impl Fn(&T) -> String) -> String {
    let texts: Vec<String> = values.iter().map(text).collect();
    texts.join(",")
}

/// The value that the text in `column` names.
///
/// # Errors
/// The column is not there, or holds a name that this code does not know: a newer one wrote the row.
pub(crate) fn named<T>(
    row: &PgRow,
    column: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> sqlx::Result<T> {
    let name: &str = row.try_get(column)?;
    parse(name).ok_or_else(|| unknown(column, name))
}

/// The values that the texts in `column` name.
///
/// # Errors
/// As for [`named`].
pub(crate) fn all_named<T>(
    row: &PgRow,
    column: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> sqlx::Result<Vec<T>> {
    let names: Vec<String> = row.try_get(column)?;
    names
        .iter()
        .map(|name| parse(name).ok_or_else(|| unknown(column, name)))
        .collect()
}

fn unknown(column: &str, name: &str) -> sqlx::Error {
    sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: format!("the name {name:?} is not known").into(),
    }
}
