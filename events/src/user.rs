//! The user: what may be asked of one ([`UserCommand`]), what then happens ([`UserEvent`]), and what refuses it
//! ([`UserError`]). Pure: time, identifiers and randomness come in with the commands.

mod aggregate;
mod avatar_url;
mod command;
mod decide;
mod display_name;
mod email_address;
mod error;
mod event;
mod evolve;
mod identity;
mod invalid_field;
mod organization_role;
mod password;
mod person;
mod role;
mod session;
mod state;
mod status;
#[cfg(test)]
mod tests;
mod token_name;
mod username;

pub use avatar_url::AvatarUrl;
pub use command::{CreateUser, StartSession, UserCommand};
pub use display_name::DisplayName;
pub use email_address::{EmailAddress, possible_domain_key};
pub use error::UserError;
pub use event::UserEvent;
pub use identity::Identity;
pub use invalid_field::InvalidField;
pub(crate) use invalid_field::escaped;
pub use organization_role::OrganizationRole;
pub use password::{NewPassword, PasswordPolicy};
pub use person::{Person, ProfileChange};
pub use role::Role;
pub use session::{EndReason, Scope, SecretHash, Session, SessionId};
pub use state::{Account, ENDED_SESSIONS_KEPT, Membership, OpenSession, User};
pub use status::{ActivationCause, LoginType, Status};
pub use token_name::TokenName;
pub use username::Username;
