//! The users whose status and roles decide about a batch of commands, as of a position in the log.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Requirement, Subject, requirement::Credential};
use crate::{
    Event, EventSourced, Recorded,
    user::{Account, OpenSession, Scope, SessionId, Status, User},
};

/// Users as of a position in the log, as far as permissions depend on them: the actors of commands, with the sessions
/// by which they come, and the users whom the commands are about.
#[derive(Debug, Default)]
pub struct Standings(HashMap<Uuid, User>);

/// Why an actor may not give a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NotAllowed {
    /// The actor is suspended.
    #[error("the account is suspended")]
    Suspended,
    /// The actor's session has ended, or the actor is deleted.
    #[error("the session has ended")]
    SignedOut,
    /// The actor's roles do not allow it.
    #[error("the actor's roles do not allow this")]
    Forbidden,
    /// The actor may not even know what the command is about.
    #[error("the actor may not see what the command is about")]
    Hidden,
}

impl Standings {
    /// These users, of whom nothing is known yet.
    #[must_use]
    pub fn of(users: &[Uuid]) -> Self {
        Self(users.iter().map(|id| (*id, User::Absent)).collect())
    }

    /// Learns how a user is.
    pub fn set(&mut self, id: Uuid, user: User) {
        self.0.insert(id, user);
    }

    /// Learns of a session by which a user comes, if the user is there.
    pub fn open_session(&mut self, user: Uuid, id: SessionId, session: OpenSession) {
        if let Some(User::Live(account)) = self.0.get_mut(&user) {
            account.sessions.insert(id, session);
        }
    }

    /// Takes the events in that come next in the log.
    pub fn observe(&mut self, events: &[Recorded]) {
        for recorded in events {
            if let Event::User(event) = &recorded.event
                && let Some(user) = self.0.get_mut(&recorded.stream)
            {
                user.evolve(event);
            }
        }
    }

    /// Judges whether the actor of a command about `stream` meets its requirement, at this time.
    ///
    /// # Errors
    /// The first reason why not.
    pub fn judge(
        &self,
        actor: Uuid,
        requirement: &Requirement,
        stream: Uuid,
        at: DateTime<Utc>,
    ) -> Result<(), NotAllowed> {
        let scope = match (&requirement.credential, self.account(actor)) {
            (Credential::SignUp, None) if stream == actor => return Ok(()),
            (Credential::Session(id), Some(account)) => {
                let session = account.sessions.get(id);
                let session = session.filter(|session| session.ends_at > at);
                session.ok_or(NotAllowed::SignedOut)?.scope
            }
            (Credential::SignIn, Some(_)) if stream == actor => Scope::All,
            _ => return Err(NotAllowed::SignedOut),
        };
        let account = self.account(actor).ok_or(NotAllowed::SignedOut)?;
        if account.status == Status::Suspended {
            return Err(NotAllowed::Suspended);
        }
        let subject = Subject::new(actor, account, scope);
        let mut checks = requirement.checks.iter();
        checks.try_for_each(|check| check.judge(&subject, |user| self.account(user)))
    }

    fn account(&self, user: Uuid) -> Option<&Account> {
        match self.0.get(&user)? {
            User::Live(account) => Some(account),
            User::Absent | User::Deleted | User::Erased => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use chrono::TimeDelta;

    use super::*;
    use crate::{
        Metadata,
        permissions::{
            Action, Object,
            tests::{ADA, BOB},
        },
        user::{LoginType, Role, UserEvent},
    };

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn session(id: &str) -> SessionId {
        SessionId(id.to_owned())
    }

    fn account(roles: &[Role], sessions: &[(&str, Scope)]) -> User {
        let mut account =
            Account::without_person(Status::Active, roles.iter().copied().collect(), Vec::new());
        let ends_at = NOW + TimeDelta::hours(1);
        account.sessions = sessions
            .iter()
            .map(|(id, scope)| {
                let open = OpenSession {
                    login_type: LoginType::Password,
                    scope: *scope,
                    ends_at,
                };
                (session(id), open)
            })
            .collect();
        User::Live(account)
    }

    fn standings(ada: &[Role], bob: &[Role]) -> Standings {
        let mut standings = Standings::of(&[ADA, BOB]);
        let sessions = [
            ("ada", Scope::All),
            ("elsewhere", Scope::ApplicationConnect),
        ];
        standings.set(ADA, account(ada, &sessions));
        standings.set(BOB, account(bob, &[]));
        standings
    }

    fn deletion() -> Requirement {
        Requirement::session(session("ada"))
            .sees(BOB)
            .allows(Action::Delete, Object::user(BOB))
            .outranks(BOB)
    }

    fn happens(standings: &mut Standings, stream: Uuid, event: UserEvent) {
        standings.observe(&[Recorded {
            position: 1,
            stream,
            version: 1,
            event: event.into(),
            metadata: Metadata::system(Uuid::nil()),
            recorded_at: NOW,
        }]);
    }

    #[test]
    fn what_earlier_commands_did_to_the_actor_or_the_target_decides() {
        use UserEvent::{RolesAssigned, SessionEnded, UserDeleted, UserSuspended};
        let roles = |roles: &[Role]| RolesAssigned {
            roles: roles.iter().copied().collect(),
        };
        let ended = SessionEnded {
            session_id: session("ada"),
            reason: crate::user::EndReason::Revoked,
        };
        for (whose, event, expected) in [
            (BOB, UserSuspended {}, Ok(())),
            (ADA, UserSuspended {}, Err(NotAllowed::Suspended)),
            (ADA, UserDeleted {}, Err(NotAllowed::SignedOut)),
            (ADA, ended, Err(NotAllowed::SignedOut)),
            (ADA, roles(&[]), Err(NotAllowed::Hidden)),
            (ADA, roles(&[Role::Auditor]), Err(NotAllowed::Forbidden)),
            (BOB, roles(&[Role::Owner]), Err(NotAllowed::Forbidden)),
        ] {
            let mut standings = standings(&[Role::UserAdmin], &[]);
            assert_eq!(standings.judge(ADA, &deletion(), BOB, NOW), Ok(()));
            happens(&mut standings, whose, event.clone());
            let judged = standings.judge(ADA, &deletion(), BOB, NOW);
            assert_eq!(judged, expected, "{event:?}");
        }
    }

    #[test]
    fn a_session_counts_only_until_its_end_and_within_its_scope() {
        let standings = standings(&[Role::Owner], &[]);
        let later = NOW + TimeDelta::hours(1);
        let judge = |requirement: &Requirement, at| standings.judge(ADA, requirement, BOB, at);
        assert_eq!(judge(&deletion(), NOW), Ok(()));
        assert_eq!(judge(&deletion(), later), Err(NotAllowed::SignedOut));
        let connection =
            Requirement::session(session("elsewhere")).allows(Action::Delete, Object::user(BOB));
        assert_eq!(judge(&connection, NOW), Err(NotAllowed::Forbidden));
        let unknown = Requirement::session(session("bob"));
        assert_eq!(judge(&unknown, NOW), Err(NotAllowed::SignedOut));
    }

    #[test]
    fn who_signs_in_or_up_gives_commands_about_themselves_only() {
        let standings = standings(&[Role::Owner], &[]);
        let judge = |requirement: &Requirement, stream| {
            let is_new = requirement == &Requirement::sign_up();
            let actor = if is_new { Uuid::from_u128(9) } else { ADA };
            standings.judge(actor, requirement, stream, NOW)
        };
        assert_eq!(judge(&Requirement::sign_in(), ADA), Ok(()));
        assert_eq!(
            judge(&Requirement::sign_in(), BOB),
            Err(NotAllowed::SignedOut)
        );
        let new = Uuid::from_u128(9);
        assert_eq!(judge(&Requirement::sign_up(), new), Ok(()));
        assert_eq!(
            judge(&Requirement::sign_up(), BOB),
            Err(NotAllowed::SignedOut)
        );
        let taken = standings.judge(ADA, &Requirement::sign_up(), ADA, NOW);
        assert_eq!(taken, Err(NotAllowed::SignedOut));
    }

    #[test]
    fn a_suspended_user_gives_no_command_whatever_it_requires() {
        let mut standings = standings(&[Role::Owner], &[]);
        happens(&mut standings, ADA, UserEvent::UserSuspended {});
        for requirement in [
            Requirement::session(session("ada")),
            Requirement::session(session("ada")).assigns(BTreeSet::new()),
            Requirement::sign_in(),
            deletion(),
        ] {
            let judged = standings.judge(ADA, &requirement, ADA, NOW);
            assert_eq!(judged, Err(NotAllowed::Suspended), "{requirement:?}");
        }
    }
}
