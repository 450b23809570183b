//! `GET /`: who is signed in, and what there is. Nobody is sent to sign in.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};

use super::{LOGIN, page::Page, redirect, visitor::Visitor};
use crate::app::AppState;

/// The start page.
pub async fn home(State(app): State<AppState>, visitor: Option<Visitor>) -> Response {
    let Some(visitor) = visitor else {
        return redirect(&app, LOGIN).into_response();
    };
    let body = format!(
        include_str!("home.html"),
        base = app.config.base_path(),
        who = visitor.card(&app),
    );
    let title = "Welcome";
    Page { title, body }.into_response()
}
