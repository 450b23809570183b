//! Where people sign in elsewhere.

use std::{fmt, str::FromStr};

use super::{
    AccessUrl,
    text::{Refused, as_text},
};

/// The address of a provider: https, unless it is on this very machine. Kept to the letter, because an issuer is
/// compared to the letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderUrl(String);

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

    /// GitHub, for programs.
    #[must_use]
    pub fn github_api() -> Self {
        Self("https://api.github.com".to_owned())
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
        let url: AccessUrl = text.parse()?;
        let is_of_this_machine = ["http://localhost", "http://127.0.0.1", "http://[::1]"]
            .iter()
            .filter_map(|local| url.origin().strip_prefix(local))
            .any(|rest| rest.is_empty() || rest.starts_with(':'));
        if url.is_https() || is_of_this_machine {
            Ok(Self(text.to_owned()))
        } else {
            Err(Refused)
        }
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

as_text!(ProviderUrl);
as_text!(GithubTeam);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_reached_by_https_unless_it_is_here() {
        for good in [
            "https://accounts.example.com",
            "https://example.eu.auth0.com/",
            "http://localhost:4000",
            "http://127.0.0.1:4000/realms/a",
            "http://[::1]:4000",
        ] {
            assert_eq!(good.parse::<ProviderUrl>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "accounts.example.com",
            "http://accounts.example.com",
            "http://localhost.example.com",
            "http://127.0.0.1.example.com",
            "ftp://localhost",
        ] {
            assert!(bad.parse::<ProviderUrl>().is_err(), "{bad:?}");
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
