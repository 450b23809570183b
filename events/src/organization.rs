//! The organisation that users belong to: the same anatomy as [`crate::user`], small.

mod aggregate;
mod command;
mod decide;
mod error;
mod event;
mod name;

pub use command::{CreateOrganization, OrganizationCommand};
pub use error::OrganizationError;
pub use event::OrganizationEvent;
pub use name::{InvalidOrganizationName, OrganizationName};

use serde::{Deserialize, Serialize};

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
