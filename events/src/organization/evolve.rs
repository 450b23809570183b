//! What an event makes of an organisation.

use super::{Organization, OrganizationEvent};

/// The organisation after `event`.
pub(super) fn evolve(organization: &mut Organization, event: &OrganizationEvent) {
    match event {
        OrganizationEvent::OrganizationCreated { name, .. } => {
            *organization = Organization::Live { name: name.clone() };
        }
    }
}
