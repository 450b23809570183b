//! A day's attempts as `cqrs-es` and the command bus see them.

use std::convert::Infallible;

use cqrs_es::{Aggregate, DomainEvent, event_sink::EventSink};
use serde::{Deserialize, Serialize};

use super::{AttemptCommand, AttemptEvent, decide::decide};
use crate::{Claim, EventSourced, personal::PersonalField};

/// The attempts of a day, as far as decisions need them: not at all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptsOfDay {}

impl Aggregate for AttemptsOfDay {
    const TYPE: &'static str = "attempt";
    type Command = AttemptCommand;
    type Event = AttemptEvent;
    type Error = Infallible;
    type Services = ();

    async fn handle(
        &mut self,
        command: AttemptCommand,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), Infallible> {
        sink.write(decide(&command), self).await;
        Ok(())
    }

    fn apply(&mut self, _: AttemptEvent) {}
}

impl DomainEvent for AttemptEvent {
    fn event_type(&self) -> String {
        self.name().to_owned()
    }

    fn event_version(&self) -> String {
        Self::SCHEMA_VERSION.to_string()
    }
}

impl EventSourced for AttemptsOfDay {
    const STATE_VERSION: i32 = 1;
    /// About several, and about nobody: the key is the day's.
    const IS_PERSON: bool = true;
    const IS_MEMORYLESS: bool = true;

    fn decide(&self, command: &AttemptCommand) -> Result<Vec<AttemptEvent>, Infallible> {
        Ok(vec![decide(command)])
    }

    fn evolve(&mut self, _: &AttemptEvent) {}

    /// Records, and gives nothing.
    fn only_restricts(&self, _: &AttemptCommand) -> bool {
        true
    }

    fn claims(&self, _: &AttemptCommand) -> Vec<Claim> {
        Vec::new()
    }

    fn personal(&mut self) -> Option<&mut dyn PersonalField> {
        None
    }
}
