//! `GET /api/v2/`: is this the API?

use axum::http::StatusCode;

use super::answer::{Json, Notice};

/// Yes.
pub async fn welcome() -> Json<Notice> {
    Json(
        StatusCode::OK,
        Notice::new("This is Rollcall. The users API is here."),
    )
}
