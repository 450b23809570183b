//! One entry of the index.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Kind, Place};

/// A row of `read.audit`: what an entry is found by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// When it was.
    pub at: DateTime<Utc>,
    /// The position of the event that it tells of.
    pub position: i64,
    /// What was done to what.
    pub kind: Kind,
    /// Who did it; of a refused sign-in, whose account it was about.
    pub user_id: Option<Uuid>,
    /// To which one.
    pub resource_id: Option<Uuid>,
    /// Where.
    pub organization_id: Option<Uuid>,
    /// By which request.
    pub request_id: Uuid,
}

impl AuditRow {
    /// Its place in the list.
    #[must_use]
    pub fn place(&self) -> Place {
        Place {
            at: self.at,
            position: self.position,
        }
    }
}
