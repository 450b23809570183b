//! Signing in through other services: GitHub, and any OpenID Connect provider.
//!
//! A sign-in is a [`Flow`]. The browser is sent to the [`authorize_url`](Provider::authorize_url) and comes back with a
//! code, which [`finish`](Provider::finish) exchanges for the account that signed in: [`Proven`]. The caller keeps the
//! flow meanwhile, sealed in a cookie of that browser; nothing of it is kept here.
//!
//! A provider is asked for nothing before the first sign-in, and no answer of one is trusted: every request has a timeout,
//! every response a largest size, every claim a type and a length. A provider that is down or lies harms its own sign-ins
//! and nothing else. `providers/README.md` lists which providers work, and with which options.

mod application;
mod cached;
mod client;
mod error;
mod examine;
mod flow;
mod github;
mod json;
mod jwt;
mod oidc;
mod proven;
mod tokens;
pub mod username;

use std::{sync::Arc, time::Duration};

use rollcall_events::{
    clock::Clock,
    user::{AvatarUrl, LoginType},
};
use tokio::time::timeout;

use crate::config::{AccessUrl, Config};

use client::Client;

pub use error::{Cause, ProviderError};
pub use examine::Finding;
pub use flow::Flow;
pub use github::GitHub;
pub use oidc::{Oidc, is_same_address};
pub use proven::{Proven, RenewedTokens};

/// Where GitHub sends the browser back to, below the access URL.
pub const GITHUB_CALLBACK: &str = "/api/v2/users/oauth2/github/callback";
/// Where an OpenID Connect provider sends the browser back to, below the access URL.
pub const OIDC_CALLBACK: &str = "/api/v2/users/oidc/callback";

/// How long all the requests at the end of one sign-in may take: each has its own time-out, but there are several.
const FINISH_TIMEOUT: Duration = Duration::from_secs(25);

/// The providers that are configured.
pub struct Providers {
    /// The OpenID Connect provider.
    pub oidc: Option<Oidc>,
    /// GitHub.
    pub github: Option<GitHub>,
}

/// One of them.
#[derive(Clone, Copy)]
pub enum Provider<'a> {
    /// The OpenID Connect provider.
    Oidc(&'a Oidc),
    /// GitHub.
    GitHub(&'a GitHub),
}

/// Why providers cannot be used as they are configured.
#[derive(Debug, thiserror::Error)]
pub enum ProviderSetupError {
    /// There is no way to speak https.
    #[error("https cannot be spoken with providers")]
    Client(#[from] reqwest::Error),
    /// An address is none.
    #[error("{option} cannot be used as the address of a provider")]
    Url {
        /// The option that holds it.
        option: &'static str,
        /// Why.
        source: url::ParseError,
    },
}

impl Providers {
    /// The providers that are configured. Asks nobody.
    ///
    /// # Errors
    /// See [`ProviderSetupError`].
    pub fn new(config: &Config, clock: &Arc<dyn Clock>) -> Result<Self, ProviderSetupError> {
        let mut providers = Self {
            oidc: None,
            github: None,
        };
        // Without an access URL the configuration names no provider: it says so itself.
        let Some(access_url) = &config.access_url else {
            return Ok(providers);
        };
        if config.oidc_client_id.is_none() && config.github_client_id.is_none() {
            return Ok(providers);
        }
        let client = Client::new()?;
        providers.oidc = Oidc::configured(config, access_url, &client, clock)?;
        providers.github = GitHub::configured(config, access_url, &client, clock)?;
        Ok(providers)
    }

    /// The provider by which a user of this kind signs in, if it is configured.
    #[must_use]
    pub fn get(&self, login_type: LoginType) -> Option<Provider<'_>> {
        match login_type {
            LoginType::Oidc => self.oidc.as_ref().map(Provider::Oidc),
            LoginType::Github => self.github.as_ref().map(Provider::GitHub),
            LoginType::Password | LoginType::None | LoginType::Token => None,
        }
    }
}

impl Provider<'_> {
    /// The address to which a browser is sent to sign in. Drops the verifier of the flow if no challenge is sent.
    ///
    /// # Errors
    /// The provider does not say where that is.
    pub async fn authorize_url(self, flow: &mut Flow) -> Result<String, ProviderError> {
        match self {
            Self::Oidc(oidc) => oidc.authorize_url(flow).await,
            Self::GitHub(github) => Ok(github.authorize_url(flow)),
        }
    }

    /// Who came back with this code, as far as the provider proves it.
    ///
    /// # Errors
    /// See [`ProviderError`].
    pub async fn finish(self, code: &str, flow: &Flow) -> Result<Proven, ProviderError> {
        let finished = timeout(FINISH_TIMEOUT, async {
            match self {
                Self::Oidc(oidc) => oidc.finish(code, flow).await,
                Self::GitHub(github) => github.finish(code, flow).await,
            }
        });
        let too_slow = || ProviderError::Person(Cause::new("it takes too long"));
        finished.await.unwrap_or_else(|_| Err(too_slow()))
    }

    /// Trades a refresh token for new tokens.
    ///
    /// # Errors
    /// [`ProviderError::RefreshRefused`] when the provider wants it used no more; another when it cannot be known.
    pub async fn refresh(self, refresh_token: &str) -> Result<RenewedTokens, ProviderError> {
        match self {
            Self::Oidc(oidc) => oidc.refresh(refresh_token).await,
            Self::GitHub(github) => github.refresh(refresh_token).await,
        }
    }
}

/// A path below the address by which browsers reach us.
fn below(access_url: &AccessUrl, path: &str) -> String {
    format!("{}{path}", access_url.as_str())
}

/// The address of a picture, or nothing if it is not https: pages show it to everybody.
fn web_picture(url: &str) -> String {
    const SCHEME: &str = "https://";
    let is_https = url
        .get(..SCHEME.len())
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case(SCHEME));
    AvatarUrl::parse(url)
        .ok()
        .filter(|_| is_https)
        .map(AvatarUrl::into_string)
        .unwrap_or_default()
}
