//! Ranges of IP addresses.

use std::{fmt, net::IpAddr, str::FromStr};

use super::text::{Refused, as_text};

/// So many bits of an IPv4-mapped IPv6 address come before the IPv4 address.
const MAPPED_PREFIX: u8 = 96;

/// A range of IP addresses in CIDR notation, such as `10.0.0.0/8`; an address alone is a range of
/// one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether the address is in the range. An IPv4 address that arrives on an IPv6 socket
    /// (`::ffff:10.1.2.3`) counts as the IPv4 address that it is.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (own, own_width) = bits(self.address);
        let (other, other_width) = bits(address.to_canonical());
        let differing = (own ^ other)
            .checked_shr(u32::from(own_width - self.prefix))
            .unwrap_or(0);
        own_width == other_width && differing == 0
    }
}

/// The address as a number, and how many bits it has.
fn bits(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

impl FromStr for Network {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let (address, prefix) = text
            .trim()
            .split_once('/')
            .map_or((text.trim(), None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| Refused)?;
        let (_, width) = bits(address);
        let prefix = prefix.map_or(Ok(width), str::parse).map_err(|_| Refused)?;
        if prefix > width {
            return Err(Refused);
        }
        // `::ffff:10.0.0.0/104` is `10.0.0.0/8`: addresses are compared in their canonical form.
        match (address.to_canonical(), prefix.checked_sub(MAPPED_PREFIX)) {
            (v4 @ IpAddr::V4(_), Some(prefix)) if address.is_ipv6() => Ok(Self {
                address: v4,
                prefix,
            }),
            _ => Ok(Self { address, prefix }),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

as_text!(Network);

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        let network: Network = network.parse().unwrap();
        network.contains(address.parse().unwrap())
    }

    #[test]
    fn a_network_contains_the_addresses_that_share_its_prefix() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.1.2", "11.0.0.1"),
            ("10.1.2.3/8", "10.9.9.9", "110.1.2.3"),
            ("192.168.1.7", "192.168.1.7", "192.168.1.6"),
            ("192.168.1.128/25", "192.168.1.129", "192.168.1.127"),
            ("fd00::/8", "fd12::1", "fe80::1"),
            ("::1", "::1", "::2"),
        ] {
            assert!(contains(network, inside), "{inside} is in {network}");
            assert!(!contains(network, outside), "{outside} is not in {network}");
        }
    }

    #[test]
    fn everything_is_in_the_network_without_a_prefix() {
        assert!(contains("0.0.0.0/0", "203.0.113.9"));
        assert!(contains("::/0", "2001:db8::1"));
        assert!(!contains("0.0.0.0/0", "2001:db8::1"));
        assert!(!contains("::/0", "203.0.113.9"));
    }

    #[test]
    fn a_mapped_address_is_the_address_that_it_maps() {
        assert!(contains("10.0.0.0/8", "::ffff:10.1.2.3"));
        assert!(!contains("10.0.0.0/8", "::ffff:11.1.2.3"));
        assert!(contains("::ffff:10.0.0.0/104", "10.1.2.3"));
        assert!(!contains("::ffff:10.0.0.0/104", "11.1.2.3"));
        assert!(contains("::ffff:10.1.2.3", "::ffff:10.1.2.3"));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for bad in [
            "",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "10.0.0/8",
            "localhost",
            "10.0.0.0/-1",
        ] {
            assert!(
                bad.parse::<Network>().is_err(),
                "{bad:?} was taken for a network"
            );
        }
    }
}
