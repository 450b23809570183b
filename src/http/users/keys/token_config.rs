//! `GET /users/{user}/keys/tokens/tokenconfig`: what a token of this user may be.

use axum::{extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::{create_token::lifetimes, holder};
use crate::{
    app::AppState,
    http::{
        answer::{Json, Refusal},
        caller::Caller,
        path::Path,
    },
    permissions::Action,
};

/// What a token may be.
#[derive(Serialize, ToSchema)]
#[schema(as = TokenConfig)]
pub struct Answer {
    /// How long it may be good, in nanoseconds.
    #[schema(example = 604_800_000_000_000_i64)]
    max_token_lifetime: i64,
}

/// How long a user's API tokens may live, if the caller makes them.
#[utoipa::path(get, path = "/api/v2/users/{user}/keys/tokens/tokenconfig", tag = "keys",
    operation_id = "get_token_config", responses((status = 200, body = Answer)))]
pub async fn token_config(
    State(app): State<AppState>,
    caller: Caller,
    Path(user): Path<String>,
) -> Result<Json<Answer>, Refusal> {
    let (holder, _) = holder(&app, &caller, &user, Action::Read).await?;
    let max = lifetimes(&app, &caller, &holder).max;
    let answer = Answer {
        max_token_lifetime: i64::try_from(max.as_nanos()).unwrap_or(i64::MAX),
    };
    Ok(Json(StatusCode::OK, answer))
}
