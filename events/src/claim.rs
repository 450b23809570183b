//! What a command needs of the world beyond its stream.

/// A name or a place in the world that a command wants for its stream.
///
/// The appender asks the read models whether it is to be had, under the lock on the head of the log. Their unique
/// indexes stay as the backstop.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Claim {
    /// A username, by its key.
    Username(String),
    /// An e-mail address, by its key.
    Email(String),
    /// An account at a provider, by its key.
    Identity(String),
    /// To be the first user: taken as soon as anybody lives here.
    FirstUser,
    /// That another active owner stays behind: taken when there is none.
    AnotherOwner,
    /// A name among the tokens of the stream's own user.
    TokenName(String),
    /// An organisation's name, by its key.
    OrganizationName(String),
    /// To be the default organisation.
    DefaultOrganization,
}

/// How a claim stands to an accepted one of the same batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rivalry {
    /// No other stream can have it too; the same stream may claim what it has.
    Others,
    /// The same stream cannot have it twice; another stream's is another thing.
    Own,
    /// After another stream's, whether there is enough is to be asked again.
    Later,
}

impl Claim {
    /// How it stands to an accepted one of the same batch.
    pub(crate) fn rivalry(&self) -> Rivalry {
        match self {
            Self::Username(_)
            | Self::Email(_)
            | Self::Identity(_)
            | Self::FirstUser
            | Self::OrganizationName(_)
            | Self::DefaultOrganization => Rivalry::Others,
            Self::TokenName(_) => Rivalry::Own,
            Self::AnotherOwner => Rivalry::Later,
        }
    }
}

/// The kind alone: names and addresses are personal.
impl std::fmt::Debug for Claim {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Username(_) => "Username(..)",
            Self::Email(_) => "Email(..)",
            Self::Identity(_) => "Identity(..)",
            Self::FirstUser => "FirstUser",
            Self::AnotherOwner => "AnotherOwner",
            Self::TokenName(_) => "TokenName(..)",
            Self::OrganizationName(_) => "OrganizationName(..)",
            Self::DefaultOrganization => "DefaultOrganization",
        })
    }
}
