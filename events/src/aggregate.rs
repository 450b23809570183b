//! What the log and the command bus ask of an aggregate, beyond what `cqrs-es` asks.
//!
//! `cqrs_es::Aggregate` handles a command asynchronously and with services. Ours need neither: a decision is a pure
//! function of state and command, so that the appender can make it while it holds the head of the log.

use crate::{Claim, Event, personal::PersonalField};

/// An aggregate whose decisions are pure.
pub trait EventSourced:
    cqrs_es::Aggregate<
        Command: Send + Sync + 'static,
        Event: Into<Event> + TryFrom<Event> + 'static,
        Error: Send + Sync + 'static,
        Services = (),
    > + Clone
    + 'static
{
    /// The shape of the state in a snapshot. Raise it when the state changes: older snapshots are then ignored.
    const STATE_VERSION: i32;

    /// Whether each stream holds personal data, and so gets a key of its own when it begins.
    const IS_PERSON: bool;

    /// Whether decisions depend on nothing that happened before: then no other command is ever in their way.
    const IS_MEMORYLESS: bool = false;

    /// What happens because of `command`. No events: it is already so, and nothing is recorded.
    ///
    /// # Errors
    /// The domain's refusal.
    fn decide(&self, command: &Self::Command) -> Result<Vec<Self::Event>, Self::Error>;

    /// The state after `event`. Never fails: what is in the log has happened.
    fn evolve(&mut self, event: &Self::Event);

    /// Whether `command` at most takes something away from the aggregate. Such a command is also executed on a stream that
    /// cannot be read in full, or whose key is damaged: it must not depend on personal data, and its events must hold none.
    fn only_restricts(&self, _command: &Self::Command) -> bool {
        false
    }

    /// What must be true beyond this stream for `command` to be accepted.
    fn claims(&self, command: &Self::Command) -> Vec<Claim>;

    /// The personal data in the state, which a snapshot seals.
    fn personal(&mut self) -> Option<&mut dyn PersonalField>;
}
