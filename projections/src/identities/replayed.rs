//! The rows of `read.identities`, made from the log alone.

use super::{Identities, apply::IdentityRows};
use crate::replay::{DecidedBy, Kind, Replayed, Table, TableRows};

impl Replayed for Identities {
    const TABLES: &'static [Table] = &[Table {
        name: "identities",
        columns: &[
            ("key", Kind::Text),
            ("user_id", Kind::Uuid),
            ("provider", Kind::Text),
            ("issuer", Kind::Text),
            ("subject", Kind::Text),
            ("linked_at", Kind::Time),
        ],
        key: 1,
        decided_by: DecidedBy::Stream("user_id"),
        kept_after: None,
    }];

    fn put(rows: &IdentityRows, out: &mut [TableRows]) {
        for row in rows.linked.values() {
            out[0]
                .row()
                .field(row.identity.key().as_str())
                .field(row.user_id)
                .field(row.provider.name())
                .field(row.identity.issuer.as_str())
                .field(row.identity.subject.as_str())
                .field(row.linked_at);
        }
    }
}
