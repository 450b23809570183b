//! `GET /users/first`: is there anybody? A client that finds nobody offers to create the first user.

use axum::{extract::State, http::StatusCode};
use rollcall_projections::users::find;

use crate::{
    app::AppState,
    http::answer::{Json, Notice, Refusal},
};

/// Whether there is anybody.
#[utoipa::path(get, path = "/api/v2/users/first", tag = "users", operation_id = "first_user_exists",
    responses(
        (status = 200, body = Notice, example = json!({ "message": "The initial user has already been created!" })),
        (status = 404, description = "There is nobody yet."),
    ))]
pub async fn first_exists(State(app): State<AppState>) -> Result<Json<Notice>, Refusal> {
    if app
        .health
        .ask(&app.pool, |conn| Box::pin(find::any_live(conn)))
        .await?
    {
        Ok(Json(
            StatusCode::OK,
            Notice::new("The initial user has already been created!"),
        ))
    } else {
        Err(Refusal::new(
            StatusCode::NOT_FOUND,
            "The initial user has not been created!",
        ))
    }
}
