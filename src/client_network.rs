//! The network that a client's address belongs to: what is counted together when an address alone says too little.

use std::{fmt, net::IpAddr};

/// A /24 of IPv4 or a /48 of IPv6: about what one customer of a provider holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientNetwork {
    /// A /24.
    V4([u8; 3]),
    /// A /48.
    V6([u16; 3]),
    /// The address is not known: all such clients count as one network.
    Unknown,
}

impl ClientNetwork {
    /// The network of an address, whichever way the address is written.
    #[must_use]
    pub fn of(address: Option<IpAddr>) -> Self {
        match address.map(|address| address.to_canonical()) {
            Some(IpAddr::V4(address)) => {
                let [a, b, c, _] = address.octets();
                Self::V4([a, b, c])
            }
            Some(IpAddr::V6(address)) => {
                let [a, b, c, ..] = address.segments();
                Self::V6([a, b, c])
            }
            None => Self::Unknown,
        }
    }
}

impl fmt::Display for ClientNetwork {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4([a, b, c]) => write!(formatter, "{a}.{b}.{c}.0/24"),
            Self::V6([a, b, c]) => {
                let address = std::net::Ipv6Addr::new(*a, *b, *c, 0, 0, 0, 0, 0);
                write!(formatter, "{address}/48")
            }
            Self::Unknown => formatter.write_str("unknown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_a_24_of_ipv4_and_a_48_of_ipv6() {
        for (address, network) in [
            ("203.0.113.7", "203.0.113.0/24"),
            ("::ffff:203.0.113.200", "203.0.113.0/24"),
            ("2001:db8:1:2::3", "2001:db8:1::/48"),
            ("::1", "::/48"),
        ] {
            let found = ClientNetwork::of(Some(address.parse().unwrap()));
            assert_eq!(found.to_string(), network);
        }
        assert_eq!(ClientNetwork::of(None), ClientNetwork::Unknown);
    }
}
