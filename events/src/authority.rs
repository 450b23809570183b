//! On whose authority a command is executed: the metadata of its events, and what its actor must be allowed at the
//! command's position in the log.
//!
//! A command cannot be given without one, and of a user's there is none without a [`Requirement`]: no endpoint can
//! forget it.

use uuid::Uuid;

use crate::{Actor, Metadata, permissions::Requirement};

/// Who gives a command, and what they must be allowed.
#[derive(Debug, Clone)]
pub struct Authority {
    metadata: Metadata,
    requirement: Option<Requirement>,
}

impl Authority {
    /// A user's, who must meet the requirement when the command is decided.
    #[must_use]
    pub fn user(user: Uuid, requirement: Requirement, metadata: Metadata) -> Self {
        Self {
            requirement: Some(requirement),
            ..Self::of(Actor::User(user), metadata)
        }
    }

    /// That of a client that has not signed in. What it may do depends on the command alone.
    #[must_use]
    pub fn anonymous(metadata: Metadata) -> Self {
        Self::of(Actor::Anonymous, metadata)
    }

    /// That of a person with access to the database, by the command line: they may do everything.
    #[must_use]
    pub fn operator(metadata: Metadata) -> Self {
        Self::of(Actor::Operator, metadata)
    }

    /// Rollcall's own.
    #[must_use]
    pub fn system(metadata: Metadata) -> Self {
        Self::of(Actor::System, metadata)
    }

    /// Rollcall's own, to record what the actor of the metadata attempted and was refused. The record is true whatever
    /// the actor may do by then.
    #[must_use]
    pub fn on_record(metadata: Metadata) -> Self {
        Self::of(metadata.actor, metadata)
    }

    fn of(actor: Actor, metadata: Metadata) -> Self {
        Self {
            metadata: Metadata { actor, ..metadata },
            requirement: None,
        }
    }

    /// What the command's events say of who gave it.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The same authority, for the command of this identifier that the given one causes.
    #[must_use]
    pub fn following(mut self, command_id: Uuid) -> Self {
        self.metadata.causation_id = self.metadata.command_id;
        self.metadata.command_id = command_id;
        self
    }

    /// The user who gives the command, and what they must be allowed.
    pub(crate) fn requirement(&self) -> Option<(Uuid, &Requirement)> {
        self.metadata.actor.user().zip(self.requirement.as_ref())
    }
}
