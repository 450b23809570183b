//! `GET /users/authmethods`: how one can sign in. Two generations of clients want two shapes; the configuration says
//! which.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::{app::AppState, config::AuthmethodsFormat, http::answer::Json};

#[derive(Serialize)]
struct Flags {
    password: bool,
    github: bool,
    oidc: bool,
}

#[derive(Serialize)]
struct Objects {
    password: Method,
    github: Github,
    oidc: Oidc,
}

#[derive(Serialize)]
struct Method {
    enabled: bool,
}

#[derive(Serialize)]
struct Github {
    enabled: bool,
    default_provider_configured: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Oidc {
    enabled: bool,
    sign_in_text: &'static str,
    icon_url: &'static str,
}

/// Tells the ways that are open.
pub async fn auth_methods(State(app): State<AppState>) -> Response {
    let password = app.config.password_login;
    match app.config.authmethods_format {
        AuthmethodsFormat::Flags => Json(
            StatusCode::OK,
            Flags {
                password,
                github: false,
                oidc: false,
            },
        )
        .into_response(),
        AuthmethodsFormat::Objects => Json(
            StatusCode::OK,
            Objects {
                password: Method { enabled: password },
                github: Github {
                    enabled: false,
                    default_provider_configured: false,
                },
                oidc: Oidc {
                    enabled: false,
                    sign_in_text: "",
                    icon_url: "",
                },
            },
        )
        .into_response(),
    }
}
