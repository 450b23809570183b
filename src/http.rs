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
mod pages;
pub mod path;
mod patience;
pub mod query;
pub mod rate_limit;
mod redirect;
pub mod request_context;
mod root;
mod streamed;
pub mod timestamp;
mod update_check;
mod users;

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router, ServiceExt, body::Body, extract::Request, http::StatusCode, middleware,
    serve::ListenerExt,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::{
    Layer,
    util::{MapRequest, MapRequestLayer},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::app::AppState;
use answer::Refusal;
use patience::Patient;
pub use users::{HistoryEntryView, UserView};

/// What the API's clients are told to compare with their own version.
pub const API_VERSION: &str = concat!("v2.35.0-devel+rollcall-", env!("CARGO_PKG_VERSION"));

/// What [`service`] makes.
pub type HttpService = MapRequest<Router, fn(Request) -> Request>;

/// A connection on which nothing moves for so long is closed. Load balancers keep idle ones for a minute: they are to
/// be the ones who close them.
const PATIENCE: Duration = Duration::from_secs(75);
/// How long requests that are under way may take when we are told to stop. Containers are killed after 10 seconds.
const LAST_REQUESTS: Duration = Duration::from_secs(8);

/// Serves until `stop` resolves; requests that are under way are finished, unless they take too long.
///
/// # Errors
/// The listener fails.
pub async fn serve(
    app: AppState,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let service = service(Arc::clone(&app));
    let service = ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(service);
    let listener = Patient::new(listener, PATIENCE).tap_io(|connection| {
        if let Err(error) = connection.get_ref().set_nodelay(true) {
            tracing::debug!(%error, "answers may be held back by the system for a moment");
        }
    });
    let stopping = CancellationToken::new();
    let told = stopping.clone();
    let serving = axum::serve(listener, service).with_graceful_shutdown(async move {
        stop.await;
        told.cancel();
        app.followers.send_home();
    });
    let too_long = async {
        stopping.cancelled().await;
        tokio::time::sleep(LAST_REQUESTS).await;
    };
    tokio::select! {
        served = serving.into_future() => served,
        () = too_long => {
            tracing::warn!("stopped with requests under way: they took too long");
            Ok(())
        }
    }
}

/// The whole of HTTP, as one service: paths are normalised before they are routed.
pub fn service(app: AppState) -> HttpService {
    MapRequestLayer::new(normalize_path::normalize_path::<Body> as fn(_) -> _).layer(router(app))
}

/// All routes, by who calls them.
fn router(app: AppState) -> Router {
    Router::new()
        .merge(Router::from(anybody()))
        .merge(Router::from(signed_in()))
        .merge(pages::pages())
        .fallback(unknown_route)
        .layer(middleware::from_fn_with_state(
            Arc::clone(&app),
            audit::refused_writes::note,
        ))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&app),
            rate_limit::limit,
        ))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&app),
            identity::identify,
        ))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&app),
            csrf::guard,
        ))
        .layer(middleware::from_fn(pages::dress))
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
