//! `/cli-auth`: a key for the command line, which opens this page and asks for the key that is shown.
//!
//! A key is made by the button and never by opening the page: any site can make a browser open an address.

use std::time::Duration;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};

use super::{
    form::Form,
    page::{COPY_SCRIPT, Page, Text, complaint},
    redirect,
    visitor::Visitor,
};
use crate::{
    app::{App, AppState},
    http::{answer::Refusal, users::keys::mint},
    permissions::{Action, Object},
};

const TITLE: &str = "A key for the command line";

/// Offers a key.
pub async fn offer(State(app): State<AppState>, visitor: Option<Visitor>) -> Response {
    match visitor {
        Some(visitor) => page(&app, &visitor, "").into_response(),
        None => sign_in_first(&app),
    }
}

/// Makes a key and shows it, this once.
pub async fn show_key(
    State(app): State<AppState>,
    visitor: Option<Visitor>,
    form: Form,
) -> Result<Response, Refusal> {
    let Some(visitor) = visitor else {
        return Ok(sign_in_first(&app));
    };
    if let Err(refusal) = visitor.must_have_sent(&app, &form) {
        return Ok(page(&app, &visitor, &complaint(&refusal)).refusing(refusal));
    }
    let user = visitor.caller.user().row.id;
    let caller = &visitor.caller;
    let required = caller
        .requirement()
        .allows(Action::Create, Object::api_key_of(user));
    caller.meets(&app, &required, None)?;
    let minted = mint::mint(&app, caller, required, user).await?;
    let body = format!(
        include_str!("key.html"),
        key = Text(&minted.token.expose()),
        lifetime = in_words(app.config.cli_session_duration),
        who = visitor.card(&app),
        script = COPY_SCRIPT,
    );
    Ok(Page { title: TITLE, body }.into_response())
}

fn page(app: &App, visitor: &Visitor, complaint: &str) -> Page {
    let body = format!(
        include_str!("cli_auth.html"),
        base = app.config.base_path(),
        complaint = complaint,
        proof = Text(&visitor.proof(app)),
        who = visitor.card(app),
    );
    Page { title: TITLE, body }
}

/// A length of time in the largest unit of which it is a whole number.
fn in_words(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [("day", 86_400), ("hour", 3_600), ("minute", 60)];
    let unit = units
        .into_iter()
        .find(|(_, length)| seconds.is_multiple_of(*length));
    let (name, length) = unit.unwrap_or(("second", 1));
    let count = seconds / length;
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {name}{plural}")
}

fn sign_in_first(app: &App) -> Response {
    redirect(app, "/login?redirect=%2Fcli-auth").into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_said_in_words() {
        for (seconds, words) in [
            (7 * 86_400, "7 days"),
            (86_400, "1 day"),
            (36 * 3_600, "36 hours"),
            (90 * 60, "90 minutes"),
            (61, "61 seconds"),
        ] {
            assert_eq!(in_words(Duration::from_secs(seconds)), words);
        }
    }
}
