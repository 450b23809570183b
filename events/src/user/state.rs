//! What a user is, as far as decisions need it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{LoginType, Person, Role, SessionId, Status};
use crate::personal::Personal;

/// A user's life: not yet, now, no more, forgotten.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub enum User {
    /// Nothing has happened in the stream.
    #[default]
    Absent,
    /// The user is here.
    Live(Account),
    /// The user is gone; the history stays.
    Deleted,
    /// The user is gone and the person forgotten.
    Erased,
}

/// A live user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// Who it is.
    pub person: Personal<Person>,
    /// How they sign in.
    pub login_type: LoginType,
    /// Whether they may.
    pub status: Status,
    /// Their roles in the whole service.
    pub roles: BTreeSet<Role>,
    /// The organisations that they belong to.
    pub organizations: Vec<Uuid>,
    /// Counts the hashes that the vault has held: 0 for a user without password.
    pub password_revision: i64,
    /// Sessions that have not ended, by when each ends at the latest.
    pub sessions: BTreeMap<SessionId, DateTime<Utc>>,
}
