//! Events that a rebuild cannot read: counted, the first one named.

use rollcall_events::{Recorded, log::ReadEvent};

use super::RebuildError;

/// What could not be read so far.
#[derive(Debug, Default)]
pub(super) struct Skipping {
    is_allowed: bool,
    count: u64,
    /// The lowest position, and the reason.
    first: Option<(i64, String)>,
}

impl Skipping {
    /// Nothing yet.
    pub fn new(is_allowed: bool) -> Self {
        Self {
            is_allowed,
            ..Self::default()
        }
    }

    /// The event, or its legible part if it cannot be read, which is counted.
    pub fn take(&mut self, event: ReadEvent) -> Option<Recorded> {
        match event {
            Ok(recorded) => Some(recorded),
            Err(unreadable) => {
                self.count += 1;
                if self.is_first(unreadable.position) {
                    self.first = Some((unreadable.position, unreadable.reason()));
                }
                unreadable.legible
            }
        }
    }

    /// Adds what another share of the log found.
    pub fn merge(&mut self, other: Self) {
        self.count += other.count;
        if let Some((position, reason)) = other.first
            && self.is_first(position)
        {
            self.first = Some((position, reason));
        }
    }

    fn is_first(&self, position: i64) -> bool {
        self.first
            .as_ref()
            .is_none_or(|(first, _)| position < *first)
    }

    pub fn is_allowed(&self) -> bool {
        self.is_allowed
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    /// # Errors
    /// Something could not be read, and that is not to be passed over.
    pub fn check(&self) -> Result<(), RebuildError> {
        match &self.first {
            Some((position, reason)) if !self.is_allowed => Err(RebuildError::Unreadable {
                count: self.count,
                first: format!("event {position}, because {reason}"),
            }),
            Some(_) | None => Ok(()),
        }
    }
}
