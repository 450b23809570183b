//! The address by which browsers reach the service.

use std::{fmt, net::Ipv6Addr, str::FromStr};

use super::text::{Refused, as_text};

/// `http://` or `https://`, a host, and perhaps a port and a path: never ends in `/`, so that a
/// path can be appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessUrl(String);

impl AccessUrl {
    /// The URL, without a `/` at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether browsers reach the service over https, so that its cookies can be kept from anything
    /// less.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }

    /// The path, which begins with a slash; empty when the URL has none.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0[self.origin().len()..]
    }

    /// Scheme, host and port, as browsers send them in `Origin`.
    #[must_use]
    pub fn origin(&self) -> &str {
        let host = self.0.find("://").map_or(0, |scheme| scheme + 3);
        let end = self.0[host..]
            .find('/')
            .map_or(self.0.len(), |path| host + path);
        &self.0[..end]
    }
}

impl FromStr for AccessUrl {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let url = text.trim().trim_end_matches('/');
        let (scheme, rest) = url.split_once("://").ok_or(Refused)?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let known = matches!(scheme, "http" | "https");
        if known && is_authority(authority) && path.chars().all(is_path_character) {
            Ok(Self(url.to_owned()))
        } else {
            Err(Refused)
        }
    }
}

fn is_authority(authority: &str) -> bool {
    let host_end = authority.find(']').map_or(0, |bracket| bracket + 1);
    match authority[host_end..].rfind(':') {
        Some(colon) => {
            let (host, port) = authority.split_at(host_end + colon);
            is_host(host) && port[1..].parse::<u16>().is_ok_and(|port| port != 0)
        }
        None => is_host(authority),
    }
}

fn is_host(host: &str) -> bool {
    match host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
        }
    }
}

fn is_path_character(c: char) -> bool {
    c.is_ascii_graphic()
        && !matches!(
            c,
            '?' | '#' | '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}'
        )
}

/// The first parts of the service's own paths. A path that begins with one of them would be taken for one of those when a
/// proxy has removed it, or the other way round.
const OWN: [&str; 8] = [
    "api",
    "cli-auth",
    "docs",
    "healthz",
    "login",
    "logout",
    "openapi.json",
    "readyz",
];

/// Whether the service can be reached below this path: no part of it needs an encoding, or is resolved by browsers.
pub(super) fn is_base(path: &str) -> bool {
    let mut parts = path.split('/').skip(1);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    let is_own = path
        .split('/')
        .nth(1)
        .is_some_and(|first| OWN.contains(&first));
    !is_own && parts.all(|part| !["", ".", ".."].contains(&part) && part.chars().all(is_plain))
}

impl fmt::Display for AccessUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

as_text!(AccessUrl);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_at_the_end_is_dropped() {
        for (given, kept, origin) in [
            (
                "https://rollcall.example",
                "https://rollcall.example",
                "https://rollcall.example",
            ),
            (
                "http://localhost:8080/",
                "http://localhost:8080",
                "http://localhost:8080",
            ),
            (
                "http://[::1]:8080/users/",
                "http://[::1]:8080/users",
                "http://[::1]:8080",
            ),
        ] {
            let url: AccessUrl = given.parse().unwrap();
            assert_eq!((url.as_str(), url.origin()), (kept, origin));
            assert_eq!(format!("{origin}{}", url.path()), kept);
            assert_eq!(url.is_https(), given.starts_with("https"));
        }
    }

    #[test]
    fn a_path_is_plain_and_none_of_the_services_own() {
        for good in ["", "/sub", "/a/b-c_d.e~f", "/apis", "/people/api"] {
            assert!(is_base(good), "{good}");
        }
        for bad in [
            "/api", "/login/x", "/a//b", "/a/../b", "/.", "/a%2Fb", "/a;b", "/a&b", "/a'b",
        ] {
            assert!(!is_base(bad), "{bad}");
        }
    }

    #[test]
    fn what_is_no_web_address_is_refused() {
        for bad in [
            "",
            "rollcall.example",
            "ftp://rollcall.example",
            "https://",
            "https:///users",
            "https://a b",
            "https://ada:pw@rollcall.example",
            "https://rollcall.example:port",
            "https://rollcall.example:0",
            "https://rollcall.example:99999",
            "https://[::1",
            "https://rollcall.example/?q=1",
            "https://rollcall.example/#top",
        ] {
            assert!(
                bad.parse::<AccessUrl>().is_err(),
                "{bad:?} was taken for a web address"
            );
        }
    }
}
