//! What an organisation is, as far as decisions need it.

use serde::{Deserialize, Serialize};

use super::OrganizationName;

/// An organisation's life.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub enum Organization {
    /// Nothing has happened in the stream.
    #[default]
    Absent,
    /// The organisation is here.
    Live {
        /// Its name.
        name: OrganizationName,
    },
}
