//! The endpoints about organisations, as far as users need them: which there are, who belongs to them, with which roles.
//! An organisation that the caller may not read is a 404, like one that never was.

pub mod create;
pub mod get;
pub mod list;
pub mod members;
pub mod target;
mod view;

pub use view::OrganizationView;
