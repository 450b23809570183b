//! `GET /api/v2/`: is this the API?

use axum::http::StatusCode;

use super::answer::{Json, Notice};

/// This is the API.
#[utoipa::path(get, path = "/api/v2", tag = "service", operation_id = "welcome",
    responses((status = 200, body = Notice, example = json!({ "message": "This is Rollcall. The users API is here." }))))]
pub async fn welcome() -> Json<Notice> {
    Json(
        StatusCode::OK,
        Notice::new("This is Rollcall. The users API is here."),
    )
}
