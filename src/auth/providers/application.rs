//! This service as an OAuth client: what GitHub and OpenID Connect have in common.
//!
//! Requests are built by `oauth2`, on which `openidconnect` stands: the client of the latter is for OpenID Connect alone.
//! Responses are read by [`tokens`], because those libraries refuse forms, lifetimes that are texts, and
//! responses without a token type, and drop what an error says besides its code.

use std::fmt;

use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet,
    EndpointSet, HttpRequest, HttpResponse, PkceCodeChallenge, RedirectUrl, RefreshToken,
    RequestTokenError, Scope, TokenUrl,
    basic::{BasicClient, BasicErrorResponse},
};
use reqwest::Url;
use rollcall_events::{clock::Clock, vault::ProviderTokens};

use crate::config::Secret;

use super::{
    Cause, Flow, ProviderError, RenewedTokens,
    client::Client,
    tokens::{self, MAX_RESPONSE_BYTES, TokenResponse},
};

/// The error codes for a refresh token that is expired, revoked or unknown: OAuth's and GitHub's.
const SPENT: [&str; 2] = ["invalid_grant", "bad_refresh_token"];

type OAuth = BasicClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

/// Why a token endpoint gives no tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// It refuses, with an error code.
    Refused {
        /// The code.
        code: String,
        /// The code and what the endpoint says besides, for the log.
        cause: Cause,
    },
    /// It does not answer, or nothing that can be read.
    Failed(Cause),
}

impl Denied {
    /// The reason, for the operator.
    pub fn cause(self) -> Cause {
        match self {
            Self::Refused { cause, .. } | Self::Failed(cause) => cause,
        }
    }

    /// What it means for a refresh token. Only an error code about the token itself ends a sign-in: that the client is not
    /// known, or that something is down, is not the user's fault.
    pub fn of_refresh(self) -> ProviderError {
        match self {
            Self::Refused { code, cause } if SPENT.contains(&code.as_str()) => {
                ProviderError::RefreshRefused(cause)
            }
            denied => ProviderError::RefreshFailed(denied.cause()),
        }
    }
}

/// The client that a provider has registered.
pub struct Application {
    id: ClientId,
    secret: Secret,
    redirect: RedirectUrl,
}

/// The endpoints of a provider, and how the client authenticates there.
pub struct Endpoints {
    /// Where the browser is sent.
    pub authorize: Url,
    /// Where codes and refresh tokens are exchanged.
    pub token: Url,
    /// Whether the secret goes into the form of a token request, not into its header.
    pub secret_in_form: bool,
}

impl Application {
    /// A client by the id and the secret that the provider gave.
    pub fn new(id: &str, secret: &Secret, redirect: String) -> Result<Self, url::ParseError> {
        Ok(Self {
            id: ClientId::new(id.to_owned()),
            secret: secret.clone(),
            redirect: RedirectUrl::new(redirect)?,
        })
    }

    /// The client id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The redirect address, to which the provider sends browsers back.
    pub fn redirect(&self) -> &str {
        &self.redirect
    }

    /// The address to which a browser is sent, with a challenge if the flow has a verifier. `extra` are parameters that
    /// the service does not set itself.
    pub fn authorize_url<'a>(
        &self,
        endpoints: &Endpoints,
        flow: &Flow,
        scopes: &[impl AsRef<str>],
        extra: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> String {
        let oauth = self.oauth(endpoints);
        let scopes = scopes.iter().map(|it| Scope::new(it.as_ref().to_owned()));
        let mut request = oauth
            .authorize_url(|| CsrfToken::new(flow.state.clone()))
            .add_scopes(scopes);
        for (name, value) in extra {
            request = request.add_extra_param(name, value);
        }
        if let Some(verifier) = flow.verifier() {
            let challenge = PkceCodeChallenge::from_code_verifier_sha256(&verifier);
            request = request.set_pkce_challenge(challenge);
        }
        let (url, _state) = request.url();
        url.into()
    }

    /// Exchanges the code of a sign-in.
    pub async fn exchange(
        &self,
        endpoints: &Endpoints,
        client: &Client,
        code: &str,
        flow: &Flow,
    ) -> Result<TokenResponse, Denied> {
        let oauth = self.oauth(endpoints);
        let mut request = oauth.exchange_code(AuthorizationCode::new(code.to_owned()));
        if let Some(verifier) = flow.verifier() {
            request = request.set_pkce_verifier(verifier);
        }
        let verifier = flow.verifier.as_deref().unwrap_or(code);
        self.send(client, request.request(&unsent), &[code, verifier])
            .await
    }

    /// Exchanges a refresh token.
    pub async fn refresh(
        &self,
        endpoints: &Endpoints,
        client: &Client,
        refresh_token: &str,
        clock: &dyn Clock,
    ) -> Result<RenewedTokens, Denied> {
        let old = RefreshToken::new(refresh_token.to_owned());
        let oauth = self.oauth(endpoints);
        let request = oauth.exchange_refresh_token(&old).request(&unsent);
        let response = self.send(client, request, &[refresh_token]).await?;
        let refresh_token = response
            .refresh_token
            .clone()
            .unwrap_or_else(|| refresh_token.to_owned());
        Ok(RenewedTokens {
            expires_at: response.expires_at(clock),
            tokens: ProviderTokens {
                access_token: response.access_token,
                refresh_token: Some(refresh_token),
            },
        })
    }

    /// Sends a request that holds these secrets besides the client's.
    async fn send<T>(
        &self,
        client: &Client,
        built: Result<T, RequestTokenError<Unsent, BasicErrorResponse>>,
        secrets: &[&str],
    ) -> Result<TokenResponse, Denied> {
        let Err(RequestTokenError::Request(Unsent(request))) = built else {
            let cause = Cause::new("no request can be made of its address");
            return Err(Denied::Failed(cause));
        };
        let response = client.post(*request, MAX_RESPONSE_BYTES).await;
        let secret = self.secret.expose().as_str();
        tokens::read(
            &response.map_err(Denied::Failed)?,
            &[secrets, &[secret]].concat(),
        )
    }

    fn oauth(&self, endpoints: &Endpoints) -> OAuth {
        let auth_type = if endpoints.secret_in_form {
            AuthType::RequestBody
        } else {
            AuthType::BasicAuth
        };
        BasicClient::new(self.id.clone())
            .set_client_secret(ClientSecret::new(self.secret.expose().clone()))
            .set_auth_type(auth_type)
            .set_auth_uri(AuthUrl::from_url(endpoints.authorize.clone()))
            .set_token_uri(TokenUrl::from_url(endpoints.token.clone()))
            .set_redirect_uri(self.redirect.clone())
    }
}

/// A request as the library built it. It leaves the library as an error, so that the response is read here.
#[derive(thiserror::Error)]
#[error("it is not sent yet")]
struct Unsent(Box<HttpRequest>);

impl fmt::Debug for Unsent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Unsent(..)")
    }
}

fn unsent(request: HttpRequest) -> Result<HttpResponse, Unsent> {
    Err(Unsent(Box::new(request)))
}

#[cfg(test)]
mod tests {
    use rollcall_events::ids::Ids;

    use super::*;

    #[test]
    fn the_challenge_is_the_one_of_rfc_7636() {
        let url = |path| Url::parse(&format!("https://accounts.example.com/{path}")).unwrap();
        let endpoints = Endpoints {
            authorize: url("authorize?policy=a"),
            token: url("token"),
            secret_in_form: false,
        };
        let secret = "swordfish".parse().unwrap();
        let application = Application::new(
            "id",
            &secret,
            "https://rollcall.example/callback".to_owned(),
        );
        let application = application.unwrap();
        let mut flow = Flow::generate(Ids);
        let authorize = |flow: &Flow| {
            let extra = [("hd", "example.com")];
            application.authorize_url(&endpoints, flow, &["openid"], extra)
        };
        flow.verifier = Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned());
        let challenge = "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&";
        let url = authorize(&flow);
        assert!(url.contains("?policy=a&") && url.contains("hd=example.com"));
        assert!(url.contains(challenge) && url.contains("code_challenge_method=S256"));
        flow.verifier = None;
        assert!(!authorize(&flow).contains("challenge"));
    }

    #[test]
    fn only_an_error_about_the_token_ends_a_sign_in() {
        for (code, status) in [
            ("invalid_grant", 401),
            ("bad_refresh_token", 401),
            ("invalid_client", 500),
            ("temporarily_unavailable", 500),
            ("anything", 500),
        ] {
            let denied = Denied::Refused {
                code: code.to_owned(),
                cause: Cause::refused(code),
            };
            assert_eq!(denied.of_refresh().status(), status, "{code}");
        }
        let down = Denied::Failed(Cause::new("it does not answer in time"));
        assert_eq!(down.of_refresh().status(), 500);
    }
}
