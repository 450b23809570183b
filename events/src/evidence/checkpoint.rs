//! Checkpoints, as C2SP's `tlog-checkpoint` has them: notes that say how many events a log has, and the root of their
//! tree.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{NoteError, Signer, VerifierKey};
use crate::log::Hash;

/// The head of a log at some moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: also the name of the key that signs for it.
    pub origin: String,
    /// How many events there were, which is the position of the last.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
}

/// Why a text is no checkpoint to be believed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The note is none, or not signed by this key.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The note says something else.
    #[error("this is no checkpoint: {0}")]
    Form(&'static str),
    /// It is signed, and speaks of something that the key does not stand for.
    #[error("the checkpoint is of the log {0:?}, for which this key does not sign")]
    Origin(String),
}

impl Checkpoint {
    /// Reads a checkpoint that was signed with `key`, for the log that has the key's name.
    ///
    /// # Errors
    /// See [`CheckpointError`].
    pub fn open(note: &str, key: &VerifierKey) -> Result<Self, CheckpointError> {
        let checkpoint = Self::parse(key.open(note)?)?;
        if checkpoint.origin == key.name() {
            Ok(checkpoint)
        } else {
            Err(CheckpointError::Origin(checkpoint.origin))
        }
    }

    /// The checkpoint as a note. The signer is that of its origin.
    #[must_use]
    pub fn sign(&self, signer: &Signer) -> String {
        signer.sign(&self.to_string())
    }

    /// Reads the text of a note. Lines after the third are for others: they are allowed, and ignored.
    fn parse(text: &str) -> Result<Self, CheckpointError> {
        let form = CheckpointError::Form;
        let text = text.strip_suffix('\n').ok_or(form("its text has no end"))?;
        let mut lines = text.split('\n');
        let mut line = || lines.next().filter(|line| !line.is_empty());
        let origin = line().ok_or(form("its first line, the log's name, is empty"))?;
        let size = line()
            .and_then(number)
            .ok_or(form("its second line is no number of events"))?;
        let root = line()
            .and_then(|root| STANDARD.decode(root).ok()?.try_into().ok())
            .ok_or(form("its third line is no hash of 32 bytes in base64"))?;
        if lines.any(str::is_empty) {
            return Err(form("it holds an empty line"));
        }
        Ok(Self {
            origin: origin.to_owned(),
            size,
            root,
        })
    }
}

/// A number in the one way to write it: digits alone, and no zero before them.
fn number(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// The text of its note.
impl fmt::Display for Checkpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = STANDARD.encode(self.root);
        write!(formatter, "{}\n{}\n{root}\n", self.origin, self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    const EXAMPLE: &str =
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    const EXAMPLE_NOTE: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
        — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";

    fn signer() -> Signer {
        Signer::new("example.com/behind-the-sofa", &[7; 32]).unwrap()
    }

    #[test]
    fn the_published_example_is_read_and_written_to_the_byte() {
        let checkpoint = Checkpoint::parse(EXAMPLE).unwrap();
        assert_eq!(checkpoint.origin, "example.com/behind-the-sofa");
        assert_eq!(checkpoint.size, 20_852_163);
        assert_eq!(checkpoint.to_string(), EXAMPLE);
        // The specification has no key to it: it is a note, and by somebody else than us.
        let error = Checkpoint::open(EXAMPLE_NOTE, &signer().verifier_key()).unwrap_err();
        let unsigned = matches!(error, CheckpointError::Note(NoteError::Unsigned(_)));
        assert!(unsigned, "{error}");
    }

    #[test]
    fn what_is_signed_is_opened_by_the_key_of_that_log() {
        let checkpoint = Checkpoint::parse(EXAMPLE).unwrap();
        let note = checkpoint.sign(&signer());
        assert_eq!(
            Checkpoint::open(&note, &signer().verifier_key()),
            Ok(checkpoint.clone())
        );
        let other = Signer::new("example.com/another", &[7; 32]).unwrap();
        assert_eq!(
            Checkpoint::open(&checkpoint.sign(&other), &other.verifier_key()),
            Err(CheckpointError::Origin(
                "example.com/behind-the-sofa".into()
            ))
        );
    }

    #[test]
    fn further_lines_are_tolerated_and_signed() {
        let text = format!("{EXAMPLE}a line of somebody else's\n");
        let opened = Checkpoint::open(&signer().sign(&text), &signer().verifier_key()).unwrap();
        assert_eq!(opened.to_string(), EXAMPLE);
    }

    #[test]
    fn what_is_no_checkpoint_is_refused() {
        let root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
        for bad in [
            String::new(),
            "example.com\n".to_owned(),
            format!("\n1\n{root}\n"),
            format!("example.com\n01\n{root}\n"),
            format!("example.com\n+1\n{root}\n"),
            format!("example.com\n-1\n{root}\n"),
            format!("example.com\n\n{root}\n"),
            format!("example.com\n18446744073709551616\n{root}\n"),
            "example.com\n1\n".to_owned(),
            "example.com\n1\nCsUYapGGPo4=\n".to_owned(),
            format!("example.com\n1\n{}\n", root.trim_end_matches('=')),
            format!("example.com\n1\n{root}"),
            format!("example.com\n1\n{root}\n\nmore\n"),
        ] {
            let error = Checkpoint::parse(&bad).unwrap_err();
            assert!(
                matches!(error, CheckpointError::Form(_)),
                "{bad:?}: {error}"
            );
        }
    }
}
