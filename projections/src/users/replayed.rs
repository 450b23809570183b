//! The rows of `read.users`, made from the log alone.

use super::{RoleAt, UserRow, Users, apply::UserRows};
use crate::replay::{DecidedBy, Kind, Replayed, Table, TableRows, Texts};

impl Replayed for Users {
    const TABLES: &'static [Table] = &[Table {
        name: "users",
        columns: &[
            ("id", Kind::Uuid),
            ("version", Kind::Long),
            ("username", Kind::Text),
            ("username_key", Kind::Text),
            ("email", Kind::Text),
            ("email_key", Kind::Text),
            ("name", Kind::Text),
            ("name_key", Kind::Text),
            ("avatar_url", Kind::Text),
            ("status", Kind::Text),
            ("login_type", Kind::Text),
            ("roles", Kind::Texts),
            ("organization_ids", Kind::Uuids),
            ("organization_roles", Kind::Texts),
            ("created_at", Kind::Time),
            ("updated_at", Kind::Time),
            ("deleted_at", Kind::Time),
        ],
        key: 1,
        decided_by: DecidedBy::Stream("id"),
    }];

    fn put(rows: &UserRows, out: &mut [TableRows]) {
        for row in rows.changed() {
            put(row, &mut out[0]);
        }
    }
}

fn put(row: &UserRow, out: &mut TableRows) {
    let there: Vec<String> = row
        .organization_roles
        .iter()
        .map(RoleAt::to_string)
        .collect();
    out.row()
        .field(row.id)
        .field(row.version)
        .field(row.username.as_deref())
        .field(row.username_key().as_deref())
        .field(row.email.as_deref())
        .field(row.email_key().as_deref())
        .field(row.name.as_deref())
        .field(row.name_key().as_deref())
        .field(row.avatar_url.as_deref())
        .field(row.status.name())
        .field(row.login_type.name())
        .field(Texts(row.roles.iter().map(|role| role.name())))
        .field(row.organization_ids.as_slice())
        .field(Texts(there.iter()))
        .field(row.created_at)
        .field(row.updated_at)
        .field(row.deleted_at);
}
