//! `X-Forwarded-For`, in the forms that proxies send it: addresses with or without a port, in brackets, in quotes, with
//! an IPv6 zone, and the identifiers by which RFC 7239 lets a proxy hide an address.

use std::net::{IpAddr, Ipv6Addr};

use axum::http::HeaderMap;

/// A header from a trusted proxy that holds something other than addresses. It is refused, never skipped: a client that
/// can make it unreadable could otherwise pass as the proxy.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the header X-Forwarded-For is not a list of IP addresses")]
pub struct UnreadableForwardedFor;

/// A client or proxy on the way of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hop {
    /// Its address, in canonical form.
    Address(IpAddr),
    /// The next proxy does not say.
    Hidden,
}

/// All hops, the nearest last. Empty list elements are ignored, as in every list of HTTP.
///
/// # Errors
/// An element is neither an address nor a hidden one.
pub fn hops(headers: &HeaderMap) -> Result<Vec<Hop>, UnreadableForwardedFor> {
    let mut hops = Vec::new();
    for value in headers.get_all("x-forwarded-for") {
        let text = value.to_str().map_err(|_| UnreadableForwardedFor)?;
        for element in text.split(',').map(str::trim) {
            let element = unquoted(element).trim();
            if !element.is_empty() {
                hops.push(hop(element).ok_or(UnreadableForwardedFor)?);
            }
        }
    }
    Ok(hops)
}

fn unquoted(text: &str) -> &str {
    let inner = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    inner.unwrap_or(text)
}

fn hop(text: &str) -> Option<Hop> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, after) = rest.split_once(']')?;
        let has_valid_end = after.is_empty() || after.strip_prefix(':').is_some_and(is_port);
        let address = ipv6(address).filter(|_| has_valid_end)?;
        return Some(address_hop(IpAddr::V6(address)));
    }
    node(text).or_else(|| {
        let (name, port) = text.rsplit_once(':')?;
        node(name).filter(|_| is_port(port))
    })
}

fn node(text: &str) -> Option<Hop> {
    if text.eq_ignore_ascii_case("unknown") || is_obfuscated(text) {
        return Some(Hop::Hidden);
    }
    let address = text.parse().ok();
    address
        .or_else(|| ipv6(text).map(IpAddr::V6))
        .map(address_hop)
}

fn address_hop(address: IpAddr) -> Hop {
    Hop::Address(address.to_canonical())
}

/// The zone means something to the proxy's machine only.
fn ipv6(text: &str) -> Option<Ipv6Addr> {
    let address = match text.split_once('%') {
        Some((address, zone)) if !zone.is_empty() && zone.chars().all(is_name_char) => address,
        Some(_) => return None,
        None => text,
    };
    address.parse().ok()
}

fn is_port(text: &str) -> bool {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok();
    is_number || is_obfuscated(text)
}

fn is_obfuscated(text: &str) -> bool {
    let name = text.strip_prefix('_');
    name.is_some_and(|name| !name.is_empty() && name.chars().all(is_name_char))
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._-".contains(c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(value: &str) -> Result<Vec<Hop>, UnreadableForwardedFor> {
        let headers =
            HeaderMap::from_iter([("x-forwarded-for".parse().unwrap(), value.parse().unwrap())]);
        hops(&headers)
    }

    fn address(text: &str) -> Hop {
        Hop::Address(text.parse().unwrap())
    }

    #[test]
    fn the_forms_that_proxies_send_are_read() {
        for (value, expected) in [
            ("203.0.113.7", "203.0.113.7"),
            ("203.0.113.7:51234", "203.0.113.7"),
            ("  203.0.113.7\t", "203.0.113.7"),
            ("\"203.0.113.7:51234\"", "203.0.113.7"),
            ("203.0.113.7:_x", "203.0.113.7"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("[::ffff:203.0.113.7]:80", "203.0.113.7"),
            ("2001:db8::1", "2001:db8::1"),
            ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
            ("2001:db8:0:0:0:0:0:1:51234", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:51234", "2001:db8::1"),
            ("\"[2001:db8::1]:51234\"", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1"),
            ("[fe80::1%25eth0.1]:443", "fe80::1"),
        ] {
            assert_eq!(read(value).unwrap(), [address(expected)], "{value}");
        }
    }

    #[test]
    fn hidden_hops_are_hops() {
        for value in [
            "unknown",
            "UNKNOWN",
            "_hidden",
            "_a.b-c",
            "unknown:80",
            "_x:_y",
            "\"_x\"",
        ] {
            assert_eq!(read(value).unwrap(), [Hop::Hidden], "{value}");
        }
    }

    #[test]
    fn empty_elements_are_ignored() {
        for value in ["", ",", " , ,\t", "\"\""] {
            assert_eq!(read(value).unwrap(), [], "{value:?}");
        }
        let both = [address("192.0.2.1"), address("192.0.2.2")];
        for value in ["192.0.2.1,192.0.2.2", ",192.0.2.1, ,192.0.2.2,"] {
            assert_eq!(read(value).unwrap(), both, "{value}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for value in [
            "localhost",
            "example.com:80",
            "203.0.113",
            "203.0.113.256",
            "203.0.113.7:",
            "203.0.113.7:65536",
            "203.0.113.7:x",
            "203.0.113.7:80:80",
            "203.0.113.7%eth0",
            "203.0.113.7/24",
            "[2001:db8::1",
            "[2001:db8::1]80",
            "[2001:db8::1]:",
            "[]",
            "[203.0.113.7]",
            "2001:db8::g",
            "fe80::1%",
            "fe80::1%a b",
            "_",
            "_a b",
            "\"203.0.113.7",
            "for=203.0.113.7",
            "203.0.113.7 203.0.113.8",
            "203.0.113.7, nonsense",
        ] {
            assert!(read(value).is_err(), "{value}");
        }
    }

    proptest! {
        #[test]
        fn every_address_is_read_in_each_form(address: IpAddr, port: u16) {
            let canonical = Hop::Address(address.to_canonical());
            let with_port = std::net::SocketAddr::new(address, port).to_string();
            for value in [address.to_string(), with_port.clone(), format!("\"{with_port}\"")] {
                prop_assert_eq!(read(&value).unwrap(), vec![canonical], "{}", value);
            }
        }

        #[test]
        fn nothing_makes_it_panic(value in "[ -~]{0,40}") {
            if let Ok(hops) = read(&value) {
                prop_assert!(hops.len() <= value.len());
            }
        }
    }
}
