//! `GET /users/oauth2/github/callback` and `GET /users/oidc/callback`: signing in by way of a provider. One address both
//! starts and finishes: without a code it sends the browser to the provider, with one the provider has sent it back.

mod account;
mod finish;
mod flow;
mod start;

use axum::{
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use rollcall_events::user::LoginType;

use super::{answer::Refusal, query::Parameters, request_context::RequestContext};
use crate::app::AppState;

pub use flow::Conversion;

/// Starts or finishes signing in with GitHub.
#[utoipa::path(get, path = "/api/v2/users/oauth2/github/callback", tag = "sessions", operation_id = "github_callback",
    params(
        ("code" = Option<String>, Query, example = "3c5a9f21b07e4d68", description = "What GitHub sends the browser back with."),
        ("state" = Option<String>, Query, example = "q7Lr2VdX0sTnYb5KcJ8mWf4ZgHe1Pa6U", description = "What it was sent there with."),
        ("redirect" = Option<String>, Query, example = "/cli-auth", description = "Where to go afterwards, on our own origin."),
        ("oidc_merge_state" = Option<String>, Query, example = "q7Lr2VdX0sTnYb5KcJ8mWf4ZgHe1Pa6U", description = "What converting the login type gave."),
    ),
    responses(
        (status = 307, description = "To GitHub, or back from it and signed in."),
        (status = 400, description = "It is not configured, or the request is no part of a flow."),
        (status = 401, description = "The flow is not this browser's, or is over; or GitHub knows of no membership that is asked for."),
        (status = 403, description = "Nobody may sign in here by that account."),
        (status = 409, description = "No username was to be had."),
        (status = 500, description = "GitHub does not accept the sign-in, or does not say who signed in; or the service is at fault."),
    ))]
pub async fn github(
    State(app): State<AppState>,
    context: RequestContext,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    callback(&app, &context, LoginType::Github, &headers, query).await
}

/// Starts or finishes signing in with OpenID Connect.
#[utoipa::path(get, path = "/api/v2/users/oidc/callback", tag = "sessions", operation_id = "oidc_callback",
    params(
        ("code" = Option<String>, Query, example = "3c5a9f21b07e4d68", description = "What the provider sends the browser back with."),
        ("state" = Option<String>, Query, example = "q7Lr2VdX0sTnYb5KcJ8mWf4ZgHe1Pa6U", description = "What it was sent there with."),
        ("redirect" = Option<String>, Query, example = "/cli-auth", description = "Where to go afterwards, on our own origin."),
        ("oidc_merge_state" = Option<String>, Query, example = "q7Lr2VdX0sTnYb5KcJ8mWf4ZgHe1Pa6U", description = "What converting the login type gave."),
    ),
    responses(
        (status = 307, description = "To the provider, or back from it and signed in."),
        (status = 400, description = "It is not configured, or the request is no part of a flow, or the provider proves nothing."),
        (status = 401, description = "The flow is not this browser's, or is over."),
        (status = 403, description = "Nobody may sign in here by that account."),
        (status = 409, description = "No username was to be had."),
        (status = 500, description = "The provider does not accept the sign-in, or does not say who signed in; or the service is at fault."),
        (status = 503, description = "The provider does not answer, or the database. Try again in a moment."),
    ))]
pub async fn oidc(
    State(app): State<AppState>,
    context: RequestContext,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    callback(&app, &context, LoginType::Oidc, &headers, query).await
}

async fn callback(
    app: &AppState,
    context: &RequestContext,
    by: LoginType,
    headers: &HeaderMap,
    query: Option<String>,
) -> Result<Response, Refusal> {
    let provider = app.providers.get(by).ok_or_else(|| not_configured(by))?;
    let parameters = Parameters::parse(query.as_deref());
    let error = parameters.text("error");
    if !error.is_empty() {
        let refusal = refused_there(&parameters, &error);
        return Ok((flow::cleared(app), refusal).into_response());
    }
    let code = parameters.text("code");
    if code.is_empty() {
        return start::start(app, provider, by, headers, &parameters).await;
    }
    let flow = match flow::returned(app, by, headers, &parameters).await {
        Ok(flow) => flow,
        Err(refusal) => return Err(finish::not_proven(app, context, refusal).await),
    };
    finish::finish(app, context, provider, by, flow, &code).await
}

fn not_configured(by: LoginType) -> Refusal {
    let name = match by {
        LoginType::Github => "GitHub",
        LoginType::Password | LoginType::Oidc | LoginType::None | LoginType::Token => {
            "OpenID Connect"
        }
    };
    Refusal::new(
        StatusCode::BAD_REQUEST,
        format!("Signing in with {name} is not configured."),
    )
}

/// In the provider's words, as far as they are short.
fn refused_there(parameters: &Parameters, error: &str) -> Refusal {
    const MOST_CHARACTERS: usize = 512;
    let parts = [
        error.to_owned(),
        parameters.text("error_description"),
        parameters.text("error_uri"),
    ];
    let said: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let said: String = said.join(": ").chars().take(MOST_CHARACTERS).collect();
    Refusal::new(StatusCode::BAD_REQUEST, "The provider refused the sign-in.").with_detail(said)
}
