//! What happens to a user. The log outlives this code: a shape that was written is never changed, only succeeded by
//! one with a higher schema version and an upcaster.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    ActivationCause, EndReason, Identity, LoginType, OrganizationRole, Person, ProfileChange, Role,
    Session, SessionId, Status, TokenName,
};
use crate::personal::{Personal, PersonalField};

/// A fact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum UserEvent {
    /// The user came to be.
    UserCreated {
        /// Who it is.
        person: Personal<Person>,
        /// How they sign in.
        login_type: LoginType,
        /// Active or dormant.
        status: Status,
        /// Roles in the whole service.
        roles: BTreeSet<Role>,
        /// The organisations that they belong to.
        organizations: Vec<Uuid>,
        /// Algorithm and cost of the password's hash, if there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password_scheme: Option<String>,
    },
    /// The profile changed.
    ProfileChanged {
        /// What is new.
        change: Personal<ProfileChange>,
    },
    /// The user's roles are now these.
    RolesAssigned {
        /// All of them.
        roles: BTreeSet<Role>,
    },
    /// The user may not come in any more.
    UserSuspended {},
    /// The user may come in.
    UserActivated {
        /// Why.
        cause: ActivationCause,
    },
    /// The user is gone, with all sessions; the names are free.
    UserDeleted {},
    /// The person was forgotten: the key to all personal data of this stream is destroyed.
    UserErased {},
    /// The user has another password; all sessions and tokens ended.
    PasswordChanged {
        /// Algorithm and cost of its hash.
        scheme: String,
    },
    /// The user is known by an account at a provider.
    IdentityLinked {
        /// The provider.
        provider: LoginType,
        /// The account there.
        identity: Personal<Identity>,
    },
    /// The user is known by no account at a provider any more.
    IdentityUnlinked {},
    /// The user signs in in another way; all sessions and tokens ended.
    LoginTypeChanged {
        /// How.
        login_type: LoginType,
        /// Algorithm and cost of the password's hash, if it is by password now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password_scheme: Option<String>,
    },
    /// The password's hash was renewed under other parameters.
    PasswordRehashed {
        /// Algorithm and cost.
        scheme: String,
    },
    /// The user signed in, or made a token.
    SessionStarted {
        /// The session, its secret hashed.
        session: Session,
        /// What the user calls the token.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token_name: Option<Personal<TokenName>>,
    },
    /// A session ended before its time.
    SessionEnded {
        /// Which.
        session_id: SessionId,
        /// Why.
        reason: EndReason,
    },
    /// A session was made to end earlier.
    SessionShortened {
        /// Which.
        session_id: SessionId,
        /// When it ends now.
        ends_at: DateTime<Utc>,
    },
    /// Sessions were past their end. Older versions recorded this; the end of a session follows from its start, so
    /// nothing records it any more.
    SessionsExpired {
        /// Which.
        session_ids: Vec<SessionId>,
    },
    /// The user came to belong to an organisation.
    OrganizationJoined {
        /// Which.
        organization_id: Uuid,
    },
    /// The user belongs to an organisation no more.
    OrganizationLeft {
        /// Which.
        organization_id: Uuid,
    },
    /// The user's roles in an organisation are now these.
    OrganizationRolesAssigned {
        /// Which.
        organization_id: Uuid,
        /// All of them.
        roles: BTreeSet<OrganizationRole>,
    },
}

impl UserEvent {
    /// The shape that this code writes.
    pub const SCHEMA_VERSION: i32 = 1;

    /// The types of these events, as the log names them.
    pub const NAMES: [&'static str; 19] = [
        "UserCreated",
        "ProfileChanged",
        "RolesAssigned",
        "UserSuspended",
        "UserActivated",
        "UserDeleted",
        "UserErased",
        "PasswordChanged",
        "IdentityLinked",
        "IdentityUnlinked",
        "LoginTypeChanged",
        "PasswordRehashed",
        "SessionStarted",
        "SessionEnded",
        "SessionShortened",
        "SessionsExpired",
        "OrganizationJoined",
        "OrganizationLeft",
        "OrganizationRolesAssigned",
    ];

    /// The event's type, as the log names it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::UserCreated { .. } => "UserCreated",
            Self::ProfileChanged { .. } => "ProfileChanged",
            Self::RolesAssigned { .. } => "RolesAssigned",
            Self::UserSuspended {} => "UserSuspended",
            Self::UserActivated { .. } => "UserActivated",
            Self::UserDeleted {} => "UserDeleted",
            Self::UserErased {} => "UserErased",
            Self::PasswordChanged { .. } => "PasswordChanged",
            Self::IdentityLinked { .. } => "IdentityLinked",
            Self::IdentityUnlinked {} => "IdentityUnlinked",
            Self::LoginTypeChanged { .. } => "LoginTypeChanged",
            Self::PasswordRehashed { .. } => "PasswordRehashed",
            Self::SessionStarted { .. } => "SessionStarted",
            Self::SessionEnded { .. } => "SessionEnded",
            Self::SessionShortened { .. } => "SessionShortened",
            Self::SessionsExpired { .. } => "SessionsExpired",
            Self::OrganizationJoined { .. } => "OrganizationJoined",
            Self::OrganizationLeft { .. } => "OrganizationLeft",
            Self::OrganizationRolesAssigned { .. } => "OrganizationRolesAssigned",
        }
    }

    /// The personal data in the event.
    pub fn personal(&mut self) -> Option<&mut dyn PersonalField> {
        match self {
            Self::UserCreated { person, .. } => Some(person),
            Self::ProfileChanged { change } => Some(change),
            Self::IdentityLinked { identity, .. } => Some(identity),
            Self::SessionStarted { token_name, .. } => token_name
                .as_mut()
                .map(|name| name as &mut dyn PersonalField),
            Self::RolesAssigned { .. }
            | Self::UserSuspended {}
            | Self::UserActivated { .. }
            | Self::UserDeleted {}
            | Self::UserErased {}
            | Self::PasswordChanged { .. }
            | Self::IdentityUnlinked {}
            | Self::LoginTypeChanged { .. }
            | Self::PasswordRehashed { .. }
            | Self::SessionEnded { .. }
            | Self::SessionShortened { .. }
            | Self::SessionsExpired { .. }
            | Self::OrganizationJoined { .. }
            | Self::OrganizationLeft { .. }
            | Self::OrganizationRolesAssigned { .. } => None,
        }
    }
}
