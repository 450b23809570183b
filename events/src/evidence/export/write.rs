//! Writing an export, line by line.

use std::io::{self, Write};

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::line::{End, Exported, Header, Line};
use crate::{
    log::{Frontier, RawEvent},
    vault::VaultRow,
};

/// Writes the lines of an export.
pub struct Writer<W> {
    out: W,
    sha256: Sha256,
    frontier: Frontier,
    position: i64,
    recorded_at: DateTime<Utc>,
    vault: u64,
}

/// Why an export is not written to its end.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The file cannot be written.
    #[error("the export cannot be written")]
    Io(#[from] io::Error),
    /// The log is not as it should be.
    #[error(
        "the log is not in order: after the event at position {after} comes the one at position {position}. `rollcall verify` says more"
    )]
    Order {
        /// The event before.
        after: i64,
        /// The event that should not come next.
        position: i64,
    },
}

impl<W: Write> Writer<W> {
    /// Writes the first line.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn begin(out: W, header: Header) -> io::Result<Self> {
        let mut writer = Self {
            out,
            sha256: Sha256::new(),
            frontier: Frontier::default(),
            position: 0,
            recorded_at: DateTime::<Utc>::MIN_UTC,
            vault: 0,
        };
        writer.line(&Line::Header(header))?;
        Ok(writer)
    }

    /// Writes the next event, and what it says when it is opened.
    ///
    /// # Errors
    /// The file cannot be written, or this is not the next event.
    pub fn event(
        &mut self,
        event: RawEvent,
        opened: Option<Box<RawValue>>,
    ) -> Result<(), WriteError> {
        if event.position != self.position + 1 || event.recorded_at < self.recorded_at {
            return Err(WriteError::Order {
                after: self.position,
                position: event.position,
            });
        }
        self.position = event.position;
        self.recorded_at = event.recorded_at;
        let leaf = event.leaf();
        self.frontier.push(leaf);
        let exported = Exported {
            event,
            leaf,
            opened,
        };
        Ok(self.line(&Line::Event(Box::new(exported)))?)
    }

    /// Writes a row of the vault, when all events are written.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn vault(&mut self, row: VaultRow) -> io::Result<()> {
        self.vault += 1;
        self.line(&Line::Vault(row))
    }

    /// The tree of the events so far.
    pub fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// Writes the last line; without it nobody takes the export for whole.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn end(mut self) -> io::Result<W> {
        let end = End {
            events: self.frontier.size(),
            root: self.frontier.root(),
            vault: self.vault,
            sha256_of_all_before: self.sha256.clone().finalize().into(),
        };
        self.line(&Line::End(end))?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn line(&mut self, line: &Line) -> io::Result<()> {
        let mut text = line.to_text()?;
        text.push('\n');
        self.sha256.update(&text);
        self.out.write_all(text.as_bytes())
    }
}
