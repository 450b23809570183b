//! Pages for people with a browser: sign in, sign out, and get a key for the command line.
//!
//! They are plain forms that work without scripts. All that a page needs is in it (its style, and the one script, which
//! copies a key), and the policy that goes with it lets the browser load nothing else.

mod cli_auth;
mod first_user;
mod form;
mod home;
mod login;
mod logout;
mod page;
mod visitor;

pub use page::dress;

use axum::{
    Router,
    response::Redirect,
    routing::{get, post},
};

use crate::app::{App, AppState};

const HOME: &str = "/";
/// Where the command line gets a key.
pub const CLI_AUTH: &str = "/cli-auth";
/// Where one signs in.
pub const LOGIN: &str = "/login";
const FIRST_USER: &str = "/login/first";
const LOGOUT: &str = "/logout";

/// All pages, and where their forms go.
pub fn pages() -> Router<AppState> {
    Router::new()
        .route(HOME, get(home::home))
        .route(CLI_AUTH, get(cli_auth::offer).post(cli_auth::show_key))
        .route(LOGIN, get(login::offer).post(login::sign_in))
        .route(FIRST_USER, post(first_user::create))
        .route(LOGOUT, post(logout::sign_out))
}

/// Sends a browser on to a path of ours, which is below the path of the access URL.
fn redirect(app: &App, path: &str) -> Redirect {
    Redirect::to(&format!("{}{path}", app.config.base_path()))
}

/// Whether a path is that of a page.
pub fn is_page(path: &str) -> bool {
    [HOME, CLI_AUTH, LOGIN, FIRST_USER, LOGOUT].contains(&path)
}
