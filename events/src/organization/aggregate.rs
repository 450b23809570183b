//! The organisation as `cqrs-es` and the command bus see it.

use cqrs_es::{Aggregate, DomainEvent, event_sink::EventSink};

use super::{
    Organization, OrganizationCommand, OrganizationError, OrganizationEvent, decide::decide,
    evolve::evolve,
};
use crate::{Claim, EventSourced, personal::PersonalField};

impl Aggregate for Organization {
    const TYPE: &'static str = "organization";
    type Command = OrganizationCommand;
    type Event = OrganizationEvent;
    type Error = OrganizationError;
    type Services = ();

    async fn handle(
        &mut self,
        command: OrganizationCommand,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), OrganizationError> {
        for event in decide(self, &command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: OrganizationEvent) {
        evolve(self, &event);
    }
}

impl DomainEvent for OrganizationEvent {
    fn event_type(&self) -> String {
        self.name().to_owned()
    }

    fn event_version(&self) -> String {
        Self::SCHEMA_VERSION.to_string()
    }
}

impl EventSourced for Organization {
    const STATE_VERSION: i32 = 1;
    const IS_PERSON: bool = false;

    fn decide(
        &self,
        command: &OrganizationCommand,
    ) -> Result<Vec<OrganizationEvent>, OrganizationError> {
        decide(self, command)
    }

    fn evolve(&mut self, event: &OrganizationEvent) {
        evolve(self, event);
    }

    fn claims(&self, command: &OrganizationCommand) -> Vec<Claim> {
        let OrganizationCommand::CreateOrganization(wish) = command;
        let mut claims = vec![Claim::OrganizationName(wish.name.key())];
        if wish.is_default {
            claims.push(Claim::DefaultOrganization);
        }
        claims
    }

    fn personal(&mut self) -> Option<&mut dyn PersonalField> {
        None
    }
}
