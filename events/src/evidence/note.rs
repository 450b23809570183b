//! Signed notes, as C2SP's `signed-note` has them: a text, an empty line, and a line for each signature. Ed25519 only.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

/// What signatures of this kind are called in keys.
const ED25519: u8 = 1;
/// What a line with a signature begins with: an em dash and a blank.
const DASH: &str = "\u{2014} ";
/// More signatures than anybody has a use for are an attempt to keep us busy.
const MOST_SIGNATURES: usize = 100;

/// What a note is verified with: a name and a public key.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    key: VerifyingKey,
}

/// What a note is signed with: a name and a secret key, which is wiped when it is dropped.
pub struct Signer {
    name: String,
    key: SigningKey,
}

/// A text that cannot name a key.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} names no key: a name is not empty, and without blanks, plus signs and control characters"
)]
pub struct InvalidKeyName(String);

/// A text that is no key to verify with.
#[derive(Debug, thiserror::Error)]
#[error(
    "a public key is NAME+HASH+KEY, as `rollcall checkpoint --public-key` prints it, and this one {0}"
)]
pub struct InvalidVerifierKey(&'static str);

/// Why a note is not to be believed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It has not the form of a note.
    #[error("this is no signed note: {0}")]
    Form(&'static str),
    /// Nobody signed it whom we know: the name of the key and its hash, as the key begins.
    #[error("the note is not signed by {0}")]
    Unsigned(String),
    /// The signature is of another text, or by another.
    #[error("the signature by {0} is wrong: the note was altered")]
    Forged(String),
}

impl VerifierKey {
    /// Whose key it is.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What tells this key from others of the same name.
    fn id(&self) -> [u8; 4] {
        let digest = Sha256::new()
            .chain_update(&self.name)
            .chain_update([b'\n', ED25519])
            .chain_update(self.key.as_bytes())
            .finalize();
        let mut id = [0; 4];
        id.copy_from_slice(&digest[..4]);
        id
    }

    /// The text of a note that this key signed, with the newline at its end. Signatures by others are ignored.
    ///
    /// # Errors
    /// It is no note, or this key did not sign it.
    pub fn open<'a>(&self, note: &'a str) -> Result<&'a str, NoteError> {
        let (text, signatures) = parse(note)?;
        let id = self.id();
        let mut is_signed = false;
        for (name, signature) in signatures {
            let Some(signature) = signature.strip_prefix(&id).filter(|_| name == self.name) else {
                continue;
            };
            let signature = Signature::from_slice(signature).ok();
            let verified = signature.is_some_and(|signature| {
                self.key.verify_strict(text.as_bytes(), &signature).is_ok()
            });
            if !verified {
                return Err(NoteError::Forged(self.name.clone()));
            }
            is_signed = true;
        }
        if is_signed {
            Ok(text)
        } else {
            let id = u32::from_be_bytes(id);
            Err(NoteError::Unsigned(format!("{}+{id:08x}", self.name)))
        }
    }
}

/// The name of a key, and four bytes of the key's hash with the signature after them.
type Signed<'a> = (&'a str, Vec<u8>);

/// The text and its signatures.
fn parse(note: &str) -> Result<(&str, Vec<Signed<'_>>), NoteError> {
    if note.bytes().any(|byte| byte < b' ' && byte != b'\n') {
        return Err(NoteError::Form("it holds control characters"));
    }
    let end = note.rfind("\n\n").ok_or(NoteError::Form(
        "there is no empty line before its signatures",
    ))?;
    let (text, signatures) = (&note[..=end], &note[end + 2..]);
    let signatures = signatures
        .strip_suffix('\n')
        .ok_or(NoteError::Form("its last line has no end"))?;
    if signatures.split('\n').count() > MOST_SIGNATURES {
        return Err(NoteError::Form("it has too many signatures"));
    }
    let signatures: Option<Vec<_>> = signatures.split('\n').map(parse_signature).collect();
    match signatures {
        Some(signatures) => Ok((text, signatures)),
        None => Err(NoteError::Form("one of its signatures is none")),
    }
}

fn parse_signature(line: &str) -> Option<Signed<'_>> {
    let (name, signature) = line.strip_prefix(DASH)?.split_once(' ')?;
    let signature = STANDARD.decode(signature).ok()?;
    (is_key_name(name) && signature.len() > 4).then_some((name, signature))
}

/// Whether a text can name a key: it is not empty, and without blanks, plus signs and control characters.
#[must_use]
pub fn is_key_name(name: &str) -> bool {
    let is_wrong = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    !name.is_empty() && !name.contains(is_wrong)
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = u32::from_be_bytes(self.id());
        let key = STANDARD.encode([&[ED25519], self.key.as_bytes().as_slice()].concat());
        write!(formatter, "{}+{id:08x}+{key}", self.name)
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "VerifierKey({self})")
    }
}

impl FromStr for VerifierKey {
    type Err = InvalidVerifierKey;

    /// Reads `name+hash+key`, blanks around it ignored.
    fn from_str(text: &str) -> Result<Self, InvalidVerifierKey> {
        let text = text.trim();
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(_), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(InvalidVerifierKey("has not three parts"));
        };
        let bytes = STANDARD
            .decode(key)
            .map_err(|_| InvalidVerifierKey("is not in base64"))?;
        let key: &[u8; 32] = bytes
            .strip_prefix(&[ED25519])
            .and_then(|key| key.try_into().ok())
            .ok_or(InvalidVerifierKey("is not one of Ed25519"))?;
        let key = VerifyingKey::from_bytes(key)
            .ok()
            .filter(|key| !key.is_weak())
            .ok_or(InvalidVerifierKey("is no point of the curve that can sign"))?;
        let name = name.to_owned();
        let read = Self { name, key };
        if !is_key_name(&read.name) {
            return Err(InvalidVerifierKey("has no proper name"));
        }
        // Also tells a key that was copied with a slip.
        if read.to_string() != text {
            return Err(InvalidVerifierKey("does not agree with its hash"));
        }
        Ok(read)
    }
}

impl Signer {
    /// The signer of this name with the key that grows out of `seed`: 32 secret bytes.
    ///
    /// # Errors
    /// The name cannot name a key.
    pub fn new(name: &str, seed: &[u8; 32]) -> Result<Self, InvalidKeyName> {
        if !is_key_name(name) {
            return Err(InvalidKeyName(name.to_owned()));
        }
        Ok(Self {
            name: name.to_owned(),
            key: SigningKey::from_bytes(seed),
        })
    }

    /// The same key under another name.
    ///
    /// # Errors
    /// The name cannot name a key.
    pub fn renamed(&self, name: &str) -> Result<Self, InvalidKeyName> {
        Self::new(name, self.key.as_bytes())
    }

    /// Whose signature it makes.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What verifies its signatures.
    #[must_use]
    pub fn verifier_key(&self) -> VerifierKey {
        VerifierKey {
            name: self.name.clone(),
            key: self.key.verifying_key(),
        }
    }

    /// A note of a text that ends with a newline.
    #[must_use]
    pub fn sign(&self, text: &str) -> String {
        let signature = self.key.sign(text.as_bytes()).to_bytes();
        let id = self.verifier_key().id();
        let signature = STANDARD.encode([id.as_slice(), &signature].concat());
        format!("{text}\n{DASH}{} {signature}\n", self.name)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Signer({})", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Go's `sumdb/note`, where this format comes from: its key, in both halves, and its note.
    const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const SEED: &str = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const TEXT: &str = "If you think cryptography is the answer to your problem,\n\
                        then you don't know what your problem is.\n";
    const NOTE: &str = "If you think cryptography is the answer to your problem,\n\
                        then you don't know what your problem is.\n\n\
                        — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    /// Another one that is used in examples.
    const OTHER_KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    const OTHER_NOTE: &str = "This is an example message.\n\n\
                              — example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

    fn key() -> VerifierKey {
        KEY.parse().unwrap()
    }

    fn signer() -> Signer {
        let seed = STANDARD.decode(SEED).unwrap();
        Signer::new("PeterNeumann", seed[1..].try_into().unwrap()).unwrap()
    }

    #[test]
    fn the_published_notes_are_opened_and_signed_to_the_byte() {
        assert_eq!(key().open(NOTE), Ok(TEXT));
        assert_eq!(signer().sign(TEXT), NOTE);
        assert_eq!(signer().verifier_key().to_string(), KEY);
        let other: VerifierKey = OTHER_KEY.parse().unwrap();
        assert_eq!(other.open(OTHER_NOTE), Ok("This is an example message.\n"));
        assert_eq!(other.to_string(), OTHER_KEY);
    }

    #[test]
    fn no_bit_of_a_note_can_be_changed_unnoticed() {
        for at in 0..NOTE.len() {
            for bit in 0..8 {
                let mut bytes = NOTE.as_bytes().to_vec();
                bytes[at] ^= 1 << bit;
                let is_believed =
                    String::from_utf8(bytes).is_ok_and(|note| key().open(&note).is_ok());
                assert!(!is_believed, "bit {bit} of byte {at}");
            }
        }
    }

    #[test]
    fn signatures_by_others_are_ignored_and_one_by_the_key_is_needed() {
        let line = OTHER_NOTE.lines().last().unwrap();
        let both = format!("{NOTE}{line}\n");
        assert_eq!(key().open(&both), Ok(TEXT));
        // The same name with another key, which is not ours to judge.
        let same_name = Signer::new("PeterNeumann", &[7; 32]).unwrap().sign(TEXT);
        let unsigned = Err(NoteError::Unsigned("PeterNeumann+c74f20a3".into()));
        assert_eq!(key().open(&same_name), unsigned);
        assert_eq!(key().open(OTHER_NOTE), unsigned);
        // One that is right does not excuse one that is wrong.
        let wrong = NOTE.lines().last().unwrap().replace("ZJkuBS9U", "ZJkuBS9V");
        let forged = Err(NoteError::Forged("PeterNeumann".into()));
        assert_eq!(key().open(&format!("{NOTE}{wrong}\n")), forged);
    }

    #[test]
    fn what_has_not_the_form_of_a_note_is_refused() {
        let line = NOTE.lines().last().unwrap();
        for bad in [
            String::new(),
            TEXT.to_owned(),
            format!("{TEXT}{line}\n"),
            format!("{TEXT}\n{line}"),
            format!("{TEXT}\n{line}\n\n"),
            format!("{TEXT}\n\n"),
            format!("{TEXT}\n{}\n", line.replace('—', "-")),
            format!("{TEXT}\n{}\n", line.replace("PeterNeumann ", "")),
            format!("{TEXT}\n{}\n", line.replace('=', "")),
            format!("{TEXT}\n{line} \n"),
            format!("{TEXT}\n{line}\n— nobody x08gow==\n"),
            format!("\t{NOTE}"),
            NOTE.replace('\n', "\r\n"),
            format!("{TEXT}\n{}", format!("{line}\n").repeat(101)),
        ] {
            let error = key().open(&bad).unwrap_err();
            assert!(matches!(error, NoteError::Form(_)), "{bad:?}: {error}");
        }
        // The text itself may hold empty lines.
        let text = "one\n\ntwo\n";
        assert_eq!(key().open(&signer().sign(text)), Ok(text));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for from in 0..KEY.len() {
            for to in from..=KEY.len() {
                let part = &KEY[from..to];
                assert!(
                    part == KEY || part.parse::<VerifierKey>().is_err(),
                    "{part}"
                );
            }
        }
        for at in 0..KEY.len() {
            let mut bytes = KEY.as_bytes().to_vec();
            bytes[at] += 1;
            let text = String::from_utf8(bytes).unwrap();
            assert!(text.parse::<VerifierKey>().is_err(), "{text}");
        }
        for name in ["", "a b", "a+b", "a\u{2003}b", "a\nb", "a\0b"] {
            assert!(Signer::new(name, &[7; 32]).is_err(), "{name:?}");
        }
        // A key that anybody can sign for: the neutral point.
        let mut weak = [0; 33];
        (weak[0], weak[1]) = (1, 1);
        let weak = format!("a+00000000+{}", STANDARD.encode(weak));
        let error = weak.parse::<VerifierKey>().unwrap_err().to_string();
        assert!(error.contains("can sign"), "{error}");
    }

    #[test]
    fn a_signer_shows_nothing_of_its_secret() {
        assert_eq!(format!("{:?}", signer()), "Signer(PeterNeumann)");
    }
}
