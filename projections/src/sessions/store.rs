//! The rows of `read.sessions`, written.

use chrono::{DateTime, Utc};
use rollcall_events::user::SessionId;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{SessionRow, SessionRows};
use crate::columns::column;

/// One statement, because it is made under the lock on the head of the log. The counts make the sessions end before
/// others begin, which the parts of a statement otherwise need not do. An identifier that is there already is an
/// error: nobody's session may become somebody else's.
pub(super) async fn write(conn: &mut PgConnection, rows: &SessionRows) -> sqlx::Result<()> {
    let ended: Vec<&str> = rows.ended.iter().map(|SessionId(id)| id.as_str()).collect();
    let gone: Vec<Uuid> = rows.gone.iter().copied().collect();
    let (shortened, ends_at): (Vec<&str>, Vec<DateTime<Utc>>) = rows
        .shortened
        .iter()
        .map(|(SessionId(id), (_, ends_at))| (id.as_str(), *ends_at))
        .unzip();
    let rows: Vec<&SessionRow> = rows.started.values().collect();
    if ended.is_empty() && gone.is_empty() && shortened.is_empty() && rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "WITH ended AS (
             DELETE FROM read.sessions
              WHERE id = ANY ($11)
             RETURNING id)
         , gone AS (
             DELETE FROM read.sessions
              WHERE user_id = ANY ($12)
             RETURNING id)
         , shortened AS (
             UPDATE read.sessions
                SET expires_at = least(sessions.expires_at, earlier.ends_at)
                  , ends_at = earlier.ends_at
               FROM UNNEST($13::text[], $14::timestamptz[]) AS earlier (id, ends_at)
              WHERE sessions.id = earlier.id)
         INSERT INTO read.sessions
              ( id
              , user_id
              , secret_sha256
              , login_type
              , token_name
              , scope
              , lifetime_s
              , created_at
              , expires_at
              , ends_at
              )
         SELECT started.*
           FROM UNNEST
              ( $1::text[]
              , $2::uuid[]
              , $3::bytea[]
              , $4::text[]
              , $5::text[]
              , $6::text[]
              , $7::bigint[]
              , $8::timestamptz[]
              , $9::timestamptz[]
              , $10::timestamptz[]
              ) AS started
          WHERE (SELECT count(*) FROM ended) >= 0
            AND (SELECT count(*) FROM gone) >= 0",
    )
    .bind(column(&rows, |row| row.id.0.as_str()))
    .bind(column(&rows, |row| row.user_id))
    .bind(column(&rows, |row| row.secret_sha256.0.as_slice()))
    .bind(column(&rows, |row| row.login_type.name()))
    .bind(column(&rows, |row| row.token_name.as_deref()))
    .bind(column(&rows, |row| row.scope.name()))
    .bind(column(&rows, |row| row.lifetime_s))
    .bind(column(&rows, |row| row.created_at))
    .bind(column(&rows, |row| row.expires_at))
    .bind(column(&rows, |row| row.ends_at))
    .bind(ended)
    .bind(gone)
    .bind(shortened)
    .bind(ends_at)
    .execute(conn)
    .await?;
    Ok(())
}
