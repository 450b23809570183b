//! The request from outside: its id, where it came from, and what becomes the metadata of its commands.

use std::net::IpAddr;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use rollcall_events::{Actor, Metadata, Origin, Personal, ids::Ids};
use uuid::Uuid;

use super::answer::Refusal;
use crate::config::Network;

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

/// A forwarded header from a trusted proxy that is no list of addresses. Never skipped: whoever can make it
/// unreadable could otherwise choose to be taken for the proxy.
#[derive(Debug, thiserror::Error)]
#[error("the header X-Forwarded-For is no list of IP addresses")]
pub struct UnreadableForwardedFor;

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
    /// then the last one that is not itself a trusted proxy is the client.
    ///
    /// # Errors
    /// A trusted proxy sent a forwarded header that cannot be read.
    pub fn read(
        headers: &HeaderMap,
        peer: Option<IpAddr>,
        trusted: &[Network],
        ids: Ids,
    ) -> Result<Self, UnreadableForwardedFor> {
        let user_agent = headers
            .get(header::USER_AGENT)
            .map_or("", |value| value.to_str().unwrap_or_default());
        Ok(Self {
            request_id: ids.uuid(),
            origin: Origin {
                ip: client_address(headers, peer, trusted)?,
                user_agent: truncated(user_agent).to_owned(),
            },
        })
    }

    /// The metadata of a command that `actor` gives by this request.
    #[must_use]
    pub fn metadata(&self, actor: Actor, authentication: Option<String>, ids: Ids) -> Metadata {
        Metadata {
            actor,
            authentication,
            command_id: ids.uuid(),
            correlation_id: self.request_id,
            causation_id: self.request_id,
            origin: Personal::Known(self.origin.clone()),
        }
    }
}

fn client_address(
    headers: &HeaderMap,
    peer: Option<IpAddr>,
    trusted: &[Network],
) -> Result<Option<IpAddr>, UnreadableForwardedFor> {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(*address));
    if !peer.as_ref().is_some_and(is_trusted) {
        return Ok(peer);
    }
    let mut forwarded = Vec::new();
    for value in headers.get_all("x-forwarded-for") {
        for address in value
            .to_str()
            .map_err(|_| UnreadableForwardedFor)?
            .split(',')
        {
            forwarded.push(
                address
                    .trim()
                    .parse::<IpAddr>()
                    .map_err(|_| UnreadableForwardedFor)?,
            );
        }
    }
    let client = forwarded
        .iter()
        .rev()
        .find(|address| !is_trusted(address))
        .or(forwarded.first());
    Ok(client.copied().or(peer))
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

    fn client(forwarded: &[&str], peer: &str) -> Result<String, UnreadableForwardedFor> {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let context = RequestContext::read(&headers, Some(peer.parse().unwrap()), &trusted, Ids)?;
        Ok(context.origin.ip.unwrap().to_string())
    }

    #[test]
    fn forwarded_addresses_count_only_from_a_trusted_proxy() {
        assert_eq!(client(&["1.2.3.4"], "5.6.7.8").unwrap(), "5.6.7.8");
        assert_eq!(client(&["1.2.3.4"], "10.0.0.1").unwrap(), "1.2.3.4");
    }

    #[test]
    fn what_the_client_itself_claims_before_the_proxies_does_not_count() {
        assert_eq!(
            client(&["6.6.6.6, 1.2.3.4, 10.0.0.2"], "10.0.0.1").unwrap(),
            "1.2.3.4"
        );
        assert_eq!(
            client(&["6.6.6.6", "1.2.3.4"], "10.0.0.1").unwrap(),
            "1.2.3.4"
        );
    }

    #[test]
    fn an_unreadable_forwarded_header_from_a_trusted_proxy_is_refused_and_never_skipped() {
        assert!(client(&["unknown"], "10.0.0.1").is_err());
        assert!(client(&["1.2.3.4,"], "10.0.0.1").is_err());
        assert_eq!(client(&["unknown"], "5.6.7.8").unwrap(), "5.6.7.8");
    }
}
