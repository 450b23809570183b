//! `GET /healthz`: the process lives. `GET /readyz`: it can serve, because its database answers.

use axum::{extract::State, http::StatusCode};

use super::answer::{Json, Notice, Refusal};
use crate::app::AppState;

/// The process lives.
#[utoipa::path(get, path = "/healthz", tag = "service", operation_id = "is_alive",
    responses((status = 200, body = Notice, example = json!({ "message": "Alive." }))))]
pub async fn alive() -> Json<Notice> {
    Json(StatusCode::OK, Notice::new("Alive."))
}

/// The service can serve: its database answers, and the log is there.
#[utoipa::path(get, path = "/readyz", tag = "service", operation_id = "is_ready",
    responses((status = 200, body = Notice, example = json!({ "message": "Ready." }))))]
pub async fn ready(State(app): State<AppState>) -> Result<Json<Notice>, Refusal> {
    rollcall_events::log::head(&app.pool).await?;
    Ok(Json(StatusCode::OK, Notice::new("Ready.")))
}
