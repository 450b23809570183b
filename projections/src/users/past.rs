//! The rows of `read.past_users`: users as they were, for lists as of a moment.

use rollcall_events::user::Role;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{RoleAt, UserRow};
use crate::columns::{column, joined};

/// How a user was until an event changed that. Who was gone is in no list, and has no such row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastUser {
    /// The user, since the event of `row.position`.
    pub row: UserRow,
    /// The position of the event that changed them.
    pub until: i64,
}

pub(super) async fn write(conn: &mut PgConnection, past: &[PastUser]) -> sqlx::Result<()> {
    if past.is_empty() {
        return Ok(());
    }
    let rows: Vec<&UserRow> = past.iter().map(|past| &past.row).collect();
    let until: Vec<i64> = past.iter().map(|past| past.until).collect();
    sqlx::query(
        "INSERT INTO read.past_users
              ( id
              , since
              , until
              , version
              , username
              , username_key
              , email
              , email_key
              , name
              , name_key
              , avatar_url
              , status
              , login_type
              , roles
              , organization_ids
              , organization_roles
              , created_at
              , updated_at
              )
         SELECT id
              , since
              , until
              , version
              , username
              , username_key
              , email
              , email_key
              , name
              , name_key
              , avatar_url
              , status
              , login_type
              , string_to_array(roles, ',')
              , string_to_array(organization_ids, ',')::uuid[]
              , string_to_array(organization_roles, ',')
              , created_at
              , updated_at
           FROM UNNEST
              ( $1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[]
              , $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[]
              , $15::text[], $16::text[], $17::timestamptz[], $18::timestamptz[]
              ) AS past
              ( id, since, until, version, username, username_key, email, email_key
              , name, name_key, avatar_url, status, login_type, roles, organization_ids
              , organization_roles, created_at, updated_at
              )",
    )
    .bind(column(&rows, |row| row.id))
    .bind(column(&rows, |row| row.position))
    .bind(until)
    .bind(column(&rows, |row| row.version))
    .bind(column(&rows, |row| row.username.as_deref()))
    .bind(column(&rows, UserRow::username_key))
    .bind(column(&rows, |row| row.email.as_deref()))
    .bind(column(&rows, UserRow::email_key))
    .bind(column(&rows, |row| row.name.as_deref()))
    .bind(column(&rows, UserRow::name_key))
    .bind(column(&rows, |row| row.avatar_url.as_deref()))
    .bind(column(&rows, |row| row.status.name()))
    .bind(column(&rows, |row| row.login_type.name()))
    .bind(column(&rows, |row| {
        joined(&row.roles, |role: &Role| role.name().to_owned())
    }))
    .bind(column(&rows, |row| {
        joined(&row.organization_ids, Uuid::to_string)
    }))
    .bind(column(&rows, |row| {
        joined(&row.organization_roles, RoleAt::to_string)
    }))
    .bind(column(&rows, |row| row.created_at))
    .bind(column(&rows, |row| row.updated_at))
    .execute(conn)
    .await?;
    Ok(())
}

/// What was theirs goes from all their rows.
pub(super) async fn forget(conn: &mut PgConnection, erased: &[Uuid]) -> sqlx::Result<()> {
    if erased.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE read.past_users
            SET username = NULL
              , username_key = NULL
              , email = NULL
              , email_key = NULL
              , name = NULL
              , name_key = NULL
              , avatar_url = NULL
          WHERE id = ANY ($1)",
    )
    .bind(erased)
    .execute(conn)
    .await?;
    Ok(())
}
