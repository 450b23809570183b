//! What surrounds every request: its id, the headers of every answer, and one line in the log without personal data.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    extract::{ConnectInfo, MatchedPath, Request, State},
    http::{HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tracing::Instrument;
use uuid::Uuid;

use super::{
    API_VERSION, answer::Refusal, health::is_probe, rate_limit::Counted,
    request_context::RequestContext,
};
use crate::app::{App, AppState};

/// An answer that has not begun by then does not come: the database is there and says nothing.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Names the request, runs it, and logs what came of it.
pub async fn observe(
    State(app): State<AppState>,
    mut request: Request<Body>,
    next: Next,
) -> Response {
    let began = Instant::now();
    let id = identify(&mut request, &app);
    let method = request.method().clone();
    let is_probe = is_probe(request.uri().path());
    // The pattern, not the path: a path holds names.
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("(none)", MatchedPath::as_str)
        .to_owned();
    let span = tracing::info_span!("request", %id, %method, route);
    let answering = next.run(request).instrument(span.clone());
    let mut response = tokio::time::timeout(ANSWER_TIMEOUT, answering)
        .await
        .unwrap_or_else(|_| too_late().into_response());
    if response
        .extensions()
        .get::<Refusal>()
        .is_some_and(Refusal::is_read_only)
    {
        app.health.renew();
    }
    let headers = response.headers_mut();
    headers.insert(
        "x-coder-build-version",
        HeaderValue::from_static(API_VERSION),
    );
    if let Ok(id) = HeaderValue::try_from(id.to_string()) {
        headers.insert("x-coder-request-id", id);
    }
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    let status = response.status().as_u16();
    let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    if response.extensions().get::<Counted>().is_some() {
        return response;
    }
    let _guard = span.enter();
    if is_probe && status == 200 {
        // They come every few seconds, and may come at any rate.
        tracing::debug!(status, micros, "answered");
    } else {
        tracing::info!(status, micros, "answered");
    }
    response
}

/// Gives the request its context; returns its id. If a proxy does not say clearly whose request it is, the error is
/// left in place of the context: the rate limiter refuses the request.
fn identify(request: &mut Request<Body>, app: &App) -> Uuid {
    let peer = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map(|peer| peer.0.ip());
    let proxies = &app.config.trusted_proxies;
    match RequestContext::read(request.headers(), peer, proxies, app.ids) {
        Ok(context) => {
            let id = context.request_id;
            request.extensions_mut().insert(context);
            id
        }
        Err(error) => {
            request.extensions_mut().insert(error);
            app.ids.uuid()
        }
    }
}

fn too_late() -> Refusal {
    Refusal::unavailable("It is not known whether anything was changed: look before you repeat it.")
}
