//! The service of one connection: adds the peer's address to each request, notes what is under way, and delays
//! refusals of clients that do not heed them.

use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    BoxError,
    body::{Body, Bytes, HttpBody},
    extract::{ConnectInfo, Request},
    http::{HeaderValue, Version, header},
    response::Response,
};
use http_body::{Frame, SizeHint};
use tokio::{sync::Semaphore, time::sleep};
use tower::{Service, ServiceExt};

use super::activity::{Activity, UnderWay};

/// How long a refusal is delayed.
const DELAY: Duration = Duration::from_secs(1);

/// In the extensions of a response: it is a refusal for a client that goes on in spite of earlier ones, and is to be
/// delayed, so that the client takes less of the processors.
#[derive(Debug, Clone, Copy)]
pub struct SlowDown;

/// The service of one connection.
#[derive(Clone)]
pub struct ConnectionService<S> {
    inner: S,
    peer: SocketAddr,
    activity: Arc<Activity>,
    delays: Arc<Semaphore>,
}

/// A request under way: its body says when it has arrived, and it ends with the body of its response.
type Ticket = Arc<Mutex<UnderWay>>;

impl<S> ConnectionService<S> {
    /// Serves the requests of this connection by `inner`.
    pub fn new(
        inner: S,
        peer: SocketAddr,
        activity: Arc<Activity>,
        delays: Arc<Semaphore>,
    ) -> Self {
        Self {
            inner,
            peer,
            activity,
            delays,
        }
    }
}

impl<S, B> Service<Request<B>> for ConnectionService<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let version = request.version();
        let under_way = self.activity.begin(version >= Version::HTTP_2);
        let ticket = Arc::new(Mutex::new(under_way));
        let mut request = request.map(|body| {
            let body = Body::new(body);
            if body.is_end_stream() {
                arrived(&ticket);
            }
            Body::new(RequestBody {
                body,
                ticket: Arc::clone(&ticket),
            })
        });
        request.extensions_mut().insert(ConnectInfo(self.peer));
        let answering = self.inner.clone().oneshot(request);
        let delays = Arc::clone(&self.delays);
        Box::pin(async move {
            let mut response = answering.await?;
            if response.extensions().get::<SlowDown>().is_some() {
                delay(&delays, version, &mut response).await;
            }
            Ok(response.map(|body| {
                Body::new(ResponseBody {
                    body,
                    _ticket: ticket,
                })
            }))
        })
    }
}

/// There is a limit to the delays at once: beyond it the client has to connect again, which takes time as well.
async fn delay(delays: &Semaphore, version: Version, response: &mut Response) {
    match delays.try_acquire() {
        Ok(_permit) => sleep(DELAY).await,
        Err(_) if version < Version::HTTP_2 => {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        Err(_) => {}
    }
}

fn arrived(ticket: &Ticket) {
    let mut under_way = ticket.lock().unwrap_or_else(PoisonError::into_inner);
    under_way.arrived();
}

struct RequestBody {
    body: Body,
    ticket: Ticket,
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(frame, Poll::Ready(None)) || self.body.is_end_stream() {
            arrived(&self.ticket);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

struct ResponseBody {
    body: Body,
    _ticket: Ticket,
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
