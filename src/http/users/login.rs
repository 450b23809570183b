//! `POST /users/login`: e-mail and password for a session.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use super::sign_in;
use crate::{
    app::AppState,
    http::{
        answer::{Json, Refusal, position_header},
        body::JsonBody,
        request_context::RequestContext,
    },
};

/// Who wants to sign in.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Request {
    email: String,
    password: String,
}

/// The token, shown this once.
#[derive(Serialize)]
pub struct Answer {
    session_token: String,
}

/// Signs in.
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
