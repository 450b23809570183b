//! GitHub, or an enterprise server.

use std::{collections::BTreeSet, sync::Arc};

use reqwest::{StatusCode, Url};
use rollcall_events::{
    clock::Clock,
    ids::Ids,
    user::{DisplayName, EmailAddress, Identity},
};
use url::form_urlencoded;

use crate::config::{AccessUrl, Config, GithubTeam, ProviderUrl};

use super::{
    Cause, Finding, Flow, GITHUB_CALLBACK, Proven, ProviderError, ProviderSetupError,
    RenewedTokens,
    application::{Application, Denied, Endpoints},
    below,
    client::{Client, Response, without_query},
    examine,
    json::Object,
    web_picture,
};

const PAGE: usize = 100;
/// Of a list of more than a thousand items the first thousand are read.
const MAX_PAGES: usize = 10;
/// The longest wait that is passed on, in seconds.
const MAX_RETRY_AFTER_S: u32 = 3600;

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
    /// Members of these organizations, named in lower case; and if there are teams, of one of those too.
    Members {
        organizations: BTreeSet<String>,
        teams: Vec<GithubTeam>,
    },
}

struct Account {
    id: u64,
    login: String,
    name: String,
    avatar_url: String,
}

struct Membership {
    is_active: bool,
    /// Its name, in lower case.
    organization: Option<String>,
}

struct Email {
    address: String,
    /// Primary, and verified.
    is_vouched_for: bool,
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
        let endpoints = endpoints(&config.github_url).map_err(no_url("github_url"))?;
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
        let extra = [("access_type", "offline")];
        self.application
            .authorize_url(&self.endpoints, flow, self.allowed.scopes(), extra)
    }

    /// See [`super::Provider::finish`].
    ///
    /// # Errors
    /// See [`ProviderError`].
    pub async fn finish(&self, code: &str, flow: &Flow) -> Result<Proven, ProviderError> {
        let response = self
            .application
            .exchange(&self.endpoints, &self.client, code, flow)
            .await
            .map_err(|denied| ProviderError::Exchange(denied.cause()))?;
        let token = &response.access_token;
        let account = Account::read(&self.get(token, "/user").await?)?;
        self.check_member(token, &account.login).await?;
        let email = self.verified_email(token).await?;
        Ok(Proven {
            identity: Identity {
                issuer: self.issuer.clone(),
                subject: account.id.to_string(),
            },
            email,
            // Logins of managed users end in _company.
            username: account.login.replace('_', "-"),
            name: DisplayName::truncated(&account.name),
            avatar_url: web_picture(&account.avatar_url),
            expires_at: response.expires_at(self.clock.as_ref()),
            tokens: response.tokens(),
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
            Err(error) => findings.push(Finding::new("github api", Err(error))),
        }
        let start = self.authorize_url(&Flow::generate(Ids));
        let redirect = examine::redirect(client, application, &start, false).await;
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

    /// The organizations, in lower case, that a user is an active member of and not only invited to.
    async fn active_memberships(&self, token: &str) -> Result<BTreeSet<String>, ProviderError> {
        let path = "/user/memberships/orgs?state=active";
        let memberships = self.list(token, path, Membership::read, |_| false).await?;
        let active = memberships.into_iter().filter(|it| it.is_active);
        Ok(active
            .filter_map(|membership| membership.organization)
            .collect())
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
        let response = self.ask(token, &self.url(&path)?).await?;
        // No such team, none that may be seen, or not a member of it.
        if response.status == StatusCode::NOT_FOUND {
            return Ok(false);
        }
        check(&response)?;
        Ok(Membership::read(&object(&response)?).is_active)
    }

    async fn verified_email(&self, token: &str) -> Result<EmailAddress, ProviderError> {
        let is_enough = |email: &Email| email.is_vouched_for;
        let emails = self.list(token, "/user/emails", Email::read, is_enough);
        emails
            .await?
            .iter()
            .find(|email| email.is_vouched_for)
            .and_then(|email| EmailAddress::parse(&email.address).ok())
            .ok_or(ProviderError::NoVerifiedEmail)
    }

    /// A list, page by page, until an item is enough.
    async fn list<T>(
        &self,
        token: &str,
        path: &str,
        read: impl Fn(&Object) -> T,
        is_enough: impl Fn(&T) -> bool,
    ) -> Result<Vec<T>, ProviderError> {
        let mut url = self.url(path)?;
        let first_page = format!("per_page={PAGE}");
        let query = url
            .query()
            .map_or_else(|| first_page.clone(), |it| format!("{it}&{first_page}"));
        url.set_query(Some(&query));
        let mut items = Vec::new();
        for page in 1..=MAX_PAGES {
            let response = self.ask(token, &url).await?;
            check(&response)?;
            let of_page = Object::parse_list(&response.body);
            let of_page = of_page.map_err(|cause| bad(&response, &cause))?;
            let of_page: Vec<T> = of_page.iter().map(&read).collect();
            let is_full = of_page.len() >= PAGE;
            let is_done = of_page.iter().any(&is_enough);
            items.extend(of_page);
            if is_done {
                break;
            }
            url = match next_page(&response)? {
                Some(next) => next,
                // A proxy may have dropped the header.
                None if is_full && response.header("link").is_none() => {
                    let mut next = url;
                    next.set_query(Some(&format!("{query}&page={}", page + 1)));
                    next
                }
                None => break,
            };
        }
        Ok(items)
    }

    async fn get(&self, token: &str, path: &str) -> Result<Object, ProviderError> {
        let response = self.ask(token, &self.url(path)?).await?;
        check(&response)?;
        object(&response)
    }

    fn url(&self, path: &str) -> Result<Url, ProviderError> {
        Url::parse(&self.api.join(path)).map_err(|error| ProviderError::Person(Cause::new(error)))
    }

    async fn ask(&self, token: &str, url: &Url) -> Result<Response, ProviderError> {
        let response = self.client.get_with_token(url, token).await;
        response.map_err(|cause| {
            ProviderError::Person(Cause::new(format_args!(
                "GET {}: {cause}",
                without_query(url)
            )))
        })
    }
}

/// The next page of a list, which is at the same origin: the token goes there.
fn next_page(response: &Response) -> Result<Option<Url>, ProviderError> {
    let Some(link) = response.header("link").and_then(next_link) else {
        return Ok(None);
    };
    match response.url.join(link) {
        Ok(next) if next.origin() == response.url.origin() => Ok(Some(next)),
        _ => Err(ProviderError::Person(Cause::new(format_args!(
            "the next page of {} is at another address, to which the token is not sent",
            without_query(&response.url)
        )))),
    }
}

/// The target of `rel="next"` in a Link header (RFC 8288).
fn next_link(header: &str) -> Option<&str> {
    header.split('<').skip(1).find_map(|link| {
        let (target, parameters) = link.split_once('>')?;
        let is_next = parameters.split([';', ',']).any(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or_default();
            name.trim().eq_ignore_ascii_case("rel")
                && value
                    .trim()
                    .trim_matches('"')
                    .split_ascii_whitespace()
                    .any(|relation| relation.eq_ignore_ascii_case("next"))
        });
        is_next.then_some(target)
    })
}

/// What a status other than 200 means for the person who signs in. GitHub's own message goes to the log.
fn check(response: &Response) -> Result<(), ProviderError> {
    if response.status == StatusCode::OK {
        return Ok(());
    }
    let message = Object::parse(&response.body)
        .and_then(|body| body.text("message"))
        .ok()
        .flatten()
        .unwrap_or_default();
    let cause = Cause::new(format_args!(
        "GET {} answers with status {}: {message:?}",
        without_query(&response.url),
        response.status.as_u16()
    ));
    let message = message.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    let has_no_requests_left = response.header("x-ratelimit-remaining") == Some("0")
        || response.header("retry-after").is_some()
        || says(&["rate limit", "abuse detection"]);
    let reason = match response.status.as_u16() {
        429 => return Err(rate_limit(response, cause)),
        403 if has_no_requests_left => return Err(rate_limit(response, cause)),
        403 if response.header("x-github-sso").is_some() || says(&["saml"]) => {
            "Your GitHub organization wants its single sign-on first. Sign in to it at GitHub, authorize this application there, and try again."
        }
        403 if says(&["oauth app access restrictions", "third-party"]) => {
            "Your GitHub organization has not approved this application. Ask an owner of the organization to approve it."
        }
        403 if says(&["ip allow list"]) => {
            "Your GitHub organization does not accept requests from the address of this service. Ask an owner of the organization to allow it."
        }
        403 | 404 => {
            "GitHub does not show this application what the sign-in needs. Ask an administrator to compare its permissions."
        }
        500.. => {
            return Err(ProviderError::Unavailable {
                what: "what GitHub knows of the account",
                source: cause,
            });
        }
        _ => return Err(ProviderError::Person(cause)),
    };
    Err(ProviderError::GitHubForbids {
        reason,
        source: cause,
    })
}

fn rate_limit(response: &Response, source: Cause) -> ProviderError {
    let seconds = response.header("retry-after");
    let seconds = seconds.and_then(|seconds| seconds.trim().parse::<u32>().ok());
    ProviderError::GitHubRateLimit {
        retry_after_s: seconds.map(|seconds| seconds.clamp(1, MAX_RETRY_AFTER_S)),
        source,
    }
}

fn object(response: &Response) -> Result<Object, ProviderError> {
    Object::parse(&response.body).map_err(|cause| bad(response, &cause))
}

fn bad(response: &Response, cause: &Cause) -> ProviderError {
    let place = without_query(&response.url);
    ProviderError::Person(Cause::new(format_args!("GET {place}: {cause}")))
}

/// A name as one segment of a path, which it cannot leave.
fn segment(name: &str) -> String {
    form_urlencoded::byte_serialize(name.as_bytes()).collect()
}

impl Account {
    fn read(account: &Object) -> Result<Self, ProviderError> {
        let bad = |cause| ProviderError::Person(Cause::new(format_args!("GET /user: {cause}")));
        let id = account.value("id").map_err(bad)?;
        let id = id.and_then(|id| id.as_u64());
        let text = |name| account.text(name).ok().flatten().unwrap_or_default();
        Ok(Self {
            id: id.ok_or_else(|| bad(Cause::new("its `id` is not a number")))?,
            login: account.required_text("login").map_err(bad)?,
            name: text("name"),
            avatar_url: text("avatar_url"),
        })
    }
}

impl Membership {
    fn read(membership: &Object) -> Self {
        let organization = membership.value("organization").ok().flatten();
        let organization = organization.and_then(|it| Object::try_from(&it).ok());
        let login = organization.and_then(|it| it.text("login").ok().flatten());
        Self {
            is_active: membership
                .text("state")
                .is_ok_and(|state| state.as_deref() == Some("active")),
            organization: login.map(|login| login.to_lowercase()),
        }
    }
}

impl Email {
    fn read(email: &Object) -> Self {
        let is = |name| email.value(name) == Ok(Some(true.into()));
        Self {
            address: email.text("email").ok().flatten().unwrap_or_default(),
            is_vouched_for: is("primary") && is("verified"),
        }
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

    /// The scopes that show what has to be known.
    const fn scopes(&self) -> &'static [&'static str] {
        match self {
            Self::Everyone => &["read:user", "user:email"],
            Self::Members { .. } => &["read:user", "user:email", "read:org"],
        }
    }
}

fn endpoints(github: &ProviderUrl) -> Result<Endpoints, url::ParseError> {
    Ok(Endpoints {
        authorize: Url::parse(&github.join("/login/oauth/authorize"))?,
        token: Url::parse(&github.join("/login/oauth/access_token"))?,
        secret_in_form: true,
    })
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
        assert!(!url.contains("swordfish") && !url.contains(flow.verifier.as_ref().unwrap()));
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

    #[test]
    fn the_next_page_is_the_one_that_github_names() {
        let next = "https://api.github.com/user/emails?per_page=100&page=2";
        for (header, expected) in [
            (format!("<{next}>; rel=\"next\""), Some(next)),
            (
                format!("<https://x/1>; rel=\"prev\", <{next}>; rel=next"),
                Some(next),
            ),
            (
                format!("<{next}>; title=\"a,b\"; rel=\"last NEXT\""),
                Some(next),
            ),
            (format!("<{next}>; rel=\"last\""), None),
            (format!("{next}; rel=\"next\""), None),
            (String::new(), None),
        ] {
            assert_eq!(next_link(&header), expected, "{header}");
        }
    }

    #[test]
    fn what_github_refuses_has_a_reason_and_a_status() {
        for (status, header, message, expected, words) in [
            (
                403,
                None,
                "Resource protected by organization SAML enforcement.",
                403,
                "single sign-on",
            ),
            (403, Some("x-github-sso"), "", 403, "single sign-on"),
            (
                403,
                None,
                "Although you appear to have the correct authorization credentials, the `acme` organization has enabled OAuth App access restrictions",
                403,
                "approve",
            ),
            (
                403,
                None,
                "Although you appear to have the correct authorization credentials, the `acme` organization has an IP allow list enabled",
                403,
                "address of this service",
            ),
            (
                403,
                None,
                "Resource not accessible by integration",
                403,
                "permissions",
            ),
            (404, None, "Not Found", 403, "permissions"),
            (
                403,
                None,
                "API rate limit exceeded for user ID 1.",
                503,
                "no more requests",
            ),
            (
                403,
                Some("retry-after"),
                "You have exceeded a secondary limit.",
                503,
                "no more requests",
            ),
            (429, None, "Too many", 503, "no more requests"),
            (502, None, "", 503, "cannot be used just now"),
            (
                401,
                None,
                "Bad credentials",
                500,
                "does not say who signed in",
            ),
        ] {
            let mut response = Response {
                url: "https://api.github.com/user/emails?per_page=100"
                    .parse()
                    .unwrap(),
                status: StatusCode::from_u16(status).unwrap(),
                headers: reqwest::header::HeaderMap::new(),
                body: serde_json::json!({ "message": message })
                    .to_string()
                    .into_bytes(),
            };
            if let Some(name) = header {
                response.headers.insert(name, "60".parse().unwrap());
            }
            let error = check(&response).unwrap_err();
            assert_eq!(error.status(), expected, "{message}");
            assert!(error.to_string().contains(words), "{error}");
            let sentence = error.sentence();
            for logged in [
                "https://api.github.com/user/emails",
                message,
                &status.to_string(),
            ] {
                let logged = logged.replace('"', "");
                assert!(sentence.replace('"', "").contains(&logged), "{sentence}");
            }
        }
    }
}
