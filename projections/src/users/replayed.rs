//! The rows of `read.users` and `read.past_users`, made from the log alone.

use super::{RoleAt, UserRow, Users, apply::UserRows, row::PastUser};
use crate::replay::{DecidedBy, Kind, Replayed, Table, TableRows, Texts, Tuple};

impl Replayed for Users {
    const TABLES: &'static [Table] = &[
        Table {
            name: "users",
            columns: &[
                ("id", Kind::Uuid),
                ("version", Kind::Long),
                ("username", Kind::Text),
                ("username_key", Kind::Text),
                ("email", Kind::Text),
                ("email_key", Kind::Text),
                ("email_search", Kind::Text),
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
                ("position", Kind::Long),
            ],
            key: 1,
            decided_by: DecidedBy::Stream("id"),
            kept_after: None,
        },
        Table {
            name: "past_users",
            columns: &[
                ("id", Kind::Uuid),
                ("since", Kind::Long),
                ("until", Kind::Long),
                ("version", Kind::Long),
                ("username", Kind::Text),
                ("username_key", Kind::Text),
                ("email", Kind::Text),
                ("email_key", Kind::Text),
                ("email_search", Kind::Text),
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
            ],
            key: 2,
            decided_by: DecidedBy::Stream("id"),
            kept_after: None,
        },
    ];

    fn put(rows: &UserRows, out: &mut [TableRows]) {
        for row in rows.changed() {
            let mut now = out[0].row();
            put(row, now.field(row.id))
                .field(row.deleted_at)
                .field(row.position);
        }
        for past in rows.past() {
            put_past(past, &mut out[1]);
        }
    }

    /// What is past stays as it is, and would need the most memory.
    fn put_settled(rows: &mut UserRows, out: &mut [TableRows]) {
        for past in rows.take_past() {
            put_past(&past, &mut out[1]);
        }
    }
}

fn put_past(past: &PastUser, out: &mut TableRows) {
    let mut tuple = out.row();
    let start = tuple
        .field(past.row.id)
        .field(past.row.position)
        .field(past.until);
    put(&past.row, start);
}

/// What the tables have in common.
fn put<'a, 'b>(row: &UserRow, out: &'a mut Tuple<'b>) -> &'a mut Tuple<'b> {
    let there: Vec<String> = row
        .organization_roles
        .iter()
        .map(RoleAt::to_string)
        .collect();
    out.field(row.version)
        .field(row.username.as_deref())
        .field(row.username_key().as_deref())
        .field(row.email.as_deref())
        .field(row.email_key().as_deref())
        .field(row.email_search().as_deref())
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
}
