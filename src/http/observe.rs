//! What surrounds every request: its id, the headers of every answer, and one line in the log without personal data.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    extract::{ConnectInfo, MatchedPath, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tracing::Instrument;

use super::{API_VERSION, answer::Refusal, request_context::RequestContext};
use crate::app::AppState;

/// An answer that has not begun by then does not come: the database is there and says nothing.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Names the request, runs it, and tells what came of it.
pub async fn observe(
    State(app): State<AppState>,
    mut request: Request<Body>,
    next: Next,
) -> Response {
    let began = Instant::now();
    let peer = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map(|peer| peer.0.ip());
    let read = RequestContext::read(
        request.headers(),
        peer,
        &app.config.trusted_proxies,
        app.ids,
    );
    let id = read
        .as_ref()
        .map_or_else(|_| app.ids.uuid(), |context| context.request_id);
    let method = request.method().clone();
    // The pattern, not the path: a path holds names.
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("(none)", MatchedPath::as_str)
        .to_owned();
    let span = tracing::info_span!("request", %id, %method, route);
    let mut response = match read {
        Ok(context) => {
            request.extensions_mut().insert(context);
            let answering = next.run(request).instrument(span.clone());
            tokio::time::timeout(ANSWER_TIMEOUT, answering)
                .await
                .unwrap_or_else(|_| too_late().into_response())
        }
        Err(error) => Refusal::new(StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    };
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
    span.in_scope(|| tracing::info!(status, micros, "answered"));
    response
}

fn too_late() -> Refusal {
    Refusal::unavailable("It is not known whether anything was changed: look before you repeat it.")
}
