//! The rows of `read.audit` and `read.audit_counts`, made from the log alone.

use super::{Audit, Kind as EntryKind, apply::AuditRows};
use crate::replay::{DecidedBy, Kind, Replayed, Table, TableRows, Tuple};

impl Replayed for Audit {
    const TABLES: &'static [Table] = &[
        Table {
            name: "audit",
            columns: &[
                ("at", Kind::Time),
                ("position", Kind::Long),
                ("kind", Kind::Short),
                ("user_id", Kind::Uuid),
                ("resource_id", Kind::Uuid),
                ("organization_id", Kind::Uuid),
                ("request_id", Kind::Uuid),
            ],
            key: 2,
            decided_by: DecidedBy::Event("position"),
            kept_after: None,
        },
        Table {
            name: "audit_counts",
            columns: &[
                ("kind", Kind::Short),
                ("day", Kind::Day),
                ("count", Kind::Long),
            ],
            key: 2,
            decided_by: DecidedBy::Many,
            kept_after: None,
        },
    ];

    const IS_FINAL: bool = true;

    fn put(rows: &AuditRows, out: &mut [TableRows]) {
        for row in &rows.entries {
            out[0]
                .row()
                .field(row.at)
                .field(row.position)
                .field(row.kind.number())
                .field(row.user_id)
                .field(row.resource_id)
                .field(row.organization_id)
                .field(row.request_id);
        }
        for ((kind, day), count) in &rows.counts {
            out[1].add(key(*kind, *day), count.entries, count.last);
        }
    }
}

fn key(kind: EntryKind, day: chrono::NaiveDate) -> impl FnOnce(&mut Tuple<'_>) {
    move |tuple| {
        tuple.field(kind.number()).field(day);
    }
}
