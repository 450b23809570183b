//! Events for tests.

use chrono::{DateTime, Utc};
use rollcall_events::{
    Event, Metadata, Personal, Recorded,
    user::{
        DisplayName, EmailAddress, LoginType, Person, Role, Scope, SecretHash, Session, SessionId,
        Status, UserEvent, Username,
    },
};
use uuid::Uuid;

pub(crate) const ADA: Uuid = Uuid::from_u128(0xada);
pub(crate) const BOB: Uuid = Uuid::from_u128(0xb0b);
pub(crate) const HOME: Uuid = Uuid::from_u128(0x40e);

/// The event of that version, which was recorded as many seconds after [`at`] zero.
pub(crate) fn recorded(stream: Uuid, version: i64, event: impl Into<Event>) -> Recorded {
    Recorded {
        position: version,
        stream,
        version,
        event: event.into(),
        metadata: Metadata::system(Uuid::nil()),
        recorded_at: at(version),
    }
}

pub(crate) fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
}

pub(crate) fn person(username: &str) -> Person {
    Person {
        email: EmailAddress::parse(&format!("{username}@Example.com")).unwrap(),
        username: Username::parse(username).unwrap(),
        name: DisplayName::parse("Somebody").unwrap(),
        avatar_url: String::new(),
    }
}

pub(crate) fn created(person: Personal<Person>) -> UserEvent {
    UserEvent::UserCreated {
        person,
        login_type: LoginType::Password,
        status: Status::Dormant,
        roles: [Role::Auditor, Role::Owner].into(),
        organizations: vec![HOME],
        password_scheme: None,
    }
}

pub(crate) fn session_started(id: &str) -> UserEvent {
    UserEvent::SessionStarted {
        session: Session {
            id: SessionId(id.to_owned()),
            secret_sha256: SecretHash([7; 32]),
            login_type: LoginType::Password,
            scope: Scope::All,
            lifetime_s: 86_400,
            expires_at: at(86_400),
            ends_at: at(2_592_000),
        },
        token_name: None,
    }
}
