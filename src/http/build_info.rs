//! `GET /buildinfo`: which API this is.

use axum::{extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::{API_VERSION, answer::Json};
use crate::{app::AppState, config::AccessUrl};

/// The build, as clients compare it with their own.
#[derive(Serialize, ToSchema)]
pub struct BuildInfo {
    /// The service's public address, if it is configured.
    #[schema(example = "https://rollcall.example.com")]
    external_url: String,
    /// The API's version.
    #[schema(example = "v2.35.0-devel+rollcall-0.1.0")]
    version: &'static str,
    #[schema(example = "https://rollcall.example.com")]
    dashboard_url: String,
    telemetry: bool,
    workspace_proxy: bool,
    #[schema(example = "")]
    agent_api_version: &'static str,
    #[schema(example = "")]
    provisioner_api_version: &'static str,
    #[schema(example = "")]
    upgrade_message: &'static str,
    #[schema(example = "0b9b3f4e-6d5a-4f0f-9d5d-2f6a3c1e7b8a")]
    deployment_id: String,
}

/// Which version of the API this is, and where.
#[utoipa::path(get, path = "/api/v2/buildinfo", tag = "service", operation_id = "build_info",
    responses((status = 200, body = BuildInfo)))]
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
