//! This service as an OAuth client: what GitHub and OpenID Connect have in common.

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
    id: String,
    secret: Secret,
    redirect: String,
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
        Url::parse(&redirect)?;
        Ok(Self {
            id: id.to_owned(),
            secret: secret.clone(),
            redirect,
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
        let mut url = endpoints.authorize.clone();
        let scopes: Vec<&str> = scopes.iter().map(AsRef::as_ref).collect();
        let mut query = url.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.id)
            .append_pair("redirect_uri", &self.redirect)
            .append_pair("scope", &scopes.join(" "))
            .append_pair("state", &flow.state)
            .extend_pairs(extra);
        if let Some(challenge) = flow.challenge() {
            query
                .append_pair("code_challenge", &challenge)
                .append_pair("code_challenge_method", "S256");
        }
        drop(query);
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
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &*self.redirect),
        ];
        if let Some(verifier) = &flow.verifier {
            form.push(("code_verifier", verifier));
        }
        self.request(endpoints, client, form).await
    }

    /// Exchanges a refresh token.
    pub async fn refresh(
        &self,
        endpoints: &Endpoints,
        client: &Client,
        refresh_token: &str,
        clock: &dyn Clock,
    ) -> Result<RenewedTokens, Denied> {
        let form = vec![
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token),
        ];
        let response = self.request(endpoints, client, form).await?;
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

    async fn request(
        &self,
        endpoints: &Endpoints,
        client: &Client,
        mut form: Vec<(&str, &str)>,
    ) -> Result<TokenResponse, Denied> {
        let secret = self.secret.expose().as_str();
        let basic = if endpoints.secret_in_form {
            form.extend([("client_id", &*self.id), ("client_secret", secret)]);
            None
        } else {
            Some((&*self.id, secret))
        };
        let response = client
            .post_form(&endpoints.token, &form, basic, MAX_RESPONSE_BYTES)
            .await
            .map_err(Denied::Failed)?;
        let secrets: Vec<&str> = form
            .iter()
            .filter(|(name, _)| matches!(*name, "code" | "code_verifier" | "refresh_token"))
            .map(|(_, value)| *value)
            .chain([secret])
            .collect();
        tokens::read(&response, &secrets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
