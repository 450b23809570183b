//! What is known of attempts. The log outlives this code: a shape that was written is never changed, only succeeded by
//! one with a higher schema version and an upcaster.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{Action, RefusalReason, ResourceType};
use crate::personal::{Personal, PersonalField};

/// A fact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum AttemptEvent {
    /// Somebody tried what was not granted.
    AttemptRefused {
        /// What they wanted to do.
        action: Action,
        /// To what kind of thing.
        resource_type: ResourceType,
        /// To which one, if it is known. There is perhaps none of this identifier: what is asked for need not exist.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resource_id: Option<Uuid>,
        /// As whom they tried to sign in, if there is such a user.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user_id: Option<Uuid>,
        /// Where, if it was in an organisation.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        organization_id: Option<Uuid>,
        /// The status of the answer.
        status: u16,
        /// Why a sign-in was refused.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<RefusalReason>,
        /// How often they tried, within a minute or an hour.
        times: u32,
        /// The e-mail address that was tried and that nobody has.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        email: Option<Personal<String>>,
    },
    /// There were more attempts than can be told one by one.
    AttemptsNotListed {
        /// What they wanted to do.
        action: Action,
        /// To what kind of thing.
        resource_type: ResourceType,
        /// As whom they tried to sign in, if it was one user.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user_id: Option<Uuid>,
        /// The status of the answers.
        status: u16,
        /// How many there were, within a minute or an hour, besides those that are listed.
        times: u32,
    },
    /// Somebody made up an entry, to test who reads the audit log.
    TestEntryMade {
        /// What was not done.
        action: Action,
        /// To what kind of thing.
        resource_type: ResourceType,
        /// To which one.
        resource_id: Uuid,
        /// Where.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        organization_id: Option<Uuid>,
        /// The request that it claims to be of.
        request_id: Uuid,
        /// When it claims to have been.
        time: DateTime<Utc>,
        /// Whatever else: nobody knows what is in there.
        additional_fields: Personal<Value>,
    },
}

impl AttemptEvent {
    /// The shape that this code writes.
    pub const SCHEMA_VERSION: i32 = 1;

    /// The types of these events, as the log names them.
    pub const NAMES: [&'static str; 3] = ["AttemptRefused", "AttemptsNotListed", "TestEntryMade"];

    /// The event's type, as the log names it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::AttemptRefused { .. } => "AttemptRefused",
            Self::AttemptsNotListed { .. } => "AttemptsNotListed",
            Self::TestEntryMade { .. } => "TestEntryMade",
        }
    }

    /// The personal data in the event.
    pub fn personal(&mut self) -> Option<&mut dyn PersonalField> {
        match self {
            Self::AttemptRefused { email, .. } => {
                email.as_mut().map(|email| email as &mut dyn PersonalField)
            }
            Self::TestEntryMade {
                additional_fields, ..
            } => Some(additional_fields),
            Self::AttemptsNotListed { .. } => None,
        }
    }

    /// As whom somebody tried to sign in, if there is such a user.
    #[must_use]
    pub fn user(&self) -> Option<Uuid> {
        match self {
            Self::AttemptRefused { user_id, .. } | Self::AttemptsNotListed { user_id, .. } => {
                *user_id
            }
            Self::TestEntryMade { .. } => None,
        }
    }
}
