//! Plain transactions: what Postgres itself does with one transaction for each command, with no service in between.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use rollcall::postgres::{Cluster, SUPERUSER};
use sqlx::{Executor, PgConnection};
use tokio::process::Command;

use super::workload::USERS;

/// The cluster takes 200 connections, and the other sides need theirs.
pub const CLIENTS_MAX: usize = 128;

/// The transactions, and how often each: one file for each, as pgbench wants it. They hold what the appender does for
/// one command, with values of the same size and without arrays.
const SCRIPTS: [(&str, u32, &str); 4] = [
    ("create.sql", 1, include_str!("pgbench/create.sql")),
    ("rename.sql", 3, include_str!("pgbench/rename.sql")),
    ("sign_in.sql", 3, include_str!("pgbench/sign_in.sql")),
    ("sign_out.sql", 3, include_str!("pgbench/sign_out.sql")),
];

/// `pgbench` on a migrated database of its own.
pub struct Pgbench {
    program: PathBuf,
    folder: PathBuf,
    socket: PathBuf,
    database: String,
}

impl Pgbench {
    /// Writes the scripts into `folder`, and the users who are there when it begins into the database.
    pub async fn prepare(
        binaries: &Path,
        folder: &Path,
        cluster: &Cluster,
        database: &str,
        conn: &mut PgConnection,
    ) -> Self {
        for (name, _, script) in SCRIPTS {
            fs::write(folder.join(name), script).unwrap();
        }
        let populate = include_str!("pgbench/populate.sql");
        conn.execute(populate.replace(":users", &USERS.to_string()).as_str())
            .await
            .unwrap();
        Self {
            program: binaries.join("pgbench"),
            folder: folder.to_owned(),
            socket: cluster.socket_dir().to_owned(),
            database: database.to_owned(),
        }
    }

    /// Transactions a second.
    pub async fn commands_per_second(&self, clients: usize, time: Duration) -> f64 {
        let output = Command::new(&self.program)
            .arg("-h")
            .arg(&self.socket)
            .args(["-U", SUPERUSER, "-n", "-M", "prepared", "-j", "2"])
            .args(["-D", "session=0", "-D", &format!("users={USERS}")])
            .args(["-c", &clients.min(CLIENTS_MAX).to_string()])
            .args(["-T", &time.as_secs().max(1).to_string()])
            .args(
                SCRIPTS
                    .iter()
                    .flat_map(|(name, weight, _)| ["-f".to_owned(), format!("{name}@{weight}")]),
            )
            .arg(&self.database)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap();
        let report = String::from_utf8_lossy(&output.stdout);
        tps(&report).unwrap_or_else(|| {
            let errors = String::from_utf8_lossy(&output.stderr);
            panic!(
                "{}",
                io::Error::other(format!("pgbench failed: {report}{errors}"))
            )
        })
    }
}

fn tps(report: &str) -> Option<f64> {
    let figure = report
        .lines()
        .find_map(|line| line.strip_prefix("tps = "))?;
    figure.split_whitespace().next()?.parse().ok()
}
