//! Forms of our pages, and the proof that it was one of ours.
//!
//! Any page can make a browser send us a form, and the browser adds our cookies. So each of our forms holds a proof that
//! only we can make and only our pages can read: for the visitor's session, or, before there is one, for a name that the
//! browser was given with the form. Without the latter, somebody could sign others in as themselves and read along.

use axum::{
    extract::{FromRequest, Request},
    http::{HeaderMap, StatusCode, header},
};
use subtle::ConstantTimeEq;

use crate::{
    app::{App, AppState},
    http::{answer::Refusal, body, cookies, csrf, query::Parameters},
};

/// A browser's name has so many letters and digits.
const NAME_LENGTH: usize = 32;

/// The fields of a form.
pub struct Form(Parameters);

impl FromRequest<AppState> for Form {
    type Rejection = Refusal;

    async fn from_request(request: Request, app: &AppState) -> Result<Self, Refusal> {
        if is_from_elsewhere(request.headers()) {
            return Err(not_ours());
        }
        let bytes = body::read(request, app).await?;
        let fields = Parameters::parse(Some(&String::from_utf8_lossy(&bytes)));
        Ok(Self(fields))
    }
}

impl Form {
    /// A field's value, or nothing.
    pub fn text(&self, name: &str) -> String {
        self.0.text(name)
    }

    /// A field's value as a person meant it: what was pasted often has blanks around it.
    pub fn trimmed(&self, name: &str) -> String {
        self.text(name).trim().to_owned()
    }

    /// Makes sure that one of our pages sent this form, on behalf of whom `secret` belongs to: the token of a session, or
    /// the name of a browser.
    ///
    /// # Errors
    /// It was not, or the page is from an earlier session.
    pub fn must_be_ours(&self, app: &App, secret: &str) -> Result<(), Refusal> {
        let expected = proof(app, secret);
        let is_ours: bool = self
            .text("proof")
            .as_bytes()
            .ct_eq(expected.as_bytes())
            .into();
        if is_ours { Ok(()) } else { Err(not_ours()) }
    }
}

/// What a form holds to prove that it is ours.
pub fn proof(app: &App, secret: &str) -> String {
    csrf::proof(&app.csrf_key, secret)
}

/// The name by which a browser is known before anybody signs in; if it has none, a new one with the cookie that makes
/// the browser keep it.
pub fn browser(headers: &HeaderMap, app: &App) -> (String, HeaderMap) {
    let is_name = |name: &String| {
        name.len() == NAME_LENGTH && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let cookie_name = cookies::form_cookie_name(&app.config);
    if let Some(name) = cookies::cookie(headers, cookie_name).filter(is_name) {
        return (name, HeaderMap::new());
    }
    let name = app.ids.alphanumeric(NAME_LENGTH);
    let cookie = cookies::form_cookie(&name, &app.config);
    let cookie = cookie.map(|cookie| (header::SET_COOKIE, cookie));
    (name, cookie.into_iter().collect())
}

/// Browsers say where a form comes from, in a header that no page can change. Old ones do not: then the proof decides.
fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    headers
        .get(csrf::SITE_HEADER)
        .is_some_and(csrf::is_another_site)
}

fn not_ours() -> Refusal {
    Refusal::new(
        StatusCode::BAD_REQUEST,
        "The page was out of date, or your browser keeps no cookies. Please try again.",
    )
}
