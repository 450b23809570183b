//! `GET /entitlements`: which paid features are licensed. There are none here to pay for, but clients ask before they do
//! anything else.

use axum::{extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::{answer::Json, caller::Caller, timestamp::Timestamp};
use crate::app::AppState;

/// What is licensed.
#[expect(clippy::struct_excessive_bools, reason = "that is what clients decode")]
#[derive(Serialize, ToSchema)]
pub struct Entitlements {
    /// Licensed features: always none.
    features: NoFeatures,
    /// Warnings about the licence: always none.
    #[schema(max_items = 0)]
    warnings: [String; 0],
    /// Errors of the licence: always none.
    #[schema(max_items = 0)]
    errors: [String; 0],
    /// Whether there is a licence: there is none.
    has_license: bool,
    /// Whether the licence is one to try out.
    trial: bool,
    /// Whether the licence demands that use is reported to somebody.
    require_telemetry: bool,
    /// When all this was found out.
    refreshed_at: Timestamp,
    /// Whether features are on that are not finished.
    experimental: bool,
}

/// An object without fields.
#[derive(Serialize, ToSchema)]
struct NoFeatures {}

/// What is licensed: nothing, and nothing needs to be.
#[utoipa::path(get, path = "/api/v2/entitlements", tag = "service", operation_id = "entitlements",
    responses((status = 200, body = Entitlements)))]
pub async fn entitlements(State(app): State<AppState>, _: Caller) -> Json<Entitlements> {
    Json(
        StatusCode::OK,
        Entitlements {
            features: NoFeatures {},
            warnings: [],
            errors: [],
            has_license: false,
            trial: false,
            require_telemetry: false,
            refreshed_at: Timestamp(app.clock.now()),
            experimental: false,
        },
    )
}
