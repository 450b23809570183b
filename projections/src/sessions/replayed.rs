//! The rows of `read.sessions`, made from the log alone.

use rollcall_events::user::ENDED_SESSIONS_KEPT;

use super::{SessionRows, Sessions};
use crate::replay::{DecidedBy, Kind, Replayed, Table, TableRows};

impl Replayed for Sessions {
    const TABLES: &'static [Table] = &[Table {
        name: "sessions",
        columns: &[
            ("id", Kind::Text),
            ("user_id", Kind::Uuid),
            ("secret_sha256", Kind::Bytes),
            ("login_type", Kind::Text),
            ("token_name", Kind::Text),
            ("scope", Kind::Text),
            ("lifetime_s", Kind::Long),
            ("created_at", Kind::Time),
            ("expires_at", Kind::Time),
            ("ends_at", Kind::Time),
        ],
        key: 1,
        decided_by: DecidedBy::Stream("user_id"),
        kept_after: Some(("ends_at", ENDED_SESSIONS_KEPT)),
    }];

    /// What ended or was shortened without having begun was never there.
    fn put(rows: &SessionRows, out: &mut [TableRows]) {
        for row in rows.started.values() {
            out[0]
                .row()
                .field(row.id.0.as_str())
                .field(row.user_id)
                .field(row.secret_sha256.0.as_slice())
                .field(row.login_type.name())
                .field(row.token_name.as_deref())
                .field(row.scope.name())
                .field(row.lifetime_s)
                .field(row.created_at)
                .field(row.expires_at)
                .field(row.ends_at);
        }
    }
}
