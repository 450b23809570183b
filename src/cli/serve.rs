//! `rollcall serve`.

use std::{error::Error, sync::Arc};

use rollcall_events::clock::SystemClock;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use crate::{app::App, config::Config, database, database::Database, http, logging};

/// Serves until it is told to stop, then finishes what is under way and stops the private cluster, if there is one.
///
/// # Errors
/// Something that serving needs is not there; or the listener fails.
pub fn serve(config: Config) -> Result<(), Box<dyn Error>> {
    logging::start(config.log_format, &config.log)?;
    // From the main thread, and before any other: see `database::open`.
    let database = database::open(&config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let cluster = runtime.block_on(run(config, database))?;
    // Connections first, then the server that they go to.
    drop(runtime);
    if let Some(cluster) = cluster {
        cluster.stop()?;
    }
    Ok(())
}

async fn run(
    config: Config,
    database: Database,
) -> Result<Option<crate::postgres::Cluster>, Box<dyn Error>> {
    database.migrate().await?;
    let listen = config.listen;
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| format!("cannot listen on {listen}: {error}"))?;
    let Database {
        service,
        master_key,
        cluster,
        ..
    } = database;
    let app = App::start(config, service, master_key, Arc::new(SystemClock)).await?;
    tokio::spawn(crate::app::upkeep(Arc::clone(&app)));
    announce(&listener.local_addr()?.to_string());
    http::serve(app, listener, asked_to_stop()).await?;
    Ok(cluster)
}

/// What a person who has just started it wants to know.
fn announce(address: &str) {
    println!("Rollcall listens on http://{address}");
    println!();
    println!("Is there anybody yet?      curl -s http://{address}/api/v2/users/first");
    println!(
        "Become the first user:     curl -s http://{address}/api/v2/users/first -d '{{\"email\":\"you@example.com\",\"username\":\"you\",\"password\":\"...\"}}'"
    );
    println!(
        "Sign in, for a token:      curl -s http://{address}/api/v2/users/login -d '{{\"email\":\"you@example.com\",\"password\":\"...\"}}'"
    );
    println!(
        "See who is here:           curl -s http://{address}/api/v2/users -H \"Coder-Session-Token: $TOKEN\""
    );
}

async fn asked_to_stop() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("stopping: what is under way is finished first");
}
