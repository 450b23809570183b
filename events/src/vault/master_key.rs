//! The master key: wraps the subjects' keys. It comes from the configuration and is never in the database.

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};
use uuid::Uuid;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{SubjectKey, WrappedKey};
use crate::{
    aead::{self, NONCE_BYTES},
    ids::Ids,
};

/// 32 secret bytes that wrap every subject's key.
#[derive(ZeroizeOnDrop)]
pub struct MasterKey {
    bytes: [u8; 32],
    #[zeroize(skip)]
    id: String,
}

/// A text that is no master key.
#[derive(Debug, thiserror::Error)]
#[error("a master key is 32 random bytes in base64, as made by: openssl rand -base64 32")]
pub struct InvalidMasterKey;

impl MasterKey {
    /// A key of these bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        let digest = Sha256::new()
            .chain_update(b"rollcall master key")
            .chain_update(bytes)
            .finalize();
        let mut start = [0; 8];
        start.copy_from_slice(&digest[..8]);
        let id = format!("{:016x}", u64::from_be_bytes(start));
        Self { bytes, id }
    }

    /// A random key.
    #[must_use]
    pub fn generate(ids: Ids) -> Self {
        Self::new(ids.bytes())
    }

    /// Reads a key from base64, blanks around it ignored.
    ///
    /// # Errors
    /// It is not the base64 of 32 bytes.
    pub fn parse(text: &str) -> Result<Self, InvalidMasterKey> {
        // Some editors begin a file with a mark of byte order.
        let text = text.trim_start_matches('\u{feff}').trim();
        let mut bytes = STANDARD.decode(text).map_err(|_| InvalidMasterKey)?;
        let key = <[u8; 32]>::try_from(bytes.as_slice()).map(Self::new);
        bytes.zeroize();
        key.map_err(|_| InvalidMasterKey)
    }

    /// The key in base64, for the file that keeps it.
    #[must_use]
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.bytes)
    }

    /// A fingerprint that tells keys apart and nothing about them.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// A 32-byte key for another purpose, derived from this one.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        Sha256::new()
            .chain_update(b"rollcall derived key\0")
            .chain_update(self.bytes)
            .chain_update(purpose.as_bytes())
            .finalize()
            .into()
    }

    pub(super) fn wrap(&self, subject: Uuid, key: &SubjectKey, ids: Ids) -> WrappedKey {
        let nonce: [u8; NONCE_BYTES] = ids.bytes();
        let sealed = aead::seal(&self.bytes, &nonce, subject.as_bytes(), key.bytes());
        WrappedKey {
            master_key_id: self.id.clone(),
            wrapped: [nonce.as_slice(), &sealed].concat(),
        }
    }

    pub(super) fn unwrap(&self, subject: Uuid, key: &WrappedKey) -> Option<SubjectKey> {
        let (nonce, sealed) = key.wrapped.split_first_chunk::<NONCE_BYTES>()?;
        let mut bytes = aead::open(&self.bytes, nonce, subject.as_bytes(), sealed)?;
        let key = <[u8; 32]>::try_from(bytes.as_slice())
            .ok()
            .map(SubjectKey::new);
        bytes.zeroize();
        key
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "MasterKey({})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapped_key_opens_for_its_subject_and_no_other() {
        let master = MasterKey::new([7; 32]);
        let (ada, bob) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let wrapped = master.wrap(ada, &SubjectKey::new([9; 32]), Ids);
        assert_eq!(master.unwrap(ada, &wrapped).unwrap().bytes(), &[9; 32]);
        assert!(master.unwrap(bob, &wrapped).is_none());
        assert!(MasterKey::new([8; 32]).unwrap(ada, &wrapped).is_none());
    }

    #[test]
    fn a_key_survives_its_file_and_shows_itself_nowhere() {
        let key = MasterKey::generate(Ids);
        let again = MasterKey::parse(&format!("{}\n", key.to_base64())).unwrap();
        assert_eq!(again.id(), key.id());
        assert!(!format!("{key:?}").contains(&key.to_base64()));
        assert!(MasterKey::parse("c2hvcnQ=").is_err());
    }
}
