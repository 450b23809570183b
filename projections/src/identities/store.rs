//! The rows of `read.identities`, written.

use sqlx::PgConnection;
use uuid::Uuid;

use super::apply::{IdentityRow, IdentityRows};
use crate::columns::column;

/// Two statements where an account passes from one user to another, because the index looks after every single row;
/// one, as a rule; none for a batch without links.
pub(super) async fn write(conn: &mut PgConnection, rows: &IdentityRows) -> sqlx::Result<()> {
    if !rows.unlinked.is_empty() {
        unlink(conn, rows.unlinked.iter().copied().collect()).await?;
    }
    if !rows.linked.is_empty() {
        link(conn, rows.linked.values().collect()).await?;
    }
    Ok(())
}

async fn unlink(conn: &mut PgConnection, users: Vec<Uuid>) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM read.identities WHERE user_id = ANY ($1)")
        .bind(users)
        .execute(conn)
        .await?;
    Ok(())
}

async fn link(conn: &mut PgConnection, rows: Vec<&IdentityRow>) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO read.identities (key, user_id, provider, issuer, subject, linked_at)
         SELECT *
           FROM UNNEST($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])",
    )
    .bind(column(&rows, |row| row.identity.key()))
    .bind(column(&rows, |row| row.user_id))
    .bind(column(&rows, |row| row.provider.name()))
    .bind(column(&rows, |row| row.identity.issuer.as_str()))
    .bind(column(&rows, |row| row.identity.subject.as_str()))
    .bind(column(&rows, |row| row.linked_at))
    .execute(conn)
    .await?;
    Ok(())
}
