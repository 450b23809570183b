//! What an organisation's command leads to, and what its events make of it.

use super::{Organization, OrganizationCommand, OrganizationError, OrganizationEvent};

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
            Ok(vec![OrganizationEvent::OrganizationCreated {
                name: wish.name.clone(),
                display_name: wish.display_name.clone(),
                is_default: wish.is_default,
            }])
        }
        (Organization::Live { .. }, OrganizationCommand::CreateOrganization(_)) => {
            Err(OrganizationError::AlreadyExists)
        }
    }
}

/// The organisation after `event`.
pub(super) fn evolve(organization: &mut Organization, event: &OrganizationEvent) {
    match event {
        OrganizationEvent::OrganizationCreated { name, .. } => {
            *organization = Organization::Live { name: name.clone() };
        }
    }
}

#[cfg(test)]
mod tests {
    use cqrs_es::test::TestFramework;

    use super::super::{CreateOrganization, OrganizationName};
    use super::*;

    fn command() -> OrganizationCommand {
        OrganizationCommand::CreateOrganization(CreateOrganization {
            name: OrganizationName::parse("default").unwrap(),
            display_name: "Default".into(),
            is_default: true,
        })
    }

    fn created() -> OrganizationEvent {
        OrganizationEvent::OrganizationCreated {
            name: OrganizationName::parse("default").unwrap(),
            display_name: "Default".into(),
            is_default: true,
        }
    }

    #[test]
    fn an_organization_is_created_in_an_empty_stream() {
        TestFramework::<Organization>::with(()).given_no_previous_events().when(command()).then_expect_events(vec![created()]);
    }

    #[test]
    fn an_organization_is_not_created_twice_in_one_stream() {
        TestFramework::<Organization>::with(())
            .given(vec![created()])
            .when(command())
            .then_expect_error(OrganizationError::AlreadyExists);
    }
}
