//! Commands a second: ours, the stock `cqrs-es` with `postgres-es`, and plain transactions by `pgbench`, side by side
//! on one durable Postgres that is made for it and removed. benches/README.md says how to read the figures.
#![expect(
    clippy::unwrap_used,
    reason = "a measurement that cannot go on should stop where it is"
)]

#[path = "commands/fsync.rs"]
mod fsync;
#[path = "support/on_a_cluster.rs"]
mod on_a_cluster;
#[path = "commands/ours.rs"]
mod ours;
#[path = "commands/pgbench.rs"]
mod pgbench;
#[path = "commands/stock.rs"]
mod stock;
#[path = "commands/workload.rs"]
mod workload;

use std::{
    env,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rollcall::{
    database::{connect_options, migrate},
    postgres::{Cluster, SUPERUSER},
};
use sqlx::{ConnectOptions, Connection, Executor, PgConnection, postgres::PgConnectOptions};

use on_a_cluster::on_a_cluster;
use ours::Ours;
use pgbench::Pgbench;
use stock::Stock;
use workload::{Somebody, commands_per_second, populate};

const IN_FLIGHT: [usize; 4] = [1, 16, 64, 256];
const ROUNDS: usize = 3;
/// How long a side is measured in a round, unless the command line gives another number of seconds.
const ROUND_S: u64 = 5;

fn main() {
    on_a_cluster(async |cluster, folder| measure(cluster, folder).await);
}

async fn measure(cluster: &Cluster, folder: &Path) {
    let mut sides = Sides::prepare(cluster, folder).await;
    let time = Duration::from_secs(seconds());
    let mut table = Vec::new();
    for in_flight in IN_FLIGHT {
        let mut figures = Figures::default();
        for round in 1..=ROUNDS {
            eprintln!("{in_flight} in flight, round {round} of {ROUNDS}");
            sides.round(in_flight, time, &mut figures).await;
        }
        table.push((in_flight, figures));
    }
    print(&sides, &table);
}

fn seconds() -> u64 {
    env::args()
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(ROUND_S)
}

/// The three that are compared, each on a database of its own with as many users.
struct Sides {
    fsync: Option<String>,
    ours: Arc<Ours>,
    our_users: Arc<Vec<Somebody>>,
    stock: Arc<Stock>,
    stock_users: Arc<Vec<Somebody>>,
    pgbench: Pgbench,
}

/// Commands a second, one figure for each round.
#[derive(Default)]
struct Figures {
    ours: Vec<f64>,
    stock: Vec<f64>,
    pgbench: Vec<f64>,
}

impl Sides {
    async fn prepare(cluster: &Cluster, folder: &Path) -> Self {
        let options = |role: &str, database: &str| {
            connect_options(cluster, role, database).log_statements(tracing::log::LevelFilter::Off)
        };
        let binaries = create_databases(&options(SUPERUSER, "postgres")).await;
        let fsync = fsync::figure(&binaries, folder).await;

        migrated(&options(SUPERUSER, "ours"))
            .await
            .close()
            .await
            .unwrap();
        let service = options("rollcall_service", "ours");
        let our_users = populate(&Ours::start(&service).await).await;
        let stock = Stock::start(&options(SUPERUSER, "stock")).await;
        let stock_users = populate(&stock).await;
        let mut conn = migrated(&options(SUPERUSER, "plain")).await;
        let pgbench = Pgbench::prepare(&binaries, folder, cluster, "plain", &mut conn).await;
        conn.execute("CHECKPOINT").await.unwrap();
        conn.close().await.unwrap();
        Self {
            fsync,
            // Another one than made the users: it has none of them in memory.
            ours: Ours::start(&service).await,
            our_users,
            stock,
            stock_users,
            pgbench,
        }
    }

    /// One after the other, so that a busy moment of the machine hits all of them.
    async fn round(&mut self, in_flight: usize, time: Duration, figures: &mut Figures) {
        let ours = commands_per_second(&self.ours, &self.our_users, in_flight, time).await;
        let stock = commands_per_second(&self.stock, &self.stock_users, in_flight, time).await;
        let pgbench = self.pgbench.commands_per_second(in_flight, time).await;
        eprintln!("  ours {ours:.0}/s, stock {stock:.0}/s, pgbench {pgbench:.0}/s");
        figures.ours.push(ours);
        figures.stock.push(stock);
        figures.pgbench.push(pgbench);
    }
}

/// Makes the databases; where the programs are that belong to the server.
async fn create_databases(options: &PgConnectOptions) -> PathBuf {
    let mut conn = options.connect().await.unwrap();
    for database in ["ours", "stock", "plain"] {
        conn.execute(format!("CREATE DATABASE {database}").as_str())
            .await
            .unwrap();
    }
    let binaries: String =
        sqlx::query_scalar("SELECT setting FROM pg_config WHERE name = 'BINDIR'")
            .fetch_one(&mut conn)
            .await
            .unwrap();
    conn.close().await.unwrap();
    binaries.into()
}

async fn migrated(options: &PgConnectOptions) -> PgConnection {
    let mut conn = options.connect().await.unwrap();
    migrate(&mut conn).await.unwrap();
    conn.execute("ALTER ROLE rollcall_service LOGIN")
        .await
        .unwrap();
    conn
}

fn print(sides: &Sides, table: &[(usize, Figures)]) {
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let fsync = sides.fsync.as_deref().unwrap_or("not measured");
    println!("One 8 kB write made durable (pg_test_fsync): {fsync}\n");
    println!("Commands a second, medians of {ROUNDS} rounds");
    println!("in flight      ours     stock   pgbench   ours/stock   ours/pgbench");
    for (in_flight, figures) in table {
        let (ours, stock) = (median(&figures.ours), median(&figures.stock));
        let pgbench = median(&figures.pgbench);
        let (to_stock, to_pgbench) = (ours / stock, ours / pgbench);
        println!(
            "{in_flight:>9} {ours:>9.0} {stock:>9.0} {pgbench:>9.0} {to_stock:>11.1}x {to_pgbench:>13.1}x"
        );
    }
    let best = |of: fn(&Figures) -> &Vec<f64>| {
        let medians = table.iter().map(|(_, figures)| median(of(figures)));
        medians.fold(0.0, f64::max)
    };
    let (ours, stock, pgbench) = (
        best(|figures| &figures.ours),
        best(|figures| &figures.stock),
        best(|figures| &figures.pgbench),
    );
    println!(
        "     best {ours:>9.0} {stock:>9.0} {pgbench:>9.0} {:>11.1}x {:>13.1}x",
        ours / stock,
        ours / pgbench
    );
    println!(
        "
ours     the command bus: loading, deciding, sealing personal data, the Merkle tree, read models written in the same
         commit. It gave {} commands back as contended; they were sent again.
stock    cqrs-es and postgres-es 0.5, {} connections, an aggregate with the same rules, nothing sealed, one view that is
         written after the commit. {} commands met a conflict and were sent again; {} updates of the view were lost.
pgbench  the SQL of our append for one command, one transaction each, prepared, without a service: no loading, deciding,
         sealing or hashing. It locks the head row, as every append must, so that its clients stand in line;
         {} clients at most.
Passwords are hashed nowhere. {} users; one command in twenty is about one of a few of them.",
        count(&sides.ours.contended),
        stock::CONNECTIONS,
        count(&sides.stock.conflicts),
        count(&sides.stock.lost_updates),
        pgbench::CLIENTS_MAX,
        workload::USERS,
    );
}

fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
