//! `GET /buildinfo`: which API this is.

use axum::{extract::State, http::StatusCode};
use serde::Serialize;

use super::{API_VERSION, answer::Json};
use crate::{app::AppState, config::AccessUrl};

/// The build, as clients compare it with their own.
#[derive(Serialize)]
pub struct BuildInfo {
    external_url: String,
    version: &'static str,
    dashboard_url: String,
    telemetry: bool,
    workspace_proxy: bool,
    agent_api_version: &'static str,
    provisioner_api_version: &'static str,
    upgrade_message: &'static str,
    deployment_id: String,
}

/// Tells it.
pub async fn build_info(State(app): State<AppState>) -> Json<BuildInfo> {
    let address = app.config.access_url.as_ref().map_or("", AccessUrl::as_str);
    Json(
        StatusCode::OK,
        BuildInfo {
            external_url: address.to_owned(),
            version: API_VERSION,
            dashboard_url: address.to_owned(),
            telemetry: false,
            workspace_proxy: false,
            agent_api_version: "",
            provisioner_api_version: "",
            upgrade_message: "",
            deployment_id: app.default_organization.to_string(),
        },
    )
}
