//! `rollcall serve`.

use std::{
    convert::Infallible,
    error::Error,
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rollcall_events::{clock::SystemClock, vault::MasterKey};
use sqlx::postgres::PgConnectOptions;
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::output::stdout;
use crate::{
    app::{App, AppState},
    attempts, checkpoints,
    config::Config,
    database,
    database::Database,
    http, logging,
    postgres::Cluster,
    upkeep,
};

/// How often the private cluster's server is looked after.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long the last checkpoint may take, before we are killed.
const LAST_CHECKPOINT: Duration = Duration::from_secs(5);
/// How long a password may still be hashed that no request waits for any more.
const LAST_HASHES: Duration = Duration::from_secs(1);
/// How long a server that does not stay up is left alone, at most, before it is started again.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Serves until it is told to stop, then finishes what is under way and stops the private cluster, if there is one.
///
/// # Errors
/// Something that serving needs is not there; or the listener fails.
pub fn serve(config: Config) -> Result<(), Box<dyn Error>> {
    logging::start(config.log_format, &config.log)?;
    allow_many_connections();
    // From the main thread, and before any other: see `database::open`.
    let database = database::open(&config)?;
    let master_key = database::master_key(&config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async { ignore_user_signals() })?;
    let ready = async {
        // The private cluster answers since it was started.
        if database.cluster.is_none() {
            database.wait(config.database_wait).await?;
        }
        database.migrate().await
    };
    runtime.block_on(ready)?;
    let Database {
        service,
        mut cluster,
        ..
    } = database;
    let serving = runtime.spawn(run(config, service, master_key));
    // Looking after the cluster may block: the main thread does it, and nothing else.
    let served = runtime.block_on(async {
        tokio::select! {
            served = serving => served,
            never = keep_running(cluster.as_mut()) => match never {},
        }
    });
    // Connections first, then the server that they go to. A password that is being hashed is nobody's any more.
    runtime.shutdown_timeout(LAST_HASHES);
    let stopped = cluster.map_or(Ok(()), Cluster::stop);
    served?.map_err(|error| error as Box<dyn Error>)?;
    Ok(stopped?)
}

async fn run(
    config: Config,
    database: PgConnectOptions,
    master_key: MasterKey,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let listen = config.listen;
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| format!("cannot listen on {listen}: {error}"))?;
    let app = App::start(config, database, master_key, Arc::new(SystemClock)).await?;
    tokio::spawn(upkeep::run(Arc::clone(&app)));
    // Before anybody is told that we are here: they might tell us to stop at once.
    let mut stop = StopSignals::listen()?;
    announce(&listener.local_addr()?.to_string());
    let asked_to_stop = CancellationToken::new();
    let mut serving = tokio::spawn(serve_until(app, listener, asked_to_stop.clone()));
    tokio::select! {
        served = &mut serving => return Ok(served?),
        () = stop.next() => {}
    }
    tracing::info!(
        "stopping: requests under way are finished first; a second signal stops at once"
    );
    asked_to_stop.cancel();
    tokio::select! {
        served = serving => served?,
        () = stop.next() => tracing::warn!("stopped at once, by a second signal"),
    }
    Ok(())
}

/// Serves until `stop` is cancelled, and then finishes what is under way.
async fn serve_until(app: AppState, listener: TcpListener, stop: CancellationToken) {
    let attempts = app.attempts.clone();
    tokio::spawn(attempts::run(attempts.clone()));
    let stopping = CancellationToken::new();
    let checkpoints = tokio::spawn(checkpoints::run(Arc::clone(&app), stopping.clone()));
    http::serve(Arc::clone(&app), listener, async move {
        stop.cancelled().await;
        app.stopping.cancel();
        // Load balancers see that the node is not ready, and send requests elsewhere before there is no listener.
        if let Some(delay) = app.config.shutdown_delay {
            tokio::time::sleep(delay.into()).await;
        }
    })
    .await;
    attempts::stop(attempts).await;
    stopping.cancel();
    if timeout(LAST_CHECKPOINT, checkpoints).await.is_err() {
        tracing::warn!("stopped without a last checkpoint: it took too long");
    }
}

/// Starts the private cluster's server again whenever it has ended by itself: at once, and then ever more slowly
/// if it does not stay up. Meanwhile the requests are told that the database does not answer.
async fn keep_running(cluster: Option<&mut Cluster>) -> Infallible {
    let Some(cluster) = cluster else {
        return std::future::pending().await;
    };
    let mut pause = LOOK_EVERY;
    loop {
        tokio::time::sleep(pause).await;
        let longer = (pause * 2).min(LONGEST_PAUSE);
        pause = match cluster.revive() {
            Ok(false) => LOOK_EVERY,
            Ok(true) => {
                tracing::warn!("the Postgres server had ended unexpectedly; it runs again");
                longer
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn Error,
                    again_in = ?longer,
                    "the Postgres server has ended and does not start"
                );
                longer
            }
        };
    }
}

/// A connection is an open file, and the usual limit of 1024 protects nothing but programs of long ago.
fn allow_many_connections() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, most)| setrlimit(Resource::RLIMIT_NOFILE, most, most));
    if let Err(error) = raised {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}

/// What a person who has just started it wants to know.
fn announce(address: &str) {
    let lines = format!(
        "Rollcall listens on http://{address}

Is there anybody yet?      curl -s http://{address}/api/v2/users/first
Become the first user:     curl -s http://{address}/api/v2/users/first -d '{{\"email\":\"you@example.com\",\"username\":\"you\",\"password\":\"...\"}}'
Sign in, for a token:      curl -s http://{address}/api/v2/users/login -d '{{\"email\":\"you@example.com\",\"password\":\"...\"}}'
See who is here:           curl -s http://{address}/api/v2/users -H \"Coder-Session-Token: $TOKEN\"
"
    );
    // It serves, whether this is read or not.
    drop(stdout().write_all(lines.as_bytes()));
}

/// SIGUSR1 and SIGUSR2 would end the process.
fn ignore_user_signals() -> io::Result<()> {
    for ignored in [SignalKind::user_defined1(), SignalKind::user_defined2()] {
        // Once noticed, a signal never has its default effect again.
        drop(signal(ignored)?);
    }
    Ok(())
}

/// The signals that stop the service: Ctrl-C, SIGTERM as service managers send it, and SIGHUP of a terminal that is
/// closed.
struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl StopSignals {
    /// Notices them from now on: until then they end the process.
    fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}
