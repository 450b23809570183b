//! The audit log with many entries: how long a page and its exact count take, whatever is asked for, next to one query
//! that counts by a window, as is usual. benches/README.md says how to read the figures.
#![expect(
    clippy::unwrap_used,
    reason = "a measurement that cannot go on should stop where it is"
)]

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use rollcall::{
    app::{App, AppState},
    config::Config,
    database::{connect_options, migrate},
    postgres::{Cluster, ClusterOptions, Durability, SUPERUSER},
};
use rollcall_events::{clock::SystemClock, vault::MasterKey};
use rollcall_projections::audit::{PageRequest, Side, page, resolve, search};
use sqlx::{ConnectOptions, Connection, Executor, PgConnection};
use uuid::Uuid;

/// Millions of entries, unless the command line gives another number.
const MILLIONS: u32 = 1;
const ROUNDS: usize = 5;
/// Those who page by the browser ask for so many.
const LIMIT: u32 = 25;

/// Two years of a hundred thousand users: sign-ins and what else they do; one in ten entries of the first year is of one
/// automatic user. The numbers of the kinds are explained in migrations/README.md.
const FILL: &str = "
INSERT INTO read.audit (at, position, kind, user_id, resource_id, organization_id, request_id)
SELECT timestamptz '2024-11-24' + n * (interval '2 years' / $1), n
     , CASE WHEN r < 40 THEN 140 WHEN r < 65 THEN 142 WHEN r < 80 THEN 141 WHEN r < 88 THEN 130 WHEN r < 93 THEN 134
            WHEN r < 97 THEN 68 WHEN r < 98 THEN 66 ELSE 258 END
     , CASE WHEN r >= 72 AND r < 80 THEN NULL
            WHEN n % 10 = 0 AND n < $1 / 2 THEN '00000000-0000-7000-8000-000000000001'::uuid
            ELSE ('00000000-0000-7000-8000-' || lpad((1 + (n * 7919) % 100000)::text, 12, '0'))::uuid END
     , CASE WHEN r >= 72 AND r < 80 THEN NULL
            ELSE ('00000000-0000-7000-8000-' || lpad((1 + (n * 104729) % 100000)::text, 12, '0'))::uuid END
     , CASE WHEN r >= 98 THEN ('00000000-0000-7000-8000-0000000000a' || n / 7 % 5)::uuid END
     , ('00000000-0000-7000-8001-' || lpad(n::text, 12, '0'))::uuid
  FROM (SELECT n, (n * 2654435761) % 100 AS r FROM generate_series(1::bigint, $1::bigint) AS n) AS entries";
const COUNT: &str = "
TRUNCATE read.audit_counts;
INSERT INTO read.audit_counts (kind, day, count)
SELECT kind, (at AT TIME ZONE 'UTC')::date, count(*) FROM read.audit GROUP BY 1, 2";

/// What is asked for: in words, in the language of `q`, and as the usual query would have it.
const QUESTIONS: [(&str, &str, &str); 8] = [
    ("everything", "", "true"),
    ("sign-ins", "action:login", "kind IN (140, 141)"),
    ("created users", "user action:create", "kind IN (66, 67)"),
    (
        "sign-ins of a month",
        "action:login date_from:2025-06-01 date_to:2025-06-30",
        "kind IN (140, 141) AND at >= '2025-06-01' AND at < '2025-07-01'",
    ),
    (
        "by somebody",
        "username:me",
        "user_id = '00000000-0000-7000-8000-000000000777'",
    ),
    (
        "to somebody",
        "resource_id:00000000-0000-7000-8000-000000000777",
        "resource_id = '00000000-0000-7000-8000-000000000777'",
    ),
    (
        "in an organisation",
        "organization:00000000-0000-7000-8000-0000000000a1",
        "organization_id = '00000000-0000-7000-8000-0000000000a1'",
    ),
    (
        "by the automatic user",
        "username:me",
        "user_id = '00000000-0000-7000-8000-000000000001'",
    ),
];

fn main() {
    let folder = Folder::make();
    // Here, because the server stops with the thread that started it.
    let cluster = Cluster::start(&ClusterOptions {
        data_dir: folder.0.clone(),
        postgres_bin: None,
        durability: Durability::Throwaway,
    })
    .unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        tokio::select! {
            () = measure(&cluster) => {}
            _ = tokio::signal::ctrl_c() => eprintln!("interrupted"),
        }
    });
    drop(runtime);
    cluster.stop().unwrap();
}

async fn measure(cluster: &Cluster) {
    let millions = millions();
    let options = |role: &str| {
        connect_options(cluster, role, "postgres").log_statements(tracing::log::LevelFilter::Off)
    };
    let mut conn = options(SUPERUSER).connect().await.unwrap();
    migrate(&mut conn).await.unwrap();
    conn.execute("ALTER ROLE rollcall_service LOGIN")
        .await
        .unwrap();
    let app = App::start(
        Config::default(),
        options("rollcall_service"),
        MasterKey::new([42; 32]),
        Arc::new(SystemClock),
    );
    let app = app.await.unwrap();
    eprintln!("making {millions} million entries");
    fill(&mut conn, millions).await;
    println!(
        "{millions} million entries, pages of {LIMIT}; medians of {ROUNDS} rounds, in milliseconds\n"
    );
    println!("asked for                    page and count        count   one query");
    for (words, q, condition) in QUESTIONS {
        let (ours, count) = ours(&app, words, q).await;
        let usual = usual(&mut conn, condition).await;
        println!(
            "{words:<28} {:>14} {count:>12} {:>11}",
            millis(ours),
            millis(usual)
        );
    }
    conn.close().await.unwrap();
}

fn millions() -> u32 {
    env::args()
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(MILLIONS)
}

async fn fill(conn: &mut PgConnection, millions: u32) {
    // The statement's parameter is written into it: it has several types.
    let entries = u64::from(millions) * 1_000_000;
    conn.execute(FILL.replace("$1", &entries.to_string()).as_str())
        .await
        .unwrap();
    for statement in COUNT.split(';') {
        conn.execute(statement).await.unwrap();
    }
    for table in ["read.audit", "read.audit_counts"] {
        conn.execute(format!("VACUUM ANALYZE {table}").as_str())
            .await
            .unwrap();
    }
}

/// As the service asks for a page, but for the events, of which there are none: what it takes to read those depends on
/// the page and not on the number of entries.
async fn ours(app: &AppState, words: &str, q: &str) -> (Duration, i64) {
    let me = if words.contains("automatic") {
        1
    } else {
        0x777
    };
    let me = Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0000 + me);
    let query = search::parse(q).unwrap();
    let mut times = Vec::new();
    let mut count = 0;
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let filter = resolve(&app.pool, &query, me).await.unwrap();
        let request = PageRequest {
            filter,
            side: Side::Newest,
            limit: LIMIT,
            offset: 0,
        };
        count = page(&app.log, &request).await.unwrap().count;
        times.push(began.elapsed());
    }
    (median(times), count)
}

/// One query with a window, which has to find everything to tell how much there is.
async fn usual(conn: &mut PgConnection, condition: &str) -> Duration {
    let query = format!(
        "SELECT at, position, count(*) OVER () FROM read.audit WHERE {condition}
          ORDER BY at DESC, position DESC LIMIT {LIMIT}"
    );
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        conn.fetch_all(query.as_str()).await.unwrap();
        times.push(began.elapsed());
    }
    median(times)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn millis(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1_000.0)
}

/// The folder of the measurement, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn make() -> Self {
        let parent = env::var_os("TMPDIR").unwrap_or_else(|| "/var/tmp".into());
        let name = format!("rollcall-bench-audit-{}", std::process::id());
        let folder = Path::new(&parent).join(name);
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}
