//! The server process: its start and its end.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::Path,
    process::{Child, Command, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{
    ClusterError, Durability, PORT,
    binaries::Binaries,
    layout::{Layout, remove_if_there},
    postmaster::{self, POLL, RECOVERY_LIMIT, Status},
    settings::settings,
};
use crate::trusted_file;

/// How long the server may take until it says that it is starting, or ready.
const START_LIMIT: Duration = Duration::from_mins(1);

/// How long a stop is waited for. A fast shutdown ends with a checkpoint, which a slow disk can draw out.
const STOP_LIMIT: Duration = Duration::from_mins(1);

/// How long a drop waits: it happens on the way out of some failure, which should not look like a hang.
const DROP_LIMIT: Duration = Duration::from_secs(10);

/// How much of the log goes into an error.
const LOG_TAIL_LINES: usize = 12;

/// A server that this process started. Dropping it stops it.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    owner: File,
}

impl Server {
    /// Starts the server and waits until it accepts connections. Call it under the lock for starting, when no server
    /// runs on the cluster.
    pub(super) fn start(
        layout: &Layout,
        binaries: &Binaries,
        durability: Durability,
    ) -> Result<Self, ClusterError> {
        let since = Instant::now();
        loop {
            match Self::try_start(layout, binaries, durability) {
                // The backends of a killed server take a moment to notice that it is gone.
                Err(ClusterError::DidNotStart { tail, .. })
                    if tail.contains("pre-existing shared memory block")
                        && since.elapsed() < START_LIMIT =>
                {
                    thread::sleep(POLL);
                }
                result => return result,
            }
        }
    }

    fn try_start(
        layout: &Layout,
        binaries: &Binaries,
        durability: Durability,
    ) -> Result<Self, ClusterError> {
        remove_leftovers(layout)?;
        let mut log = trusted_file::append(&layout.log())?;
        let log_start = log
            .seek(SeekFrom::End(0))
            .map_err(ClusterError::io("read", layout.log()))?;
        let mut command = postgres(layout, binaries, durability, &log)?;
        let owner = layout.lock_for_life()?;
        let child = command.spawn().map_err(|error| {
            layout
                .account
                .launch_error(&binaries.postgres(), layout.data_dir(), error)
        })?;
        let mut server = Self { child, owner };
        server.wait_until_ready(layout, log_start)?;
        tracing::info!(pid = server.child.id(), version = %binaries.version, "started the Postgres server");
        Ok(server)
    }

    fn wait_until_ready(&mut self, layout: &Layout, log_start: u64) -> Result<(), ClusterError> {
        let since = Instant::now();
        let failure = |what: String| {
            Err(ClusterError::DidNotStart {
                what,
                log: layout.log(),
                tail: log_tail(&layout.log(), log_start),
            })
        };
        loop {
            if let Some(status) = self.exited()? {
                return failure(format!("ended while it was starting ({status})"));
            }
            let limit = match self.status(layout)? {
                Some(Status::Ready) => return Ok(()),
                Some(Status::Starting) => RECOVERY_LIMIT,
                Some(Status::Stopping) | None => START_LIMIT,
            };
            if since.elapsed() > limit {
                return failure(format!("was not ready after {} s", limit.as_secs()));
            }
            thread::sleep(POLL);
        }
    }

    /// The server's own word; `None` while `postmaster.pid` is missing or still that of a former server.
    fn status(&self, layout: &Layout) -> Result<Option<Status>, ClusterError> {
        let pid_file = postmaster::read(&layout.pgdata())?;
        Ok(pid_file
            .filter(|pid_file| pid_file.pid == self.pid().as_raw())
            .map(|pid_file| pid_file.status))
    }

    pub(super) fn stop(mut self) -> Result<(), ClusterError> {
        self.shut_down(STOP_LIMIT)
    }

    fn shut_down(&mut self, limit: Duration) -> Result<(), ClusterError> {
        let since = Instant::now();
        // First, so that nobody attaches to a server that is about to stop.
        let _ = self.owner.unlock();
        if self.exited()?.is_none() {
            // It is our child and not yet waited for, so the number is still its own and the signal cannot fail.
            let _ = kill(self.pid(), Signal::SIGINT);
        }
        while self.exited()?.is_none() {
            if since.elapsed() > limit {
                return Err(ClusterError::DidNotStop {
                    pid: self.child.id(),
                    waited: limit,
                });
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    pub(super) fn exited(&mut self) -> Result<Option<ExitStatus>, ClusterError> {
        self.child
            .try_wait()
            .map_err(ClusterError::io("wait for", "postgres"))
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.shut_down(DROP_LIMIT) {
            tracing::warn!("{error}");
        }
    }
}

fn postgres(
    layout: &Layout,
    binaries: &Binaries,
    durability: Durability,
    log: &File,
) -> Result<Command, ClusterError> {
    // SIGINT asks for a fast shutdown: sessions end, and a checkpoint makes the next start quick.
    let mut command =
        layout
            .account
            .command(&binaries.postgres(), layout.data_dir(), Signal::SIGINT);
    command.arg("-D").arg(layout.pgdata());
    for setting in settings(layout.socket_dir(), durability) {
        command.arg("-c").arg(setting);
    }
    let duplicate = || {
        log.try_clone()
            .map_err(ClusterError::io("share", layout.log()))
    };
    command.stdout(duplicate()?).stderr(duplicate()?);
    if let Some(stale) = postmaster::read(&layout.pgdata())? {
        // Postgres would take any living process of this number for its predecessor; we know better. This makes it
        // skip that check alone: removing the file would also skip the one for the predecessor's backends.
        command.env("PG_GRANDPARENT_PID", stale.pid.to_string());
    }
    Ok(command)
}

fn remove_leftovers(layout: &Layout) -> Result<(), ClusterError> {
    for name in [format!(".s.PGSQL.{PORT}"), format!(".s.PGSQL.{PORT}.lock")] {
        remove_if_there(&layout.socket_dir().join(name))?;
    }
    // A power cut can leave an empty file, which Postgres would never start over.
    let pid_path = postmaster::pid_path(&layout.pgdata());
    if fs::metadata(&pid_path).is_ok_and(|metadata| metadata.len() == 0) {
        remove_if_there(&pid_path)?;
    }
    Ok(())
}

/// The last lines that were written after `start`. Never fails, since it only explains another failure.
fn log_tail(path: &Path, start: u64) -> String {
    let mut bytes = Vec::new();
    let _ = File::open(path).and_then(|mut log| {
        log.seek(SeekFrom::Start(start))?;
        log.read_to_end(&mut bytes)
    });
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
}
