//! Why a user's command is refused.

use super::{LoginType, Status};

/// A refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    /// The stream has a user already, perhaps a deleted one: identifiers are never used again.
    #[error("this user exists already")]
    AlreadyExists,
    /// There is no such user (any more).
    #[error("there is no such user")]
    NotFound,
    /// New users are active or dormant.
    #[error("a new user cannot be {}", .0.name())]
    StatusNotAllowed(Status),
    /// A token is no way to sign in.
    #[error("a user cannot sign in by token")]
    LoginTypeNotAllowed,
    /// A password goes with the login type that uses it, and only with that.
    #[error("a password is needed exactly when the login type is password")]
    PasswordNotAsLoginType,
    /// Owners lose their role first.
    #[error("an owner cannot be suspended: remove the owner role first")]
    OwnerCannotBeSuspended,
    /// The user may not come in.
    #[error("the user is suspended")]
    Suspended,
    /// Another session has this identifier.
    #[error("this session exists already")]
    SessionExists,
    /// Tokens are refused, and never ended to make room: somebody relies on each.
    #[error("the user has as many API tokens as one can have: delete one first")]
    TooManyTokens,
    /// The user became an owner after the lifetime was checked.
    #[error("an owner's API tokens may not live that long")]
    TokenTooLong,
    /// Who signs in otherwise has no password to change.
    #[error("the user does not sign in with a password")]
    HasNoPassword,
    /// The user signs in in another way.
    #[error("the user signs in with {}", .0.name())]
    OtherLoginType(LoginType),
    /// The user is known by another account at the provider.
    #[error("the user is linked to another account at the provider")]
    AlreadyLinked,
    /// The user is there already.
    #[error("the user belongs to this organization already")]
    AlreadyMember,
    /// The user is not there.
    #[error("the user does not belong to this organization")]
    NotMember,
    /// Users always belong somewhere.
    #[error("the user belongs to no other organization: add them to another one first")]
    LastOrganization,
    /// The password was replaced while it was being verified.
    #[error("the password has changed meanwhile")]
    CredentialsChanged,
}
