//! The log and the read models for one command of the console, as their owner, without the service around them.

use std::{error::Error, time::Duration};

use rollcall_events::{
    clock::SystemClock,
    log::{LogReader, Upcasters},
    session,
    vault::{HashCost, HashLimits, Vault},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::{
    config::Config,
    database::{self, Database},
    postgres::Cluster,
};

/// Connections for what is asked beside the copying, which has its own.
const CONNECTIONS: u32 = 4;

/// Runs `work` on the configured database, its schema brought up to date first. What it is given connects as the owner of
/// the tables.
///
/// # Errors
/// There is no database, or the work fails.
pub fn with_log<T>(
    config: &Config,
    work: impl AsyncFnOnce(PgConnectOptions, LogReader) -> Result<T, Box<dyn Error>>,
) -> Result<T, Box<dyn Error>> {
    // From the main thread, and before any other: see `database::open`.
    let database = database::open(config)?;
    let master_key = database::master_key(config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let done = runtime.block_on(async {
        database.migrate().await?;
        let owner = database.owner.clone();
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .after_connect(|conn, _| Box::pin(session::prepare(conn, Duration::ZERO)))
            .connect_lazy_with(owner.clone());
        let cost = HashCost {
            memory_kib: config.argon2_memory_kib,
            passes: config.argon2_passes,
            lanes: config.argon2_lanes,
        };
        let vault = Vault::open(pool.clone(), master_key, &SystemClock)
            .await?
            .with_hash_limits(HashLimits::with_own(cost));
        let log = LogReader::new(pool.clone(), vault, Upcasters::current());
        let done = work(owner, log).await;
        pool.close().await;
        done
    });
    // Connections first, then the server that they go to.
    drop(runtime);
    let Database { cluster, .. } = database;
    let stopped = cluster.map_or(Ok(()), Cluster::stop);
    let done = done?;
    stopped?;
    Ok(done)
}
