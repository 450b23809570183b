//! Sealing and opening of a [`crate::Personal`] field: XChaCha20-Poly1305, whose 24-byte nonces can be random.
//!
//! The sealed text is the base64 of: one byte of format, the subject's id (16 bytes), the nonce (24), the ciphertext.
//! Its place in the log is authenticated with it, so that it opens nowhere else.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use uuid::Uuid;
use zeroize::Zeroize;

use super::{KeyRing, SubjectKey};
use crate::{
    aead::{self, NONCE_BYTES},
    ids::Ids,
    personal::PersonalField,
};

const FORMAT: u8 = 1;
const SUBJECT_AT: usize = 1;
const NONCE_AT: usize = SUBJECT_AT + 16;
const SEALED_AT: usize = NONCE_AT + NONCE_BYTES;
/// As many characters of base64 as whole bytes, the subject's among them, come of.
const SUBJECT_CHARS: usize = NONCE_AT.div_ceil(3) * 4;

/// Where in the log a field is.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The event's stream.
    pub stream: Uuid,
    /// Its version in the stream.
    pub version: i64,
    /// Its type.
    pub event_type: &'a str,
    /// The shape of its payload.
    pub schema_version: i32,
    /// The field: `payload`, `origin`, `state`.
    pub field: &'a str,
}

/// Why a field cannot be opened, although its key is there.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It was altered, moved, or never sealed by us.
    #[error("sealed data was altered or moved")]
    Altered,
    /// The key is there and does not unwrap.
    #[error("the key of subject {0} does not unwrap: it was altered")]
    DamagedKey(Uuid),
    /// It opens to something else than the field holds.
    #[error("sealed data does not fit its field")]
    Content(#[from] serde_json::Error),
}

impl Place<'_> {
    fn associated_data(&self) -> Vec<u8> {
        let mut data = Vec::with_capacity(64);
        data.push(FORMAT);
        data.extend(self.stream.as_bytes());
        data.extend(self.version.to_be_bytes());
        data.extend(self.schema_version.to_be_bytes());
        data.extend(self.event_type.as_bytes());
        data.push(0);
        data.extend(self.field.as_bytes());
        data
    }
}

/// Seals `field`, if it is known, under the key of `subject`.
///
/// # Errors
/// The value cannot be written as JSON.
pub fn seal(
    field: &mut dyn PersonalField,
    subject: Uuid,
    key: &SubjectKey,
    place: &Place<'_>,
    ids: Ids,
) -> serde_json::Result<()> {
    let Some(mut plain) = field.reveal()? else {
        return Ok(());
    };
    let nonce: [u8; NONCE_BYTES] = ids.bytes();
    let sealed = aead::seal(key.bytes(), &nonce, &place.associated_data(), &plain);
    plain.zeroize();
    let text = [&[FORMAT], subject.as_bytes().as_slice(), &nonce, &sealed].concat();
    field.seal(STANDARD_NO_PAD.encode(text));
    Ok(())
}

/// Opens `field`, if it is sealed; erases it when its subject has no key (any more).
///
/// # Errors
/// The key is there and does not open it, or does not unwrap.
pub fn open(
    field: &mut dyn PersonalField,
    keys: &KeyRing,
    place: &Place<'_>,
) -> Result<(), OpenError> {
    let Some(text) = field.sealed() else {
        return Ok(());
    };
    let bytes = STANDARD_NO_PAD
        .decode(text)
        .map_err(|_| OpenError::Altered)?;
    if bytes.len() < SEALED_AT {
        return Err(OpenError::Altered);
    }
    let subject = subject(&bytes).ok_or(OpenError::Altered)?;
    let Some(key) = keys.get(subject) else {
        if keys.is_damaged(subject) {
            return Err(OpenError::DamagedKey(subject));
        }
        field.erase();
        return Ok(());
    };
    let nonce = bytes[NONCE_AT..].first_chunk().ok_or(OpenError::Altered)?;
    let sealed = &bytes[SEALED_AT..];
    let mut plain = aead::open(key.bytes(), nonce, &place.associated_data(), sealed)
        .ok_or(OpenError::Altered)?;
    let opened = field.open(&plain);
    plain.zeroize();
    Ok(opened?)
}

/// Whose key a sealed field needs. The beginning of it tells.
#[must_use]
pub fn subject_of(field: &dyn PersonalField) -> Option<Uuid> {
    let start = field.sealed()?.get(..SUBJECT_CHARS)?;
    subject(&STANDARD_NO_PAD.decode(start).ok()?)
}

fn subject(bytes: &[u8]) -> Option<Uuid> {
    if bytes.first() != Some(&FORMAT) {
        return None;
    }
    Uuid::from_slice(bytes.get(SUBJECT_AT..NONCE_AT)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Personal;

    const ADA: Uuid = Uuid::from_u128(1);

    fn place(version: i64) -> Place<'static> {
        Place {
            stream: ADA,
            version,
            event_type: "UserCreated",
            schema_version: 1,
            field: "payload",
        }
    }

    fn ring() -> KeyRing {
        let mut ring = KeyRing::default();
        ring.insert(ADA, SubjectKey::new([3; 32]));
        ring
    }

    fn sealed() -> Personal<String> {
        let mut field = Personal::Known("ada@example.com".to_owned());
        seal(&mut field, ADA, ring().get(ADA).unwrap(), &place(1), Ids).unwrap();
        field
    }

    #[test]
    fn what_is_sealed_opens_in_its_place() {
        let mut field = sealed();
        assert_eq!(subject_of(&field), Some(ADA));
        open(&mut field, &ring(), &place(1)).unwrap();
        assert_eq!(field, Personal::Known("ada@example.com".to_owned()));
    }

    #[test]
    fn what_is_moved_to_another_place_does_not_open() {
        let elsewhere = [
            place(2),
            Place {
                stream: Uuid::from_u128(2),
                ..place(1)
            },
            Place {
                event_type: "ProfileChanged",
                ..place(1)
            },
            Place {
                schema_version: 2,
                ..place(1)
            },
            Place {
                field: "origin",
                ..place(1)
            },
        ];
        for place in elsewhere {
            assert!(
                matches!(
                    open(&mut sealed(), &ring(), &place),
                    Err(OpenError::Altered)
                ),
                "{place:?}"
            );
        }
    }

    #[test]
    fn without_its_key_it_is_erased() {
        let mut field = sealed();
        open(&mut field, &KeyRing::default(), &place(1)).unwrap();
        assert_eq!(field, Personal::Erased);
    }

    #[test]
    fn what_was_never_sealed_by_us_is_altered() {
        for text in ["", "AAAA", "not base64!", "ada@example.com"] {
            let mut field = Personal::<String>::Sealed(text.into());
            assert!(open(&mut field, &ring(), &place(1)).is_err(), "{text:?}");
        }
    }
}
