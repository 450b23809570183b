//! The embedded Postgres: a private cluster that the program starts and stops itself.
//!
//! It exists so that one binary and one folder are enough to run the service: no database to set up, no password to
//! hand over. The server listens on a unix socket in a folder that only its own account can enter, and never on TCP,
//! which is why its local connections need no password.
//!
//! Who may use one data directory at a time:
//! - A lock on `DIR/lock`, held while starting only, lets exactly one process create and start the cluster.
//! - A lock on `DIR/postgres.owner`, held for life by the process that started the server, tells the others whether a
//!   running server still has its owner. With an owner they attach to it; without one it is shutting down (the
//!   kernel told it to when its owner died), so they wait for its end and start it anew.
//! - An attached process loses its database when the owner exits, until [`Cluster::revive`] makes it the next owner.

mod account;
mod binaries;
mod error;
mod initdb;
mod layout;
mod postmaster;
mod server;
mod settings;

use std::{
    env, fs,
    path::{Path, PathBuf},
};

pub use self::error::ClusterError;
use self::{account::Account, binaries::Binaries, layout::Layout, server::Server};

/// The superuser that `initdb` creates. A fixed name, so that clients need not know which account runs the server.
pub const SUPERUSER: &str = "postgres";

/// Names the socket file only, since nothing listens on TCP; the default lets `psql -h DIR/run` do without `-p`.
const PORT: u16 = 5432;

/// Where the cluster lives and how it is run.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// The folder that holds everything of the cluster; created if it is missing.
    pub data_dir: PathBuf,
    /// The folder of the server binaries or the path of `postgres` itself; searched for if absent.
    pub postgres_bin: Option<PathBuf>,
    /// Whether committed data survives a crash of the machine.
    pub durability: Durability,
}

/// How much a commit promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// `fsync`, `full_page_writes` and `synchronous_commit` on: what is committed survives a power cut.
    Durable,
    /// All three off: for tests' databases only, which are made faster by it and thrown away.
    Throwaway,
}

/// A running private cluster, either started by this process or by another one on the same data directory.
#[derive(Debug)]
pub struct Cluster {
    options: ClusterOptions,
    layout: Layout,
    /// Absent when another process started the server. Dropping it stops the server.
    server: Option<Server>,
    socket_dir: PathBuf,
    port: u16,
}

impl Cluster {
    /// Creates the cluster if there is none, starts or joins its server, and returns once it accepts connections.
    ///
    /// This blocks, for minutes if the server recovers from a crash. Call it from a thread that lives as long as the
    /// process, such as the main thread: on Linux the server is told to stop when the *thread* that started it ends,
    /// which is how it comes down cleanly even if this process is killed.
    ///
    /// # Errors
    /// Each [`ClusterError`] says what stands in the way and what the operator can do about it.
    pub fn start(options: &ClusterOptions) -> Result<Self, ClusterError> {
        let layout = Layout::prepare(&options.data_dir, Account::of_server()?)?;
        let _starting = layout.lock_for_start()?;
        if let Some(running) = postmaster::join_running(&layout)? {
            tracing::warn!(
                owner = layout.owner(),
                pid = running.pid,
                data_dir = %layout.data_dir().display(),
                "another process already runs the Postgres server of this data directory: this one uses it too, and starts it again when that process ends"
            );
            return Ok(Self {
                options: options.clone(),
                layout,
                server: None,
                socket_dir: running.socket_dir,
                port: running.port,
            });
        }
        let binaries = Binaries::find(
            options.postgres_bin.as_deref(),
            layout.major_version()?,
            &layout.account,
        )?;
        if !layout.is_initialized() {
            initdb::create_cluster(&layout, &binaries, options.durability)?;
        }
        let server = Server::start(&layout, &binaries, options.durability)?;
        Ok(Self {
            options: options.clone(),
            socket_dir: layout.socket_dir().to_owned(),
            layout,
            server: Some(server),
            port: PORT,
        })
    }

    /// Whether there is a cluster in this folder.
    #[must_use]
    pub fn exists(data_dir: &Path) -> bool {
        layout::pgdata(data_dir).exists()
    }

    /// Starts the server again if it has ended (it crashed, or the process that had started it is gone), or joins the
    /// one that another process has started since. Says whether it had ended. All that is true of [`Cluster::start`]
    /// is true of this.
    ///
    /// # Errors
    /// Those of [`Cluster::start`]. The cluster is then without a server; this can be tried again.
    pub fn revive(&mut self) -> Result<bool, ClusterError> {
        if self.is_running()? {
            return Ok(false);
        }
        self.server = None;
        // A cluster that has vanished, with its disk perhaps, is not to be replaced by an empty one.
        let pgdata = self.layout.pgdata();
        fs::metadata(&pgdata).map_err(ClusterError::io("find", pgdata))?;
        *self = Self::start(&self.options)?;
        Ok(true)
    }

    fn is_running(&mut self) -> Result<bool, ClusterError> {
        match &mut self.server {
            Some(server) => Ok(server.exited()?.is_none()),
            None => Ok(postmaster::running(&self.layout.pgdata())?.is_some()),
        }
    }

    /// The folder of the server's socket: what clients name as their host.
    #[must_use]
    pub fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    /// The number in the socket file's name: what clients name as their port, though nothing listens on TCP.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether this process started the server; if not, the server ends when the process that did exits.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.server.is_some()
    }

    /// Shuts the server down fast (open transactions are rolled back) and waits for its end, if it is ours.
    ///
    /// # Errors
    /// When the server takes too long; it then goes on shutting down by itself.
    pub fn stop(mut self) -> Result<(), ClusterError> {
        self.server.take().map_or(Ok(()), Server::stop)
    }
}

/// The data directory when none is named: the system's for root, else the account's own (XDG).
///
/// # Errors
/// [`ClusterError::NoHome`] when the account has no home folder.
pub fn default_data_dir() -> Result<PathBuf, ClusterError> {
    if account::is_root() {
        return Ok(PathBuf::from("/var/lib/rollcall"));
    }
    // The XDG specification tells programs to ignore relative paths.
    let absolute = |name| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
        .map(|share| share.join("rollcall"))
        .ok_or(ClusterError::NoHome)
}
