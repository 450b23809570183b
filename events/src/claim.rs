//! What can belong to one stream only.

/// A name or a place in the world that a command wants for its stream.
///
/// The appender asks the read models whether it is taken, under the lock on the head of the log. Their unique indexes
/// stay as the backstop.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Claim {
    /// A username, by its key.
    Username(String),
    /// An e-mail address, by its key.
    Email(String),
    /// To be the first user: taken as soon as anybody lives here.
    FirstUser,
    /// An organisation's name, by its key.
    OrganizationName(String),
    /// To be the default organisation.
    DefaultOrganization,
}
