//! The key of one person.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::Arc,
};

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

/// Some subjects' keys. A subject whose key is gone was erased; one whose key is damaged was not, and cannot be read until
/// the vault is restored.
#[derive(Clone, Debug, Default)]
pub struct KeyRing {
    keys: HashMap<Uuid, SubjectKey, RandomState>,
    damaged: HashSet<Uuid, RandomState>,
}

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
        self.keys.get(&subject)
    }

    /// Whether the vault has a key of `subject` that does not unwrap.
    #[must_use]
    pub fn is_damaged(&self, subject: Uuid) -> bool {
        self.damaged.contains(&subject)
    }

    /// Whether the vault has no key of `subject`, not even a damaged one.
    #[must_use]
    pub fn is_gone(&self, subject: Uuid) -> bool {
        self.get(subject).is_none() && !self.is_damaged(subject)
    }

    /// The subjects whose keys do not unwrap.
    pub fn damaged(&self) -> impl Iterator<Item = Uuid> {
        self.damaged.iter().copied()
    }

    /// How many subjects have a key, damaged or not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len() + self.damaged.len()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a key.
    pub fn insert(&mut self, subject: Uuid, key: SubjectKey) {
        self.keys.insert(subject, key);
    }

    /// Adds the key that was unwrapped, or notes that it did not unwrap.
    pub(super) fn insert_unwrapped(&mut self, subject: Uuid, key: Option<SubjectKey>) {
        match key {
            Some(key) => self.insert(subject, key),
            None => drop(self.damaged.insert(subject)),
        }
    }
}
