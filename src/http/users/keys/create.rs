//! `POST /users/{user}/keys`: a session for the command line. Unlike a sign-in it sets no cookie.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    holder,
    mint::{self, Minted},
};
use crate::{
    app::AppState,
    http::{
        answer::{Json, Refusal},
        caller::Caller,
        path::Path,
        position::position_header,
    },
    permissions::Action,
};

/// The key, shown this once.
#[derive(Serialize, ToSchema)]
#[schema(as = NewKey)]
pub struct Answer {
    #[schema(example = "5MIg5lSmNi-cNbhlUgZBhdlGAypzSpEQ0")]
    key: String,
}

/// Makes a session for the command line.
#[utoipa::path(post, path = "/api/v2/users/{user}/keys", tag = "keys", operation_id = "create_key",
    responses((status = 201, body = Answer)))]
pub async fn create(
    State(app): State<AppState>,
    caller: Caller,
    Path(user): Path<String>,
) -> Result<Response, Refusal> {
    let (holder, required) = holder(&app, &caller, &user, Action::Create).await?;
    let minted = mint::mint(&app, &caller, required, holder.row.id).await?;
    Ok(answer(&minted))
}

/// 201 with the key.
pub(super) fn answer(minted: &Minted) -> Response {
    let answer = Answer {
        key: minted.token.expose(),
    };
    (
        position_header(minted.position),
        Json(StatusCode::CREATED, answer),
    )
        .into_response()
}
