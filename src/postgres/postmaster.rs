//! What `postmaster.pid` says about the server, and whether it is true.
//!
//! The file outlives a server that was killed, and its process number may belong to another program by then. It is
//! therefore believed only if that process is a Postgres server on this very cluster.

use std::{
    ffi::OsStr,
    fs, io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{ClusterError, layout::Layout};

/// How often a state is looked at while it is waited for.
pub(super) const POLL: Duration = Duration::from_millis(10);

/// How long a server may recover from a crash, or write out what is left before it ends.
pub(super) const RECOVERY_LIMIT: Duration = Duration::from_mins(10);

/// The parts of `postmaster.pid` that matter here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PidFile {
    pub(super) pid: i32,
    pub(super) port: u16,
    /// Empty until the server has made its socket.
    pub(super) socket_dir: PathBuf,
    pub(super) status: Status,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Starting,
    Ready,
    Stopping,
}

/// Waits for the server that runs on this cluster, if any, to be ready or gone. Call it under the lock for starting.
pub(super) fn join_running(layout: &Layout) -> Result<Option<PidFile>, ClusterError> {
    let since = Instant::now();
    let mut told_to_stop = false;
    while let Some(running) = running(&layout.pgdata())? {
        if layout.has_owner() {
            if running.status == Status::Ready {
                return Ok(Some(running));
            }
        } else if !told_to_stop && is_orphan(&running, layout)? {
            // The kernel has told it already on Linux. It may end in this very moment, so a failure means nothing.
            let _ = kill(Pid::from_raw(running.pid), Signal::SIGINT);
            told_to_stop = true;
        }
        if since.elapsed() > RECOVERY_LIMIT {
            return Err(still_busy(&running, layout));
        }
        thread::sleep(POLL);
    }
    Ok(None)
}

/// The content of `postmaster.pid`, true or not; `None` if there is none or it is not complete.
pub(super) fn read(pgdata: &Path) -> Result<Option<PidFile>, ClusterError> {
    let path = pid_path(pgdata);
    match fs::read(&path) {
        Ok(bytes) => Ok(parse(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ClusterError::io("read", path)(error)),
    }
}

pub(super) fn pid_path(pgdata: &Path) -> PathBuf {
    pgdata.join("postmaster.pid")
}

/// A server without an owner: one of ours, to be waited for, if its socket is where we put it; else someone else's.
fn is_orphan(running: &PidFile, layout: &Layout) -> Result<bool, ClusterError> {
    let known = !running.socket_dir.as_os_str().is_empty();
    if known && running.socket_dir != layout.socket_dir() {
        return Err(ClusterError::HeldByAnother {
            pgdata: layout.pgdata(),
            pid: running.pid,
        });
    }
    Ok(known)
}

fn still_busy(running: &PidFile, layout: &Layout) -> ClusterError {
    ClusterError::StillBusy {
        pid: running.pid,
        doing: if running.status == Status::Starting {
            "starting"
        } else {
            "stopping"
        },
        waited: RECOVERY_LIMIT,
        log: layout.log(),
    }
}

/// The server that runs on this cluster, whatever its state.
pub(super) fn running(pgdata: &Path) -> Result<Option<PidFile>, ClusterError> {
    Ok(read(pgdata)?.filter(|pid_file| is_postmaster_of(pid_file.pid, pgdata)))
}

/// The file has a line each for: pid, PGDATA, start time, port, socket folder, TCP address, shared memory, status.
fn parse(bytes: &[u8]) -> Option<PidFile> {
    let lines: Vec<_> = bytes.split(|byte| *byte == b'\n').collect();
    let text = |line: usize| {
        lines
            .get(line)
            .and_then(|bytes| str::from_utf8(bytes).ok())
            .map(str::trim)
    };
    Some(PidFile {
        // A negative number is a server in single-user mode, which Postgres itself reports well.
        pid: text(0)?.parse().ok().filter(|pid| *pid > 0)?,
        port: text(3)?.parse().ok()?,
        socket_dir: PathBuf::from(OsStr::from_bytes(lines.get(4)?)),
        status: match text(7) {
            Some("ready") => Status::Ready,
            Some("stopping") => Status::Stopping,
            _ => Status::Starting,
        },
    })
}

/// Whether `pid` is a server process whose data directory is `pgdata`.
#[cfg(target_os = "linux")]
fn is_postmaster_of(pid: i32, pgdata: &Path) -> bool {
    let process = PathBuf::from(format!("/proc/{pid}"));
    let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
    // A server works in its data directory. Without the right to see that (root in a container), its command line
    // must do.
    name.contains("postgres")
        && fs::read_link(process.join("cwd")).map_or_else(
            |_| has_argument(&process.join("cmdline"), pgdata),
            |working_dir| pgdata.canonicalize().is_ok_and(|real| real == working_dir),
        )
}

#[cfg(target_os = "linux")]
fn has_argument(cmdline: &Path, wanted: &Path) -> bool {
    let arguments = fs::read(cmdline).unwrap_or_default();
    arguments
        .split(|byte| *byte == 0)
        .any(|argument| argument == wanted.as_os_str().as_bytes())
}

/// Whether `pid` is a server process whose data directory is `pgdata`, as far as its command line tells.
#[cfg(not(target_os = "linux"))]
fn is_postmaster_of(pid: i32, pgdata: &Path) -> bool {
    let mut ps = std::process::Command::new("ps");
    super::account::clear_environment(&mut ps);
    let output = ps
        .args(["-ww", "-o", "command=", "-p", &pid.to_string()])
        .output();
    output.is_ok_and(|output| {
        let command = String::from_utf8_lossy(&output.stdout);
        command.contains("postgres") && command.contains(&*pgdata.to_string_lossy())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const READY: &[u8] =
        b"4711\n/srv/a/postgres\n1700000000\n5432\n/srv/a/run\n\n  1234567        12\nready   \n";

    #[test]
    fn a_ready_server_is_read() {
        let expected = PidFile {
            pid: 4711,
            port: 5432,
            socket_dir: PathBuf::from("/srv/a/run"),
            status: Status::Ready,
        };
        assert_eq!(parse(READY), Some(expected));
    }

    #[test]
    fn a_server_that_has_written_only_the_first_lines_is_starting() {
        let young = parse(b"4711\n/srv/a/postgres\n1700000000\n5432\n\n").unwrap();
        assert_eq!(young.status, Status::Starting);
        assert_eq!(young.socket_dir, Path::new(""));
    }

    #[test]
    fn a_stopping_server_is_read() {
        let text = String::from_utf8_lossy(READY).replace("ready   ", "stopping");
        assert_eq!(parse(text.as_bytes()).unwrap().status, Status::Stopping);
    }

    #[test]
    fn what_no_server_wrote_is_not_believed() {
        assert_eq!(parse(b""), None);
        assert_eq!(parse(b"-4711\n/srv/a/postgres\n1700000000\n5432\n\n"), None);
        assert_eq!(parse(b"hello\n"), None);
    }

    #[test]
    fn a_process_that_is_no_server_is_not_taken_for_one() {
        let pid = i32::try_from(std::process::id()).unwrap();
        assert!(!is_postmaster_of(pid, &std::env::current_dir().unwrap()));
    }
}
