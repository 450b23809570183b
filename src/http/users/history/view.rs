//! An event of a user, as a person reads it.

use std::collections::HashMap;

use rollcall_events::{
    Actor, Event, Recorded,
    attempt::AttemptEvent,
    log::Unreadable,
    user::{LoginType, UserEvent},
};
use rollcall_projections::{audit::Place, history::Entry, users::FoundUser};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::{
    audit::{
        diff::{Change, Diff, diff},
        told::particulars,
    },
    timestamp::Timestamp,
};

/// Something that happened to a user.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HistoryEntry)]
pub struct EntryView {
    /// Names the entry. For callers who may read the audit log, the same as there.
    #[schema(example = "00064733-a5e0-8400-8000-000000000007")]
    pub id: Uuid,
    /// The event's position in the log; 0 unless the caller may read the audit log.
    #[schema(example = 7)]
    pub position: i64,
    /// Its place among the user's; 0 for a sign-in that was refused, which is none of theirs.
    #[schema(example = 1)]
    pub version: i64,
    /// When it was recorded.
    pub time: Timestamp,
    /// The type of the event.
    #[schema(example = "ProfileChanged")]
    pub kind: String,
    /// What happened, in words.
    #[schema(example = "changed the profile")]
    pub description: &'static str,
    /// `user:<id>`, `anonymous`, `operator` or `system`; `user` for another user, unless the caller may read the audit log.
    #[schema(example = "operator")]
    pub actor: String,
    /// What the actor is called now; empty if that is not known, or none of the caller's business.
    #[schema(example = "ada")]
    pub actor_name: String,
    /// How they had proven who they are; empty for those who need not. Of another user's session it says only that it was
    /// one, unless the caller may read the audit log.
    #[schema(example = "session:5MIg5lSmNi")]
    pub authentication: String,
    /// Where the request came from; empty if it is not known, was erased, or is none of the caller's business.
    #[schema(example = "192.0.2.7")]
    pub ip: String,
    /// What the client said it was.
    #[schema(example = "curl/8.5.0")]
    pub user_agent: String,
    /// What changed.
    #[schema(value_type = std::collections::BTreeMap<String, Change>)]
    pub diff: Diff,
    /// Whatever else there is to tell.
    #[schema(value_type = Object, example = json!({ "cause": "administrator" }))]
    pub additional_fields: Map<String, Value>,
    /// The request that it came of, with all that came of that.
    pub request_id: Uuid,
    /// What directly caused it: the request, or an earlier command.
    pub causation_id: Uuid,
    /// The command that it was.
    pub command_id: Uuid,
    /// Why the event cannot be read. What can be read of it is here, and everything else is empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "its payload is not JSON")]
    pub unreadable: Option<String>,
}

impl EntryView {
    /// The entry, by an actor who may be among those people.
    #[must_use]
    pub fn new(entry: &Entry, people: &HashMap<Uuid, FoundUser>) -> Self {
        match &entry.recorded {
            Ok(recorded) => Self::of(entry, recorded, people),
            Err(unreadable) => Self {
                unreadable: Some(unreadable.reason()),
                ..match &unreadable.legible {
                    Some(legible) => Self::of(entry, legible, people),
                    None => Self::without_content(unreadable),
                }
            },
        }
    }

    fn without_content(unreadable: &Unreadable) -> Self {
        let place = Place {
            at: unreadable.recorded_at,
            position: unreadable.position,
        };
        Self {
            id: place.id(),
            position: unreadable.position,
            version: if unreadable.aggregate_type == "user" {
                unreadable.version
            } else {
                0
            },
            time: Timestamp(unreadable.recorded_at),
            kind: unreadable.event_type.clone(),
            description: "did something that cannot be read",
            actor: String::new(),
            actor_name: String::new(),
            authentication: String::new(),
            ip: String::new(),
            user_agent: String::new(),
            diff: Diff::new(),
            additional_fields: Map::new(),
            request_id: Uuid::nil(),
            causation_id: Uuid::nil(),
            command_id: Uuid::nil(),
            unreadable: None,
        }
    }

    fn of(entry: &Entry, recorded: &Recorded, people: &HashMap<Uuid, FoundUser>) -> Self {
        let Recorded {
            position,
            version,
            event,
            metadata,
            recorded_at,
            stream: _,
        } = recorded;
        let place = Place {
            at: *recorded_at,
            position: *position,
        };
        let actor = metadata.actor.user().and_then(|id| people.get(&id));
        let origin = metadata.origin.known();
        let ip = origin.and_then(|origin| origin.ip);
        Self {
            id: place.id(),
            position: *position,
            version: if matches!(event, Event::User(_)) {
                *version
            } else {
                0
            },
            time: Timestamp(*recorded_at),
            kind: event.event_type().to_owned(),
            description: description(event),
            actor: shown_actor(metadata.actor, true),
            actor_name: actor
                .and_then(|actor| actor.row.username.clone())
                .unwrap_or_default(),
            authentication: metadata.authentication.clone().unwrap_or_default(),
            ip: ip.map_or_else(String::new, |ip| ip.to_string()),
            user_agent: origin.map_or_else(String::new, |origin| origin.user_agent.clone()),
            diff: diff(recorded, entry.before.as_ref(), entry.after.as_ref()),
            additional_fields: particulars(event),
            request_id: metadata.correlation_id,
            causation_id: metadata.causation_id,
            command_id: metadata.command_id,
            unreadable: None,
        }
    }

    /// The same, for a caller who is not told which other user it was, by which session and from where.
    #[must_use]
    pub fn of_another(self) -> Self {
        let is_user = self.actor.starts_with("user:");
        Self {
            actor: if is_user { USER.to_owned() } else { self.actor },
            authentication: shown_authentication(Some(self.authentication), false),
            ip: String::new(),
            user_agent: String::new(),
            ..self
        }
    }
}

/// A user whose identifier is not shown.
const USER: &str = "user";

/// An actor, as it is shown to callers who may see which user it was, and to others.
#[must_use]
pub fn shown_actor(actor: Actor, sees_user: bool) -> String {
    match actor {
        Actor::User(_) if !sees_user => USER.to_owned(),
        actor => actor.to_string(),
    }
}

/// How an actor had proven who they are, without the identifier of the session for callers who may not see it.
#[must_use]
pub fn shown_authentication(authentication: Option<String>, sees_session: bool) -> String {
    let mut shown = authentication.unwrap_or_default();
    if !sees_session && let Some(kind) = shown.find(':') {
        shown.truncate(kind);
    }
    shown
}

/// What was done, as it goes on after a name.
fn description(event: &Event) -> &'static str {
    let event = match event {
        Event::User(event) => event,
        Event::Attempt(AttemptEvent::AttemptsNotListed { .. }) => {
            return "tried to sign in, more often than is listed, and was refused";
        }
        Event::Attempt(_) => return "tried to sign in, and was refused",
        Event::Organization(_) => return "",
    };
    match event {
        UserEvent::UserCreated { .. } => "created the user",
        UserEvent::ProfileChanged { .. } => "changed the profile",
        UserEvent::RolesAssigned { .. } => "assigned roles",
        UserEvent::UserSuspended {} => "suspended the user",
        UserEvent::UserActivated { .. } => "activated the user",
        UserEvent::UserDeleted {} => "deleted the user",
        UserEvent::UserErased {} => "erased the person",
        UserEvent::PasswordChanged { .. } => "changed the password; all sessions ended",
        UserEvent::IdentityLinked { .. } => "linked an account at a provider",
        UserEvent::IdentityUnlinked {} => "unlinked the account at the provider",
        UserEvent::LoginTypeChanged { .. } => "changed the way of signing in; all sessions ended",
        UserEvent::PasswordRehashed { .. } => "had the password hashed anew",
        UserEvent::SessionStarted { session, .. } => match session.login_type {
            LoginType::Token => "made a token",
            _ => "began a session",
        },
        UserEvent::SessionEnded { .. } => "ended a session",
        UserEvent::SessionShortened { .. } => "made a session end earlier",
        UserEvent::SessionsExpired { .. } => "found sessions past their end",
        UserEvent::OrganizationJoined { .. } => "added the user to an organization",
        UserEvent::OrganizationLeft { .. } => "removed the user from an organization",
        UserEvent::OrganizationRolesAssigned { .. } => "assigned roles in an organization",
    }
}
