//! Who works on the read models as a whole takes turns.

use sqlx::{Executor, PgConnection};

/// An arbitrary number that only we use.
const LOCK: i64 = 0x726f_6c6c_7265_6164;

/// Keeps rebuilds out, and if `alone` verifications too, until the connection is closed. Says whether that could be done. In
/// a transaction, so that it works through a connection pooler too.
pub(crate) async fn lock_out_others(conn: &mut PgConnection, alone: bool) -> sqlx::Result<bool> {
    conn.execute("BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0")
        .await?;
    sqlx::query_scalar(
        "SELECT CASE WHEN $2 THEN pg_try_advisory_xact_lock($1) ELSE pg_try_advisory_xact_lock_shared($1) END",
    )
    .bind(LOCK)
    .bind(alone)
    .fetch_one(conn)
    .await
}
