//! The audit log: how long a page and its exact count take among many entries, whatever is asked for, next to one query
//! that counts by a window, as is usual; and what it costs every command that its entries are written. benches/README.md
//! says how to read the figures.
#![expect(
    clippy::unwrap_used,
    reason = "a measurement that cannot go on should stop where it is"
)]

#[path = "support/on_a_cluster.rs"]
mod on_a_cluster;
#[path = "commands/ours.rs"]
mod ours;
#[path = "commands/workload.rs"]
mod workload;

use std::{
    env,
    sync::Arc,
    time::{Duration, Instant},
};

use rollcall::{
    app::{App, AppState},
    config::Config,
    database::{connect_options, migrate},
    postgres::{Cluster, SUPERUSER},
};
use rollcall_events::{clock::SystemClock, vault::MasterKey};
use rollcall_projections::audit::{PageRequest, Side, page, resolve, search};
use sqlx::{ConnectOptions, Connection, Executor, PgConnection, postgres::PgConnectOptions};
use uuid::Uuid;

use on_a_cluster::on_a_cluster;
use ours::Ours;
use workload::{Somebody, commands_per_second, populate};

/// Millions of entries, unless the command line gives another number.
const MILLIONS: u32 = 1;
const ROUNDS: usize = 5;
/// Those who page by the browser ask for so many.
const LIMIT: u32 = 25;

/// Two years of a hundred thousand users: sign-ins and what else they do, mostly to themselves; one in ten entries of the first
/// year is of one automatic user. The numbers of the kinds are explained in migrations/README.md.
const FILL: &str = "
INSERT INTO read.audit (at, position, kind, user_id, resource_id, organization_id, request_id)
SELECT timestamptz '2024-11-24' + n * (interval '2 years' / $1), n
     , CASE WHEN r < 40 THEN 140 WHEN r < 65 THEN 142 WHEN r < 80 THEN 141 WHEN r < 88 THEN 130 WHEN r < 93 THEN 134
            WHEN r < 97 THEN 68 WHEN r < 98 THEN 66 ELSE 258 END
     , user_id
     , CASE WHEN r < 93 THEN user_id
            ELSE ('00000000-0000-7000-8000-' || lpad((1 + (n * 104729) % 100000)::text, 12, '0'))::uuid END
     , CASE WHEN r >= 98 THEN ('00000000-0000-7000-8000-0000000000a' || n / 7 % 5)::uuid END
     , ('00000000-0000-7000-8001-' || lpad(n::text, 12, '0'))::uuid
  FROM (SELECT n, (n * 2654435761) % 100 AS r FROM generate_series(1::bigint, $1::bigint) AS n) AS entries
 CROSS JOIN LATERAL
       (SELECT CASE WHEN r >= 72 AND r < 80 THEN NULL
                    WHEN n % 10 = 0 AND n < $1 / 2 THEN '00000000-0000-7000-8000-000000000001'::uuid
                    ELSE ('00000000-0000-7000-8000-' || lpad((1 + (n * 7919) % 100000)::text, 12, '0'))::uuid
                END AS user_id) AS users";
const COUNT: &str = "
TRUNCATE read.audit_counts;
INSERT INTO read.audit_counts (kind, day, count)
SELECT kind, (at AT TIME ZONE 'UTC')::date, count(*) FROM read.audit GROUP BY 1, 2";

/// How many commands are in flight, and how long that is measured in a round.
const IN_FLIGHT: [usize; 4] = [1, 16, 64, 256];
const ROUND: Duration = Duration::from_secs(4);
/// The same statement is sent, and its rows are thrown away.
const NOTHING_WRITTEN: &str = "
CREATE FUNCTION read.throw_away() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER throw_away BEFORE INSERT ON read.audit FOR EACH ROW EXECUTE FUNCTION read.throw_away();
CREATE TRIGGER throw_away BEFORE INSERT ON read.audit_counts FOR EACH ROW EXECUTE FUNCTION read.throw_away()";

/// What the usual query would go by.
const USUAL_INDEXES: &str = "
CREATE INDEX usual_user ON read.audit (user_id, at, position);
CREATE INDEX usual_resource ON read.audit (resource_id, at, position);
CREATE INDEX usual_request ON read.audit (request_id)";

/// What is asked for: in words, in the language of `q`, and as the usual query would have it.
const QUESTIONS: [(&str, &str, &str); 10] = [
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
        "by somebody to themselves",
        "username:me resource_id:00000000-0000-7000-8000-000000000777",
        "user_id = '00000000-0000-7000-8000-000000000777' AND resource_id = user_id",
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
    (
        "by a request",
        "request_id:00000000-0000-7000-8001-000000777777",
        "request_id = '00000000-0000-7000-8001-000000777777'",
    ),
];

fn main() {
    on_a_cluster(async |cluster, _| measure(cluster).await);
}

async fn measure(cluster: &Cluster) {
    let options = |role: &str, database: &str| {
        connect_options(cluster, role, database).log_statements(tracing::log::LevelFilter::Off)
    };
    let superuser = options(SUPERUSER, "postgres");
    reading(&superuser, &options("rollcall_service", "postgres")).await;
    let mut conn = superuser.connect().await.unwrap();
    for database in ["written", "thrown_away"] {
        let create = format!("CREATE DATABASE {database}");
        conn.execute(create.as_str()).await.unwrap();
    }
    let sides = ["written", "thrown_away"].map(|database| {
        (
            options(SUPERUSER, database),
            options("rollcall_service", database),
        )
    });
    writing(sides).await;
}

async fn migrated(superuser: &PgConnectOptions) -> PgConnection {
    let mut conn = superuser.connect().await.unwrap();
    migrate(&mut conn).await.unwrap();
    conn.execute("ALTER ROLE rollcall_service LOGIN")
        .await
        .unwrap();
    conn
}

/// Pages and counts.
async fn reading(superuser: &PgConnectOptions, service: &PgConnectOptions) {
    let millions = millions();
    let mut conn = migrated(superuser).await;
    let key = MasterKey::new([42; 32]);
    let app = App::start(
        Config::default(),
        service.clone(),
        key,
        Arc::new(SystemClock),
    );
    let app = app.await.unwrap();
    eprintln!("making {millions} million entries");
    fill(&mut conn, millions).await;
    println!(
        "{millions} million entries, pages of {LIMIT}; medians of {ROUNDS} rounds, in milliseconds\n"
    );
    println!("asked for                    page and count        count   one query");
    let mut answers = Vec::new();
    for (words, q, _) in QUESTIONS {
        answers.push(ours(&app, words, q).await);
    }
    conn.execute(USUAL_INDEXES).await.unwrap();
    for ((words, _, condition), (ours, count)) in QUESTIONS.into_iter().zip(answers) {
        let usual = usual(&mut conn, condition).await;
        println!(
            "{words:<28} {:>14} {count:>12} {:>11}",
            millis(ours),
            millis(usual)
        );
    }
    conn.close().await.unwrap();
}

/// Commands a second, with entries that are written, and with entries that are thrown away.
async fn writing(sides: [(PgConnectOptions, PgConnectOptions); 2]) {
    let mut nodes: Vec<(Arc<Ours>, Arc<Vec<Somebody>>)> = Vec::new();
    for (superuser, service) in &sides {
        let mut conn = migrated(superuser).await;
        if !nodes.is_empty() {
            conn.execute(NOTHING_WRITTEN).await.unwrap();
        }
        conn.close().await.unwrap();
        let node = Ours::start(service).await;
        let users = populate(&node).await;
        nodes.push((node, users));
    }
    println!("\nCommands a second, medians of {ROUNDS} rounds\n");
    println!("in flight   entries written   thrown away");
    for in_flight in IN_FLIGHT {
        let mut figures = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            for ((node, users), figures) in nodes.iter().zip(&mut figures) {
                figures.push(commands_per_second(node, users, in_flight, ROUND).await);
            }
        }
        let [written, thrown_away] = figures.map(middle);
        println!("{in_flight:>9} {written:>17.0} {thrown_away:>13.0}");
    }
}

fn middle(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
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
