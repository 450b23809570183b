//! `GET /updatecheck`: whether a newer version is out. We ask nobody: the service makes no request of its own accord, so
//! its own version is the newest that it knows.

use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::{API_VERSION, answer::Json};

/// The newest version that is known.
#[derive(Serialize, ToSchema)]
pub struct UpdateCheck {
    /// Whether it is the one that runs.
    current: bool,
    /// What it is called.
    #[schema(example = "v2.35.0-devel+rollcall-0.1.0")]
    version: &'static str,
    /// Where to get it.
    #[schema(example = "")]
    url: &'static str,
}

/// The newest version that is known: the one that runs.
#[utoipa::path(get, path = "/api/v2/updatecheck", tag = "service", operation_id = "update_check",
    responses((status = 200, body = UpdateCheck)))]
pub async fn update_check() -> Json<UpdateCheck> {
    Json(
        StatusCode::OK,
        UpdateCheck {
            current: true,
            version: API_VERSION,
            url: "",
        },
    )
}
