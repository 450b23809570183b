//! Rebuild and verification: how many events a second, stage by stage, next to `psql` copying the same table out and to the
//! replay of `cqrs-es`; and how much memory they take. benches/README.md says how to read the figures.
#![expect(
    clippy::unwrap_used,
    reason = "a measurement that cannot go on should stop where it is"
)]

#[path = "rebuild/beside.rs"]
mod beside;
#[path = "rebuild/generate.rs"]
mod generate;
#[path = "support/on_a_cluster.rs"]
mod on_a_cluster;
#[path = "rebuild/stock.rs"]
mod stock;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeValLike,
};
use rollcall::{
    database::{connect_options, migrate},
    postgres::{Cluster, SUPERUSER},
};
use rollcall_events::{
    clock::SystemClock,
    log::{LogReader, Upcasters},
    vault::{MasterKey, Vault},
};
use rollcall_projections::{
    rebuild::{self, Progress},
    verify,
};
use sqlx::{
    ConnectOptions, Executor,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use beside::beside_clients;
use generate::{Plot, generate};
use on_a_cluster::on_a_cluster;

/// Thousands of events, unless the command line gives another number; a fifth as many users.
const THOUSANDS: usize = 1000;
const ROUNDS: usize = 3;
const WORKERS: u32 = 2;

/// Of the process that makes the log: the variable says where the server listens.
const MAKES_LOG: &str = "ROLLCALL_BENCH_MAKES_LOG";

fn main() {
    let number = env::args().find_map(|argument| argument.parse().ok());
    let events = number.unwrap_or(THOUSANDS) * 1000;
    match env::var_os(MAKES_LOG) {
        Some(socket) => tokio::runtime::Runtime::new()
            .unwrap()
            .block_on(make_log(Path::new(&socket), events)),
        None => on_a_cluster(async |cluster, _| measure(cluster, events).await),
    }
}

async fn make_log(socket: &Path, events: usize) {
    let owner = PgConnectOptions::new()
        .socket(socket)
        .username(SUPERUSER)
        .database("postgres")
        .log_statements(tracing::log::LevelFilter::Off);
    let mut conn = owner.connect().await.unwrap();
    let log = log_of(&owner).await;
    eprintln!("generating {events} events of {} users", events / 5);
    let plot = Plot {
        events,
        users: events / 5,
        coming: events,
        changes: 3,
    };
    generate(&mut conn, log.vault(), plot).await;
    for statement in ["VACUUM ANALYZE log.events", "CHECKPOINT"] {
        conn.execute(statement).await.unwrap();
    }
}

async fn log_of(owner: &PgConnectOptions) -> LogReader {
    let pool = PgPoolOptions::new().connect_lazy_with(owner.clone());
    let vault = Vault::open(pool.clone(), master_key(), &SystemClock)
        .await
        .unwrap();
    LogReader::new(pool, vault, Upcasters::current())
}

async fn measure(cluster: &Cluster, events: usize) {
    let owner = connect_options(cluster, SUPERUSER, "postgres")
        .log_statements(tracing::log::LevelFilter::Off);
    let mut conn = owner.connect().await.unwrap();
    migrate(&mut conn).await.unwrap();
    // In a process of its own, whose memory is not counted as that of a rebuild.
    let made = Command::new(env::current_exe().unwrap())
        .arg((events / 1000).to_string())
        .env(MAKES_LOG, cluster.socket_dir())
        .status()
        .unwrap();
    assert!(made.success());
    let log = log_of(&owner).await;
    let stock = stock::replay(log.pool()).await;
    let psql = psql(&mut conn, cluster).await;
    let mut times = Times::default();
    for round in 0..ROUNDS {
        times.copied.push(copied_out(&psql, cluster));
        let tells = round + 1 == ROUNDS;
        forget_peak();
        times.rebuilt.push(rebuilt(&owner, &log, tells).await);
        times.rebuild_mib = times.rebuild_mib.max(peak_mib());
        forget_peak();
        times.verified.push(verified(&owner, &log, tells).await);
        times.verify_mib = times.verify_mib.max(peak_mib());
    }
    times.print(events, stock);
    let rebuild = rebuilt(&owner, &log, true);
    let (_, seen) = beside_clients(&owner, master_key(), rebuild).await;
    println!("\nBeside such a rebuild, {seen}.");
    verified(&owner, &log, false).await;
}

fn master_key() -> MasterKey {
    MasterKey::new([7; 32])
}

#[derive(Default)]
struct Times {
    copied: Vec<Duration>,
    rebuilt: Vec<Duration>,
    verified: Vec<Duration>,
    rebuild_mib: u64,
    verify_mib: u64,
}

impl Times {
    fn print(self, events: usize, stock: f64) {
        let events = f64::from(u32::try_from(events).unwrap_or(u32::MAX));
        let rate = |times: Vec<Duration>| events / median(times).as_secs_f64();
        let (copied, rebuilt, verified) =
            (rate(self.copied), rate(self.rebuilt), rate(self.verified));
        println!("\nEvents a second, medians of {ROUNDS} rounds");
        println!("psql's COPY       {copied:>12.0}");
        println!(
            "rebuild           {rebuilt:>12.0}   {:.2}x psql's COPY",
            rebuilt / copied
        );
        println!(
            "verify            {verified:>12.0}   {:.2}x rebuild",
            verified / rebuilt
        );
        println!(
            "stock replay      {stock:>12.0}   rebuild is {:.0}x that",
            rebuilt / stock
        );
        println!(
            "peak memory       {:>9} MiB for the rebuild, {} MiB for verify",
            self.rebuild_mib, self.verify_mib
        );
    }
}

async fn rebuilt(owner: &PgConnectOptions, log: &LogReader, tells: bool) -> Duration {
    let wish = rebuild::Wish {
        projections: Vec::new(),
        workers: WORKERS,
    };
    let progress = Arc::new(Progress::default());
    let (since, worked) = (Instant::now(), processor_time());
    rebuild::rebuild(owner, log, &wish, &progress)
        .await
        .unwrap();
    let took = since.elapsed();
    let worked = processor_time().saturating_sub(worked);
    print_stages("rebuild", took, worked, &progress, tells);
    took
}

async fn verified(owner: &PgConnectOptions, log: &LogReader, tells: bool) -> Duration {
    let wish = verify::Wish {
        user: None,
        workers: WORKERS,
        repair: false,
    };
    let progress = Arc::new(Progress::default());
    let (since, worked) = (Instant::now(), processor_time());
    let found = verify::verify(owner, log, &wish, &progress).await.unwrap();
    let took = since.elapsed();
    let worked = processor_time().saturating_sub(worked);
    assert!(
        found.is_good(),
        "{:?} {:?}",
        found.flaws.first(),
        found.differences.first()
    );
    print_stages("verify", took, worked, &progress, tells);
    took
}

fn print_stages(what: &str, took: Duration, worked: Duration, progress: &Progress, tells: bool) {
    eprintln!(
        "{what}: {:.2} s, {:.2} s of processor time in this process",
        took.as_secs_f64(),
        worked.as_secs_f64()
    );
    if !tells {
        return;
    }
    let line = |does: &dyn ToString, took: Duration| {
        println!(
            "{what}, {:<24}{:>8.2} s",
            does.to_string(),
            took.as_secs_f64()
        );
    };
    for (stage, took) in progress.past() {
        line(&stage, took);
    }
    println!("  of all threads and connections, side by side:");
    for (work, took) in progress.spent() {
        line(&work, took);
    }
}

/// `psql` of the server's own version.
async fn psql(conn: &mut sqlx::PgConnection, cluster: &Cluster) -> PathBuf {
    let binaries: String =
        sqlx::query_scalar("SELECT setting FROM pg_config WHERE name = 'BINDIR'")
            .fetch_one(conn)
            .await
            .unwrap();
    let psql = Path::new(&binaries).join("psql");
    copied_out(&psql, cluster);
    psql
}

fn copied_out(psql: &Path, cluster: &Cluster) -> Duration {
    let since = Instant::now();
    let status = Command::new(psql)
        .args(["-X", "-q", "-U", SUPERUSER, "-d", "postgres", "-h"])
        .arg(cluster.socket_dir())
        .args(["-p", &cluster.port().to_string()])
        .args([
            "-c",
            "COPY (SELECT * FROM log.events) TO STDOUT (FORMAT binary)",
        ])
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    let took = since.elapsed();
    eprintln!("psql: {:.2} s", took.as_secs_f64());
    took
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// What all threads of this process have worked so far.
fn processor_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    [usage.user_time(), usage.system_time()]
        .map(|time| Duration::from_micros(time.num_microseconds().unsigned_abs()))
        .iter()
        .sum()
}

/// What went before took memory too. What the process has not given back counts all the same.
fn forget_peak() {
    drop(fs::write("/proc/self/clear_refs", "5"));
}

/// The most memory that was held at once, where the system tells.
fn peak_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or_default() / 1024
}
