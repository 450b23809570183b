//! Sending a browser to the provider.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use rollcall_events::user::LoginType;

use super::{
    finish::refusal,
    flow::{BrowserFlow, Conversion},
};
use crate::{
    app::AppState,
    auth::providers::{Flow, Provider},
    http::{answer::Refusal, query::Parameters, redirect},
};

/// Begins a flow. Its cookies replace those of any earlier one, so that nothing of it leaks into this.
pub async fn start(
    app: &AppState,
    provider: Provider<'_>,
    by: LoginType,
    headers: &HeaderMap,
    parameters: &Parameters,
) -> Result<Response, Refusal> {
    let merge_state = parameters.text("oidc_merge_state");
    let conversion = if merge_state.is_empty() {
        None
    } else {
        Some(Conversion::carried(app, headers, &merge_state, by)?)
    };
    let mut secrets = Flow::generate(app.ids);
    if let Some(conversion) = &conversion {
        secrets.state.clone_from(&conversion.state);
    }
    let address = provider.authorize_url(&mut secrets).await;
    let address = address.map_err(|error| refusal(&error))?;
    let target = redirect::own_path(app.config.base_path(), &parameters.text("redirect"));
    let asked = if parameters.text("redirect").is_empty() {
        String::new()
    } else {
        // What follows a semicolon would be read as an attribute of the cookie.
        target.replace(';', "%3B")
    };
    let flow = BrowserFlow::begin(app, by, secrets, target, conversion);
    let cookies = flow.cookies(app, &asked)?;
    let location = HeaderValue::try_from(address).map_err(|error| Refusal::internal(&error))?;
    Ok((
        StatusCode::TEMPORARY_REDIRECT,
        cookies,
        [(header::LOCATION, location)],
    )
        .into_response())
}
