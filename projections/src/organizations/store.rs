//! The rows of `read.organizations`, written.

use sqlx::PgConnection;

use super::{OrganizationRow, OrganizationRows};
use crate::columns::column;

pub(super) async fn write(conn: &mut PgConnection, rows: &OrganizationRows) -> sqlx::Result<()> {
    let rows: Vec<&OrganizationRow> = rows.0.iter().collect();
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO read.organizations
              ( id
              , version
              , name
              , name_key
              , display_name
              , description
              , icon
              , is_default
              , created_at
              , updated_at
              )
         SELECT *
           FROM UNNEST
              ( $1::uuid[]
              , $2::bigint[]
              , $3::text[]
              , $4::text[]
              , $5::text[]
              , $6::text[]
              , $7::text[]
              , $8::boolean[]
              , $9::timestamptz[]
              , $10::timestamptz[]
              )",
    )
    .bind(column(&rows, |row| row.id))
    .bind(column(&rows, |row| row.version))
    .bind(column(&rows, |row| row.name.as_str()))
    .bind(column(&rows, |row| row.name_key.as_str()))
    .bind(column(&rows, |row| row.display_name.as_str()))
    .bind(column(&rows, |row| row.description.as_str()))
    .bind(column(&rows, |row| row.icon.as_str()))
    .bind(column(&rows, |row| row.is_default))
    .bind(column(&rows, |row| row.created_at))
    .bind(column(&rows, |row| row.updated_at))
    .execute(conn)
    .await?;
    Ok(())
}
