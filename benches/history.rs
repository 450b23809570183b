//! The past of a million users: how long the list as of a moment takes, whatever is asked for and whenever it was, and how long
//! one user does. benches/README.md says how to read the figures.
#![expect(
    clippy::unwrap_used,
    reason = "a measurement that cannot go on should stop where it is"
)]

#[path = "rebuild/generate.rs"]
mod generate;
#[path = "support/on_a_cluster.rs"]
mod on_a_cluster;

use std::{
    env,
    sync::Arc,
    time::{Duration, Instant},
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
    audit,
    history::{self, Moment, UserList, user_at},
    rebuild::{self, Progress},
    users::{
        Cursor,
        list::{ListRequest, Visibility},
        search,
    },
};
use sqlx::{ConnectOptions, Executor, PgPool, postgres::PgPoolOptions};
use uuid::Uuid;

use generate::{Plot, generate};
use on_a_cluster::on_a_cluster;

/// Thousands of users, unless the command line gives another number; twice as many events.
const THOUSANDS: usize = 1000;
const ROUNDS: usize = 3;
/// Those who page by the browser ask for so many.
const LIMIT: u32 = 25;

/// What is asked for: in words, in the language of `q`, and how many are left out at the beginning, in hundredths of all.
const QUESTIONS: [(&str, &str, u32); 6] = [
    ("everybody", "", 0),
    ("everybody, from the middle", "", 50),
    ("part of a name", "somebody-7777", 0),
    ("part of a display name", "name:ada", 0),
    ("the suspended", "status:suspended", 0),
    ("the owners", "role:owner", 0),
];

fn main() {
    on_a_cluster(async |cluster, _| measure(cluster).await);
}

async fn measure(cluster: &Cluster) {
    let number = env::args().find_map(|argument| argument.parse().ok());
    let users = number.unwrap_or(THOUSANDS) * 1000;
    let owner = connect_options(cluster, SUPERUSER, "postgres")
        .log_statements(tracing::log::LevelFilter::Off);
    let mut conn = owner.connect().await.unwrap();
    migrate(&mut conn).await.unwrap();
    let pool = PgPoolOptions::new().connect_lazy_with(owner.clone());
    let vault = Vault::open(pool.clone(), MasterKey::new([7; 32]), &SystemClock)
        .await
        .unwrap();
    let log = LogReader::new(pool.clone(), vault, Upcasters::current());
    eprintln!("generating {users} users, who come and then change");
    let plot = Plot {
        events: 2 * users + 1,
        users,
        coming: users,
        changes: 10,
    };
    generate(&mut conn, log.vault(), plot).await;
    let wish = rebuild::Wish {
        projections: vec!["users".to_owned()],
        workers: 2,
        streams_in_memory: rebuild::STREAMS_IN_MEMORY,
        skip_unreadable: false,
    };
    rebuild::rebuild(&owner, &log, &wish, &Arc::new(Progress::default()))
        .await
        .unwrap();
    for statement in ["VACUUM ANALYZE", "CHECKPOINT"] {
        conn.execute(statement).await.unwrap();
    }
    let past = Past { log, pool, users };
    past.print_lists().await;
    past.print_user().await;
    past.print_long_history().await;
}

/// A user who was suspended and activated this often.
const CHANGES: i64 = 100_000;

/// The most memory that the process has used since the last call, in KiB, beyond what it uses now.
fn peak_kib(before: u64) -> u64 {
    status_kib("VmHWM:").saturating_sub(before)
}

/// Begins to measure the peak again: what is used now.
fn reset_peak() -> u64 {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    status_kib("VmRSS:")
}

fn status_kib(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

struct Past {
    log: LogReader,
    pool: PgPool,
    users: usize,
}

impl Past {
    /// In words, and by how many events had been recorded, in hundredths of the users.
    const MOMENTS: [(&str, usize); 4] = [
        ("half are there", 50),
        ("all are there", 100),
        ("half have changed", 150),
        ("now", 200),
    ];

    async fn print_lists(&self) {
        print!("{:<28}", "ms, medians; and how many");
        for (moment, _) in Self::MOMENTS {
            print!("{moment:>24}");
        }
        println!();
        for (question, q, left_out) in QUESTIONS {
            print!("{question:<28}");
            for (_, hundredths) in Self::MOMENTS {
                let request = ListRequest {
                    filter: search::parse(q).unwrap(),
                    visible_to: Visibility::All,
                    after: Cursor::Start,
                    limit: LIMIT,
                    offset: u32::try_from(self.users / 100).unwrap() * left_out,
                };
                let (took, count) = self.list(&request, hundredths).await;
                print!("{:>13.1}{count:>11}", took.as_secs_f64() * 1000.0);
            }
            println!();
        }
    }

    async fn list(&self, request: &ListRequest, hundredths: usize) -> (Duration, i64) {
        let at = self.time(hundredths).await;
        let mut times = Vec::new();
        let mut count = 0;
        for _ in 0..ROUNDS {
            let since = Instant::now();
            let list = UserList::at(&self.log, request.clone(), None, Moment::Time(at));
            let page = list.await.unwrap().page(&self.pool).await.unwrap();
            times.push(since.elapsed());
            count = page.count;
        }
        (median(times), count)
    }

    /// Somebody who has changed often.
    async fn print_user(&self) {
        let (id, events): (Uuid, i64) = sqlx::query_as(
            "SELECT aggregate_id, max(version) FROM log.events GROUP BY 1 ORDER BY 2 DESC LIMIT 1",
        )
        .fetch_one(&self.pool)
        .await
        .unwrap();
        for (moment, hundredths) in Self::MOMENTS {
            let at = self.time(hundredths).await;
            let mut times = Vec::new();
            for _ in 0..ROUNDS {
                let since = Instant::now();
                user_at(&self.log, id, Moment::Time(at)).await.unwrap();
                times.push(since.elapsed());
            }
            let took = median(times).as_secs_f64() * 1000.0;
            println!("a user of {events} events, {moment}: {took:.1} ms");
        }
    }

    /// What is asked about a user with very many events: how long it takes, and how much memory it needs.
    async fn print_long_history(&self) {
        let (id, version): (Uuid, i64) =
            sqlx::query_as("SELECT id, version FROM read.users ORDER BY id LIMIT 1")
                .fetch_one(&self.pool)
                .await
                .unwrap();
        self.pool.execute(changes(id).as_str()).await.unwrap();
        self.pool
            .execute("VACUUM ANALYZE log.events, read.users, read.past_users, read.audit")
            .await
            .unwrap();
        println!("a user who changed {CHANGES} times: ms, medians; and KiB");
        let page = |after, kinds: &[&str]| history::PageRequest {
            user: id,
            order: history::Order::NewestFirst,
            after,
            kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
            actor: None,
            from: None,
            until: None,
            limit: LIMIT,
        };
        let middle = Moment::Version(version + CHANGES / 2);
        let position = user_at(&self.log, id, middle)
            .await
            .unwrap()
            .unwrap()
            .row
            .position;
        for (what, request) in [
            ("the latest of the history", page(None, &[])),
            ("a page of its middle", page(Some(position), &[])),
            ("those of one kind", page(None, &["UserSuspended"])),
        ] {
            print_row(what, async || {
                history::page(&self.log, &request).await.unwrap();
            })
            .await;
        }
        print_row("the user as of the middle", async || {
            user_at(&self.log, id, middle).await.unwrap();
        })
        .await;
        let now = self.time(200).await;
        print_row("the sessions of now", async || {
            history::sessions_now(&self.log, id, now).await.unwrap();
        })
        .await;
        print_row("the sessions as of the middle", async || {
            history::sessions_at(&self.log, id, middle, now)
                .await
                .unwrap();
        })
        .await;
        let by_user = audit::search::parse("username:me").unwrap();
        let request = audit::PageRequest {
            filter: audit::resolve(&self.pool, &by_user, id).await.unwrap(),
            side: audit::Side::Newest,
            limit: LIMIT,
            offset: 0,
        };
        print_row("the audit log, by the user", async || {
            audit::page(&self.log, &request).await.unwrap();
        })
        .await;
    }

    async fn time(&self, hundredths: usize) -> chrono::DateTime<chrono::Utc> {
        let position = i64::try_from(self.users / 100 * hundredths).unwrap();
        sqlx::query_scalar("SELECT recorded_at FROM log.events WHERE position = $1")
            .bind(position)
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }
}

async fn print_row(what: &str, ask: impl AsyncFn()) {
    let mut times = Vec::new();
    let before = reset_peak();
    for _ in 0..ROUNDS {
        let since = Instant::now();
        ask().await;
        times.push(since.elapsed());
    }
    let took = median(times).as_secs_f64() * 1000.0;
    println!("{what:<32}{took:>10.1}{:>10}", peak_kib(before));
}

/// The statements that give a user so many events, in the log, in the past of the user and in the audit log.
fn changes(id: Uuid) -> String {
    format!(
        "CREATE TEMP TABLE given AS
         SELECT head.position + nth AS position
              , own.version + nth AS version
              , nth
              , head.recorded_at
           FROM generate_series(1, {CHANGES}) AS nth
              , log.head
              , (SELECT max(version) AS version FROM log.events WHERE aggregate_id = '{id}') AS own;
         INSERT INTO log.events
         SELECT position, 'user', '{id}', version
              , CASE nth % 2 WHEN 1 THEN 'UserSuspended' ELSE 'UserActivated' END, 1
              , convert_to(CASE nth % 2 WHEN 1 THEN '{{\"UserSuspended\":{{}}}}'
                                ELSE '{{\"UserActivated\":{{\"cause\":\"administrator\"}}}}' END, 'UTF8')
              , convert_to('{{\"actor\":\"user:{id}\",\"command_id\":\"{id}\",\"correlation_id\":\"{id}\",\"causation_id\":\"{id}\"}}', 'UTF8')
              , recorded_at
           FROM given;
         INSERT INTO read.past_users
                (id, since, until, version, username, username_key, email, email_key, name, name_key, avatar_url
               , status, login_type, roles, organization_ids, organization_roles, created_at, updated_at)
         SELECT users.id, CASE nth WHEN 1 THEN users.position ELSE given.position - 1 END, given.position
              , CASE nth WHEN 1 THEN users.version ELSE given.version - 1 END
              , username, username_key, email, email_key, name, name_key, avatar_url, status, login_type
              , roles, organization_ids, organization_roles, created_at, updated_at
           FROM given, read.users
          WHERE users.id = '{id}';
         UPDATE read.users
            SET (version, position) = (SELECT version, position FROM given ORDER BY nth DESC LIMIT 1)
          WHERE id = '{id}';
         INSERT INTO read.audit (at, position, kind, user_id, resource_id, organization_id, request_id)
         SELECT recorded_at, position, 68, '{id}', '{id}', NULL, '{id}' FROM given;
         INSERT INTO read.audit_counts (kind, day, count)
         SELECT 68, max(recorded_at)::date, count(*) FROM given
             ON CONFLICT (kind, day) DO UPDATE SET count = audit_counts.count + excluded.count;
         UPDATE log.head
            SET position = head.position + {CHANGES}
              , frontier = decode(repeat('00', 32 * bit_count((head.position + {CHANGES})::bit(64))::integer), 'hex');
         DROP TABLE given;"
    )
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
