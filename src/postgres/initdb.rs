//! Creating the cluster.

use std::{
    fs,
    fs::File,
    io,
    os::unix::fs::DirBuilderExt,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;

use super::{
    ClusterError, Durability, SUPERUSER, binaries::Binaries, layout::Layout, postmaster::POLL,
};

/// How long a half-made cluster may resist its removal.
const REMOVE_LIMIT: Duration = Duration::from_secs(10);

/// Makes the cluster beside its final place and then renames it, so that a half-made one is never used.
pub(super) fn create_cluster(
    layout: &Layout,
    binaries: &Binaries,
    durability: Durability,
) -> Result<(), ClusterError> {
    layout.account.require_name()?;
    let (dir, pgdata) = (layout.init_dir(), layout.pgdata());
    tracing::info!(pgdata = %pgdata.display(), "creating a Postgres cluster");
    create_empty_dir(layout, &dir)?;
    run(
        initdb(layout, binaries, durability),
        layout,
        &binaries.initdb(),
    )?;
    fs::rename(&dir, &pgdata).map_err(ClusterError::io("rename to its final name", &dir))?;
    sync(layout.data_dir())
}

fn initdb(layout: &Layout, binaries: &Binaries, durability: Durability) -> Command {
    // SIGKILL, since on other signals initdb would remove the folder, which may be its successor's by then.
    let mut command =
        layout
            .account
            .command(&binaries.initdb(), layout.data_dir(), Signal::SIGKILL);
    command
        .arg("-D")
        .arg(layout.init_dir())
        .args(["-U", SUPERUSER]);
    command.args([
        "-E",
        "UTF8",
        "--locale=C",
        "--data-checksums",
        "--auth-local=trust",
        "--auth-host=reject",
    ]);
    if durability == Durability::Throwaway {
        command.arg("--no-sync");
    }
    command
}

/// The server's account cannot make folders in the data directory, so we make it for `initdb` and hand it over.
fn create_empty_dir(layout: &Layout, dir: &Path) -> Result<(), ClusterError> {
    remove_half_made(dir).map_err(ClusterError::io("remove the half-made cluster", dir))?;
    fs::DirBuilder::new()
        .mode(0o700)
        .create(dir)
        .map_err(ClusterError::io("create", dir))?;
    layout.account.give(dir)
}

/// What a killed `initdb` had started goes on writing for a moment.
fn remove_half_made(dir: &Path) -> io::Result<()> {
    let since = Instant::now();
    loop {
        match fs::remove_dir_all(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error)
                if error.kind() == io::ErrorKind::DirectoryNotEmpty
                    && since.elapsed() < REMOVE_LIMIT =>
            {
                thread::sleep(POLL);
            }
            removed => return removed,
        }
    }
}

fn run(mut command: Command, layout: &Layout, program: &Path) -> Result<(), ClusterError> {
    let output = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output();
    let output = output.map_err(|error| {
        layout
            .account
            .launch_error(program, layout.data_dir(), error)
    })?;
    if output.status.success() {
        return Ok(());
    }
    Err(ClusterError::Initdb {
        dir: layout.init_dir(),
        stderr: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

fn sync(dir: &Path) -> Result<(), ClusterError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(ClusterError::io("sync", dir))
}
