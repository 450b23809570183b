//! What can stand in the way of the cluster: one sentence each, for the operator, that says what to do.

use std::{io, path::PathBuf, time::Duration};

use crate::trusted_file::FileError;

/// Why the cluster could not be started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// There is no place for the default data directory.
    #[error("this account has no home folder for the data: name a folder with --data-dir")]
    NoHome,

    /// Nothing that could run a cluster is installed, or not where we look.
    #[error(
        "no Postgres server (`postgres` and `initdb`) was found in {looked_in}: install it (`apt-get install postgresql`) or name its folder with --postgres-bin"
    )]
    NoBinaries {
        /// The places that were searched, for humans.
        looked_in: String,
    },

    /// Something is installed, but the service's SQL needs a newer one.
    #[error(
        "Postgres {} or later is needed, and the newest one found is {found} in `{dir}`: install a newer one or name its folder with --postgres-bin",
        super::binaries::OLDEST_MAJOR
    )]
    TooOld {
        /// The version of the newest server found.
        found: String,
        /// The folder of its binaries.
        dir: PathBuf,
    },

    /// The data's format belongs to one major version, and that one is not installed.
    #[error(
        "the data in `{pgdata}` was made by Postgres {needed}, and only {found} was found: install Postgres {needed}, name its folder with --postgres-bin, or move the data to a newer one with pg_upgrade"
    )]
    WrongMajor {
        /// The cluster's folder.
        pgdata: PathBuf,
        /// The major version that wrote it.
        needed: u32,
        /// The versions found instead.
        found: String,
    },

    /// `initdb` asks the system for the name of the account that it runs as.
    #[error(
        "the account with the number {uid}, which rollcall runs as, has no name, and Postgres makes no database for such an account: add it to /etc/passwd (in a container: `echo 'rollcall:x:{uid}:0::/:/sbin/nologin' >> /etc/passwd` in its image), run rollcall as an account that has a name, or use a database of your own with --database-url"
    )]
    NamelessAccount {
        /// The number of the account.
        uid: u32,
    },

    /// Another account controls a file or folder of the cluster.
    #[error(transparent)]
    Untrusted(#[from] FileError),

    /// Postgres refuses to run as root, and there is no account to hand it to.
    #[error(
        "Postgres refuses to run as root, and there is no account `postgres` or `nobody` for it: create one with `useradd --system postgres` or run rollcall as another account"
    )]
    NoAccount,

    /// The server's account cannot get to the data or to the binaries.
    #[error(
        "the account `{account}`, which runs the Postgres server, has no access to `{path}`: grant it with `chmod o+x`, or choose another place with --data-dir or --postgres-bin"
    )]
    Unreachable {
        /// The account that runs the server.
        account: String,
        /// The first folder or program it has no access to.
        path: PathBuf,
    },

    /// The data belongs to an account other than the one that would run the server.
    #[error(
        "`{path}` does not belong to the account `{account}`: run rollcall as the account that made it, or choose another --data-dir"
    )]
    NotOwner {
        /// What belongs to someone else.
        path: PathBuf,
        /// The account that would run the server.
        account: String,
    },

    /// Trusting a socket folder that others can write to would let them pose as the server.
    #[error(
        "the socket folder `{path}` is not a folder of the account `{account}` with mode 0700: remove it, and it will be made anew"
    )]
    UnsafeSocketDir {
        /// The folder.
        path: PathBuf,
        /// The account that runs the server.
        account: String,
    },

    /// A server is running that no `rollcall` started, so nothing is known about its settings or its life.
    #[error(
        "a Postgres server that rollcall did not start uses `{pgdata}` (process {pid}): stop it first"
    )]
    HeldByAnother {
        /// The cluster's folder.
        pgdata: PathBuf,
        /// The server's process.
        pid: i32,
    },

    /// Another process' server neither got ready nor ended.
    #[error(
        "the Postgres server of another process (process {pid}) is still {doing} after {} s: look into `{log}`, and stop it if it hangs",
        waited.as_secs()
    )]
    StillBusy {
        /// The server's process.
        pid: i32,
        /// `starting` or `stopping`.
        doing: &'static str,
        /// How long it was waited for.
        waited: Duration,
        /// The server's log.
        log: PathBuf,
    },

    /// `initdb` ran and failed.
    #[error("`initdb` could not create a cluster in `{dir}`: {stderr}")]
    Initdb {
        /// Where the cluster was to be made.
        dir: PathBuf,
        /// What `initdb` said.
        stderr: String,
    },

    /// The server ended or hung before it accepted connections.
    #[error("the Postgres server {what}; the end of its log `{log}` says why:\n{tail}")]
    DidNotStart {
        /// What happened, such as an early exit.
        what: String,
        /// The server's log.
        log: PathBuf,
        /// What the server wrote there during this start.
        tail: String,
    },

    /// The server did not end in time.
    #[error(
        "the Postgres server (process {pid}) is still shutting down after {} s: it goes on by itself, wait for its end",
        waited.as_secs()
    )]
    DidNotStop {
        /// The server's process.
        pid: u32,
        /// How long it was waited for.
        waited: Duration,
    },

    /// The system refused something.
    #[error("could not {action} `{path}`: {source}")]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// What it was tried on.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

impl ClusterError {
    /// Names what was tried on what: for `map_err`.
    pub(super) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}
