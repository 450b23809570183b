//! The rows of `read.sessions`, written.

use rollcall_events::user::SessionId;
use sqlx::PgConnection;

use super::{SessionRow, SessionRows};
use crate::columns::column;

pub(super) async fn write(conn: &mut PgConnection, rows: &SessionRows) -> sqlx::Result<()> {
    if !rows.ended.is_empty() || !rows.gone.is_empty() {
        delete(conn, rows).await?;
    }
    if !rows.started.is_empty() {
        let started: Vec<&SessionRow> = rows.started.values().collect();
        insert(conn, &started).await?;
    }
    Ok(())
}

async fn delete(conn: &mut PgConnection, rows: &SessionRows) -> sqlx::Result<()> {
    let ended: Vec<&str> = rows.ended.iter().map(|SessionId(id)| id.as_str()).collect();
    let gone: Vec<_> = rows.gone.iter().copied().collect();
    sqlx::query(
        "DELETE FROM read.sessions
          WHERE id = ANY ($1)
             OR user_id = ANY ($2)",
    )
    .bind(ended)
    .bind(gone)
    .execute(conn)
    .await?;
    Ok(())
}

/// An identifier that is there already is an error: nobody's session may become somebody else's.
async fn insert(conn: &mut PgConnection, rows: &[&SessionRow]) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO read.sessions
              ( id
              , user_id
              , secret_sha256
              , login_type
              , scope
              , lifetime_s
              , created_at
              , expires_at
              , ends_at
              )
         SELECT *
           FROM UNNEST
              ( $1::text[]
              , $2::uuid[]
              , $3::bytea[]
              , $4::text[]
              , $5::text[]
              , $6::bigint[]
              , $7::timestamptz[]
              , $8::timestamptz[]
              , $9::timestamptz[]
              )",
    )
    .bind(column(rows, |row| row.id.0.as_str()))
    .bind(column(rows, |row| row.user_id))
    .bind(column(rows, |row| row.secret_sha256.0.as_slice()))
    .bind(column(rows, |row| row.login_type.name()))
    .bind(column(rows, |row| row.scope.name()))
    .bind(column(rows, |row| row.lifetime_s))
    .bind(column(rows, |row| row.created_at))
    .bind(column(rows, |row| row.expires_at))
    .bind(column(rows, |row| row.ends_at))
    .execute(conn)
    .await?;
    Ok(())
}
