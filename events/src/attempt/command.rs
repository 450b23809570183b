//! What may be asked of a day's attempts: to be recorded.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{Action, RefusalReason, ResourceType};

/// A wish, which is never refused.
#[derive(Debug, Clone, PartialEq)]
pub enum AttemptCommand {
    /// Record an attempt, as often as it was made.
    RecordRefusal {
        /// What was tried.
        attempt: RefusedAttempt,
        /// How often.
        times: u32,
    },
    /// Record attempts that were too many to be told one by one.
    RecordUnlisted {
        /// What they have in common.
        attempts: UnlistedAttempts,
        /// How many.
        times: u32,
    },
    /// Record a made-up entry.
    RecordTestEntry(TestEntry),
}

/// What somebody tried and was not granted.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RefusedAttempt {
    /// What they wanted to do.
    pub action: Action,
    /// To what kind of thing.
    pub resource_type: ResourceType,
    /// To which one, if it is known. There is perhaps none of this identifier: what is asked for need not exist.
    pub resource_id: Option<Uuid>,
    /// As whom they tried to sign in, if there is such a user.
    pub user_id: Option<Uuid>,
    /// Where, if it was in an organisation.
    pub organization_id: Option<Uuid>,
    /// The status of the answer.
    pub status: u16,
    /// Why a sign-in was refused.
    pub reason: Option<RefusalReason>,
    /// The e-mail address that was tried and that nobody has.
    pub email: Option<String>,
}

/// What attempts that are only counted have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UnlistedAttempts {
    /// What they wanted to do.
    pub action: Action,
    /// To what kind of thing.
    pub resource_type: ResourceType,
    /// As whom they tried to sign in, if it is one user and there are not too many such users.
    pub user_id: Option<Uuid>,
    /// The status of the answers.
    pub status: u16,
}

/// An entry of the audit log that somebody made up, to test who reads it.
#[derive(Clone, PartialEq)]
pub struct TestEntry {
    /// What was not done.
    pub action: Action,
    /// To what kind of thing.
    pub resource_type: ResourceType,
    /// To which one.
    pub resource_id: Uuid,
    /// Where.
    pub organization_id: Option<Uuid>,
    /// The request that it claims to be of.
    pub request_id: Uuid,
    /// When it claims to have been.
    pub time: DateTime<Utc>,
    /// Whatever else.
    pub additional_fields: Value,
}

/// Without the e-mail address.
impl std::fmt::Debug for RefusedAttempt {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (action, resource_type) = (self.action.name(), self.resource_type.name());
        write!(
            formatter,
            "RefusedAttempt({action} {resource_type}, {})",
            self.status
        )
    }
}

/// Without what nobody has looked at.
impl std::fmt::Debug for TestEntry {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (action, resource_type) = (self.action.name(), self.resource_type.name());
        write!(formatter, "TestEntry({action} {resource_type})")
    }
}
