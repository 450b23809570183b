//! What may be asked of an organisation.

use super::{OrganizationDetails, OrganizationName};

/// A wish, which may be refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrganizationCommand {
    /// Let there be this organisation.
    CreateOrganization(CreateOrganization),
}

/// The organisation to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateOrganization {
    /// Unique, whatever its case.
    pub name: OrganizationName,
    /// For people.
    pub details: OrganizationDetails,
    /// Whether it is the one that users join who name none.
    pub is_default: bool,
}
