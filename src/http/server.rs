//! The server: accepts connections within limits, speaks HTTP/1 and HTTP/2 on them, and stops gracefully.
//!
//! A request's head has to arrive within 10 seconds and 64 KiB. Connections are limited in all and per network, and the
//! excess is closed at once. A connection on which nothing moves is closed. What is beyond a limit costs no log line of
//! its own: see [`Throttle`].

mod activity;
mod connection;
mod connection_limits;
mod throttle;
mod timed_io;

pub use connection::SlowDown;

use std::{convert::Infallible, future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{extract::Request, response::Response};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::config::Config;
use activity::Activity;
use connection::ConnectionService;
use connection_limits::ConnectionLimits;
use throttle::Throttle;
use timed_io::{TimedIo, Timeouts};

/// Time limits of connections.
const TIMEOUTS: Timeouts = Timeouts {
    head: Duration::from_secs(10),
    // Load balancers keep idle connections for a minute: they are to be the ones that close them.
    idle: Duration::from_secs(75),
};
/// The size of a request's head.
const HEAD_BYTES: u32 = 64 * 1024;
/// HTTP/2: requests at once on a connection.
const STREAMS: u32 = 100;
/// HTTP/2: what may wait in memory of one request's body, of all on a connection, and of one response.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;
const SEND_BUFFER: usize = 64 * 1024;
/// How long the last requests may take. Containers are killed after 10 seconds.
const LAST_REQUESTS: Duration = Duration::from_secs(8);
/// How long to wait when no connection can be accepted: the system has no descriptor left, for example.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// Refusals that may be delayed at once. Beyond that they are sent without delay, and the connection is closed.
const DELAYED_REFUSALS: usize = 4_096;

/// Accepts connections and serves `service` on them.
pub struct Server<S> {
    service: S,
    builder: Builder<TokioExecutor>,
    limits: Arc<ConnectionLimits>,
    delays: Arc<Semaphore>,
    timeouts: Timeouts,
    graceful: GracefulShutdown,
    stopping: CancellationToken,
}

impl<S> Server<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    /// A server with the limits that are configured.
    pub fn new(service: S, config: &Config) -> Self {
        Self::with_timeouts(service, config, TIMEOUTS)
    }

    fn with_timeouts(service: S, config: &Config, timeouts: Timeouts) -> Self {
        Self {
            service,
            builder: builder(timeouts),
            limits: ConnectionLimits::new(config),
            delays: Arc::new(Semaphore::new(DELAYED_REFUSALS)),
            timeouts,
            graceful: GracefulShutdown::new(),
            stopping: CancellationToken::new(),
        }
    }

    /// Accepts connections until `stop` resolves.
    pub async fn accept(&self, listener: &TcpListener, stop: impl Future<Output = ()>) {
        let mut accepting = Accepting::default();
        tokio::pin!(stop);
        loop {
            tokio::select! {
                (stream, peer) = accepting.next(listener) => self.open(stream, peer, &mut accepting),
                () = &mut stop => return,
            }
        }
    }

    /// Waits until the requests that have arrived are answered, for a limited time. Connections without such a request
    /// are closed.
    pub async fn finish(self) {
        self.stopping.cancel();
        let finished = tokio::time::timeout(LAST_REQUESTS, self.graceful.shutdown()).await;
        if finished.is_err() {
            tracing::warn!("stopped with requests under way: they took too long");
        }
    }

    fn open(&self, stream: TcpStream, peer: SocketAddr, accepting: &mut Accepting) {
        let place = match self.limits.take(peer.ip()) {
            Ok(place) => place,
            Err(excess) => {
                if let Some(count) = accepting.excess.count() {
                    tracing::warn!(%excess, count, "connections refused");
                }
                return;
            }
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "the system may delay responses");
        }
        let activity = Arc::new(Activity::new());
        let io = TimedIo::new(stream, Arc::clone(&activity), self.timeouts);
        let service = ConnectionService::new(
            self.service.clone(),
            peer,
            Arc::clone(&activity),
            Arc::clone(&self.delays),
        );
        let connection = self
            .builder
            .serve_connection(TokioIo::new(io), TowerToHyperService::new(service))
            .into_owned();
        let connection = self.graceful.watch(connection);
        let stopping = self.stopping.clone();
        tokio::spawn(async move {
            let _place = place;
            tokio::select! {
                served = connection => {
                    if let Err(error) = served {
                        tracing::trace!(error, "a connection ended early");
                    }
                }
                () = activity.without_whole_request(&stopping) => {}
            }
        });
    }
}

fn builder(timeouts: Timeouts) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    // Its own time limit of a head would end idle connections as well, after the same time: `TimedIo` tells the two
    // apart.
    builder
        .http1()
        .header_read_timeout(None)
        .max_buf_size(HEAD_BYTES as usize);
    // An HTTP/2 client that is silent is asked whether it is there. It cannot answer in the middle of a head: so this
    // limits the time of a head.
    let ping_after = timeouts.head.mul_f32(0.4);
    let ping_timeout = timeouts.head.mul_f32(0.6);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(HEAD_BYTES)
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(ping_after)
        .keep_alive_timeout(ping_timeout);
    builder
}

/// Accepting, and what goes wrong with it.
#[derive(Default)]
struct Accepting {
    errors: Throttle,
    excess: Throttle,
}

impl Accepting {
    /// The next connection, however long the system has none for us.
    async fn next(&mut self, listener: &TcpListener) -> (TcpStream, SocketAddr) {
        loop {
            match listener.accept().await {
                Ok(accepted) => return accepted,
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    if let Some(count) = self.errors.count() {
                        tracing::error!(%error, count, "connections cannot be accepted");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// The client has gone before it was accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    [ConnectionAborted, ConnectionRefused, ConnectionReset].contains(&error.kind())
}

#[cfg(test)]
mod tests;
