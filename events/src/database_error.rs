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
