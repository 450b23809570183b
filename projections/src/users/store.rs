//! The rows of `read.users`, read to be changed and written back; what they were goes to `read.past_users`.

use rollcall_events::user::Role;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{RoleAt, UserRow, apply::UserRows};
use crate::columns::{column, joined};

pub(super) async fn read(conn: &mut PgConnection, ids: Vec<Uuid>) -> sqlx::Result<UserRows> {
    if ids.is_empty() {
        return Ok(UserRows::default());
    }
    let rows = sqlx::query_as(
        "SELECT id
              , version
              , username
              , email
              , name
              , avatar_url
              , status
              , login_type
              , roles
              , organization_ids
              , organization_roles
              , created_at
              , updated_at
              , deleted_at
              , position
           FROM read.users
          WHERE id = ANY ($1)",
    )
    .bind(ids)
    .fetch_all(conn)
    .await?;
    Ok(UserRows::new(rows))
}

pub(super) async fn write(conn: &mut PgConnection, rows: &UserRows) -> sqlx::Result<()> {
    let changed = rows.changed();
    if changed.is_empty() {
        return Ok(());
    }
    let passed_on = rows.passed_on();
    if !passed_on.is_empty() {
        let_go(conn, passed_on).await?;
    }
    let now = changed.into_iter().map(|row| (row, None));
    let past = rows.past().iter();
    let past = past.map(|past| (&past.row, Some(past.until)));
    let (all, until): (Vec<&UserRow>, Vec<Option<i64>>) = now.chain(past).unzip();
    upsert(conn, &all, until).await?;
    forget(conn, rows.erased()).await
}

/// Within a batch a name can pass from one user to another, even back and forth. The unique index looks after every
/// single row, so that whoever lets go of such a name must do so before anybody takes it.
async fn let_go(conn: &mut PgConnection, ids: Vec<Uuid>) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE read.users
            SET username_key = NULL
          WHERE id = ANY ($1)",
    )
    .bind(ids)
    .execute(conn)
    .await?;
    Ok(())
}

/// Those who are, and, until which position, those who were. One statement, because it is made under the lock on the head of
/// the log.
#[expect(
    clippy::too_many_lines,
    reason = "each column is named for both tables"
)]
async fn upsert(
    conn: &mut PgConnection,
    rows: &[&UserRow],
    until: Vec<Option<i64>>,
) -> sqlx::Result<()> {
    sqlx::query(
        "WITH rows AS (
             SELECT id
                  , version
                  , username
                  , username_key
                  , email
                  , email_key
                  , email_search
                  , name
                  , name_key
                  , avatar_url
                  , status
                  , login_type
                  , string_to_array(roles, ',') AS roles
                  , string_to_array(organization_ids, ',')::uuid[] AS organization_ids
                  , string_to_array(organization_roles, ',') AS organization_roles
                  , created_at
                  , updated_at
                  , deleted_at
                  , position
                  , until
               FROM UNNEST
                  ( $1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[]
                  , $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[]
                  , $15::text[], $16::timestamptz[], $17::timestamptz[], $18::timestamptz[], $19::bigint[]
                  , $20::bigint[]
                  ) AS rows
                  ( id, version, username, username_key, email, email_key, email_search
                  , name, name_key, avatar_url, status, login_type, roles, organization_ids
                  , organization_roles, created_at, updated_at, deleted_at, position
                  , until
                  )
         )
         , past AS (
             INSERT INTO read.past_users
                  ( id
                  , since
                  , until
                  , version
                  , username
                  , username_key
                  , email
                  , email_key
                  , email_search
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
                  , position
                  , until
                  , version
                  , username
                  , username_key
                  , email
                  , email_key
                  , email_search
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
               FROM rows
              WHERE until IS NOT NULL
         )
         INSERT INTO read.users
              ( id
              , version
              , username
              , username_key
              , email
              , email_key
              , email_search
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
              , deleted_at
              , position
              )
         SELECT id
              , version
              , username
              , username_key
              , email
              , email_key
              , email_search
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
              , deleted_at
              , position
           FROM rows
          WHERE until IS NULL
             ON CONFLICT (id) DO UPDATE
            SET version = excluded.version
              , username = excluded.username
              , username_key = excluded.username_key
              , email = excluded.email
              , email_key = excluded.email_key
              , email_search = excluded.email_search
              , name = excluded.name
              , name_key = excluded.name_key
              , avatar_url = excluded.avatar_url
              , status = excluded.status
              , login_type = excluded.login_type
              , roles = excluded.roles
              , organization_ids = excluded.organization_ids
              , organization_roles = excluded.organization_roles
              , created_at = excluded.created_at
              , updated_at = excluded.updated_at
              , deleted_at = excluded.deleted_at
              , position = excluded.position",
    )
    .bind(column(rows, |row| row.id))
    .bind(column(rows, |row| row.version))
    .bind(column(rows, |row| row.username.as_deref()))
    .bind(column(rows, UserRow::username_key))
    .bind(column(rows, |row| row.email.as_deref()))
    .bind(column(rows, UserRow::email_key))
    .bind(column(rows, UserRow::email_search))
    .bind(column(rows, |row| row.name.as_deref()))
    .bind(column(rows, UserRow::name_key))
    .bind(column(rows, |row| row.avatar_url.as_deref()))
    .bind(column(rows, |row| row.status.name()))
    .bind(column(rows, |row| row.login_type.name()))
    .bind(column(rows, |row| {
        joined(&row.roles, |role: &Role| role.name().to_owned())
    }))
    .bind(column(rows, |row| {
        joined(&row.organization_ids, Uuid::to_string)
    }))
    .bind(column(rows, |row| {
        joined(&row.organization_roles, RoleAt::to_string)
    }))
    .bind(column(rows, |row| row.created_at))
    .bind(column(rows, |row| row.updated_at))
    .bind(column(rows, |row| row.deleted_at))
    .bind(column(rows, |row| row.position))
    .bind(until)
    .execute(conn)
    .await?;
    Ok(())
}

/// Who was erased is blank in the past, too.
async fn forget(conn: &mut PgConnection, erased: &[Uuid]) -> sqlx::Result<()> {
    if erased.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE read.past_users
            SET username = NULL
              , username_key = NULL
              , email = NULL
              , email_key = NULL
              , email_search = NULL
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
