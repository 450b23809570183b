//! The key of one person.

use std::{collections::HashMap, fmt, sync::Arc};

use foldhash::fast::RandomState;
use uuid::Uuid;
use zeroize::ZeroizeOnDrop;

use crate::ids::Ids;

/// Seals and opens what belongs to one person. Copies share the bytes, which are wiped with the last one.
#[derive(Clone)]
pub struct SubjectKey(Arc<Bytes>);

#[derive(ZeroizeOnDrop)]
struct Bytes([u8; 32]);

/// A subject's key as the database holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedKey {
    /// The fingerprint of the master key that wraps it.
    pub master_key_id: String,
    /// Nonce and sealed key.
    pub wrapped: Vec<u8>,
}

/// Some subjects' keys.
#[derive(Clone, Debug, Default)]
pub struct KeyRing(pub HashMap<Uuid, SubjectKey, RandomState>);

impl SubjectKey {
    pub(super) fn generate(ids: Ids) -> Self {
        Self::new(ids.bytes())
    }

    pub(super) fn new(bytes: [u8; 32]) -> Self {
        Self(Arc::new(Bytes(bytes)))
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0.0
    }
}

impl fmt::Debug for SubjectKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SubjectKey(..)")
    }
}

impl KeyRing {
    /// The key of `subject`, if there is one.
    #[must_use]
    pub fn get(&self, subject: Uuid) -> Option<&SubjectKey> {
        self.0.get(&subject)
    }

    /// Adds a key.
    pub fn insert(&mut self, subject: Uuid, key: SubjectKey) {
        self.0.insert(subject, key);
    }
}
