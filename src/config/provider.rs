//! The options of the services through which users sign in.

use std::{fmt, str::FromStr};

use url::form_urlencoded;

use super::{
    AccessUrl,
    text::{Refused, as_text},
};

/// The address of a provider. Kept to the letter, because an issuer is compared to the letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderUrl(String);

/// Parameters that the operator adds to the address to which browsers are sent, as in a query: `prompt=login&hd=example.com`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthUrlParams(Vec<(String, String)>);

/// The parameters that the service sets itself, or that would change the flow that it expects.
const OWN_PARAMS: [&str; 15] = [
    "client_id",
    "client_secret",
    "code",
    "code_challenge",
    "code_challenge_method",
    "code_verifier",
    "grant_type",
    "nonce",
    "redirect_uri",
    "request",
    "request_uri",
    "response_mode",
    "response_type",
    "scope",
    "state",
];

impl AuthUrlParams {
    /// The parameters, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Whether there is one with this name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|(found, _)| found == name)
    }
}

impl FromStr for AuthUrlParams {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let text = text.trim().trim_start_matches('?');
        let is_whole = text
            .split('&')
            .all(|pair| text.is_empty() || pair.contains('='));
        let pairs: Vec<_> = form_urlencoded::parse(text.as_bytes())
            .into_owned()
            .collect();
        // Some servers ignore case.
        let is_own = |name: &str| OWN_PARAMS.iter().any(|own| own.eq_ignore_ascii_case(name));
        let is_good = |name: &str| !name.trim().is_empty() && !is_own(name.trim());
        if is_whole && pairs.iter().all(|(name, _)| is_good(name)) {
            Ok(Self(pairs))
        } else {
            Err(Refused)
        }
    }
}

impl fmt::Display for AuthUrlParams {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut query = form_urlencoded::Serializer::new(String::new());
        formatter.write_str(&query.extend_pairs(self.iter()).finish())
    }
}

/// A team at GitHub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GithubTeam {
    /// The organization that it is of.
    pub organization: String,
    /// Its short name, as it stands in addresses.
    pub team: String,
}

impl ProviderUrl {
    /// GitHub, for people.
    #[must_use]
    pub fn github() -> Self {
        Self("https://github.com".to_owned())
    }

    /// The API that belongs to a GitHub: of GitHub itself, of a GHE.com tenant, or of an enterprise server.
    #[must_use]
    pub fn api_of(github: &Self) -> Self {
        let url = github.0.trim_end_matches('/');
        let host = url.split_once("://").map_or(url, |(_, host)| host);
        let host = host.to_ascii_lowercase();
        if matches!(&*host, "github.com" | "www.github.com") {
            return Self("https://api.github.com".to_owned());
        }
        let is_tenant = host
            .strip_suffix(".ghe.com")
            .is_some_and(|name| !name.is_empty() && !name.contains('.'));
        if is_tenant {
            return Self(format!("https://api.{host}"));
        }
        Self(format!("{url}/api/v3"))
    }

    /// Whether it is reached by https, or is on this machine.
    #[must_use]
    pub fn is_https_or_local(&self) -> bool {
        let Ok(url) = self.0.parse::<AccessUrl>() else {
            return false;
        };
        let is_local = ["http://localhost", "http://127.0.0.1", "http://[::1]"]
            .iter()
            .filter_map(|local| url.origin().strip_prefix(local))
            .any(|rest| rest.is_empty() || rest.starts_with(':'));
        url.is_https() || is_local
    }

    /// The URL as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address of a path below it; the path begins with a slash.
    #[must_use]
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0.trim_end_matches('/'))
    }
}

impl FromStr for ProviderUrl {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let text = text.trim();
        text.parse::<AccessUrl>()?;
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ProviderUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for GithubTeam {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let (organization, team) = text.trim().split_once('/').ok_or(Refused)?;
        if organization.is_empty() || team.is_empty() || team.contains('/') {
            return Err(Refused);
        }
        Ok(Self {
            organization: organization.to_owned(),
            team: team.to_owned(),
        })
    }
}

impl fmt::Display for GithubTeam {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.organization, self.team)
    }
}

as_text!(AuthUrlParams);
as_text!(ProviderUrl);
as_text!(GithubTeam);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_reached_by_https_unless_it_is_local() {
        for (url, is_safe) in [
            ("https://accounts.example.com", true),
            ("https://example.eu.auth0.com/", true),
            ("http://localhost:4000", true),
            ("http://127.0.0.1:4000/realms/a", true),
            ("http://[::1]:4000", true),
            ("http://accounts.example.com", false),
            ("http://localhost.example.com", false),
            ("http://127.0.0.1.example.com", false),
        ] {
            let parsed: ProviderUrl = url.parse().unwrap();
            assert_eq!(parsed.as_str(), url);
            assert_eq!(parsed.is_https_or_local(), is_safe, "{url}");
        }
        for bad in ["", "accounts.example.com", "ftp://localhost"] {
            assert!(bad.parse::<ProviderUrl>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_api_follows_the_address_of_github() {
        for (github, api) in [
            ("https://github.com", "https://api.github.com"),
            ("https://github.com/", "https://api.github.com"),
            ("https://GitHub.com", "https://api.github.com"),
            ("https://www.github.com", "https://api.github.com"),
            ("https://acme.ghe.com/", "https://api.acme.ghe.com"),
            (
                "https://github.example.com",
                "https://github.example.com/api/v3",
            ),
            (
                "https://github.example.com:8443/",
                "https://github.example.com:8443/api/v3",
            ),
            ("https://notgithub.com", "https://notgithub.com/api/v3"),
            (
                "https://github.com.example.com",
                "https://github.com.example.com/api/v3",
            ),
            ("https://a.b.ghe.com", "https://a.b.ghe.com/api/v3"),
        ] {
            let found = ProviderUrl::api_of(&github.parse().unwrap());
            assert_eq!(found.as_str(), api);
        }
    }

    #[test]
    fn parameters_are_those_that_the_service_does_not_set() {
        let claims =
            r#"claims={"id_token":{"email":null}}&hd=example.com&prompt=select_account%20login"#;
        let params: AuthUrlParams = claims.parse().unwrap();
        let pairs: Vec<_> = params.iter().collect();
        let expected = [
            ("claims", r#"{"id_token":{"email":null}}"#),
            ("hd", "example.com"),
            ("prompt", "select_account login"),
        ];
        assert_eq!(pairs, expected);
        assert_eq!(params.to_string().parse::<AuthUrlParams>().unwrap(), params);
        assert_eq!(
            "".parse::<AuthUrlParams>().unwrap(),
            AuthUrlParams::default()
        );
        for own in OWN_PARAMS {
            for bad in [format!("{own}=x"), format!("hd=x&{}=", own.to_uppercase())] {
                assert!(bad.parse::<AuthUrlParams>().is_err(), "{bad}");
            }
        }
        for bad in ["prompt", "=x", "hd=x&", "%20state=x", "st%61te=x", "&"] {
            assert!(bad.parse::<AuthUrlParams>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_team_is_of_an_organization() {
        let team: GithubTeam = "example/core".parse().unwrap();
        assert_eq!(
            (team.organization.as_str(), team.team.as_str()),
            ("example", "core")
        );
        assert_eq!(team.to_string(), "example/core");
        for bad in ["", "core", "/core", "example/", "a/b/c"] {
            assert!(bad.parse::<GithubTeam>().is_err(), "{bad:?}");
        }
    }
}
