//! The endpoints about users, and the user as clients see one.

pub mod auth_methods;
pub mod create;
pub mod create_first;
pub mod fields;
pub mod first_exists;
pub mod get;
pub mod list;
pub mod login;
pub mod logout;
pub mod organizations;
pub mod refused;
pub mod sign_in;
pub mod target;
mod view;

pub use view::{RoleView, UserView};
