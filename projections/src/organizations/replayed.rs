//! The rows of `read.organizations`, made from the log alone.

use super::{OrganizationRows, Organizations};
use crate::replay::{DecidedBy, Kind, Replayed, Table, TableRows};

impl Replayed for Organizations {
    const TABLES: &'static [Table] = &[Table {
        name: "organizations",
        columns: &[
            ("id", Kind::Uuid),
            ("version", Kind::Long),
            ("name", Kind::Text),
            ("name_key", Kind::Text),
            ("display_name", Kind::Text),
            ("description", Kind::Text),
            ("icon", Kind::Text),
            ("is_default", Kind::Truth),
            ("created_at", Kind::Time),
            ("updated_at", Kind::Time),
        ],
        key: 1,
        decided_by: DecidedBy::Stream("id"),
        kept_after: None,
    }];

    const IS_FINAL: bool = true;

    fn put(rows: &OrganizationRows, out: &mut [TableRows]) {
        for row in &rows.0 {
            out[0]
                .row()
                .field(row.id)
                .field(row.version)
                .field(row.name.as_str())
                .field(row.name_key.as_str())
                .field(row.display_name.as_str())
                .field(row.description.as_str())
                .field(row.icon.as_str())
                .field(row.is_default)
                .field(row.created_at)
                .field(row.updated_at);
        }
    }
}
