//! What happens to an organisation.

use serde::{Deserialize, Serialize};

use super::OrganizationName;

/// A fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrganizationEvent {
    /// The organisation came to be.
    OrganizationCreated {
        /// Its name.
        name: OrganizationName,
        /// Its name for people.
        display_name: String,
        /// What it is for.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        description: String,
        /// Where its picture is.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        icon: String,
        /// Whether users join it who name none.
        is_default: bool,
    },
}

impl OrganizationEvent {
    /// The shape that this code writes.
    pub const SCHEMA_VERSION: i32 = 1;

    /// The types of these events, as the log names them.
    pub const NAMES: [&'static str; 1] = ["OrganizationCreated"];

    /// The event's type, as the log names it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::OrganizationCreated { .. } => "OrganizationCreated",
        }
    }
}
