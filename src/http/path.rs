//! The parts of a path that name something.

use axum::{
    extract::{FromRequestParts, Path as Named},
    http::request::Parts,
};
use serde::de::DeserializeOwned;

use super::answer::Refusal;
use crate::app::AppState;

/// The named parts of a route's path. What is no text, percent-decoded, names nothing: 404.
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<AppState> for Path<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Refusal> {
        let named = Named::from_request_parts(parts, app).await;
        let Named(named) = named.map_err(|_| Refusal::not_found())?;
        Ok(Self(named))
    }
}
