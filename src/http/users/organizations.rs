//! The endpoints about the organisations that a user belongs to.

pub mod get;
pub mod list;
