//! `POST /login/first`: the form by which whoever comes first becomes the owner.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};

use super::{
    HOME, form,
    form::Form,
    page::{Page, Text, complaint},
    redirect,
};
use crate::{
    app::{App, AppState},
    http::{
        answer::Refusal,
        body::JsonBody,
        request_context::RequestContext,
        users::{
            create_first::{self, create_first},
            sign_in,
        },
    },
};

/// What the page says, and what stands in its form already.
#[derive(Default)]
pub struct Filled {
    /// As HTML.
    said: String,
    email: String,
    username: String,
}

/// Creates the first user as the API does, and signs them in.
pub async fn create(
    State(app): State<AppState>,
    context: RequestContext,
    headers: HeaderMap,
    form: Form,
) -> Result<Response, Refusal> {
    let (browser, cookie) = form::browser(&headers, &app);
    match try_it(&app, &context, &browser, &form).await {
        Ok(signed_in) => Ok((signed_in.cookies(&app), redirect(&app, HOME)).into_response()),
        // Somebody was faster: this form is of no more use.
        Err(refusal) if refusal.status() == StatusCode::CONFLICT => Err(refusal),
        Err(refusal) => {
            let filled = Filled {
                said: complaint(&refusal),
                email: form.trimmed("email"),
                username: form.trimmed("username"),
            };
            let page = page(&app, &browser, &filled);
            Ok((cookie, page.refusing(refusal)).into_response())
        }
    }
}

async fn try_it(
    app: &AppState,
    context: &RequestContext,
    browser: &str,
    form: &Form,
) -> Result<sign_in::SignedIn, Refusal> {
    form.must_be_ours(app, browser)?;
    let (email, password) = (form.trimmed("email"), form.text("password"));
    let wish = create_first::Request {
        email: email.clone(),
        username: form.trimmed("username"),
        name: String::new(),
        password: password.clone(),
    };
    create_first(State(app.clone()), context.clone(), JsonBody(wish)).await?;
    sign_in::by_password(app, context, &email, password).await
}

/// The form.
pub fn page(app: &App, browser: &str, filled: &Filled) -> Page {
    let body = format!(
        include_str!("first_user.html"),
        base = app.config.base_path(),
        said = filled.said,
        proof = Text(&form::proof(app, browser)),
        email = Text(&filled.email),
        username = Text(&filled.username),
    );
    let title = "Create the first user";
    Page { title, body }
}
