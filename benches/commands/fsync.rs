//! How long the disk takes to promise a write: what every commit waits for at least.

use std::{path::Path, process::Stdio};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

/// The line of `pg_test_fsync` for one 8 kB write by the method that Postgres uses on this system by default.
pub async fn figure(binaries: &Path, folder: &Path) -> Option<String> {
    let method = if cfg!(target_os = "linux") {
        "fdatasync"
    } else {
        "open_datasync"
    };
    let mut program = Command::new(binaries.join("pg_test_fsync"))
        .args(["-s", "1", "-f"])
        .arg(folder.join("fsync"))
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .ok()?;
    let mut lines = BufReader::new(program.stdout.take()?).lines();
    // It goes on to other methods and sizes: we have heard enough when ours is said.
    while let Ok(Some(line)) = lines.next_line().await {
        if line.trim_start().starts_with(method) {
            return Some(line.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
    None
}
