//! The request from outside: its id, where it came from, and what becomes the metadata of its commands.

mod forwarded;

use std::net::IpAddr;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use rollcall_events::{Actor, Metadata, Origin, Personal, ids::Ids};
use uuid::Uuid;

use super::answer::Refusal;
use crate::config::Network;
pub use forwarded::UnreadableForwardedFor;
use forwarded::{Hop, hops};

/// User agents are kept up to this many bytes.
const USER_AGENT_BYTES: usize = 512;

/// A request from outside.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// Names the request: in the answer, in the log, and in the metadata of what it leads to.
    pub request_id: Uuid,
    /// Where it came from.
    pub origin: Origin,
}

impl<S: Sync> FromRequestParts<S> for RequestContext {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let context = parts.extensions.get::<Self>().cloned();
        context.ok_or_else(|| Refusal::internal(&NoContext))
    }
}

/// Whoever observes requests gives each its context: without one, the layers are in disorder.
#[derive(Debug, thiserror::Error)]
#[error("a request has no context")]
struct NoContext;

impl RequestContext {
    /// Reads where a request came from. Forwarded addresses count only if the peer is one of the `trusted` proxies;
    /// then the last one that is not itself a trusted proxy is the client. If a proxy hides it, the address is unknown.
    ///
    /// # Errors
    /// A trusted proxy sent a forwarded header that cannot be read.
    pub fn read(
        headers: &HeaderMap,
        peer: Option<IpAddr>,
        trusted: &[Network],
        ids: Ids,
    ) -> Result<Self, UnreadableForwardedFor> {
        let address = client_address(headers, peer, trusted)?;
        Ok(Self::with_address(headers, address, ids))
    }

    /// A request from an address that is already known, or not known at all.
    #[must_use]
    pub fn with_address(headers: &HeaderMap, address: Option<IpAddr>, ids: Ids) -> Self {
        Self {
            request_id: ids.uuid(),
            origin: Origin {
                ip: address,
                user_agent: user_agent(headers),
            },
        }
    }

    /// The metadata of a command that is given by this request. By whom, an [`Authority`](rollcall_events::Authority)
    /// says.
    #[must_use]
    pub fn metadata(&self, authentication: Option<String>, ids: Ids) -> Metadata {
        Metadata {
            actor: Actor::Anonymous,
            authentication,
            command_id: ids.uuid(),
            correlation_id: self.request_id,
            causation_id: self.request_id,
            origin: Personal::Known(self.origin.clone()),
        }
    }
}

/// In canonical form: an IPv4 client of an IPv6 socket has its IPv4 address.
fn client_address(
    headers: &HeaderMap,
    peer: Option<IpAddr>,
    trusted: &[Network],
) -> Result<Option<IpAddr>, UnreadableForwardedFor> {
    let peer = peer.map(|peer| peer.to_canonical());
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    if !peer.is_some_and(is_trusted) {
        return Ok(peer);
    }
    let hops = hops(headers)?;
    let is_proxy = |hop: &Hop| matches!(hop, Hop::Address(address) if is_trusted(*address));
    let client = hops.iter().rev().find(|hop| !is_proxy(hop));
    Ok(match client.or(hops.first()) {
        Some(Hop::Address(address)) => Some(*address),
        Some(Hop::Hidden) => None,
        None => peer,
    })
}

/// Clients send what they like: what is not UTF-8 is recorded with replacement characters.
fn user_agent(headers: &HeaderMap) -> String {
    let value = headers.get(header::USER_AGENT);
    let text = value.map(|value| String::from_utf8_lossy(value.as_bytes()));
    truncated(&text.unwrap_or_default()).to_owned()
}

fn truncated(text: &str) -> &str {
    let mut end = text.len().min(USER_AGENT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(forwarded: &[&str], peer: &str) -> Result<Option<String>, UnreadableForwardedFor> {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let context = RequestContext::read(&headers, Some(peer.parse().unwrap()), &trusted, Ids)?;
        Ok(context.origin.ip.map(|ip| ip.to_string()))
    }

    #[track_caller]
    fn comes_from(forwarded: &[&str], peer: &str, address: &str) {
        assert_eq!(client(forwarded, peer).unwrap().as_deref(), Some(address));
    }

    #[test]
    fn forwarded_addresses_count_only_from_a_trusted_proxy() {
        comes_from(&["1.2.3.4"], "5.6.7.8", "5.6.7.8");
        comes_from(&["1.2.3.4"], "10.0.0.1", "1.2.3.4");
        comes_from(&["1.2.3.4:5678"], "10.0.0.1", "1.2.3.4");
    }

    #[test]
    fn what_the_client_itself_claims_before_the_proxies_does_not_count() {
        comes_from(&["6.6.6.6, 1.2.3.4, 10.0.0.2"], "10.0.0.1", "1.2.3.4");
        comes_from(&["6.6.6.6, 1.2.3.4:1, 10.0.0.2:2"], "10.0.0.1", "1.2.3.4");
        comes_from(&["6.6.6.6", "1.2.3.4"], "10.0.0.1", "1.2.3.4");
        comes_from(&["unknown, 1.2.3.4"], "10.0.0.1", "1.2.3.4");
    }

    #[test]
    fn one_address_has_one_form_whichever_socket_it_arrives_on() {
        comes_from(&[], "::ffff:5.6.7.8", "5.6.7.8");
        comes_from(&["::ffff:1.2.3.4"], "::ffff:10.0.0.1", "1.2.3.4");
        comes_from(&["1.2.3.4, ::ffff:10.0.0.2"], "10.0.0.1", "1.2.3.4");
    }

    #[test]
    fn a_client_that_the_proxy_hides_is_nobody_else() {
        for forwarded in ["unknown", "6.6.6.6, _hidden", "6.6.6.6, unknown, 10.0.0.2"] {
            assert_eq!(
                client(&[forwarded], "10.0.0.1").unwrap(),
                None,
                "{forwarded}"
            );
        }
    }

    #[test]
    fn an_unreadable_forwarded_header_from_a_trusted_proxy_is_refused_and_never_skipped() {
        assert!(client(&["nonsense"], "10.0.0.1").is_err());
        assert!(client(&["nonsense, 1.2.3.4"], "10.0.0.1").is_err());
        comes_from(&["nonsense"], "5.6.7.8", "5.6.7.8");
    }

    #[test]
    fn a_user_agent_is_recorded_whatever_its_bytes() {
        for (sent, recorded) in [
            (&b"curl/8"[..], "curl/8"),
            ("Zo\u{eb}".as_bytes(), "Zo\u{eb}"),
            (b"caf\xe9/1", "caf\u{fffd}/1"),
            (b"", ""),
        ] {
            let value = axum::http::HeaderValue::from_bytes(sent).unwrap();
            let headers = HeaderMap::from_iter([(header::USER_AGENT, value)]);
            let context = RequestContext::with_address(&headers, None, Ids);
            assert_eq!(context.origin.user_agent, recorded);
        }
        let long = vec![0xff_u8; 4_000];
        let value = axum::http::HeaderValue::from_bytes(&long).unwrap();
        let headers = HeaderMap::from_iter([(header::USER_AGENT, value)]);
        let recorded = RequestContext::with_address(&headers, None, Ids)
            .origin
            .user_agent;
        assert!((500..=USER_AGENT_BYTES).contains(&recorded.len()));
    }
}
