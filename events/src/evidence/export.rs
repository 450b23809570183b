//! The export: the whole log as a file that can be read, checked and imported elsewhere. The README of this folder says
//! how it looks.

mod line;
mod order;
mod read;
mod verify;
mod write;

use std::fmt;

pub use line::{End, Exported, FORMAT, Header, Line, VERSION};
pub use read::Reader;
pub use verify::{Judged, Judgement, Verified, verify};
pub use write::{WriteError, Writer};

/// Something wrong with an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The position of the event, if it is one: of several, the first and the last.
    pub positions: Option<(i64, i64)>,
    /// The line, if it is not known to be an event's.
    pub line: Option<u64>,
    /// What.
    pub says: String,
}

impl Flaw {
    fn event(position: i64, says: impl Into<String>) -> Self {
        Self {
            positions: Some((position, position)),
            line: None,
            says: says.into(),
        }
    }

    fn missing(from: i64, to: i64) -> Self {
        let says = if from == to {
            "is missing"
        } else {
            "are missing"
        };
        Self {
            positions: Some((from, to)),
            line: None,
            says: says.to_owned(),
        }
    }

    fn line(line: u64, says: impl Into<String>) -> Self {
        Self {
            positions: None,
            line: Some(line),
            says: says.into(),
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.positions, self.line) {
            (Some((from, to)), _) if from == to => {
                write!(formatter, "the event at position {from}")
            }
            (Some((from, to)), _) => write!(formatter, "the events at positions {from} to {to}"),
            (None, line) => write!(formatter, "line {}", line.unwrap_or_default()),
        }?;
        write!(formatter, " {}", self.says)
    }
}

#[cfg(test)]
mod tests;
