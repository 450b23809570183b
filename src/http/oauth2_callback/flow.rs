//! The cookies of a flow: what binds the browser that comes back to the one that was sent.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use chrono::{DateTime, TimeDelta, Utc};
use rollcall_events::user::LoginType;
use rollcall_projections::flows;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::{
    app::App,
    auth::providers::Flow,
    http::{
        answer::Refusal,
        cookies::{cookie, flow_cookie, no_flow_cookie},
        query::Parameters,
    },
};

/// Who has not come back by then starts again.
pub const FLOW_LIFETIME: TimeDelta = TimeDelta::minutes(10);
/// Holds the state, as clients look for it.
const STATE_COOKIE: &str = "oauth_state";
/// Holds where to go, as clients look for it. What we go by is sealed.
const REDIRECT_COOKIE: &str = "oauth_redirect";
/// Holds the whole flow, sealed.
const FLOW_COOKIE: &str = "oauth_flow";
/// Holds, sealed, that a user who has just given their password wants to sign in by a provider from now on.
const CONVERT_COOKIE: &str = "oauth_convert";
/// What the sealed cookies are for.
const FLOW: &str = "flow";
const CONVERT: &str = "convert";

/// A flow, as the browser carries it.
#[derive(Serialize, Deserialize)]
pub struct BrowserFlow {
    /// By which provider: the answer of one must not be taken for that of another.
    by: LoginType,
    /// As the provider client knows it.
    pub flow: Flow,
    /// Where to go afterwards: a path of our own.
    pub redirect: String,
    began: DateTime<Utc>,
    /// Whose login type is to change.
    pub conversion: Option<Conversion>,
}

/// A user who has proven their password, and wants to sign in by a provider instead.
#[derive(Clone, Serialize, Deserialize)]
pub struct Conversion {
    /// Names the wish.
    pub state: String,
    /// Whose.
    pub user: Uuid,
    /// By which provider.
    pub to: LoginType,
    /// Of the password that was proven.
    pub revision: i64,
    /// Not after then.
    pub expires_at: DateTime<Utc>,
}

impl Conversion {
    /// The cookie that carries the wish to the provider's callback.
    pub fn cookie(&self, app: &App) -> Result<Option<HeaderValue>, Refusal> {
        let sealed = app.tickets.seal(CONVERT, self, app.ids);
        let sealed = sealed.map_err(|error| Refusal::internal(&error))?;
        Ok(flow_cookie(CONVERT_COOKIE, &sealed, &app.config))
    }

    /// The wish of that name that the browser carries.
    pub fn carried(
        app: &App,
        headers: &HeaderMap,
        state: &str,
        to: LoginType,
    ) -> Result<Self, Refusal> {
        let carried = cookie(headers, CONVERT_COOKIE)
            .and_then(|sealed| app.tickets.open::<Self>(CONVERT, &sealed))
            .filter(|wish| wish.to == to && wish.expires_at > app.clock.now())
            .filter(|wish| wish.state.as_bytes().ct_eq(state.as_bytes()).into());
        carried.ok_or_else(|| {
            Refusal::unauthenticated("This change of the login type is not yours, or is over.")
        })
    }
}

impl BrowserFlow {
    /// A flow that begins now.
    pub fn begin(
        app: &App,
        by: LoginType,
        flow: Flow,
        redirect: String,
        conversion: Option<Conversion>,
    ) -> Self {
        Self {
            by,
            flow,
            redirect,
            began: app.clock.now(),
            conversion,
        }
    }

    /// What the browser is to carry, in the order in which clients read it.
    pub fn cookies(&self, app: &App, asked: &str) -> Result<HeaderMap, Refusal> {
        let sealed = app.tickets.seal(FLOW, self, app.ids);
        let sealed = sealed.map_err(|error| Refusal::internal(&error))?;
        let cookies = [
            flow_cookie(STATE_COOKIE, &self.flow.state, &app.config),
            flow_cookie(REDIRECT_COOKIE, asked, &app.config),
            flow_cookie(FLOW_COOKIE, &sealed, &app.config),
        ];
        Ok(set(cookies))
    }
}

/// Takes the flow's cookies back.
pub fn cleared(app: &App) -> HeaderMap {
    let names = [STATE_COOKIE, REDIRECT_COOKIE, FLOW_COOKIE, CONVERT_COOKIE];
    set(names.map(|name| no_flow_cookie(name, &app.config)))
}

fn set<const N: usize>(cookies: [Option<HeaderValue>; N]) -> HeaderMap {
    let cookies = cookies.into_iter().flatten();
    cookies.map(|cookie| (header::SET_COOKIE, cookie)).collect()
}

/// The flow that a browser comes back with: its own, of this provider, not over, and never finished before.
pub async fn returned(
    app: &App,
    by: LoginType,
    headers: &HeaderMap,
    parameters: &Parameters,
) -> Result<BrowserFlow, Refusal> {
    let state = parameters.text("state");
    if state.is_empty() {
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "State must be provided.",
        ));
    }
    let carried = cookie(headers, STATE_COOKIE).filter(|carried| !carried.is_empty());
    let carried =
        carried.ok_or_else(|| Refusal::unauthenticated("The state cookie is missing."))?;
    if !same(&carried, &state) {
        return Err(mismatch());
    }
    let sealed = cookie(headers, FLOW_COOKIE).unwrap_or_default();
    let flow: BrowserFlow = app.tickets.open(FLOW, &sealed).ok_or_else(|| {
        Refusal::new(
            StatusCode::BAD_REQUEST,
            "The PKCE cookie is missing, or is none of ours.",
        )
    })?;
    if flow.by != by || !same(&flow.flow.state, &state) {
        return Err(mismatch());
    }
    let age = app.clock.now() - flow.began;
    if age > FLOW_LIFETIME || age < -FLOW_LIFETIME {
        return Err(Refusal::unauthenticated(
            "This sign-in took too long. Start again.",
        ));
    }
    let digest: [u8; 32] = Sha256::digest(state.as_bytes()).into();
    if !flows::finish_once(&app.pool, &digest, app.clock.now()).await? {
        return Err(Refusal::unauthenticated(
            "This sign-in was finished before. Start again.",
        ));
    }
    Ok(flow)
}

fn same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

fn mismatch() -> Refusal {
    Refusal::unauthenticated("State mismatch: this sign-in was not started by this browser.")
}
