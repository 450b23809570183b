//! `GET /users/oauth2/github/callback` and `GET /users/oidc/callback`: signing in by way of a provider, when one is
//! configured.

use axum::http::StatusCode;

use super::answer::Refusal;

/// Starts or finishes signing in with GitHub. No GitHub application is configured: this is refused.
#[utoipa::path(get, path = "/api/v2/users/oauth2/github/callback", tag = "sessions", operation_id = "github_callback",
    responses((status = 400, description = "Signing in with GitHub is not configured.")))]
pub async fn github() -> Refusal {
    not_configured("GitHub")
}

/// Starts or finishes signing in with OpenID Connect. No provider is configured: this is refused.
#[utoipa::path(get, path = "/api/v2/users/oidc/callback", tag = "sessions", operation_id = "oidc_callback",
    responses((status = 400, description = "Signing in with OpenID Connect is not configured.")))]
pub async fn oidc() -> Refusal {
    not_configured("OpenID Connect")
}

fn not_configured(provider: &str) -> Refusal {
    Refusal::new(
        StatusCode::BAD_REQUEST,
        format!("Signing in with {provider} is not configured."),
    )
}
