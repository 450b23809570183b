//! What can belong to one stream only.

/// A name or a place in the world that a command wants for its stream.
///
/// The appender asks the read models whether it is taken, under the lock on the head of the log. Their unique indexes
/// stay as the backstop.
#[derive(Clone, PartialEq, Eq, Hash)]
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

/// The kind alone: names and addresses are personal.
impl std::fmt::Debug for Claim {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Username(_) => "Username(..)",
            Self::Email(_) => "Email(..)",
            Self::FirstUser => "FirstUser",
            Self::OrganizationName(_) => "OrganizationName(..)",
            Self::DefaultOrganization => "DefaultOrganization",
        })
    }
}
