//! Who looks at a page: somebody who is signed in by their cookie, or nobody.

use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    http::{StatusCode, request::Parts},
};

use super::{
    form::{self, Form},
    page::Text,
};
use crate::{
    app::{App, AppState},
    http::{
        answer::Refusal,
        caller::Caller,
        cookies::{SESSION_COOKIE, cookie},
    },
};

/// Somebody who is signed in. Only the session's cookie counts: an address that holds a token must not make a page
/// somebody else's.
pub struct Visitor {
    /// Who it is.
    pub caller: Caller,
    token: String,
}

impl OptionalFromRequestParts<AppState> for Visitor {
    type Rejection = Refusal;

    async fn from_request_parts(
        parts: &mut Parts,
        app: &AppState,
    ) -> Result<Option<Self>, Refusal> {
        let token = cookie(&parts.headers, SESSION_COOKIE).unwrap_or_default();
        if token.is_empty() {
            return Ok(None);
        }
        match Caller::from_request_parts(parts, app).await {
            Ok(caller) => Ok(Some(Self { caller, token })),
            Err(refusal) => match refusal.status() {
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Ok(None),
                _ => Err(refusal),
            },
        }
    }
}

impl Visitor {
    /// The proof that goes into each form of theirs: without it, any page could send the form with their cookie.
    pub fn proof(&self, app: &App) -> String {
        form::proof(app, &self.token)
    }

    /// Makes sure that a form was sent from a page that was shown to them, in this session.
    ///
    /// # Errors
    /// It was not.
    pub fn must_have_sent(&self, app: &App, form: &Form) -> Result<(), Refusal> {
        form.must_be_ours(app, &self.token)
    }

    /// Who is signed in, and the button to sign out.
    pub fn card(&self, app: &App) -> String {
        let person = &self.caller.user().row;
        format!(
            include_str!("signed_in.html"),
            base = app.config.base_path(),
            username = Text(person.username.as_deref().unwrap_or_default()),
            email = Text(person.email.as_deref().unwrap_or_default()),
            proof = Text(&self.proof(app)),
        )
    }
}
