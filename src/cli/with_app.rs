//! The service put together for one command of the console, without being served.

use std::{error::Error, sync::Arc};

use rollcall_events::clock::SystemClock;

use crate::{
    app::{App, AppState},
    config::Config,
    database,
    database::Database,
    postgres::Cluster,
};

/// Runs `work` on the configured database, its schema brought up to date first.
///
/// # Errors
/// There is no database, or the work fails.
pub fn with_app(
    config: Config,
    work: impl AsyncFnOnce(AppState) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    // From the main thread, and before any other: see `database::open`.
    let database = database::open(&config)?;
    let master_key = database::master_key(&config)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let done = runtime.block_on(async {
        database.migrate().await?;
        let service = database.service.clone();
        let app = App::start(config, service, master_key, Arc::new(SystemClock)).await?;
        work(app).await
    });
    // Connections first, then the server that they go to.
    drop(runtime);
    let Database { cluster, .. } = database;
    let stopped = cluster.map_or(Ok(()), Cluster::stop);
    done?;
    Ok(stopped?)
}
