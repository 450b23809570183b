//! `POST /logout`: the button to sign out.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};

use super::{form::Form, redirect, visitor::Visitor};
use crate::{
    app::AppState,
    http::{answer::Refusal, users::logout},
};

/// Ends the visitor's session, as the API does.
pub async fn sign_out(
    State(app): State<AppState>,
    visitor: Option<Visitor>,
    form: Form,
) -> Result<Response, Refusal> {
    let gone = redirect(&app, "/login?message=You+are+signed+out.");
    let Some(visitor) = visitor else {
        return Ok(gone.into_response());
    };
    visitor.must_have_sent(&app, &form)?;
    let (cookies, _) = logout::end_session(&app, &visitor.caller).await?;
    Ok((cookies, gone).into_response())
}
