//! What a user is, as far as decisions need it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    LoginType, OrganizationRole, Person, Role, Scope, Session, SessionId, Status,
    decide::MOST_TOKENS,
};
use crate::personal::Personal;

/// How long sessions and API tokens can be looked at after their end, so that their owner sees why something stopped
/// working.
pub const ENDED_SESSIONS_KEPT: TimeDelta = TimeDelta::days(7);

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
    pub organizations: Vec<Membership>,
    /// Counts the hashes that the vault has held: 0 for a user without password.
    pub password_revision: i64,
    /// Whether they are known by an account at a provider.
    pub is_linked: bool,
    /// Sessions that have not ended.
    pub sessions: BTreeMap<SessionId, OpenSession>,
}

/// A user in an organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// Which.
    pub organization_id: Uuid,
    /// The roles there, beyond being a member.
    pub roles: BTreeSet<OrganizationRole>,
}

/// A session, as far as decisions need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenSession {
    /// How it came to be: API tokens are kept apart.
    pub login_type: LoginType,
    /// What it may be used for.
    pub scope: Scope,
    /// When it ends at the latest.
    pub ends_at: DateTime<Utc>,
}

impl User {
    /// How many hashes the vault has held.
    #[must_use]
    pub fn password_revision(&self) -> i64 {
        match self {
            Self::Live(account) => account.password_revision,
            Self::Absent | Self::Deleted | Self::Erased => 0,
        }
    }
}

impl Account {
    /// An account as far as permissions depend on it: without person, credentials and sessions.
    #[must_use]
    pub fn without_person(
        status: Status,
        roles: BTreeSet<Role>,
        organizations: Vec<Membership>,
    ) -> Self {
        Self {
            person: Personal::Erased,
            login_type: LoginType::None,
            status,
            roles,
            organizations,
            password_revision: 0,
            is_linked: false,
            sessions: BTreeMap::new(),
        }
    }

    /// Whether they are one of those without whom nobody could manage the service.
    #[must_use]
    pub fn is_active_owner(&self) -> bool {
        self.status == Status::Active && self.roles.contains(&Role::Owner)
    }

    /// Drops the sessions that had ended by `at`, so that the state stays small without an event for each end. Ended API
    /// tokens stay for [`ENDED_SESSIONS_KEPT`], because their owner can still delete them, but no more than
    /// [`MOST_TOKENS`] of them, because each costs a little at every decision.
    pub(super) fn forget_ended_sessions(&mut self, at: DateTime<Utc>) {
        self.sessions.retain(|_, open| {
            open.ends_at > at || (open.is_token() && at - open.ends_at < ENDED_SESSIONS_KEPT)
        });
        let mut ended: Vec<_> = self
            .sessions
            .iter()
            .filter(|(_, open)| open.ends_at <= at)
            .map(|(id, open)| (open.ends_at, id.clone()))
            .collect();
        let too_many = ended.len().saturating_sub(MOST_TOKENS);
        if too_many > 0 {
            ended.sort();
            for (_, id) in &ended[..too_many] {
                self.sessions.remove(id);
            }
        }
    }

    /// The user's place in an organisation.
    #[must_use]
    pub fn membership(&self, organization_id: Uuid) -> Option<&Membership> {
        self.organizations
            .iter()
            .find(|membership| membership.organization_id == organization_id)
    }
}

impl OpenSession {
    /// Whether it is an API token.
    #[must_use]
    pub fn is_token(&self) -> bool {
        self.login_type == LoginType::Token
    }
}

impl Membership {
    /// A plain member.
    #[must_use]
    pub fn new(organization_id: Uuid) -> Self {
        Self {
            organization_id,
            roles: BTreeSet::new(),
        }
    }
}

impl From<&Session> for OpenSession {
    fn from(session: &Session) -> Self {
        Self {
            login_type: session.login_type,
            scope: session.scope,
            ends_at: session.ends_at,
        }
    }
}
