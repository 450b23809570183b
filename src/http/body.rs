//! The body of a request: bounded, and decoded as the clients' own server would.

use std::time::{Duration, Instant};

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{FromRequest, Request},
    http::StatusCode,
};
use serde::de::DeserializeOwned;

use super::{
    answer::Refusal,
    go_json,
    identity::{self, Identity},
};
use crate::app::{App, AppState};

/// A body that has not arrived by then is given up.
const READING_TIMEOUT: Duration = Duration::from_secs(30);
/// What an honest client has sent by then. Whoever holds a body back might be suspended meanwhile.
const AT_ONCE: Duration = Duration::from_millis(100);

/// A decoded JSON body, whatever the request says its type is.
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned> FromRequest<AppState> for JsonBody<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request<Body>, app: &AppState) -> Result<Self, Refusal> {
        Ok(Self(go_json::from_slice(&read(request, app).await?)?))
    }
}

/// The whole body.
///
/// # Errors
/// It is too large or too late, or its sender may not do any more what they might when it began.
pub async fn read(request: Request<Body>, app: &App) -> Result<Bytes, Refusal> {
    let sender = Identity::of(request.extensions()).ok().cloned();
    let began = Instant::now();
    let bytes = whole(request, app).await?;
    if let Some(sender) = sender.filter(|_| began.elapsed() > AT_ONCE) {
        identity::must_be_unchanged(app, &sender).await?;
    }
    Ok(bytes)
}

async fn whole(request: Request<Body>, app: &App) -> Result<Bytes, Refusal> {
    let limit = app.config.body_limit;
    let reading = to_bytes(request.into_body(), limit);
    tokio::time::timeout(READING_TIMEOUT, reading)
        .await
        .map_err(|_| {
            Refusal::new(
                StatusCode::REQUEST_TIMEOUT,
                "The request body did not arrive in time.",
            )
        })?
        .map_err(|error| {
            if is_too_large(&error) {
                Refusal::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "The request body is too large.",
                )
                .with_detail(format!("At most {limit} bytes are read."))
            } else {
                Refusal::new(
                    StatusCode::BAD_REQUEST,
                    "The request body could not be read.",
                )
            }
        })
}

fn is_too_large(error: &axum::Error) -> bool {
    let source = std::error::Error::source(error);
    source.is_some_and(|source| source.to_string().contains("length limit exceeded"))
}
