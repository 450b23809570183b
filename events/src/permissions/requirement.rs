//! What the actor of a command must be allowed.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::{Action, NotAllowed, Object, Subject};
use crate::user::{Account, Role, SessionId};

/// What the actor of a command must be allowed, at the command's position in the log: to be there at all, and then each
/// check in turn. The first that fails says how the command is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    pub(super) credential: Credential,
    pub(super) checks: Vec<Check>,
}

/// How the actor has proven who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Credential {
    /// By a session or token, which must not have ended.
    Session(SessionId),
    /// By a password or a provider, just now: good for commands about themselves only.
    SignIn,
    /// By a provider, and the command creates them.
    SignUp,
}

/// Something that the actor must be allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Check {
    /// An action, by the table.
    Permission {
        action: Action,
        object: Object,
        refusal: NotAllowed,
    },
    /// To manage this user: no site role of theirs is beyond the actor.
    Rank { user: Uuid },
    /// To change whether this user is a member of this organization, or their roles there.
    MembershipRank {
        user: Uuid,
        organization: Uuid,
        action: Action,
        object: Object,
    },
    /// To create a user with these site roles.
    Assign { roles: BTreeSet<Role> },
    /// To replace this user's site roles by these.
    ChangeRoles { user: Uuid, to: BTreeSet<Role> },
}

impl Requirement {
    /// The session has not ended, and its user is neither suspended nor deleted.
    #[must_use]
    pub fn session(id: SessionId) -> Self {
        Self::of(Credential::Session(id))
    }

    /// The user is neither suspended nor deleted, and the command is about themselves: they have just proven who they
    /// are, and have no session yet.
    #[must_use]
    pub fn sign_in() -> Self {
        Self::of(Credential::SignIn)
    }

    /// The user does not exist yet: the command creates them.
    #[must_use]
    pub fn sign_up() -> Self {
        Self::of(Credential::SignUp)
    }

    fn of(credential: Credential) -> Self {
        Self {
            credential,
            checks: Vec::new(),
        }
    }

    /// And the actor may do this; otherwise they are told so.
    #[must_use]
    pub fn allows(self, action: Action, object: Object) -> Self {
        self.and(Check::Permission {
            action,
            object,
            refusal: NotAllowed::Forbidden,
        })
    }

    /// And the actor may do this; otherwise the command is refused as if there were no such object.
    #[must_use]
    pub fn allows_or_hides(self, action: Action, object: Object) -> Self {
        self.and(Check::Permission {
            action,
            object,
            refusal: NotAllowed::Hidden,
        })
    }

    /// And the actor sees this user; otherwise the command is refused as if there were no such user.
    #[must_use]
    pub fn sees(self, user: Uuid) -> Self {
        self.allows_or_hides(Action::Read, Object::user(user))
    }

    /// And the actor could assign each site role that this user has, or is this user.
    #[must_use]
    pub fn outranks(self, user: Uuid) -> Self {
        self.and(Check::Rank { user })
    }

    /// And the actor may do this to a member of an organization: by a role there, if they could assign each role that
    /// the member has there; by a site role, if they could assign each site role that the member has.
    #[must_use]
    pub fn manages_member(
        self,
        organization: Uuid,
        user: Uuid,
        action: Action,
        object: Object,
    ) -> Self {
        self.and(Check::MembershipRank {
            user,
            organization,
            action,
            object,
        })
    }

    /// And the actor may give a new user these site roles.
    #[must_use]
    pub fn assigns(self, roles: BTreeSet<Role>) -> Self {
        self.and(Check::Assign { roles })
    }

    /// And the actor may replace the site roles that this user has, whichever they are, by these.
    #[must_use]
    pub fn changes_roles(self, user: Uuid, to: BTreeSet<Role>) -> Self {
        self.and(Check::ChangeRoles { user, to })
    }

    fn and(mut self, check: Check) -> Self {
        self.checks.push(check);
        self
    }

    /// The session by which the actor comes.
    #[must_use]
    pub fn session_id(&self) -> Option<&SessionId> {
        match &self.credential {
            Credential::Session(id) => Some(id),
            Credential::SignIn | Credential::SignUp => None,
        }
    }

    /// The users besides the actor whose roles decide.
    pub fn targets(&self) -> impl Iterator<Item = Uuid> {
        self.checks.iter().filter_map(|check| match check {
            Check::Rank { user }
            | Check::MembershipRank { user, .. }
            | Check::ChangeRoles { user, .. } => Some(*user),
            Check::Permission { .. } | Check::Assign { .. } => None,
        })
    }
}

impl Check {
    /// Judges it. `target` finds the users whom it names, as far as they exist.
    pub(super) fn judge<'a>(
        &self,
        subject: &Subject,
        target: impl Fn(Uuid) -> Option<&'a Account>,
    ) -> Result<(), NotAllowed> {
        let roles_of = |user: Uuid| target(user).map(|account| &account.roles);
        let (is_met, refusal) = match self {
            Self::Permission {
                action,
                object,
                refusal,
            } => (subject.may(*action, object), *refusal),
            Self::Rank { user } => {
                let is_met = roles_of(*user).is_none_or(|roles| subject.outranks(*user, roles));
                (is_met, NotAllowed::Forbidden)
            }
            Self::MembershipRank {
                user,
                organization,
                action,
                object,
            } => {
                let is_met = target(*user).is_none_or(|account| {
                    subject.may_manage_member(*organization, *user, account, *action, object)
                });
                (is_met, NotAllowed::Forbidden)
            }
            Self::Assign { roles } => {
                let is_met = roles.iter().all(|role| subject.may_assign(*role));
                (is_met, NotAllowed::Forbidden)
            }
            Self::ChangeRoles { user, to } => {
                let is_met = roles_of(*user).is_none_or(|from| subject.may_change_roles(from, to));
                (is_met, NotAllowed::Forbidden)
            }
        };
        if is_met { Ok(()) } else { Err(refusal) }
    }
}
