//! HTTP: the routes, and what surrounds every request. One file for each endpoint; no SQL here.

pub mod answer;
mod audit;
mod authcheck;
mod body;
mod build_info;
pub mod caller;
pub mod cookies;
mod csrf;
mod docs;
mod entitlements;
pub mod feed;
pub mod go_json;
mod health;
pub mod identity;
mod log;
pub mod normalize_path;
mod oauth2_callback;
mod observe;
pub mod openapi;
mod organizations;
pub mod page_ends;
mod pages;
pub mod path;
pub mod places;
mod position;
pub mod query;
pub mod rate_limit;
mod redirect;
pub mod request_context;
mod root;
mod server;
pub mod streamed;
pub mod timestamp;
mod update_check;
mod users;

use std::{future::Future, sync::Arc};

use axum::{Router, http::StatusCode, middleware};
use tokio::net::TcpListener;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::app::AppState;
use answer::Refusal;
use normalize_path::Normalized;
use server::Server;
pub use users::{HistoryEntryView, UserView};

/// What the API's clients are told to compare with their own version.
pub const API_VERSION: &str = concat!("v2.35.0-devel+rollcall-", env!("CARGO_PKG_VERSION"));

/// What [`service`] makes.
pub type HttpService = Normalized<Router>;

/// Serves until `stop` resolves. Then no connection is accepted any more, and requests that are under way are finished,
/// unless they take too long.
pub async fn serve(app: AppState, listener: TcpListener, stop: impl Future<Output = ()>) {
    let server = Server::new(service(Arc::clone(&app)), &app.config);
    let reporting = tokio::spawn(rate_limit::report(Arc::clone(&app)));
    server.accept(&listener, stop).await;
    drop(listener);
    app.followers.send_home();
    server.finish().await;
    reporting.abort();
    app.rate_limits.report_all();
}

/// The whole of HTTP, as one service: paths are normalised before they are routed.
pub fn service(app: AppState) -> HttpService {
    let config = Arc::clone(&app);
    Normalized::new(router(app), &config.config)
}

/// All routes, by who calls them.
fn router(app: AppState) -> Router {
    Router::new()
        .merge(Router::from(anybody()))
        .merge(Router::from(signed_in()))
        .merge(pages::pages())
        .fallback(unknown_route)
        .layer(middleware::from_fn(position::withhold))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&app),
            audit::refused_writes::note,
        ))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&app),
            rate_limit::own_changes::limit,
        ))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&app),
            csrf::guard,
        ))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&app),
            rate_limit::limit,
        ))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&app),
            pages::dress,
        ))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&app),
            observe::observe,
        ))
        .with_state(app)
}

fn anybody() -> OpenApiRouter<AppState> {
    openapi::described([
        routes!(health::alive),
        routes!(health::ready),
        routes!(docs::openapi),
        routes!(docs::page),
        routes!(root::welcome),
        routes!(build_info::build_info),
        routes!(update_check::update_check),
        routes!(
            users::first_exists::first_exists,
            users::create_first::create_first
        ),
        routes!(users::auth_methods::auth_methods),
        routes!(users::login::login),
        routes!(oauth2_callback::github),
        routes!(oauth2_callback::oidc),
    ])
}

fn signed_in() -> OpenApiRouter<AppState> {
    openapi::described([
        routes!(users::list::list, users::create::create),
        routes!(users::logout::logout),
        routes!(users::get::get, users::delete::delete),
        routes!(users::erase::erase),
        routes!(users::history::history),
        routes!(users::sessions::sessions),
        routes!(users::difference::difference),
        routes!(users::update_profile::update_profile),
        routes!(users::suspend::suspend),
        routes!(users::activate::activate),
        routes!(users::change_password::change_password),
        routes!(users::roles::get_roles, users::roles::put_roles),
        routes!(users::site_roles::site_roles),
        routes!(users::login_type::login_type),
        routes!(users::convert_login::convert_login),
        routes!(users::keys::create::create),
        routes!(users::keys::get::get, users::keys::delete::delete),
        routes!(users::keys::expire::expire),
        routes!(
            users::keys::list_tokens::list_tokens,
            users::keys::create_token::create_token
        ),
        routes!(users::keys::token_config::token_config),
        routes!(users::keys::get_token::get_token),
        routes!(users::organizations::list::list),
        routes!(users::organizations::get::get),
        routes!(organizations::list::list, organizations::create::create),
        routes!(organizations::get::get),
        routes!(organizations::members::list::list),
        routes!(organizations::members::page::page),
        routes!(organizations::members::roles::roles),
        routes!(
            organizations::members::add::add,
            organizations::members::remove::remove
        ),
        routes!(organizations::members::assign_roles::assign_roles),
        routes!(feed::events),
        routes!(log::checkpoint::checkpoint),
        routes!(log::inclusion::inclusion),
        routes!(log::consistency::consistency),
        routes!(authcheck::authcheck),
        routes!(audit::list::list),
        routes!(audit::test_generate::test_generate),
        routes!(entitlements::entitlements),
    ])
}

/// Whether a path belongs to the API, or only to the service.
fn is_api(path: &str) -> bool {
    path.strip_prefix("/api/v2")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

async fn unknown_route() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "Route not found.")
}
