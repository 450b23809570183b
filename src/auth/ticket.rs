//! What a browser carries for us between leaving for a provider and coming back, sealed so that it can neither be read
//! nor made up.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rollcall_events::{
    aead::{self, KEY_BYTES, NONCE_BYTES},
    ids::Ids,
};
use serde::{Serialize, de::DeserializeOwned};

/// Seals and opens tickets.
#[derive(Clone)]
pub struct TicketOffice {
    key: [u8; KEY_BYTES],
}

impl TicketOffice {
    /// An office with this key: every node has the same.
    #[must_use]
    pub fn new(key: [u8; KEY_BYTES]) -> Self {
        Self { key }
    }

    /// A ticket for `purpose`: it is of no use for another.
    ///
    /// # Errors
    /// The content cannot be written as JSON.
    pub fn seal(
        &self,
        purpose: &str,
        content: &impl Serialize,
        ids: Ids,
    ) -> serde_json::Result<String> {
        let nonce: [u8; NONCE_BYTES] = ids.bytes();
        let content = serde_json::to_vec(content)?;
        let sealed = aead::seal(&self.key, &nonce, purpose.as_bytes(), &content);
        Ok(URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// What a ticket for `purpose` holds, if it is one of ours.
    #[must_use]
    pub fn open<T: DeserializeOwned>(&self, purpose: &str, ticket: &str) -> Option<T> {
        let bytes = URL_SAFE_NO_PAD.decode(ticket).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>()?;
        let plain = aead::open(&self.key, nonce, purpose.as_bytes(), sealed)?;
        serde_json::from_slice(&plain).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_opens_for_its_purpose_and_as_it_was_made_alone() {
        let office = TicketOffice::new([7; 32]);
        let ticket = office.seal("flow", &"content", Ids).unwrap();
        let opened: Option<String> = office.open("flow", &ticket);
        assert_eq!(opened.as_deref(), Some("content"));
        assert_eq!(office.open::<String>("another", &ticket), None);
        let other = TicketOffice::new([8; 32]);
        assert_eq!(other.open::<String>("flow", &ticket), None);
        for at in 0..ticket.len() {
            let mut forged = ticket.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            // The last character of the text has bits that stand for nothing.
            if at + 1 < ticket.len() {
                assert_eq!(office.open::<String>("flow", &forged), None, "{at}");
            }
        }
        for nonsense in ["", "A", "not base64 at all!"] {
            assert_eq!(office.open::<String>("flow", nonsense), None);
        }
    }
}
