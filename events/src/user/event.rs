//! What happens to a user. The log outlives this code: a shape that was written is never changed, only succeeded by
//! one with a higher schema version and an upcaster.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    ActivationCause, EndReason, LoginType, Person, ProfileChange, Role, Session, SessionId, Status,
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
    /// The password's hash was renewed under other parameters.
    PasswordRehashed {
        /// Algorithm and cost.
        scheme: String,
    },
    /// The user signed in.
    SessionStarted {
        /// The session, its secret hashed.
        session: Session,
    },
    /// A session ended before its time.
    SessionEnded {
        /// Which.
        session_id: SessionId,
        /// Why.
        reason: EndReason,
    },
    /// Sessions were found to be past their end.
    SessionsExpired {
        /// Which.
        session_ids: Vec<SessionId>,
    },
}

impl UserEvent {
    /// The shape that this code writes.
    pub const SCHEMA_VERSION: i32 = 1;

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
            Self::PasswordRehashed { .. } => "PasswordRehashed",
            Self::SessionStarted { .. } => "SessionStarted",
            Self::SessionEnded { .. } => "SessionEnded",
            Self::SessionsExpired { .. } => "SessionsExpired",
        }
    }

    /// The personal data in the event.
    pub fn personal(&mut self) -> Option<&mut dyn PersonalField> {
        match self {
            Self::UserCreated { person, .. } => Some(person),
            Self::ProfileChanged { change } => Some(change),
            Self::RolesAssigned { .. }
            | Self::UserSuspended {}
            | Self::UserActivated { .. }
            | Self::UserDeleted {}
            | Self::UserErased {}
            | Self::PasswordRehashed { .. }
            | Self::SessionStarted { .. }
            | Self::SessionEnded { .. }
            | Self::SessionsExpired { .. } => None,
        }
    }
}
