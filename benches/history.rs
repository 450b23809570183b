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
    history::{Moment, PastList, user_at},
    rebuild::{self, Progress},
    users::{
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
                    after: None,
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
            let list = PastList::find(&self.log, request.clone(), Moment::Time(at));
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

    async fn time(&self, hundredths: usize) -> chrono::DateTime<chrono::Utc> {
        let position = i64::try_from(self.users / 100 * hundredths).unwrap();
        sqlx::query_scalar("SELECT recorded_at FROM log.events WHERE position = $1")
            .bind(position)
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
