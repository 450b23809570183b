//! `DELETE /users/{user}/personal-data`: forgets a person. The user goes, if they are still here; the key to all that is
//! sealed about them is destroyed, with password and provider tokens; the history stays, blank where the person was.

use axum::{
    extract::{FromRequest, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use rollcall_projections::users::FoundUser;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{fields::Fields, refused::refused, target::target};
use crate::{
    app::AppState,
    erasure,
    http::{
        answer::{Json, Notice, Refusal},
        body::JsonBody,
        caller::Caller,
        path::Path,
        position::position_header,
    },
    permissions::{Action, Object},
};

/// Says that it is meant.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = ErasePerson)]
pub struct Request {
    /// The user's username or id once more: nothing brings the person back.
    #[schema(required, example = "ada")]
    confirm: String,
}

/// Forgets a person. Who is forgotten already stays so.
#[utoipa::path(delete, path = "/api/v2/users/{user}/personal-data", tag = "users", operation_id = "erase_person",
    request_body = Request, responses(
        (status = 200, body = Notice, example = json!({ "message": "The person has been erased." })),
        (status = 400, description = "It is not confirmed, or it is the last active owner."),
        (status = 403, description = "It is the caller, or not theirs to do."),
        (status = 409, description = "Others were changing the user at the same moment."),
    ))]
pub async fn erase(
    State(app): State<AppState>,
    caller: Caller,
    Path(user): Path<String>,
    body: axum::extract::Request,
) -> Result<Response, Refusal> {
    let found = target(&app, &caller, &user).await?;
    let id = found.row.id;
    if id == caller.user().row.id {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "You cannot erase yourself: ask another owner.",
        ));
    }
    let required = caller
        .requirement()
        .sees(id)
        .allows(Action::Erase, Object::user(id))
        .outranks(id);
    caller.meets(&app, &required, Some(&found))?;
    let JsonBody(request) = JsonBody::<Request>::from_request(body, &app).await?;
    must_be_meant(&found, &request)?;
    let done = erasure::erase(&app, id, caller.authority(&app, required))
        .await
        .map_err(|error| refused(&error))?;
    let answer = Json(StatusCode::OK, Notice::new("The person has been erased."));
    Ok((position_header(done.position), answer).into_response())
}

fn must_be_meant(found: &FoundUser, request: &Request) -> Result<(), Refusal> {
    let mut fields = Fields::default();
    let is_id = request.confirm.parse::<Uuid>() == Ok(found.row.id);
    let is_name = found
        .row
        .username
        .as_ref()
        .is_some_and(|name| name.eq_ignore_ascii_case(&request.confirm));
    if !is_id && !is_name {
        fields.wrong(
            "confirm",
            "must be the user's username or id: nothing brings the person back",
        );
    }
    fields.finish(Some(()))
}
