//! A log as it would be after some time: users come, sign in and out, change their names, and all that is personal is sealed.
//! Copied in, which is faster than living through it.

use chrono::{DateTime, TimeDelta, Utc};
use rollcall_events::{
    Actor, Event, Metadata, Origin, Personal,
    copy::{END, HEADER},
    ids::Ids,
    log::{Frontier, RawEvent},
    organization::{OrganizationEvent, OrganizationName},
    user::{
        DisplayName, EmailAddress, EndReason, LoginType, Person, ProfileChange, Scope, SecretHash,
        Session, SessionId, Status, UserEvent, Username,
    },
    vault::{Place, SubjectKey, Vault, VaultWrite, seal},
};
use sqlx::PgConnection;
use uuid::Uuid;

/// Rows are sent in pieces of about this size.
const PIECE_BYTES: usize = 1 << 20;

/// Somebody, and how far their stream is.
struct Somebody {
    id: Uuid,
    key: SubjectKey,
    version: i64,
    session: Option<SessionId>,
}

/// What is to be made.
pub struct Plot {
    /// So many events,
    pub events: usize,
    /// of so many users,
    pub users: usize,
    /// who come evenly over so many events.
    pub coming: usize,
    /// Of ten events between, so many change a profile; the others begin and end sessions.
    pub changes: u64,
}

/// Writes such a log, with the keys that open it.
pub async fn generate(conn: &mut PgConnection, vault: &Vault, plot: Plot) {
    let people = people(conn, vault, plot.users).await;
    let events = plot.events;
    let mut log = Log::new(people, plot);
    let mut into = conn
        .copy_in_raw(
            "COPY log.events (position, aggregate_type, aggregate_id, version, event_type, schema_version, payload
                            , metadata, recorded_at) FROM STDIN (FORMAT binary)",
        )
        .await
        .unwrap();
    let mut piece = HEADER.to_vec();
    for nth in 0..events {
        let raw = log.next(nth);
        row_of(&raw, &mut piece);
        if piece.len() > PIECE_BYTES {
            into.send(std::mem::take(&mut piece)).await.unwrap();
        }
    }
    piece.extend(END);
    into.send(piece).await.unwrap();
    into.finish().await.unwrap();
    sqlx::query("UPDATE log.head SET position = $1, frontier = $2, recorded_at = $3")
        .bind(log.position)
        .bind(log.frontier.to_bytes())
        .bind(log.now)
        .execute(&mut *conn)
        .await
        .unwrap();
    sqlx::query("ANALYZE log.events")
        .execute(conn)
        .await
        .unwrap();
}

async fn people(conn: &mut PgConnection, vault: &Vault, users: usize) -> Vec<Somebody> {
    let mut people = Vec::with_capacity(users);
    let mut rows = HEADER.to_vec();
    for _ in 0..users {
        let id = Ids.uuid();
        let (key, VaultWrite::Key { wrapped, .. }) = vault.new_key(id) else {
            unreachable!("a new key is written as one");
        };
        rows.extend(4_i16.to_be_bytes());
        field(&mut rows, id.as_bytes());
        field(&mut rows, wrapped.master_key_id.as_bytes());
        field(&mut rows, &wrapped.wrapped);
        field(&mut rows, &0_i64.to_be_bytes());
        people.push(Somebody {
            id,
            key,
            version: 0,
            session: None,
        });
    }
    rows.extend(END);
    let mut into = conn
        .copy_in_raw("COPY vault.subject_keys FROM STDIN (FORMAT binary)")
        .await
        .unwrap();
    into.send(rows).await.unwrap();
    into.finish().await.unwrap();
    people
}

struct Log {
    plot: Plot,
    people: Vec<Somebody>,
    home: Uuid,
    created: usize,
    position: i64,
    now: DateTime<Utc>,
    frontier: Frontier,
}

impl Log {
    fn new(people: Vec<Somebody>, plot: Plot) -> Self {
        Self {
            plot,
            people,
            home: Ids.uuid(),
            created: 0,
            position: 0,
            now: "2025-01-01T00:00:00Z".parse().unwrap(),
            frontier: Frontier::default(),
        }
    }

    /// Each event that is no coming is about somebody who is there.
    fn next(&mut self, nth: usize) -> RawEvent {
        self.position += 1;
        self.now += TimeDelta::seconds(30);
        let raw = if nth == 0 {
            self.organization()
        } else if self.created * (self.plot.coming - 1) <= (nth - 1) * self.people.len()
            && self.created < self.people.len()
        {
            self.created += 1;
            let event = created(self.created, self.home);
            self.record(self.created - 1, event)
        } else {
            let who = usize::try_from(Ids.below(self.created as u64)).unwrap();
            let event = self.something(who);
            self.record(who, event)
        };
        self.frontier.push(raw.leaf());
        raw
    }

    fn organization(&self) -> RawEvent {
        let event = Event::from(OrganizationEvent::OrganizationCreated {
            name: OrganizationName::parse("home").unwrap(),
            display_name: String::new(),
            description: String::new(),
            icon: String::new(),
            is_default: true,
        });
        let metadata = serde_json::to_vec(&Metadata::system(Ids.uuid())).unwrap();
        self.raw(self.home, 1, &event, metadata)
    }

    fn something(&mut self, who: usize) -> UserEvent {
        let somebody = &mut self.people[who];
        if Ids.below(10) < self.plot.changes {
            return UserEvent::ProfileChanged {
                change: Personal::Known(ProfileChange {
                    name: Some(DisplayName::parse(&Ids.alphanumeric(14)).unwrap()),
                    ..ProfileChange::default()
                }),
            };
        }
        if let Some(session_id) = somebody.session.take() {
            UserEvent::SessionEnded {
                session_id,
                reason: EndReason::SignedOut,
            }
        } else {
            let id = SessionId(Ids.alphanumeric(10));
            somebody.session = Some(id.clone());
            UserEvent::SessionStarted {
                session: Session {
                    id,
                    secret_sha256: SecretHash(Ids.bytes()),
                    login_type: LoginType::Password,
                    scope: Scope::All,
                    lifetime_s: 86_400,
                    expires_at: self.now + TimeDelta::days(1),
                    ends_at: self.now + TimeDelta::days(30),
                },
                token_name: None,
            }
        }
    }

    fn record(&mut self, who: usize, event: UserEvent) -> RawEvent {
        let somebody = &mut self.people[who];
        somebody.version += 1;
        let (id, version) = (somebody.id, somebody.version);
        let mut event = Event::from(event);
        let mut metadata = Metadata {
            actor: Actor::User(id),
            authentication: Some("password".to_owned()),
            origin: Personal::Known(Origin {
                ip: Some([192, 0, 2, 7].into()),
                user_agent:
                    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
                        .to_owned(),
            }),
            ..Metadata::system(Ids.uuid())
        };
        let event_type = event.event_type();
        let place = |field| Place {
            stream: id,
            version,
            event_type,
            schema_version: 1,
            field,
        };
        if let Some(personal) = event.personal() {
            seal(personal, id, &somebody.key, &place("payload"), Ids).unwrap();
        }
        seal(
            &mut metadata.origin,
            id,
            &somebody.key,
            &place("origin"),
            Ids,
        )
        .unwrap();
        let metadata = serde_json::to_vec(&metadata).unwrap();
        self.raw(id, version, &event, metadata)
    }

    fn raw(&self, stream: Uuid, version: i64, event: &Event, metadata: Vec<u8>) -> RawEvent {
        RawEvent {
            position: self.position,
            aggregate_type: event.aggregate_type().to_owned(),
            aggregate_id: stream,
            version,
            event_type: event.event_type().to_owned(),
            schema_version: event.schema_version(),
            payload: serde_json::to_vec(event).unwrap(),
            metadata,
            recorded_at: self.now,
        }
    }
}

fn created(nth: usize, home: Uuid) -> UserEvent {
    UserEvent::UserCreated {
        person: Personal::Known(Person {
            email: EmailAddress::parse(&format!("somebody.{nth}@example.com")).unwrap(),
            username: Username::parse(&format!("somebody-{nth}")).unwrap(),
            name: DisplayName::parse(&format!("Somebody {nth}")).unwrap(),
            avatar_url: String::new(),
        }),
        login_type: LoginType::Password,
        status: Status::Active,
        roles: std::collections::BTreeSet::new(),
        organizations: vec![home],
        password_scheme: Some("argon2id,m=19456,t=2,p=1".to_owned()),
    }
}

fn row_of(raw: &RawEvent, bytes: &mut Vec<u8>) {
    bytes.extend(9_i16.to_be_bytes());
    field(bytes, &raw.position.to_be_bytes());
    field(bytes, raw.aggregate_type.as_bytes());
    field(bytes, raw.aggregate_id.as_bytes());
    field(bytes, &raw.version.to_be_bytes());
    field(bytes, raw.event_type.as_bytes());
    field(bytes, &raw.schema_version.to_be_bytes());
    field(bytes, &raw.payload);
    field(bytes, &raw.metadata);
    let micros = raw.recorded_at.timestamp_micros() - 946_684_800_000_000;
    field(bytes, &micros.to_be_bytes());
}

fn field(bytes: &mut Vec<u8>, value: &[u8]) {
    bytes.extend(i32::try_from(value.len()).unwrap().to_be_bytes());
    bytes.extend(value);
}
