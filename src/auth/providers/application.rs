//! We, as a provider knows us: the one half of OAuth that GitHub and OpenID Connect share.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet,
    EndpointSet, ExtraTokenFields, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken,
    RequestTokenError, Scope, StandardRevocableToken, StandardTokenResponse, TokenResponse,
    TokenUrl,
    basic::{
        BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
        BasicTokenType,
    },
};
use rollcall_events::{clock::Clock, vault::ProviderTokens};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::Secret;

use super::{Flow, ProviderError, RenewedTokens, Trouble, client::Client};

/// The longest token that is taken. Those that list a person's groups are long.
const MOST_TOKEN_BYTES: usize = 64 * 1024;
/// Longer than this nothing is believed to last.
const LONGEST_LIFE: TimeDelta = TimeDelta::days(3650);

/// What OAuth and GitHub call a refresh token that is expired, revoked or unknown.
const SPENT: [&str; 2] = ["invalid_grant", "bad_refresh_token"];

type OAuth = oauth2::Client<
    BasicErrorResponse,
    TokenAnswer,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// What a token endpoint answers.
pub type TokenAnswer = StandardTokenResponse<WithIdToken, BasicTokenType>;

/// What OpenID Connect adds to it.
#[derive(Serialize, Deserialize)]
pub struct WithIdToken {
    /// Of whatever type: what is no text is refused later, as what it is.
    #[serde(default)]
    pub id_token: Option<Value>,
}

impl ExtraTokenFields for WithIdToken {}

impl fmt::Debug for WithIdToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("WithIdToken(..)")
    }
}

/// Why a token endpoint gives no tokens.
pub enum Denied {
    /// It says no, in a word.
    Refused(String),
    /// It says nothing, or nothing that can be understood.
    Failed(Trouble),
}

impl Denied {
    /// In words, for the operator.
    pub fn trouble(self) -> Trouble {
        match self {
            Self::Refused(code) => Trouble::refused(&code),
            Self::Failed(trouble) => trouble,
        }
    }

    /// What it means for a refresh token. Only a word about the token itself ends a person's sign-in: that we are not
    /// known, or that something is down, is no fault of theirs.
    pub fn of_refresh(self) -> ProviderError {
        match self {
            Self::Refused(code) if SPENT.contains(&code.as_str()) => {
                ProviderError::RefreshRefused(Trouble::refused(&code))
            }
            denied => ProviderError::RefreshFailed(denied.trouble()),
        }
    }
}

/// We, as a provider knows us.
pub struct Application {
    id: ClientId,
    secret: ClientSecret,
    redirect: RedirectUrl,
}

/// Where a provider is asked, and how we say who we are.
pub struct Endpoints {
    /// Where the browser is sent.
    pub authorize: AuthUrl,
    /// Where codes are traded.
    pub token: TokenUrl,
    /// How the secret is sent.
    pub auth_type: AuthType,
}

impl Application {
    /// We, by the name and the secret that the provider gave us.
    pub fn new(
        id: &str,
        secret: &Secret,
        redirect: String,
    ) -> Result<Self, oauth2::url::ParseError> {
        Ok(Self {
            id: ClientId::new(id.to_owned()),
            secret: ClientSecret::new(secret.expose().clone()),
            redirect: RedirectUrl::new(redirect)?,
        })
    }

    /// The name by which the provider knows us.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where the provider sends the browser back to.
    pub fn redirect(&self) -> &str {
        &self.redirect
    }

    /// Where the browser is sent, asking for `scopes`.
    pub fn authorize_url<'a>(
        &self,
        endpoints: &Endpoints,
        flow: &Flow,
        scopes: impl IntoIterator<Item = &'a str>,
        is_openid: bool,
        with_pkce: bool,
    ) -> String {
        let oauth = self.oauth(endpoints);
        let scopes = scopes.into_iter().map(|scope| Scope::new(scope.to_owned()));
        let mut request = oauth
            .authorize_url(|| CsrfToken::new(flow.state.clone()))
            .add_scopes(scopes)
            .add_extra_param("access_type", "offline");
        if is_openid {
            request = request.add_extra_param("nonce", &flow.nonce);
        }
        if with_pkce {
            let verifier = PkceCodeVerifier::new(flow.verifier.clone());
            let challenge = PkceCodeChallenge::from_code_verifier_sha256(&verifier);
            request = request.set_pkce_challenge(challenge);
        }
        let (url, _state) = request.url();
        url.into()
    }

    /// Trades the code of a sign-in.
    pub async fn trade(
        &self,
        endpoints: &Endpoints,
        client: &Client,
        code: &str,
        flow: &Flow,
    ) -> Result<TokenAnswer, Denied> {
        let answer = self
            .oauth(endpoints)
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(flow.verifier.clone()))
            .request_async(&client.sender())
            .await
            .map_err(denied)?;
        bounded(answer)
    }

    /// Trades a refresh token.
    pub async fn refresh(
        &self,
        endpoints: &Endpoints,
        client: &Client,
        refresh_token: &str,
        clock: &dyn Clock,
    ) -> Result<RenewedTokens, Denied> {
        let old = RefreshToken::new(refresh_token.to_owned());
        let answer = self
            .oauth(endpoints)
            .exchange_refresh_token(&old)
            .request_async(&client.sender())
            .await
            .map_err(denied)?;
        let answer = bounded(answer)?;
        let mut tokens = tokens(&answer);
        if tokens.refresh_token.is_none() {
            tokens.refresh_token = Some(refresh_token.to_owned());
        }
        Ok(RenewedTokens {
            tokens,
            expires_at: expires_at(&answer, clock),
        })
    }

    fn oauth(&self, endpoints: &Endpoints) -> OAuth {
        oauth2::Client::new(self.id.clone())
            .set_client_secret(self.secret.clone())
            .set_auth_type(endpoints.auth_type.clone())
            .set_auth_uri(endpoints.authorize.clone())
            .set_token_uri(endpoints.token.clone())
            .set_redirect_uri(self.redirect.clone())
    }
}

/// The tokens of an answer, to be sealed.
pub fn tokens(answer: &TokenAnswer) -> ProviderTokens {
    ProviderTokens {
        access_token: answer.access_token().secret().clone(),
        refresh_token: answer.refresh_token().map(|token| token.secret().clone()),
    }
}

/// When the access token of an answer ends; never, when the answer does not say so or says nought.
pub fn expires_at(answer: &TokenAnswer, clock: &dyn Clock) -> Option<DateTime<Utc>> {
    let life = answer.expires_in().filter(|life| !life.is_zero())?;
    let life = TimeDelta::from_std(life).map_or(LONGEST_LIFE, |life| life.min(LONGEST_LIFE));
    Some(clock.now() + life)
}

fn bounded(answer: TokenAnswer) -> Result<TokenAnswer, Denied> {
    let refresh_token = answer.refresh_token().map(RefreshToken::secret);
    let tokens = [Some(answer.access_token().secret()), refresh_token];
    if tokens
        .into_iter()
        .flatten()
        .any(|token| token.is_empty() || token.len() > MOST_TOKEN_BYTES)
    {
        return Err(Denied::Failed(Trouble::new(
            "it sent a token that is empty or longer than 64 KiB",
        )));
    }
    Ok(answer)
}

/// What an answer without tokens says. The answer itself may hold secrets, and so may what the libraries say of it.
fn denied(error: RequestTokenError<Trouble, BasicErrorResponse>) -> Denied {
    match error {
        RequestTokenError::ServerResponse(answer) => refused(&answer),
        RequestTokenError::Request(trouble) => Denied::Failed(trouble),
        // GitHub says no with status 200.
        RequestTokenError::Parse(_, body) => {
            match serde_json::from_slice::<BasicErrorResponse>(&body) {
                Ok(answer) => refused(&answer),
                Err(_) => Denied::Failed(Trouble::new("its answer cannot be understood")),
            }
        }
        RequestTokenError::Other(_) => {
            Denied::Failed(Trouble::new("its answer is empty or no JSON"))
        }
    }
}

fn refused(answer: &BasicErrorResponse) -> Denied {
    Denied::Refused(answer.error().as_ref().to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    struct At(DateTime<Utc>);

    impl Clock for At {
        fn now(&self) -> DateTime<Utc> {
            self.0
        }
    }

    fn answer(fields: &Value) -> TokenAnswer {
        let mut answer = json!({ "access_token": "a", "token_type": "bearer" });
        for (name, value) in fields.as_object().unwrap() {
            answer[name] = value.clone();
        }
        serde_json::from_value(answer).unwrap()
    }

    #[test]
    fn tokens_end_when_the_provider_says_and_never_in_the_far_future() {
        let clock = At(DateTime::UNIX_EPOCH);
        let ends = |fields| expires_at(&answer(&fields), &clock);
        let hour = Duration::from_hours(1);
        assert_eq!(ends(json!({ "expires_in": 3600 })), Some(clock.0 + hour));
        assert_eq!(ends(json!({ "expires_in": 0 })), None);
        assert_eq!(ends(json!({})), None);
        let far = ends(json!({ "expires_in": u64::MAX }));
        assert_eq!(far, Some(clock.0 + LONGEST_LIFE));
    }

    #[test]
    fn a_token_is_not_empty_and_not_huge() {
        let long = "x".repeat(MOST_TOKEN_BYTES);
        for (fields, is_good) in [
            (json!({}), true),
            (json!({ "access_token": long }), true),
            (json!({ "access_token": format!("{long}x") }), false),
            (json!({ "access_token": "" }), false),
            (json!({ "refresh_token": long }), true),
            (json!({ "refresh_token": format!("{long}x") }), false),
            (json!({ "refresh_token": "" }), false),
        ] {
            assert_eq!(bounded(answer(&fields)).is_ok(), is_good);
        }
    }

    #[test]
    fn an_answer_shows_no_token() {
        let answer = answer(&json!({ "access_token": "swordfish", "id_token": "swordfish" }));
        assert!(!format!("{answer:?}").contains("swordfish"));
    }

    #[test]
    fn only_a_word_about_the_token_ends_a_sign_in() {
        for (code, status) in [
            ("invalid_grant", 401),
            ("bad_refresh_token", 401),
            ("invalid_client", 500),
            ("temporarily_unavailable", 500),
            ("anything", 500),
        ] {
            let error = Denied::Refused(code.to_owned()).of_refresh();
            assert_eq!(error.status(), status, "{code}");
        }
        let down = Denied::Failed(Trouble::new("it does not answer in time"));
        assert_eq!(down.of_refresh().status(), 500);
    }
}
