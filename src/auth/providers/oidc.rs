//! Any OpenID Connect provider.
//!
//! Discovery, keys and signatures are those of `openidconnect`. Claims are read here: that library refuses a whole
//! token for one claim of an unexpected type, where we owe an answer for each; and it leaves `azp` and `nbf` to us.

mod claims;
mod discovery;
mod id_token;

use std::{sync::Arc, time::Duration};

use openidconnect::core::CoreJsonWebKeySet;
use rollcall_events::{clock::Clock, ids::Ids, user::Identity};
use serde_json::{Map, Value};

use crate::config::{AccessUrl, Config};

use super::{
    Finding, Flow, OIDC_CALLBACK, Proven, ProviderError, ProviderSetupError, RenewedTokens,
    Trouble,
    application::{self, Application, Denied},
    below,
    cached::Cached,
    client::Client,
    examine,
};
use claims::ClaimRules;
use discovery::Discovered;
use id_token::{Expected, Fault};

/// How long what a provider says of itself is believed, and its keys.
const KEEP: Duration = Duration::from_hours(1);
/// How often its keys are asked for because none of them fits.
const REST: Duration = Duration::from_mins(1);

/// What a provider says of somebody.
type Claims = Map<String, Value>;

/// The OpenID Connect provider.
pub struct Oidc {
    issuer: String,
    scopes: Vec<String>,
    rules: ClaimRules,
    ignore_userinfo: bool,
    application: Application,
    client: Client,
    clock: Arc<dyn Clock>,
    discovered: Cached<Discovered>,
    keys: Cached<CoreJsonWebKeySet>,
}

impl Oidc {
    /// The provider, if it is configured.
    pub(super) fn configured(
        config: &Config,
        access_url: &AccessUrl,
        client: &Client,
        clock: &Arc<dyn Clock>,
    ) -> Result<Option<Self>, ProviderSetupError> {
        let (Some(issuer), Some(id), Some(secret)) = (
            &config.oidc_issuer_url,
            &config.oidc_client_id,
            &config.oidc_client_secret,
        ) else {
            return Ok(None);
        };
        let application =
            Application::new(id, secret, below(access_url, OIDC_CALLBACK)).map_err(|source| {
                ProviderSetupError::Url {
                    option: "access_url",
                    source,
                }
            })?;
        Ok(Some(Self {
            issuer: issuer.as_str().to_owned(),
            scopes: config.oidc_scopes.clone(),
            rules: ClaimRules::new(config),
            ignore_userinfo: config.oidc_ignore_userinfo,
            application,
            client: client.clone(),
            clock: Arc::clone(clock),
            discovered: Cached::new(KEEP),
            keys: Cached::new(KEEP),
        }))
    }

    /// See [`super::Provider::authorize_url`].
    ///
    /// # Errors
    /// The discovery document cannot be had.
    pub async fn authorize_url(&self, flow: &Flow) -> Result<String, ProviderError> {
        let discovered = self.discovered().await?;
        let scopes = self.scopes.iter().map(String::as_str);
        let endpoints = &discovered.endpoints;
        Ok(self
            .application
            .authorize_url(endpoints, flow, scopes, true, discovered.with_pkce))
    }

    /// See [`super::Provider::finish`].
    ///
    /// # Errors
    /// See [`ProviderError`].
    pub async fn finish(&self, code: &str, flow: &Flow) -> Result<Proven, ProviderError> {
        let discovered = self.discovered().await?;
        let answer = self
            .application
            .trade(&discovered.endpoints, &self.client, code, flow)
            .await
            .map_err(|denied| ProviderError::Exchange(denied.trouble()))?;
        let tokens = application::tokens(&answer);
        let id_token = match &answer.extra_fields().id_token {
            None | Some(Value::Null) => return Err(ProviderError::NoIdToken),
            Some(Value::String(token)) => token,
            Some(_) => return Err(ProviderError::IdToken(Trouble::new("it is no text"))),
        };
        let access_token = &tokens.access_token;
        let claims = self
            .verified(&discovered, id_token, access_token, flow)
            .await?;
        let subject = id_token::subject(&claims)?;
        let claims = match &discovered.userinfo {
            Some(url) if !self.ignore_userinfo => {
                let userinfo = self.userinfo(url, access_token, &subject).await?;
                self.rules.merge(claims, userinfo)
            }
            _ => claims,
        };
        let said = self.rules.read(&claims)?;
        Ok(Proven {
            identity: Identity {
                issuer: self.issuer.clone(),
                subject,
            },
            email: said.email,
            username: said.username,
            name: said.name,
            avatar_url: said.avatar_url,
            expires_at: application::expires_at(&answer, self.clock.as_ref()),
            tokens,
        })
    }

    /// See [`super::Provider::refresh`].
    ///
    /// # Errors
    /// See there.
    pub async fn refresh(&self, refresh_token: &str) -> Result<RenewedTokens, ProviderError> {
        let discovered = self.discovered().await?;
        self.application
            .refresh(
                &discovered.endpoints,
                &self.client,
                refresh_token,
                self.clock.as_ref(),
            )
            .await
            .map_err(Denied::of_refresh)
    }

    /// What can be seen of the provider before anybody signs in by it.
    pub async fn examine(&self) -> Vec<Finding> {
        let url = discovery::address(&self.issuer);
        let clock = examine::ask(&self.client, &url).await;
        let clock = clock.and_then(|answer| examine::clock(&answer, self.clock.as_ref()));
        let discovered = match self.discovered().await {
            Ok(discovered) => discovered,
            Err(error) => {
                let verdict = Err(examine::sentence(&error));
                return vec![Finding::new("oidc discovery", verdict)];
            }
        };
        let found = format!("{} says where everything is.", self.issuer);
        let (client, application) = (&self.client, &self.application);
        let endpoints = &discovered.endpoints;
        let start = self.authorize_url(&Flow::generate(Ids)).await;
        let redirect = match start {
            Ok(url) => examine::redirect(client, application, &url).await,
            Err(error) => Err(examine::sentence(&error)),
        };
        let credentials = examine::credentials(client, application, endpoints).await;
        vec![
            Finding::new("oidc discovery", Ok(found)),
            Finding::new("oidc keys", self.examine_keys(&discovered).await),
            Finding::new("oidc clock", clock),
            Finding::new("oidc redirect address", redirect),
            Finding::new("oidc client", credentials),
        ]
    }

    async fn examine_keys(&self, discovered: &Discovered) -> Result<String, String> {
        let keys = discovery::keys(&self.client, &discovered.keys).await;
        match keys.as_ref().map(id_token::usable) {
            Ok(0) => Err(
                "The provider publishes no key by which its tokens could be checked.".to_owned(),
            ),
            Ok(number) => Ok(format!("Of the provider's keys, {number} can be used.")),
            Err(error) => Err(examine::sentence(error)),
        }
    }

    async fn discovered(&self) -> Result<Arc<Discovered>, ProviderError> {
        self.discovered
            .get(async || discovery::discover(&self.client, &self.issuer).await)
            .await
    }

    /// The claims of an ID token that proves what it should. If no key fits, the provider may have new ones.
    async fn verified(
        &self,
        discovered: &Discovered,
        id_token: &str,
        access_token: &str,
        flow: &Flow,
    ) -> Result<Claims, ProviderError> {
        let ask = async || discovery::keys(&self.client, &discovered.keys).await;
        let expected = Expected {
            issuer: &self.issuer,
            client_id: self.application.id(),
            nonce: &flow.nonce,
            access_token,
            now: self.clock.now(),
        };
        let keys = self.keys.get(ask).await?;
        let verified = match id_token::verify(id_token, &keys, &expected) {
            Err(Fault::NoKey) => match self.keys.renew(&keys, REST, ask).await {
                Some(keys) => id_token::verify(id_token, keys?.as_ref(), &expected),
                None => Err(Fault::NoKey),
            },
            verified => verified,
        };
        Ok(verified?)
    }

    /// What the provider says of who owns the access token: who must be who signed in.
    async fn userinfo(
        &self,
        url: &str,
        access_token: &str,
        subject: &str,
    ) -> Result<Claims, ProviderError> {
        let userinfo: Claims = self
            .client
            .get_json(url, Some(access_token))
            .await
            .map_err(ProviderError::Person)?;
        match userinfo.get("sub") {
            Some(Value::String(of)) if of == subject => Ok(userinfo),
            _ => Err(ProviderError::Person(Trouble::new(
                "its userinfo is of somebody else than its ID token",
            ))),
        }
    }
}
