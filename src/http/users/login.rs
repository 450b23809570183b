//! `POST /users/login`: e-mail and password for a session.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::sign_in;
use crate::{
    app::AppState,
    http::{
        answer::{Json, Refusal},
        body::JsonBody,
        openapi::schemas,
        position::position_header,
        request_context::RequestContext,
    },
};

/// Who wants to sign in.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = SignIn)]
pub struct Request {
    #[schema(value_type = schemas::Email, required)]
    email: String,
    #[schema(value_type = schemas::Password, required)]
    password: String,
}

/// The token, shown this once.
#[derive(Serialize, ToSchema)]
#[schema(as = SignedIn)]
pub struct Answer {
    #[schema(example = "a1B2c3D4e5-f6G7h8I9j0K1l2M3n4O5p6")]
    session_token: String,
}

/// Signs in with e-mail and password. The answer also sets the session's cookie.
#[utoipa::path(post, path = "/api/v2/users/login", tag = "sessions", operation_id = "login", request_body = Request,
    responses(
        (status = 201, body = Answer),
        (status = 401, description = "The e-mail address or the password is wrong, or the account is suspended."),
        (status = 403, description = "The user signs in in another way, or nobody signs in with a password; or a page of another site made the browser send this."),
    ))]
pub async fn login(
    State(app): State<AppState>,
    context: RequestContext,
    JsonBody(request): JsonBody<Request>,
) -> Result<Response, Refusal> {
    let signed_in = sign_in::by_password(&app, &context, &request.email, request.password).await?;
    let answer = Answer {
        session_token: signed_in.token.expose(),
    };
    Ok((
        signed_in.cookies(&app),
        position_header(signed_in.position),
        Json(StatusCode::CREATED, answer),
    )
        .into_response())
}
