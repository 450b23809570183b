//! `GET /users/authmethods`: how one can sign in. Two generations of clients want two shapes; the configuration says
//! which.

use axum::{extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::AppState,
    config::{AuthmethodsFormat, Config},
    http::answer::Json,
};

/// The ways to sign in, for whoever offers them.
#[derive(Clone)]
pub struct Ways {
    /// With a password.
    pub password: bool,
    /// By way of GitHub.
    pub github: bool,
    /// By way of an OpenID Connect provider: what its button says.
    pub oidc: Option<String>,
}

/// In either shape.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = AuthMethodsAnswer)]
pub enum Answer {
    /// For older clients.
    Flags(Flags),
    /// For newer ones.
    Objects(Objects),
}

/// As flags.
#[derive(Serialize, ToSchema)]
#[schema(as = AuthMethodFlags)]
pub struct Flags {
    password: bool,
    github: bool,
    oidc: bool,
}

/// As objects.
#[derive(Serialize, ToSchema)]
#[schema(as = AuthMethods)]
pub struct Objects {
    password: Method,
    github: Github,
    oidc: Oidc,
}

#[derive(Serialize, ToSchema)]
#[schema(as = PasswordMethod)]
struct Method {
    enabled: bool,
}

#[derive(Serialize, ToSchema)]
#[schema(as = GithubMethod)]
struct Github {
    enabled: bool,
    default_provider_configured: bool,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OidcMethod)]
struct Oidc {
    enabled: bool,
    #[schema(example = "Sign in with Example")]
    sign_in_text: String,
    #[schema(example = "/icon.svg")]
    icon_url: String,
}

impl Ways {
    /// The ways that are configured.
    #[must_use]
    pub fn open(config: &Config) -> Self {
        Self {
            password: config.password_login,
            github: config.github_client_id.is_some(),
            oidc: config
                .oidc_client_id
                .is_some()
                .then(|| config.oidc_sign_in_text.clone()),
        }
    }
}

/// How one can sign in: the ways that are open, in the shape that is configured.
#[utoipa::path(get, path = "/api/v2/users/authmethods", tag = "sessions", operation_id = "auth_methods",
    responses((status = 200, body = Answer)))]
pub async fn auth_methods(State(app): State<AppState>) -> Json<Answer> {
    let ways = Ways::open(&app.config);
    let answer = match app.config.authmethods_format {
        AuthmethodsFormat::Flags => Answer::Flags(Flags {
            password: ways.password,
            github: ways.github,
            oidc: ways.oidc.is_some(),
        }),
        AuthmethodsFormat::Objects => Answer::Objects(Objects {
            password: Method {
                enabled: ways.password,
            },
            github: Github {
                enabled: ways.github,
                default_provider_configured: false,
            },
            oidc: Oidc {
                enabled: ways.oidc.is_some(),
                sign_in_text: ways.oidc.unwrap_or_default(),
                icon_url: app.config.oidc_icon_url.clone(),
            },
        }),
    };
    Json(StatusCode::OK, answer)
}
