//! What an organisation's command leads to.

use super::{
    CreateOrganization, Organization, OrganizationCommand, OrganizationError, OrganizationEvent,
};

/// What happens to `organization` because of `command`.
///
/// # Errors
/// The rule that refuses it.
pub(super) fn decide(
    organization: &Organization,
    command: &OrganizationCommand,
) -> Result<Vec<OrganizationEvent>, OrganizationError> {
    match (organization, command) {
        (Organization::Absent, OrganizationCommand::CreateOrganization(wish)) => {
            Ok(vec![created(wish)])
        }
        (Organization::Live { .. }, OrganizationCommand::CreateOrganization(_)) => {
            Err(OrganizationError::AlreadyExists)
        }
    }
}

/// Who has no name for people is called as everything else calls them.
fn created(wish: &CreateOrganization) -> OrganizationEvent {
    let display_name = match wish.details.display_name() {
        "" => wish.name.as_str(),
        given => given,
    };
    OrganizationEvent::OrganizationCreated {
        name: wish.name.clone(),
        display_name: display_name.to_owned(),
        description: wish.details.description().to_owned(),
        icon: wish.details.icon().to_owned(),
        is_default: wish.is_default,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use cqrs_es::{Aggregate, test::TestFramework};

    use super::super::{OrganizationDetails, OrganizationName};
    use super::*;
    use crate::Event;

    fn command() -> OrganizationCommand {
        OrganizationCommand::CreateOrganization(CreateOrganization {
            name: OrganizationName::parse("default").unwrap(),
            details: OrganizationDetails::default(),
            is_default: true,
        })
    }

    fn created() -> OrganizationEvent {
        OrganizationEvent::OrganizationCreated {
            name: OrganizationName::parse("default").unwrap(),
            display_name: "default".into(),
            description: String::new(),
            icon: String::new(),
            is_default: true,
        }
    }

    #[test]
    fn an_organization_is_created_in_an_empty_stream() {
        TestFramework::<Organization>::with(())
            .given_no_previous_events()
            .when(command())
            .then_expect_events(vec![created()]);
    }

    #[test]
    fn an_organization_has_the_details_of_the_wish() {
        let name = OrganizationName::parse("club").unwrap();
        let details = OrganizationDetails::parse("The Club", "For all.", "/club.png").unwrap();
        let wish = CreateOrganization {
            name: name.clone(),
            details,
            is_default: false,
        };
        TestFramework::<Organization>::with(())
            .given_no_previous_events()
            .when(OrganizationCommand::CreateOrganization(wish))
            .then_expect_events(vec![OrganizationEvent::OrganizationCreated {
                name,
                display_name: "The Club".into(),
                description: "For all.".into(),
                icon: "/club.png".into(),
                is_default: false,
            }]);
    }

    #[test]
    fn an_organization_is_not_created_twice_in_one_stream() {
        TestFramework::<Organization>::with(())
            .given(vec![created()])
            .when(command())
            .then_expect_error(OrganizationError::AlreadyExists);
    }

    /// What is in the log stays there: lines are added here, and never changed.
    const RECORDED: &str = include_str!("../../../tests/recorded/organization_v1.jsonl");

    #[derive(serde::Deserialize)]
    struct Line {
        event_type: String,
        schema_version: i32,
        payload: serde_json::Value,
    }

    fn recorded() -> impl Iterator<Item = Line> {
        RECORDED
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
    }

    #[test]
    fn every_event_ever_recorded_is_read_and_written_as_it_was() {
        for line in recorded() {
            let bytes = serde_json::to_vec(&line.payload).unwrap();
            let event = Event::from_json(Organization::TYPE, &bytes).unwrap();
            assert_eq!(serde_json::to_value(&event).unwrap(), line.payload);
            assert_eq!(event.event_type(), line.event_type);
            assert_eq!(
                event.schema_version(),
                line.schema_version,
                "the shape has a successor: read these lines through the upcaster, begin another file"
            );
        }
    }

    #[test]
    fn every_kind_of_event_has_been_recorded() {
        // Whoever reads a variant that does not exist is told those that do.
        let refusal =
            serde_json::from_str::<OrganizationEvent>(r#"{"none of them":{}}"#).unwrap_err();
        let refusal = refusal.to_string();
        let (_, kinds) = refusal.split_once("expected").unwrap();
        let kinds: BTreeSet<&str> = kinds.split('`').skip(1).step_by(2).collect();
        let recorded: Vec<String> = recorded().map(|line| line.event_type).collect();
        assert_eq!(
            recorded.iter().map(String::as_str).collect::<BTreeSet<_>>(),
            kinds
        );
    }
}
