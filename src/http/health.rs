//! `GET /healthz`: the process lives. `GET /readyz`: it can serve, because its database answers and it is not stopping.

use axum::{extract::State, http::StatusCode};
use rollcall_events::log::observe;

use super::answer::{Json, Notice, Refusal};
use crate::app::AppState;

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

/// The service can serve: its database answers, its log can be added to, and it has not been asked to stop.
#[utoipa::path(get, path = "/readyz", tag = "service", operation_id = "is_ready",
    responses((status = 200, body = Notice, example = json!({ "message": "Ready." }))))]
pub async fn ready(State(app): State<AppState>) -> Result<Json<Notice>, Refusal> {
    if app.stopping.is_cancelled() {
        return Err(Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "The service is stopping.",
        ));
    }
    let observed = observe(&app.pool).await?;
    if let Some(unfit) = observed.unfit(app.clock.as_ref()) {
        return Err(Refusal::unfit(&unfit));
    }
    Ok(Json(StatusCode::OK, Notice::new("Ready.")))
}
