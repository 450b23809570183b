//! Each thing in a process of its own, as the program does it: what the others have left in memory is not counted with it.

use std::{
    env, fs,
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use rollcall::postgres::{Cluster, SUPERUSER};
use sqlx::{
    ConnectOptions,
    postgres::{PgConnectOptions, PgSslMode},
};

/// In the environment of such a process: what it is to do, and where the server listens.
const TASK: &str = "ROLLCALL_BENCH_TASK";
const SOCKET: &str = "ROLLCALL_BENCH_SOCKET";
const PORT: &str = "ROLLCALL_BENCH_PORT";

/// What came of it.
pub struct Report {
    pub took: Duration,
    /// The most memory that was held at once, where the system tells.
    pub peak_mib: u64,
    /// What it printed.
    pub says: String,
}

/// What this process is to do, and to which server, if it is not the measurement itself.
pub fn task() -> Option<(String, PgConnectOptions)> {
    let socket = PathBuf::from(env::var_os(SOCKET)?);
    let port = env::var(PORT).ok()?.parse().ok()?;
    let owner = PgConnectOptions::new_without_pgpass()
        .socket(socket)
        .port(port)
        .ssl_mode(PgSslMode::Disable)
        .username(SUPERUSER)
        .database("postgres")
        .log_statements(tracing::log::LevelFilter::Off);
    Some((env::var(TASK).ok()?, owner))
}

/// Has it done, with as many thousands of events.
pub fn alone(task: &str, cluster: &Cluster, thousands: usize) -> Report {
    let done = Command::new(env::current_exe().unwrap())
        .arg(thousands.to_string())
        .env(TASK, task)
        .env(SOCKET, cluster.socket_dir())
        .env(PORT, cluster.port().to_string())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(done.status.success(), "{task} failed");
    let output = String::from_utf8(done.stdout).unwrap();
    let (says, figures) = output.trim_end().rsplit_once('\n').unwrap_or(("", &output));
    let mut figures = figures
        .split_whitespace()
        .map(|figure| figure.parse().unwrap());
    Report {
        took: Duration::from_micros(figures.next().unwrap()),
        peak_mib: figures.next().unwrap(),
        says: says.to_owned(),
    }
}

/// Tells the measurement, as the last thing that is printed.
pub fn report(took: Duration) {
    println!("\n{} {}", took.as_micros(), peak_mib());
}

fn peak_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or_default() / 1024
}
