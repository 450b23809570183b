//! Telling a database that is not able to serve from one that refuses what we asked, or answers what we cannot read.

/// SQLSTATEs, or their beginnings, of a server that is unable: gone, going or coming (57P, 08), out of connections or
/// memory (53), waiting in vain for a lock (55P03) or for an answer (57014), a transaction that idled too long (25P03),
/// a replica (25006), a transaction that stood in another's way (40).
const UNABLE: [&str; 8] = ["57P", "08", "53", "55P03", "57014", "25P03", "25006", "40"];

/// Whether the same request may well succeed in a moment.
#[must_use]
pub fn is_unavailable(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => error
            .code()
            .is_some_and(|code| UNABLE.iter().any(|prefix| code.starts_with(prefix))),
        _ => false,
    }
}

/// Whether the database refused the content: data that it cannot hold (22), a constraint (23).
#[must_use]
pub fn is_content(error: &sqlx::Error) -> bool {
    let Some(error) = error.as_database_error() else {
        return false;
    };
    error
        .code()
        .is_some_and(|code| code.starts_with("22") || code.starts_with("23"))
}

/// The server is a standby, or was made one: it answers what is read, which may be old, and cannot record anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the database server is read-only: it is a standby, or in recovery")]
pub struct ReadOnlyServer;

/// Whether the server of a connection cannot be written to (25006, or a connection that was not used for that reason).
#[must_use]
pub fn is_read_only(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error
            .get_ref()
            .is_some_and(<dyn std::error::Error + Send + Sync>::is::<ReadOnlyServer>),
        sqlx::Error::Database(error) => error.code().as_deref() == Some("25006"),
        _ => false,
    }
}
