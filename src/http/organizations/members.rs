//! The endpoints about an organisation's members and their roles there.
//!
//! What is decided is decided about the organisation that the path names: a role in another one gives nothing here.

pub mod add;
pub mod assign_roles;
pub mod list;
pub mod page;
pub mod remove;
pub mod roles;
mod target;
mod view;

pub use view::{MemberView, MemberWithUserView};
