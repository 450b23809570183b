//! What may be asked of a user.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    ActivationCause, EndReason, Identity, LoginType, OrganizationRole, Person, ProfileChange, Role,
    Session, SessionId, Status, TokenName,
};

/// A wish, which may be refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserCommand {
    /// Let there be this user.
    CreateUser(CreateUser),
    /// Change what is given of the profile.
    ChangeProfile(ProfileChange),
    /// Hold exactly these roles.
    AssignRoles {
        /// All of them.
        roles: BTreeSet<Role>,
        /// When API tokens end at the latest under these roles: those that would last longer are shortened. None: there is
        /// no limit.
        tokens_end_by: Option<DateTime<Utc>>,
    },
    /// Keep the user out.
    SuspendUser,
    /// Let the user in (again).
    ActivateUser(ActivationCause),
    /// Remove the user, freeing e-mail address and username.
    DeleteUser,
    /// Remove the user, if they are still here, and forget the person: what was sealed can never be opened again.
    EraseUser,
    /// Have another password. All sessions and tokens end.
    ChangePassword {
        /// Algorithm and cost of the new hash.
        scheme: String,
        /// The revision of the password that is replaced: another since then wants a new decision.
        revision: i64,
    },
    /// Be known, from now on, as this account at the provider by which the user signs in.
    LinkIdentity {
        /// The provider.
        provider: LoginType,
        /// The account there.
        identity: Identity,
    },
    /// Sign in by a provider from now on, and no more by password. All sessions and tokens end.
    ConvertToProvider {
        /// The provider.
        provider: LoginType,
        /// The account there.
        identity: Identity,
        /// The revision of the password that was verified.
        revision: i64,
    },
    /// Sign in by password from now on, and no more by a provider. All sessions and tokens end.
    ConvertToPassword {
        /// Algorithm and cost of the password's hash.
        scheme: String,
        /// How many hashes the vault has held.
        revision: i64,
    },
    /// The stored hash was renewed under other parameters; the password stays.
    RehashPassword {
        /// Algorithm and cost of the new hash.
        scheme: String,
        /// The revision of the password that was verified: another since then makes the new hash worthless.
        revision: i64,
    },
    /// Sign in.
    StartSession(StartSession),
    /// Sign out.
    EndSession {
        /// The session to end.
        session_id: SessionId,
        /// Why.
        reason: EndReason,
    },
    /// End every session, those of the command line included.
    EndSessions {
        /// Whether API tokens end too.
        with_tokens: bool,
        /// Why.
        reason: EndReason,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Let a session end now, and keep it to be looked at.
    ExpireSession {
        /// The session.
        session_id: SessionId,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Belong to an organisation.
    JoinOrganization(Uuid),
    /// Belong to an organisation no more.
    LeaveOrganization(Uuid),
    /// Hold exactly these roles in an organisation.
    AssignOrganizationRoles {
        /// The organisation.
        organization_id: Uuid,
        /// The roles, beyond being a member.
        roles: BTreeSet<OrganizationRole>,
    },
}

/// The user to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateUser {
    /// Who it is.
    pub person: Person,
    /// How they sign in.
    pub login_type: LoginType,
    /// Active, or dormant until they come.
    pub status: Status,
    /// Their roles in the whole service.
    pub roles: BTreeSet<Role>,
    /// The organisations that they belong to.
    pub organizations: Vec<Uuid>,
    /// Algorithm and cost of the password's hash, if they have one. The hash itself goes to the vault.
    pub password_scheme: Option<String>,
    /// Who it is at the provider by which they sign in.
    pub identity: Option<Identity>,
    /// Only if there is nobody yet.
    pub first: bool,
}

/// The session to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartSession {
    /// The session.
    pub session: Session,
    /// What the user calls it, if it is an API token.
    pub token_name: Option<TokenName>,
    /// The revision of the password that was verified, if it was one: a session must not come of a password that was
    /// replaced while it was being verified.
    pub password_revision: Option<i64>,
    /// The longest lifetime of an owner's API token, in seconds: the user may have become an owner after the lifetime was
    /// checked. None: there is no limit.
    pub owner_limit_s: Option<i64>,
    /// Now.
    pub at: DateTime<Utc>,
}
