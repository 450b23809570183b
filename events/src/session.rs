//! Connections to Postgres as the service needs them: with the settings that it relies on, and never to a server that
//! cannot be written to.
//!
//! A database and a role can have settings of their own (`ALTER DATABASE .. SET`, `ALTER ROLE .. SET`), and so can the
//! environment of a connection pooler. Each connection therefore sets what our SQL relies on, in one round trip after
//! it is made. These are statements and not options of the connection, because poolers refuse those.

use std::{io, time::Duration};

use sqlx::{ConnectOptions, Executor, PgConnection, Row, postgres::PgConnectOptions};

use crate::database_error::ReadOnlyServer;

/// How long a server may take to say that it is there. It takes a fraction of a millisecond, or is out of reach.
const CHECK_TIMEOUT: Duration = Duration::from_millis(1500);

/// What our SQL relies on. The first statement lifts the time-out for the others, which a database may have set too
/// low for anything; the last one asks the question whose answer decides whether the connection is used.
const SETTINGS: &str = "SET statement_timeout = 0;
    SET client_encoding = 'UTF8';
    SET standard_conforming_strings = on;
    SET search_path = \"$user\", public;
    SET bytea_output = 'hex';
    SET \"DateStyle\" = 'ISO, MDY';
    SET \"IntervalStyle\" = 'postgres';
    SET \"TimeZone\" = 'UTC';
    SET extra_float_digits = 1;
    SET array_nulls = on;
    SET transform_null_equals = off;
    SET row_security = on;
    SET gin_fuzzy_search_limit = 0;
    SET lock_timeout = 0;
    SET idle_in_transaction_session_timeout = 0;
    SET idle_session_timeout = 0;
    SET default_transaction_isolation = 'read committed';
    SET default_transaction_read_only = off;
    SET default_transaction_deferrable = off;
    SET tcp_keepalives_idle = 30;
    SET tcp_keepalives_interval = 10;
    SET tcp_keepalives_count = 3;
    SELECT set_config('transaction_timeout', '0', false) WHERE current_setting('server_version_num')::int >= 170000";

/// Connects, without a limit to how long a statement may take.
///
/// # Errors
/// The server cannot be reached, refuses, or is read-only.
pub async fn connect(options: &PgConnectOptions) -> sqlx::Result<PgConnection> {
    let mut conn = options.connect().await?;
    prepare(&mut conn, Duration::ZERO).await?;
    Ok(conn)
}

/// Prepares a connection that has just been made. A `statement_timeout` of zero is none.
///
/// # Errors
/// The server does not answer, or is read-only.
pub async fn prepare(conn: &mut PgConnection, statement_timeout: Duration) -> sqlx::Result<()> {
    let millis = statement_timeout.as_millis();
    let statements =
        format!("{SETTINGS}; SET statement_timeout = {millis}; SELECT pg_is_in_recovery()");
    require_writable(conn, &statements).await
}

/// Makes sure, within a second or two, that the server of a connection is there and can be written to.
///
/// # Errors
/// It does not answer in time, or it is read-only.
pub async fn check(conn: &mut PgConnection) -> sqlx::Result<()> {
    let checking = require_writable(conn, "SELECT pg_is_in_recovery()");
    tokio::time::timeout(CHECK_TIMEOUT, checking)
        .await
        .unwrap_or_else(|_| Err(sqlx::Error::Io(io::ErrorKind::TimedOut.into())))
}

/// By the simple protocol: one round trip, which poolers understand.
async fn require_writable(conn: &mut PgConnection, statements: &str) -> sqlx::Result<()> {
    let is_in_recovery: bool = conn
        .fetch_all(statements)
        .await?
        .last()
        .map_or(Ok(false), |row| row.try_get(0))?;
    if is_in_recovery {
        return Err(sqlx::Error::Io(io::Error::other(ReadOnlyServer)));
    }
    Ok(())
}
