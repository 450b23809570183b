//! The rows of `read.members`, made from the log alone.

use super::{Members, apply::MemberRows};
use crate::replay::{DecidedBy, Kind, Replayed, Table, TableRows, Texts};

impl Replayed for Members {
    const TABLES: &'static [Table] = &[Table {
        name: "members",
        columns: &[
            ("organization_id", Kind::Uuid),
            ("user_id", Kind::Uuid),
            ("roles", Kind::Texts),
            ("created_at", Kind::Time),
            ("updated_at", Kind::Time),
        ],
        key: 2,
        decided_by: DecidedBy::Stream("user_id"),
        kept_after: None,
    }];

    fn put(rows: &MemberRows, out: &mut [TableRows]) {
        for row in rows.joined.values() {
            out[0]
                .row()
                .field(row.organization_id)
                .field(row.user_id)
                .field(Texts(row.roles.iter().map(|role| role.name())))
                .field(row.created_at)
                .field(row.updated_at);
        }
    }
}
