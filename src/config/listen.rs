//! The address that HTTP is served on, in the forms in which people write one.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, de};

/// The rule, in words that an error can end with.
pub(super) const RULE: &str = "an address and a port, such as 127.0.0.1:8080, localhost:8080, [::1]:8080 or, for every address of the machine, :8080";

/// An address and a port: `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`, `:8080` or `*:8080` for every IPv4 address of
/// the machine, and `8080` for this machine alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenAddress(SocketAddr);

/// The text is not an address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be {RULE}")]
pub struct InvalidListenAddress;

impl From<ListenAddress> for SocketAddr {
    fn from(address: ListenAddress) -> Self {
        address.0
    }
}

impl FromStr for ListenAddress {
    type Err = InvalidListenAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if let Ok(address) = text.parse() {
            return Ok(Self(address));
        }
        // More than one colon is an IPv6 address without brackets: where its port begins cannot be told.
        let (host, port) = text.rsplit_once(':').unwrap_or(("localhost", text));
        let ip = match host {
            "" | "*" => Ipv4Addr::UNSPECIFIED,
            _ if host.eq_ignore_ascii_case("localhost") => Ipv4Addr::LOCALHOST,
            _ => return Err(InvalidListenAddress),
        };
        if !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(InvalidListenAddress);
        }
        let port = port.parse().map_err(|_| InvalidListenAddress)?;
        Ok(Self(SocketAddr::new(IpAddr::V4(ip), port)))
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl serde::Serialize for ListenAddress {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ListenAddress {
    /// A file may hold a port as the number that it is.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Given {
            Port(u16),
            Text(String),
        }
        match Given::deserialize(deserializer)? {
            Given::Port(port) => Ok(Self(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))),
            Given::Text(text) => text.parse().map_err(de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_understood_as_people_write_it() {
        for (text, address) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("0.0.0.0:0", "0.0.0.0:0"),
            ("[::1]:8080", "[::1]:8080"),
            ("[::]:8080", "[::]:8080"),
            ("localhost:8080", "127.0.0.1:8080"),
            ("LocalHost:8080", "127.0.0.1:8080"),
            (":8080", "0.0.0.0:8080"),
            ("*:8080", "0.0.0.0:8080"),
            ("8080", "127.0.0.1:8080"),
            (" :65535\n", "0.0.0.0:65535"),
        ] {
            let listen: ListenAddress = text.parse().unwrap();
            assert_eq!(listen.to_string(), address, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_examples() {
        for text in [
            "",
            ":",
            "here",
            "localhost",
            "localhost:",
            "127.0.0.1",
            "::1",
            "::1:8080",
            "[::1]",
            "::",
            ":65536",
            ":-1",
            ":+1",
            "8080:8080",
            "example.com:8080",
            "http://localhost:8080",
            "localhost:http",
            "127.0.0.1:8080/",
        ] {
            let refused = text.parse::<ListenAddress>().unwrap_err().to_string();
            assert!(refused.contains("localhost:8080"), "{text:?}: {refused}");
        }
    }
}
