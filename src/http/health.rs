//! `GET /healthz`: the process lives. `GET /readyz`: it can serve, because its database answers.

use axum::{extract::State, http::StatusCode};

use super::answer::{Json, Notice, Refusal};
use crate::app::AppState;

/// The process lives.
pub async fn alive() -> Json<Notice> {
    Json(StatusCode::OK, Notice::new("Alive."))
}

/// The database answers, and its log is there.
pub async fn ready(State(app): State<AppState>) -> Result<Json<Notice>, Refusal> {
    rollcall_events::log::head(&app.pool).await?;
    Ok(Json(StatusCode::OK, Notice::new("Ready.")))
}
