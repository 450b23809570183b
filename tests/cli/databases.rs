//! Databases to give to the program, and a look into them.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop where it is"
)]

use std::{
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
};

use rollcall::postgres::SUPERUSER;
use sqlx::{ConnectOptions, Executor, PgConnection, postgres::PgConnectOptions};
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::support::cluster;

static COUNTER: AtomicU32 = AtomicU32::new(1);

/// A database without anything in it; its name.
pub fn empty() -> String {
    let name = format!(
        "test_{}_empty_{}",
        std::process::id(),
        COUNTER.fetch_add(1, Ordering::Relaxed)
    );
    Look::into("postgres").execute(&format!("CREATE DATABASE {name}"));
    name
}

/// A database with the schema; its name.
pub fn migrated() -> String {
    runtime().block_on(cluster::fresh_database())
}

/// How the program is told to use a database of the tests' cluster, as the superuser.
pub fn url(database: &str) -> String {
    url_as(SUPERUSER, database)
}

/// The same, as another role.
pub fn url_as(role: &str, database: &str) -> String {
    let options = cluster::connect_options(role, database);
    let socket = options.get_socket().unwrap();
    format!(
        "postgres:///?host={}&user={role}&dbname={database}",
        socket.display()
    )
}

/// A superuser's connection.
pub struct Look {
    runtime: Runtime,
    conn: PgConnection,
}

impl Look {
    /// Into a database of the tests' cluster.
    pub fn into(database: &str) -> Self {
        Self::by(&cluster::connect_options(SUPERUSER, database))
    }

    /// Into the program's own database.
    pub fn into_folder(data_dir: &Path) -> Self {
        let options = PgConnectOptions::new_without_pgpass()
            .socket(data_dir.join("run"))
            .port(5432)
            .username(SUPERUSER)
            .database("rollcall");
        Self::by(&options)
    }

    fn by(options: &PgConnectOptions) -> Self {
        let runtime = runtime();
        let conn = runtime.block_on(options.connect()).unwrap();
        Self { runtime, conn }
    }

    pub fn execute(&mut self, sql: &str) {
        self.runtime.block_on(self.conn.execute(sql)).unwrap();
    }

    pub fn number(&mut self, sql: &str) -> i64 {
        let number = sqlx::query_scalar(sql).fetch_one(&mut self.conn);
        self.runtime.block_on(number).unwrap()
    }

    pub fn ids(&mut self, sql: &str) -> Vec<Uuid> {
        let ids = sqlx::query_scalar(sql).fetch_all(&mut self.conn);
        self.runtime.block_on(ids).unwrap()
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}
