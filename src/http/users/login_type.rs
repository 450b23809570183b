//! `GET /users/{user}/login-type`: how a user signs in. Nobody's business but their own.

use axum::{extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::target::target;
use crate::{
    app::AppState,
    http::{
        answer::{Json, Refusal},
        caller::Caller,
        openapi::schemas,
        path::Path,
    },
};

/// How a user signs in.
#[derive(Serialize, ToSchema)]
#[schema(as = UserLoginTypeAnswer)]
pub struct SignsInBy {
    #[schema(value_type = schemas::UserLoginType)]
    login_type: &'static str,
}

/// How one signs in oneself.
#[utoipa::path(get, path = "/api/v2/users/{user}/login-type", tag = "users", operation_id = "user_login_type",
    responses((status = 200, body = SignsInBy)))]
pub async fn login_type(
    State(app): State<AppState>,
    caller: Caller,
    Path(user): Path<String>,
) -> Result<Json<SignsInBy>, Refusal> {
    let found = target(&app, &caller, &user).await?;
    if found.row.id != caller.user().row.id {
        return Err(Refusal::forbidden());
    }
    let login_type = found.row.login_type.name();
    Ok(Json(StatusCode::OK, SignsInBy { login_type }))
}
