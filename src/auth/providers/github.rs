//! GitHub, or an enterprise server.

use std::{collections::BTreeSet, sync::Arc};

use oauth2::{
    AuthType, AuthUrl, HttpResponse, TokenUrl,
    http::StatusCode,
    url::{self, Url},
};
use rollcall_events::{
    clock::Clock,
    ids::Ids,
    user::{AvatarUrl, DisplayName, EmailAddress, Identity},
};
use serde::{Deserialize, de::DeserializeOwned};

use crate::config::{AccessUrl, Config, GithubTeam, ProviderUrl};

use super::{
    Finding, Flow, GITHUB_CALLBACK, Proven, ProviderError, ProviderSetupError, RenewedTokens,
    application::{self, Application, Denied, Endpoints},
    below,
    client::{self, Client},
    examine,
};

const PAGE: usize = 100;
/// Who is in more than a thousand organizations is asked for the first thousand.
const MOST_PAGES: usize = 10;

/// GitHub, or an enterprise server.
pub struct GitHub {
    issuer: String,
    api: ProviderUrl,
    allowed: Allowed,
    application: Application,
    endpoints: Endpoints,
    client: Client,
    clock: Arc<dyn Clock>,
}

/// Whom the operator lets in.
enum Allowed {
    Everyone,
    /// Members of these, named in lower case; and if there are teams, of one of those too.
    Members {
        organizations: BTreeSet<String>,
        teams: Vec<GithubTeam>,
    },
}

#[derive(Deserialize)]
struct Account {
    id: u64,
    login: String,
    name: Option<String>,
    avatar_url: Option<String>,
}

#[derive(Deserialize)]
struct Membership {
    state: String,
    organization: Option<Organization>,
}

#[derive(Deserialize)]
struct Organization {
    login: String,
}

#[derive(Deserialize)]
struct Email {
    #[serde(rename = "email")]
    address: String,
    primary: bool,
    verified: bool,
}

impl GitHub {
    /// GitHub, if it is configured.
    pub(super) fn configured(
        config: &Config,
        access_url: &AccessUrl,
        client: &Client,
        clock: &Arc<dyn Clock>,
    ) -> Result<Option<Self>, ProviderSetupError> {
        let (Some(id), Some(secret)) = (&config.github_client_id, &config.github_client_secret)
        else {
            return Ok(None);
        };
        let no_url = |option| move |source| ProviderSetupError::Url { option, source };
        let application = Application::new(id, secret, below(access_url, GITHUB_CALLBACK))
            .map_err(no_url("access_url"))?;
        let endpoints = Endpoints::of_github(&config.github_url).map_err(no_url("github_url"))?;
        Url::parse(config.github_api_url.as_str()).map_err(no_url("github_api_url"))?;
        Ok(Some(Self {
            // Without a slash at its end, whether it was given one or not: identities outlive such changes.
            issuer: config.github_url.join(""),
            api: config.github_api_url.clone(),
            allowed: Allowed::by(config),
            application,
            endpoints,
            client: client.clone(),
            clock: Arc::clone(clock),
        }))
    }

    /// See [`super::Provider::authorize_url`].
    #[must_use]
    pub fn authorize_url(&self, flow: &Flow) -> String {
        let scopes = self.allowed.scopes().iter().copied();
        self.application
            .authorize_url(&self.endpoints, flow, scopes, false, true)
    }

    /// See [`super::Provider::finish`].
    ///
    /// # Errors
    /// See [`ProviderError`].
    pub async fn finish(&self, code: &str, flow: &Flow) -> Result<Proven, ProviderError> {
        let answer = self
            .application
            .trade(&self.endpoints, &self.client, code, flow)
            .await
            .map_err(|denied| ProviderError::Exchange(denied.trouble()))?;
        let tokens = application::tokens(&answer);
        let token = &tokens.access_token;
        let account: Account = self.get(token, "/user").await?;
        self.check_member(token, &account.login).await?;
        let email = self.verified_email(token).await?;
        let avatar_url = account.avatar_url.unwrap_or_default();
        Ok(Proven {
            identity: Identity {
                issuer: self.issuer.clone(),
                subject: account.id.to_string(),
            },
            email,
            // Logins of managed users end in _company.
            username: account.login.replace('_', "-"),
            name: DisplayName::truncated(&account.name.unwrap_or_default()),
            avatar_url: AvatarUrl::parse(&avatar_url)
                .map(AvatarUrl::into_string)
                .unwrap_or_default(),
            expires_at: application::expires_at(&answer, self.clock.as_ref()),
            tokens,
        })
    }

    /// See [`super::Provider::refresh`].
    ///
    /// # Errors
    /// See there.
    pub async fn refresh(&self, refresh_token: &str) -> Result<RenewedTokens, ProviderError> {
        self.application
            .refresh(
                &self.endpoints,
                &self.client,
                refresh_token,
                self.clock.as_ref(),
            )
            .await
            .map_err(Denied::of_refresh)
    }

    /// What can be seen of GitHub before anybody signs in by it.
    pub async fn examine(&self) -> Vec<Finding> {
        let (client, application) = (&self.client, &self.application);
        let mut findings = Vec::new();
        match examine::ask(client, &self.api.join("/")).await {
            Ok(answer) => {
                let clock = examine::clock(&answer, self.clock.as_ref());
                findings.push(Finding::new(
                    "github api",
                    Ok(format!("{} answers.", self.api)),
                ));
                findings.push(Finding::new("github clock", clock));
            }
            Err(trouble) => findings.push(Finding::new("github api", Err(trouble))),
        }
        let start = self.authorize_url(&Flow::generate(Ids));
        let redirect = examine::redirect(client, application, &start).await;
        findings.push(Finding::new("github redirect address", redirect));
        let credentials = examine::credentials(client, application, &self.endpoints).await;
        findings.push(Finding::new("github client", credentials));
        findings
    }

    async fn check_member(&self, token: &str, login: &str) -> Result<(), ProviderError> {
        let Allowed::Members {
            organizations,
            teams,
        } = &self.allowed
        else {
            return Ok(());
        };
        let mut of = self.active_memberships(token).await?;
        of.retain(|organization| organizations.contains(organization));
        if of.is_empty() {
            return Err(ProviderError::NotInOrganization);
        }
        if teams.is_empty() {
            return Ok(());
        }
        for team in teams {
            if of.contains(&team.organization.to_lowercase())
                && self.is_in_team(token, team, login).await?
            {
                return Ok(());
            }
        }
        Err(ProviderError::NotInTeam)
    }

    /// The organizations, in lower case, that somebody is a member of and not only invited to.
    async fn active_memberships(&self, token: &str) -> Result<BTreeSet<String>, ProviderError> {
        let mut of = BTreeSet::new();
        for page in 1..=MOST_PAGES {
            let path = format!("/user/memberships/orgs?state=active&per_page={PAGE}&page={page}");
            let memberships: Vec<Membership> = self.get(token, &path).await?;
            let is_last = memberships.len() < PAGE;
            let active = memberships.into_iter().filter(Membership::is_active);
            of.extend(
                active
                    .filter_map(|membership| membership.organization)
                    .map(|organization| organization.login.to_lowercase()),
            );
            if is_last {
                break;
            }
        }
        Ok(of)
    }

    async fn is_in_team(
        &self,
        token: &str,
        team: &GithubTeam,
        login: &str,
    ) -> Result<bool, ProviderError> {
        let path = format!(
            "/orgs/{}/teams/{}/memberships/{}",
            segment(&team.organization),
            segment(&team.team),
            segment(login)
        );
        let answer = self.ask(token, &path).await?;
        match answer.status() {
            // A team that is not there, or that we may not see.
            StatusCode::NOT_FOUND | StatusCode::FORBIDDEN => Ok(false),
            _ => Ok(understood::<Membership>(&answer)?.is_active()),
        }
    }

    async fn verified_email(&self, token: &str) -> Result<EmailAddress, ProviderError> {
        let path = format!("/user/emails?per_page={PAGE}");
        let emails: Vec<Email> = self.get(token, &path).await?;
        emails
            .iter()
            .find(|email| email.primary && email.verified)
            .and_then(|email| EmailAddress::parse(&email.address).ok())
            .ok_or(ProviderError::NoVerifiedEmail)
    }

    async fn get<T: DeserializeOwned>(&self, token: &str, path: &str) -> Result<T, ProviderError> {
        understood(&self.ask(token, path).await?)
    }

    async fn ask(&self, token: &str, path: &str) -> Result<HttpResponse, ProviderError> {
        let request = client::get(&self.api.join(path), Some(token));
        let answer = match request {
            Ok(request) => self.client.send(request).await,
            Err(trouble) => Err(trouble),
        };
        answer.map_err(ProviderError::Person)
    }
}

fn understood<T: DeserializeOwned>(answer: &HttpResponse) -> Result<T, ProviderError> {
    client::understood(answer).map_err(ProviderError::Person)
}

/// Something to stand between two slashes, and not to go beyond them.
fn segment(name: &str) -> String {
    url::form_urlencoded::byte_serialize(name.as_bytes()).collect()
}

impl Membership {
    fn is_active(&self) -> bool {
        self.state == "active"
    }
}

impl Allowed {
    fn by(config: &Config) -> Self {
        if config.github_allow_everyone {
            return Self::Everyone;
        }
        let organizations = config.github_allowed_orgs.iter();
        Self::Members {
            organizations: organizations.map(|name| name.to_lowercase()).collect(),
            teams: config.github_allowed_teams.clone(),
        }
    }

    /// What has to be asked for, so that it can be seen.
    const fn scopes(&self) -> &'static [&'static str] {
        match self {
            Self::Everyone => &["read:user", "user:email"],
            Self::Members { .. } => &["read:user", "user:email", "read:org"],
        }
    }
}

impl Endpoints {
    fn of_github(github: &ProviderUrl) -> Result<Self, url::ParseError> {
        Ok(Self {
            authorize: AuthUrl::new(github.join("/login/oauth/authorize"))?,
            token: TokenUrl::new(github.join("/login/oauth/access_token"))?,
            auth_type: AuthType::RequestBody,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rollcall_events::clock::SystemClock;

    use super::*;
    use crate::config::Secret;

    fn github(config: Config) -> GitHub {
        let config = Config {
            access_url: Some("https://rollcall.example/users".parse().unwrap()),
            github_client_id: Some("id".to_owned()),
            github_client_secret: Some(Secret::new("swordfish".to_owned())),
            ..config
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let access_url = config.access_url.as_ref().unwrap();
        GitHub::configured(&config, access_url, &Client::new().unwrap(), &clock)
            .unwrap()
            .unwrap()
    }

    #[test]
    fn the_browser_is_sent_to_github_with_a_challenge() {
        let flow = Flow::generate(Ids);
        let github = github(Config {
            github_allow_everyone: true,
            github_url: "https://github.example.com/".parse().unwrap(),
            ..Config::default()
        });
        assert_eq!(github.issuer, "https://github.example.com");
        let url = github.authorize_url(&flow);
        assert!(!url.contains("swordfish") && !url.contains(&flow.verifier));
        let url = Url::parse(&url).unwrap();
        assert_eq!(url.path(), "/login/oauth/authorize");
        let query: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
        let challenge = &query["code_challenge"];
        assert_eq!(challenge.len(), 43);
        for (name, value) in [
            ("client_id", "id"),
            ("response_type", "code"),
            ("state", flow.state.as_str()),
            ("scope", "read:user user:email"),
            ("access_type", "offline"),
            ("code_challenge_method", "S256"),
            (
                "redirect_uri",
                "https://rollcall.example/users/api/v2/users/oauth2/github/callback",
            ),
        ] {
            assert_eq!(query[name], value);
        }
        assert!(!query.contains_key("nonce"));
    }

    #[test]
    fn organizations_are_asked_for_only_where_they_matter() {
        let github = github(Config {
            github_allowed_orgs: vec!["Example".to_owned()],
            ..Config::default()
        });
        let url = github.authorize_url(&Flow::generate(Ids));
        assert!(url.contains("read%3Aorg"));
    }

    #[test]
    fn a_name_does_not_leave_its_place_in_a_path() {
        assert_eq!(segment("core-team"), "core-team");
        assert_eq!(segment("../../user"), "..%2F..%2Fuser");
        assert_eq!(segment("a?b#c"), "a%3Fb%23c");
    }
}
