//! The organisation that users belong to: the same anatomy as [`crate::user`], small.

mod aggregate;
mod command;
mod decide;
mod details;
mod error;
mod event;
mod evolve;
mod name;
mod state;

pub use command::{CreateOrganization, OrganizationCommand};
pub use details::{InvalidDetail, OrganizationDetails};
pub use error::OrganizationError;
pub use event::OrganizationEvent;
pub use name::{InvalidOrganizationName, OrganizationName};
pub use state::Organization;
