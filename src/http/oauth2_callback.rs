//! `GET /users/oauth2/github/callback` and `GET /users/oidc/callback`: signing in by way of a provider, when one is
//! configured.

use axum::http::StatusCode;

use super::answer::Refusal;

/// No GitHub application is configured.
pub async fn github() -> Refusal {
    not_configured("GitHub")
}

/// No OpenID Connect provider is configured.
pub async fn oidc() -> Refusal {
    not_configured("OpenID Connect")
}

fn not_configured(provider: &str) -> Refusal {
    Refusal::new(
        StatusCode::BAD_REQUEST,
        format!("Signing in with {provider} is not configured."),
    )
}
