//! The endpoints about users, and the user as clients see one.

pub mod activate;
pub mod auth_methods;
pub mod change_password;
mod changed;
pub mod convert_login;
pub mod create;
pub mod create_first;
pub mod delete;
pub mod difference;
pub mod erase;
pub mod fields;
pub mod first_exists;
pub mod get;
pub mod history;
pub mod keys;
pub mod list;
pub mod login;
pub mod login_type;
pub mod logout;
mod moment;
pub mod organizations;
pub mod refused;
pub mod roles;
pub mod sessions;
pub mod sign_in;
pub mod site_roles;
pub mod suspend;
pub mod target;
pub mod update_profile;
mod view;

pub use history::EntryView as HistoryEntryView;
pub use view::{RoleView, UserView};
