//! Rebuild and verification: how many events a second, stage by stage, next to `psql` copying the same table out and to the
//! replay of `cqrs-es`; and how much memory they take. benches/README.md says how to read the figures.
#![expect(
    clippy::unwrap_used,
    reason = "a measurement that cannot go on should stop where it is"
)]

#[path = "rebuild/alone.rs"]
mod alone;
#[path = "rebuild/beside.rs"]
mod beside;
#[path = "rebuild/generate.rs"]
mod generate;
#[path = "support/on_a_cluster.rs"]
mod on_a_cluster;
#[path = "rebuild/stock.rs"]
mod stock;

use std::{
    env,
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

use alone::{alone, report, task};
use beside::beside_clients;
use generate::{Plot, generate};
use on_a_cluster::on_a_cluster;

/// Thousands of events, unless the command line gives another number; a fifth as many users.
const THOUSANDS: usize = 1000;
const ROUNDS: usize = 3;
const WORKERS: u32 = 2;

fn main() {
    let number = env::args().find_map(|argument| argument.parse().ok());
    let thousands = number.unwrap_or(THOUSANDS);
    match task() {
        Some((task, owner)) => tokio::runtime::Runtime::new()
            .unwrap()
            .block_on(perform(&task, &owner, thousands)),
        None => on_a_cluster(async |cluster, _| measure(cluster, thousands).await),
    }
}

/// What a process of its own does.
async fn perform(task: &str, owner: &PgConnectOptions, thousands: usize) {
    let log = log_of(owner).await;
    report(match task {
        "generate" => generated(owner, &log, thousands * 1000).await,
        "rebuild" => rebuilt(owner, &log).await,
        _ => verified(owner, &log).await,
    });
}

async fn log_of(owner: &PgConnectOptions) -> LogReader {
    let pool = PgPoolOptions::new().connect_lazy_with(owner.clone());
    let vault = Vault::open(pool.clone(), master_key(), &SystemClock)
        .await
        .unwrap();
    LogReader::new(pool, vault, Upcasters::current())
}

async fn measure(cluster: &Cluster, thousands: usize) {
    let owner = connect_options(cluster, SUPERUSER, "postgres")
        .log_statements(tracing::log::LevelFilter::Off);
    let mut conn = owner.connect().await.unwrap();
    migrate(&mut conn).await.unwrap();
    alone("generate", cluster, thousands);
    let log = log_of(&owner).await;
    let stock = stock::replay(log.pool()).await;
    let psql = psql(&mut conn, cluster).await;
    let mut times = Times::default();
    for round in 0..ROUNDS {
        times.copied.push(copied_out(&psql, cluster));
        let rebuild = alone("rebuild", cluster, thousands);
        let verify = alone("verify", cluster, thousands);
        times.rebuilt.push(rebuild.took);
        times.rebuild_mib = times.rebuild_mib.max(rebuild.peak_mib);
        times.verified.push(verify.took);
        times.verify_mib = times.verify_mib.max(verify.peak_mib);
        if round + 1 == ROUNDS {
            println!("{}{}", rebuild.says, verify.says);
        }
    }
    times.print(thousands * 1000, stock);
    let rebuild = rebuilt(&owner, &log);
    let (_, seen) = beside_clients(&owner, master_key(), rebuild).await;
    println!("\nBeside such a rebuild, {seen}.");
    verified(&owner, &log).await;
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

async fn generated(owner: &PgConnectOptions, log: &LogReader, events: usize) -> Duration {
    eprintln!("generating {events} events of {} users", events / 5);
    let since = Instant::now();
    let mut conn = owner.connect().await.unwrap();
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
    since.elapsed()
}

async fn rebuilt(owner: &PgConnectOptions, log: &LogReader) -> Duration {
    let wish = rebuild::Wish {
        projections: Vec::new(),
        workers: WORKERS,
        streams_in_memory: rebuild::STREAMS_IN_MEMORY,
        skip_unreadable: false,
    };
    let progress = Arc::new(Progress::default());
    let (since, worked) = (Instant::now(), processor_time());
    rebuild::rebuild(owner, log, &wish, &progress)
        .await
        .unwrap();
    let took = since.elapsed();
    let worked = processor_time().saturating_sub(worked);
    print_stages("rebuild", took, worked, &progress);
    took
}

async fn verified(owner: &PgConnectOptions, log: &LogReader) -> Duration {
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
    print_stages("verify", took, worked, &progress);
    took
}

fn print_stages(what: &str, took: Duration, worked: Duration, progress: &Progress) {
    eprintln!(
        "{what}: {:.2} s, {:.2} s of processor time in this process",
        took.as_secs_f64(),
        worked.as_secs_f64()
    );
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
