//! The network that an IP address belongs to, as far as it tells clients apart: what is counted by network uses this.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// The leading bits of an IP address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetworkPrefix {
    /// With the other bits 0.
    address: IpAddr,
    length: u8,
}

impl NetworkPrefix {
    /// What one organization or one attacker usually has: /24 of IPv4, /48 of IPv6.
    #[must_use]
    pub fn site(address: IpAddr) -> Self {
        Self::of(address, 24, 48)
    }

    /// What one household or one link usually has: /24 of IPv4, /64 of IPv6.
    #[must_use]
    pub fn link(address: IpAddr) -> Self {
        Self::of(address, 24, 64)
    }

    /// The first `v4` or `v6` bits of an address. An IPv4 address that is mapped into IPv6 is the IPv4 address.
    #[must_use]
    pub fn of(address: IpAddr, v4: u8, v6: u8) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let length = v4.min(32);
                let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
                Self {
                    address: Ipv4Addr::from_bits(address.to_bits() & mask).into(),
                    length,
                }
            }
            IpAddr::V6(address) => {
                let length = v6.min(128);
                let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
                Self {
                    address: Ipv6Addr::from_bits(address.to_bits() & mask).into(),
                    length,
                }
            }
        }
    }
}

impl fmt::Display for NetworkPrefix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(address: &str) -> String {
        NetworkPrefix::site(address.parse().unwrap()).to_string()
    }

    #[test]
    fn a_site_is_24_bits_of_ipv4_and_48_of_ipv6() {
        assert_eq!(site("203.0.113.7"), "203.0.113.0/24");
        assert_eq!(site("2001:db8:1:2::9"), "2001:db8:1::/48");
    }

    #[test]
    fn a_link_of_ipv6_is_64_bits() {
        let link = NetworkPrefix::link("2001:db8:1:2::9".parse().unwrap());
        assert_eq!(link.to_string(), "2001:db8:1:2::/64");
    }

    #[test]
    fn a_mapped_address_has_the_network_of_the_ipv4_address() {
        assert_eq!(site("::ffff:203.0.113.7"), "203.0.113.0/24");
    }

    #[test]
    fn any_length_is_a_prefix() {
        let of =
            |address: &str, v4, v6| NetworkPrefix::of(address.parse().unwrap(), v4, v6).to_string();
        assert_eq!(of("203.0.113.7", 32, 128), "203.0.113.7/32");
        assert_eq!(of("203.0.113.7", 0, 0), "0.0.0.0/0");
        assert_eq!(of("2001:db8::7", 200, 200), "2001:db8::7/128");
        assert_eq!(of("2001:db8::7", 0, 0), "::/0");
    }
}
