//! `GET /healthz`: the process lives. `GET /readyz`: it can serve, because its database answers and can be written to,
//! and it is not stopping.

use std::time::Duration;

use axum::{extract::State, http::StatusCode};
use rollcall_events::log::observe;

use super::answer::{Json, Notice, Refusal};
use crate::app::AppState;

/// How long a probe waits for the database: a little longer than it takes to find out that a connection is dead.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Whether a path is one by which others look whether the service is well.
pub fn is_probe(path: &str) -> bool {
    ["/healthz", "/readyz"].contains(&path)
}

/// The process lives.
#[utoipa::path(get, path = "/healthz", tag = "service", operation_id = "is_alive",
    responses((status = 200, body = Notice, example = json!({ "message": "Alive." }))))]
pub async fn alive() -> Json<Notice> {
    Json(StatusCode::OK, Notice::new("Alive."))
}

/// The service can serve: its database answers and can be written to, its log can be added to, and it has not been asked to
/// stop.
#[utoipa::path(get, path = "/readyz", tag = "service", operation_id = "is_ready",
    responses((status = 200, body = Notice, example = json!({ "message": "Ready." }))))]
pub async fn ready(State(app): State<AppState>) -> Result<Json<Notice>, Refusal> {
    if app.stopping.is_cancelled() {
        return Err(Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "The service is stopping.",
        ));
    }
    let asking = app.health.ask(&app.pool, |conn| Box::pin(observe(conn)));
    let asked = tokio::time::timeout(TIMEOUT, asking).await;
    let answer = asked.unwrap_or(Err(sqlx::Error::PoolTimedOut));
    if answer.is_err() && app.health.is_read_only() {
        return Err(Refusal::read_only());
    }
    if let Some(unfit) = answer?.unfit(app.clock.as_ref()) {
        return Err(Refusal::unfit(&unfit));
    }
    Ok(Json(StatusCode::OK, Notice::new("Ready.")))
}
