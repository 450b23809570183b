//! Any OpenID Connect provider: the code flow, with the ID token and the userinfo endpoint as sources of claims.
//!
//! Requests are built, and signatures verified, by `openidconnect` and `oauth2`. Documents, tokens and claims are read here,
//! because those libraries refuse a whole document or token for one member of an unexpected form: what is not used must not
//! matter, what is used is read leniently, and only what decides who signs in is read strictly.

mod claims;
mod discovery;
mod id_token;
mod userinfo;

use std::{sync::Arc, time::Duration};

use reqwest::Url;
use rollcall_events::{clock::Clock, ids::Ids, user::Identity};

use crate::config::{AccessUrl, AuthUrlParams, Config, Pkce};

use super::{
    Cause, Finding, Flow, OIDC_CALLBACK, Proven, ProviderError, ProviderSetupError, RenewedTokens,
    application::{Application, Denied},
    below,
    cached::Cached,
    client::Client,
    examine,
    json::Object,
    jwt::{Fault, KeySet, TokenError},
};
use claims::ClaimRules;
use discovery::{Discovered, Remarks};
use id_token::Expected;
use userinfo::Userinfo;

pub use claims::is_same_address;

/// How long the discovery document and the keys are kept.
const KEEP: Duration = Duration::from_hours(1);
/// How often the keys are asked for again because none of them fits.
const REST: Duration = Duration::from_mins(1);
/// Asks for a refresh token, where a provider heeds it.
const ACCESS_TYPE: (&str, &str) = ("access_type", "offline");

/// The OpenID Connect provider.
pub struct Oidc {
    issuer: String,
    scopes: Vec<String>,
    auth_url_params: AuthUrlParams,
    pkce: Pkce,
    require_nonce: bool,
    allow_http: bool,
    ignore_userinfo: bool,
    rules: ClaimRules,
    application: Application,
    client: Client,
    clock: Arc<dyn Clock>,
    discovered: Cached<Discovered>,
    keys: Cached<KeySet>,
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
            auth_url_params: config.oidc_auth_url_params.clone(),
            pkce: config.oidc_pkce,
            require_nonce: config.oidc_require_nonce,
            allow_http: config.oidc_allow_http,
            ignore_userinfo: config.oidc_ignore_userinfo,
            rules: ClaimRules::new(config),
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
    /// The discovery document cannot be read.
    pub async fn authorize_url(&self, flow: &mut Flow) -> Result<String, ProviderError> {
        let discovered = self.discovered().await?;
        let with_challenge = match self.pkce {
            Pkce::Auto => discovered.takes_challenges,
            Pkce::Always => true,
            Pkce::Never => false,
        };
        if !with_challenge {
            flow.verifier = None;
        }
        let access_type = (!self.auth_url_params.contains(ACCESS_TYPE.0)).then_some(ACCESS_TYPE);
        let nonce = ("nonce", flow.nonce.as_str());
        let extra = [nonce]
            .into_iter()
            .chain(access_type)
            .chain(self.auth_url_params.iter());
        Ok(self
            .application
            .authorize_url(&discovered.endpoints, flow, &self.scopes, extra))
    }

    /// See [`super::Provider::finish`].
    ///
    /// # Errors
    /// See [`ProviderError`].
    pub async fn finish(&self, code: &str, flow: &Flow) -> Result<Proven, ProviderError> {
        let discovered = self.discovered().await?;
        let response = self
            .application
            .exchange(&discovered.endpoints, &self.client, code, flow)
            .await
            .map_err(|denied| ProviderError::Exchange(denied.cause()))?;
        let id_token = response.id_token.as_deref().ok_or_else(|| {
            ProviderError::NoIdToken(Cause::new(
                "the `id_token` of its token response is missing: is openid among oidc_scopes, and does the provider take it?",
            ))
        })?;
        let access_token = &response.access_token;
        let expected = Expected {
            issuer: &self.issuer,
            client_id: self.application.id(),
            nonce: &flow.nonce,
            // Without a nonce it is the verifier that ties the code to this sign-in.
            allow_missing_nonce: !self.require_nonce && flow.verifier.is_some(),
            access_token,
            now: self.clock.now(),
        };
        let verify = |keys: &KeySet| id_token::verify(id_token, keys, &expected);
        let claims = self.verified(&discovered, verify).await??;
        let subject = id_token::subject(&claims)?;
        let userinfo = match &discovered.userinfo {
            None => None,
            Some(url) => Some(
                self.userinfo(&discovered, url, access_token, &subject)
                    .await?,
            ),
        };
        let profile = self.rules.read(&claims, userinfo.as_ref())?;
        Ok(Proven {
            identity: Identity {
                issuer: self.issuer.clone(),
                subject,
            },
            email: profile.email,
            username: profile.username,
            name: profile.name,
            avatar_url: profile.avatar_url,
            expires_at: response.expires_at(self.clock.as_ref()),
            tokens: response.tokens(),
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

    /// What can be seen of the provider before anybody signs in.
    pub async fn examine(&self) -> Vec<Finding> {
        let url = discovery::address(&self.issuer);
        let clock = examine::ask(&self.client, &url).await;
        let clock = clock.and_then(|response| examine::clock(&response, self.clock.as_ref()));
        let discovered = match self.discovered().await {
            Ok(discovered) => discovered,
            Err(error) => {
                let verdict = Err(error.sentence());
                return vec![Finding::new("oidc discovery", verdict)];
            }
        };
        let (client, application) = (&self.client, &self.application);
        let endpoints = &discovered.endpoints;
        let start = self.authorize_url(&mut Flow::generate(Ids)).await;
        let redirect = match start {
            Ok(url) => examine::redirect(client, application, &url, self.allow_http).await,
            Err(error) => Err(error.sentence()),
        };
        let credentials = examine::credentials(client, application, endpoints).await;
        vec![
            Finding::new("oidc discovery", self.verdict(&discovered.remarks)),
            Finding::new("oidc keys", self.examine_keys(&discovered).await),
            Finding::new("oidc clock", clock),
            Finding::new("oidc redirect address", redirect),
            Finding::new("oidc client", credentials),
        ]
    }

    fn verdict(&self, remarks: &Remarks) -> Result<String, String> {
        if !remarks.obstacles.is_empty() {
            return Err(format!(
                "The provider says of itself that users cannot sign in here: {}.",
                remarks.obstacles.join("; ")
            ));
        }
        let mut verdict = format!("{} says where everything is.", self.issuer);
        if let Some(target) = &remarks.redirected_to {
            verdict = format!("{verdict} It redirects to {target}.");
        }
        if remarks.has_bom {
            verdict += " Its document begins with a byte order mark (BOM), which JSON does not allow; it is skipped.";
        }
        Ok(verdict)
    }

    async fn examine_keys(&self, discovered: &Discovered) -> Result<String, String> {
        let keys = discovery::keys(&self.client, &discovered.keys)
            .await
            .map_err(|error| error.sentence())?;
        let unusable: Vec<String> = keys.unusable().iter().map(ToString::to_string).collect();
        let others = if unusable.is_empty() {
            String::new()
        } else {
            format!(" Of the others, {}.", unusable.join("; "))
        };
        match keys.usable() {
            0 => Err(format!(
                "The provider publishes no key by which its tokens could be checked.{others}"
            )),
            number => Ok(format!(
                "Of the provider's keys, {number} can be used.{others}"
            )),
        }
    }

    async fn discovered(&self) -> Result<Arc<Discovered>, ProviderError> {
        let options = discovery::Options {
            issuer: &self.issuer,
            allow_http: self.allow_http,
            ignore_userinfo: self.ignore_userinfo,
        };
        self.discovered
            .get(async || discovery::discover(&self.client, options).await)
            .await
    }

    /// What `verify` finds by the provider's keys. If none of them fits, the provider may have new ones.
    async fn verified<T>(
        &self,
        discovered: &Discovered,
        verify: impl Fn(&KeySet) -> Result<T, TokenError>,
    ) -> Result<Result<T, TokenError>, ProviderError> {
        let ask = async || discovery::keys(&self.client, &discovered.keys).await;
        let keys = self.keys.get(ask).await?;
        match verify(&keys) {
            Err(error) if error.fault == Fault::NoKey => {
                match self.keys.renew(&keys, REST, ask).await {
                    Some(keys) => Ok(verify(keys?.as_ref())),
                    None => Ok(Err(error)),
                }
            }
            verified => Ok(verified),
        }
    }

    /// The claims about the owner of the access token, who must be the user of the ID token.
    async fn userinfo(
        &self,
        discovered: &Discovered,
        url: &Url,
        access_token: &str,
        subject: &str,
    ) -> Result<Object, ProviderError> {
        let bad = |cause: Cause| {
            ProviderError::Person(Cause::new(format_args!("its userinfo endpoint: {cause}")))
        };
        let response = self.client.get_with_token(url, access_token).await;
        let claims = match response.and_then(|it| userinfo::read(&it)).map_err(bad)? {
            Userinfo::Claims(claims) => claims,
            Userinfo::Signed(token) => {
                let (issuer, client_id) = (&self.issuer, self.application.id());
                let now = self.clock.now();
                let verify = |keys: &KeySet| userinfo::verify(&token, keys, issuer, client_id, now);
                let verified = self.verified(discovered, verify).await?;
                verified.map_err(|error| bad(error.into()))?
            }
        };
        userinfo::check_subject(&claims, subject).map_err(bad)?;
        Ok(claims)
    }
}
