//! The rules of a user, one test each, by subject; then what holds of every history, and what the log keeps for ever.
//! Here is what all of them are made of.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use cqrs_es::{
    Aggregate, DomainEvent,
    test::{AggregateTestExecutor, TestFramework},
};
use uuid::Uuid;

use super::*;
use crate::{Claim, Event, EventSourced, Personal};

mod claims;
mod creating;
mod gone;
mod histories;
mod identities;
mod organizations;
mod passwords;
mod profile;
mod recorded;
mod roles;
mod sessions;
mod snapshots;
mod states;
mod status;
mod tokens;

// Histories.

fn given(history: impl IntoIterator<Item = UserEvent>) -> AggregateTestExecutor<User> {
    TestFramework::<User>::with(()).given(history.into_iter().collect())
}

fn replayed(history: &[UserEvent]) -> User {
    let mut user = User::default();
    evolve_all(&mut user, history);
    user
}

fn evolve_all(user: &mut User, events: &[UserEvent]) {
    for event in events {
        EventSourced::evolve(user, event);
    }
}

#[track_caller]
fn live(history: &[UserEvent]) -> Account {
    match replayed(history) {
        User::Live(account) => account,
        gone => panic!("{gone:?} is not live"),
    }
}

/// The sessions and tokens that a live user has.
#[track_caller]
fn open_sessions(history: &[UserEvent]) -> Vec<String> {
    let sessions = live(history).sessions;
    sessions.into_keys().map(|SessionId(id)| id).collect()
}

fn suspended() -> Vec<UserEvent> {
    vec![created(), UserEvent::UserSuspended {}]
}

fn deleted() -> Vec<UserEvent> {
    vec![created(), started("A", 60), UserEvent::UserDeleted {}]
}

fn erased() -> Vec<UserEvent> {
    let mut history = deleted();
    history.push(UserEvent::UserErased {});
    history
}

// Events.

fn created() -> UserEvent {
    granted(ada())
}

fn created_as(person: Personal<Person>) -> UserEvent {
    let mut event = created();
    if let UserEvent::UserCreated { person: known, .. } = &mut event {
        *known = person;
    }
    event
}

fn created_dormant() -> UserEvent {
    granted(CreateUser {
        status: Status::Dormant,
        ..ada()
    })
}

fn created_without_password(login_type: LoginType) -> UserEvent {
    granted(without_password(login_type))
}

fn granted(wish: CreateUser) -> UserEvent {
    UserEvent::UserCreated {
        person: Personal::Known(wish.person),
        login_type: wish.login_type,
        status: wish.status,
        roles: wish.roles,
        organizations: wish.organizations,
        password_scheme: wish.password_scheme,
    }
}

fn changed(change: ProfileChange) -> UserEvent {
    UserEvent::ProfileChanged {
        change: Personal::Known(change),
    }
}

fn assigned<const N: usize>(roles: [Role; N]) -> UserEvent {
    UserEvent::RolesAssigned {
        roles: roles.into(),
    }
}

fn activated(cause: ActivationCause) -> UserEvent {
    UserEvent::UserActivated { cause }
}

fn password_changed() -> UserEvent {
    UserEvent::PasswordChanged {
        scheme: "argon2id".into(),
    }
}

fn rehashed() -> UserEvent {
    UserEvent::PasswordRehashed {
        scheme: "argon2id".into(),
    }
}

fn linked(subject: &str) -> UserEvent {
    UserEvent::IdentityLinked {
        provider: LoginType::Oidc,
        identity: Personal::Known(identity(subject)),
    }
}

fn converted(login_type: LoginType) -> UserEvent {
    UserEvent::LoginTypeChanged {
        login_type,
        password_scheme: (login_type == LoginType::Password).then(|| "argon2id".into()),
    }
}

/// A user with a password once, who signs in by a provider now.
fn converted_to_provider() -> Vec<UserEvent> {
    vec![created(), converted(LoginType::Oidc), linked("1")]
}

fn started(id: &str, ends_at: i64) -> UserEvent {
    began(session(id, ends_at))
}

fn began(session: Session) -> UserEvent {
    UserEvent::SessionStarted {
        session,
        token_name: None,
    }
}

fn ended(id: &str) -> UserEvent {
    ended_because(EndReason::SignedOut, id)
}

fn ended_because(reason: EndReason, id: &str) -> UserEvent {
    UserEvent::SessionEnded {
        session_id: session_id(id),
        reason,
    }
}

fn shortened(id: &str, ends_at: i64) -> UserEvent {
    UserEvent::SessionShortened {
        session_id: session_id(id),
        ends_at: minute(ends_at),
    }
}

fn expired<const N: usize>(ids: [&str; N]) -> UserEvent {
    UserEvent::SessionsExpired {
        session_ids: ids.map(session_id).into(),
    }
}

fn joined(organization_id: Uuid) -> UserEvent {
    UserEvent::OrganizationJoined { organization_id }
}

fn left(organization_id: Uuid) -> UserEvent {
    UserEvent::OrganizationLeft { organization_id }
}

fn assigned_at<const N: usize>(organization_id: Uuid, roles: [OrganizationRole; N]) -> UserEvent {
    UserEvent::OrganizationRolesAssigned {
        organization_id,
        roles: roles.into(),
    }
}

// Commands. If nothing else is said, it is minute 0.

fn create(wish: CreateUser) -> UserCommand {
    UserCommand::CreateUser(wish)
}

fn assign<const N: usize>(roles: [Role; N]) -> UserCommand {
    UserCommand::AssignRoles {
        roles: roles.into(),
        tokens_end_by: None,
    }
}

fn activate(cause: ActivationCause) -> UserCommand {
    UserCommand::ActivateUser(cause)
}

fn change_password(revision: i64) -> UserCommand {
    UserCommand::ChangePassword {
        scheme: "argon2id".into(),
        revision,
    }
}

fn link(subject: &str) -> UserCommand {
    UserCommand::LinkIdentity {
        provider: LoginType::Oidc,
        identity: identity(subject),
    }
}

fn convert_to_provider(revision: i64) -> UserCommand {
    UserCommand::ConvertToProvider {
        provider: LoginType::Oidc,
        identity: identity("1"),
        revision,
    }
}

fn convert_to_password(revision: i64) -> UserCommand {
    UserCommand::ConvertToPassword {
        scheme: "argon2id".into(),
        revision,
    }
}

fn rehash(revision: i64) -> UserCommand {
    UserCommand::RehashPassword {
        scheme: "argon2id".into(),
        revision,
    }
}

fn start(id: &str, ends_at: i64) -> UserCommand {
    begin(session(id, ends_at), 0)
}

fn begin(session: Session, at: i64) -> UserCommand {
    UserCommand::StartSession(StartSession {
        session,
        token_name: None,
        password_revision: None,
        owner_limit_s: None,
        at: minute(at),
    })
}

fn start_by_password(id: &str, revision: i64) -> UserCommand {
    UserCommand::StartSession(StartSession {
        session: session(id, 60),
        token_name: None,
        password_revision: Some(revision),
        owner_limit_s: None,
        at: minute(0),
    })
}

fn start_named(id: &str, name: &str) -> UserCommand {
    UserCommand::StartSession(StartSession {
        session: token(id, 60),
        token_name: Some(token_name(name)),
        password_revision: None,
        owner_limit_s: None,
        at: minute(0),
    })
}

fn end_sessions(with_tokens: bool) -> UserCommand {
    UserCommand::EndSessions {
        with_tokens,
        reason: EndReason::ProviderRefused,
        at: minute(0),
    }
}

fn end_session(id: &str) -> UserCommand {
    end_because(EndReason::SignedOut, id)
}

fn end_because(reason: EndReason, id: &str) -> UserCommand {
    UserCommand::EndSession {
        session_id: session_id(id),
        reason,
    }
}

fn expire(id: &str) -> UserCommand {
    UserCommand::ExpireSession {
        session_id: session_id(id),
        at: minute(0),
    }
}

fn join(organization_id: Uuid) -> UserCommand {
    UserCommand::JoinOrganization(organization_id)
}

fn leave(organization_id: Uuid) -> UserCommand {
    UserCommand::LeaveOrganization(organization_id)
}

fn assign_at<const N: usize>(organization_id: Uuid, roles: [OrganizationRole; N]) -> UserCommand {
    UserCommand::AssignOrganizationRoles {
        organization_id,
        roles: roles.into(),
    }
}

/// One of each.
fn all_commands() -> [UserCommand; 20] {
    [
        create(ada()),
        UserCommand::ChangeProfile(renamed("countess")),
        assign([Role::Auditor]),
        UserCommand::SuspendUser,
        activate(ActivationCause::Administrator),
        activate(ActivationCause::Use),
        UserCommand::DeleteUser,
        UserCommand::EraseUser,
        change_password(1),
        link("1"),
        convert_to_provider(1),
        convert_to_password(1),
        rehash(1),
        start("B", 60),
        end_session("A"),
        end_sessions(true),
        expire("A"),
        join(AWAY),
        leave(HOME),
        assign_at(HOME, [OrganizationRole::Admin]),
    ]
}

// Values.

fn identity(subject: &str) -> Identity {
    Identity {
        issuer: "https://id.example.org".into(),
        subject: subject.into(),
    }
}

/// Where Ada is a member.
const HOME: Uuid = Uuid::from_u128(1);
/// Where she is not.
const AWAY: Uuid = Uuid::from_u128(2);

fn ada() -> CreateUser {
    CreateUser {
        person: Person {
            email: EmailAddress::parse("Ada@example.org").unwrap(),
            username: username("Ada"),
            name: name("Ada Lovelace"),
            avatar_url: String::new(),
        },
        login_type: LoginType::Password,
        status: Status::Active,
        roles: BTreeSet::new(),
        organizations: vec![HOME],
        password_scheme: Some("argon2id".into()),
        identity: None,
        first: false,
    }
}

fn without_password(login_type: LoginType) -> CreateUser {
    CreateUser {
        login_type,
        password_scheme: None,
        ..ada()
    }
}

fn readdressed(to: &str) -> ProfileChange {
    ProfileChange {
        email: Some(EmailAddress::parse(to).unwrap()),
        ..ProfileChange::default()
    }
}

fn renamed(to: &str) -> ProfileChange {
    ProfileChange {
        username: Some(username(to)),
        ..ProfileChange::default()
    }
}

fn username(text: &str) -> Username {
    Username::parse(text).unwrap()
}

fn name(text: &str) -> DisplayName {
    DisplayName::parse(text).unwrap()
}

fn token_name(text: &str) -> TokenName {
    TokenName::parse(text).unwrap()
}

fn session(id: &str, ends_at: i64) -> Session {
    Session {
        id: session_id(id),
        secret_sha256: SecretHash([7; 32]),
        login_type: LoginType::Password,
        scope: Scope::All,
        lifetime_s: 3600,
        expires_at: minute(ends_at),
        ends_at: minute(ends_at),
    }
}

/// A session of somebody who came by a provider.
fn vouched(provider: LoginType, id: &str) -> Session {
    Session {
        login_type: provider,
        ..session(id, 60)
    }
}

/// An API token.
fn token(id: &str, ends_at: i64) -> Session {
    Session {
        login_type: LoginType::Token,
        ..session(id, ends_at)
    }
}

/// A session for connecting to applications.
fn connection(id: &str, ends_at: i64) -> Session {
    Session {
        scope: Scope::ApplicationConnect,
        ..session(id, ends_at)
    }
}

fn session_id(text: &str) -> SessionId {
    SessionId(text.to_owned())
}

fn minute(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600 + 60 * minute, 0).unwrap()
}
