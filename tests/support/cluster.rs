//! One private cluster for each test binary, started by the service's own code, kept for the next run; one database
//! for each test, cloned from a migrated template.

use std::{
    cell::RefCell,
    collections::hash_map::DefaultHasher,
    hash::{Hash, Hasher},
    sync::{
        LazyLock, Mutex,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
};

use futures_util::{StreamExt, stream};
use rollcall::{
    database::{self, MIGRATIONS},
    postgres::{Cluster, ClusterOptions, Durability, SUPERUSER},
};
use sqlx::{ConnectOptions, Connection, Executor, postgres::PgConnectOptions};
use tokio::sync::OnceCell;

static CLUSTER: LazyLock<Cluster> = LazyLock::new(start);
static TEMPLATE: OnceCell<String> = OnceCell::const_new();
static COUNTER: AtomicU32 = AtomicU32::new(1);
/// Each drop waits for a checkpoint, which many can share.
const DROPS_AT_ONCE: usize = 32;
/// Databases of tests that have ended.
static LEFT: Mutex<Vec<String>> = Mutex::new(Vec::new());

thread_local! {
    static OF_THIS_TEST: RefCell<Databases> = RefCell::default();
}

/// Databases of the test whose thread this is: they are left when it ends.
#[derive(Default)]
struct Databases(Vec<String>);

impl Drop for Databases {
    fn drop(&mut self) {
        LEFT.lock().unwrap().append(&mut self.0);
    }
}

/// Starts the cluster on a thread that lives as long as the process: the server stops with the thread that started it.
fn start() -> Cluster {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        sender.send(start_our_own()).unwrap();
        loop {
            thread::park();
        }
    });
    receiver.recv().unwrap()
}

/// The one that this test binary of this checkout had in its last run; another, if that one is in use: it would stop
/// with the run that uses it.
fn start_our_own() -> Cluster {
    let mut hasher = DefaultHasher::new();
    env!("CARGO_MANIFEST_DIR").hash(&mut hasher);
    env!("CARGO_CRATE_NAME").hash(&mut hasher);
    let name = format!("rollcall-tests-{:016x}", hasher.finish());
    (0..100)
        .map(|nth| {
            let options = ClusterOptions {
                data_dir: std::env::temp_dir().join(format!("{name}-{nth}")),
                postgres_bin: None,
                durability: Durability::Throwaway,
            };
            Cluster::start(&options).unwrap()
        })
        .find(Cluster::is_ours)
        .unwrap()
}

/// How to connect to a database of the tests' cluster.
pub fn connect_options(role: &str, database: &str) -> PgConnectOptions {
    database::connect_options(&CLUSTER, role, database)
}

/// A new database with the schema; its name.
pub async fn fresh_database() -> String {
    let template = TEMPLATE.get_or_init(template).await;
    drop_all(take_if_many()).await;
    let name = format!(
        "test_{}_{}",
        std::process::id(),
        COUNTER.fetch_add(1, Ordering::Relaxed)
    );
    let mut conn = connect_options(SUPERUSER, "postgres")
        .connect()
        .await
        .unwrap();
    // Copied as files it takes half the time; before version 15 there was no other way.
    let strategy = match conn.server_version_num() {
        Some(version) if version >= 150_000 => "STRATEGY FILE_COPY",
        _ => "",
    };
    conn.execute(format!("CREATE DATABASE {name} TEMPLATE {template} {strategy}").as_str())
        .await
        .unwrap();
    conn.close().await.unwrap();
    OF_THIS_TEST.with_borrow_mut(|databases| databases.0.push(name.clone()));
    name
}

/// The disk need not hold the databases of all tests.
fn take_if_many() -> Vec<String> {
    let mut left = LEFT.lock().unwrap();
    if left.len() < DROPS_AT_ONCE {
        return Vec::new();
    }
    std::mem::take(&mut left)
}

/// Drops what earlier runs left, and migrates a template if there is none of today's schema.
async fn template() -> String {
    let mut conn = connect_options(SUPERUSER, "postgres")
        .connect()
        .await
        .unwrap();
    let databases: Vec<String> = sqlx::query_scalar("SELECT datname FROM pg_database")
        .fetch_all(&mut conn)
        .await
        .unwrap();
    let mut hasher = DefaultHasher::new();
    MIGRATIONS
        .iter()
        .for_each(|step| step.checksum.hash(&mut hasher));
    let name = format!("template_{:016x}", hasher.finish());
    let ours = format!("test_{}_", std::process::id());
    let left_over = databases.iter().filter(|database| {
        database.starts_with("test_") && !database.starts_with(&ours)
            || database.starts_with("template_") && **database != name
    });
    drop_all(left_over.cloned().collect()).await;
    if !databases.contains(&name) {
        conn.execute(format!("CREATE DATABASE {name}_new").as_str())
            .await
            .unwrap();
        let mut new = connect_options(SUPERUSER, &format!("{name}_new"))
            .connect()
            .await
            .unwrap();
        database::migrate(&mut new).await.unwrap();
        database::let_service_in(&mut new).await.unwrap();
        new.close().await.unwrap();
        conn.execute(format!("ALTER DATABASE {name}_new RENAME TO {name}").as_str())
            .await
            .unwrap();
    }
    conn.close().await.unwrap();
    name
}

async fn drop_all(names: Vec<String>) {
    stream::iter(names)
        .for_each_concurrent(DROPS_AT_ONCE, drop_database)
        .await;
}

async fn drop_database(name: String) {
    let mut conn = connect_options(SUPERUSER, "postgres")
        .connect()
        .await
        .unwrap();
    conn.execute(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)").as_str())
        .await
        .unwrap();
    conn.close().await.unwrap();
}
