//! The law: what is served equals what happened. Whatever commands are given, in whatever order and in whatever company,
//! a replay of the log makes the same rows, byte for byte.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use chrono::{DateTime, TimeDelta, Utc};
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};
use rollcall::app::App;
use rollcall_events::{
    clock::Clock,
    user::{
        ActivationCause, CreateUser, DisplayName, ENDED_SESSIONS_KEPT, EmailAddress, EndReason,
        LoginType, OrganizationRole, Person, ProfileChange, Role, Scope, SessionId, Status,
        UserCommand, Username,
    },
};
use sqlx::{ConnectOptions, postgres::PgConnectOptions};
use uuid::Uuid;

use crate::{
    support::{Readable as _, TestApp},
    tools::{
        Answer, assert_same_rows, convert_to_password, convert_to_provider, identity, link, replay,
        sign_in_at, spawn, token_at, vouched_at,
    },
};

/// How many users there are at a time.
const SEATS: usize = 8;
/// Fewer names than users: they are fought for, swapped and inherited.
const NAMES: [&str; 7] = ["ada", "Bob", "grace", "edsger", "barbara", "donald", "kurt"];
const DOMAINS: [&str; 2] = ["example.com", "Example.org"];
/// Fewer accounts at a provider than users, for the same reason.
const ACCOUNTS: [&str; 4] = ["1", "2", "3", "Å|\"4\""];
const DISPLAY_NAMES: [&str; 4] = ["", "Ada L.", "Ångström, Ö", "O'Brien \\ \"tab\""];
const CASES: u32 = 5;

/// What is done, to whoever has the seat.
#[derive(Debug, Clone)]
enum Step {
    /// Somebody new takes the seat, if they are let in; whoever had it lives on, or not.
    Create {
        name: usize,
        domain: usize,
        way: Way,
        dormant: bool,
    },
    /// The same stream again, which must be refused.
    CreateAgain {
        name: usize,
    },
    Change {
        name: Option<usize>,
        /// Of that name, in this domain.
        email: Option<(usize, usize)>,
        display_name: Option<usize>,
    },
    /// Another name, and back.
    Swap {
        with: usize,
    },
    Roles {
        roles: BTreeSet<Role>,
    },
    Suspend,
    Activate {
        cause: ActivationCause,
    },
    Delete,
    Start {
        session: u8,
        kind: Kind,
    },
    End {
        session: u8,
        reason: EndReason,
    },
    Expire {
        session: u8,
    },
    ChangePassword {
        revision: i64,
    },
    Rehash,
    Link {
        account: usize,
    },
    ToProvider {
        account: usize,
    },
    ToPassword,
    Join {
        organization: u128,
    },
    Leave {
        organization: u128,
    },
    RolesAt {
        organization: u128,
        roles: BTreeSet<OrganizationRole>,
    },
}

impl Step {
    fn first(name: usize) -> Self {
        Self::Create {
            name,
            domain: 0,
            way: if name.is_multiple_of(3) {
                Way::Provider { account: None }
            } else {
                Way::Password
            },
            dormant: !name.is_multiple_of(2),
        }
    }
}

/// How somebody new signs in.
#[derive(Debug, Clone, Copy)]
enum Way {
    Password,
    /// Known there already, or not yet.
    Provider {
        account: Option<usize>,
    },
}

/// What is started.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Session,
    /// Of who came by a provider.
    Vouched,
    Connection,
    Token {
        name: Option<&'static str>,
    },
}

/// Steps that are taken at once, each at a seat and on one of two nodes, and how much time passes afterwards.
type Chapter = (Vec<(usize, bool, Step)>, i64);

fn step() -> impl Strategy<Value = Step> {
    let name = || 0..NAMES.len();
    let email = prop::option::weighted(0.3, (name(), 0..DOMAINS.len()));
    prop_oneof![
        6 => (name(), 0..DOMAINS.len(), way(), any::<bool>())
            .prop_map(|(name, domain, way, dormant)| Step::Create { name, domain, way, dormant }),
        1 => name().prop_map(|name| Step::CreateAgain { name }),
        4 => (prop::option::of(name()), email, prop::option::of(0..DISPLAY_NAMES.len()))
            .prop_map(|(name, email, display_name)| Step::Change { name, email, display_name }),
        2 => (0..SEATS).prop_map(|with| Step::Swap { with }),
        2 => prop::sample::subsequence(Role::ALL.to_vec(), 0..=5)
            .prop_map(|roles| Step::Roles { roles: roles.into_iter().collect() }),
        2 => Just(Step::Suspend),
        2 => prop_oneof![Just(ActivationCause::Administrator), Just(ActivationCause::Use)]
            .prop_map(|cause| Step::Activate { cause }),
        1 => Just(Step::Delete),
        12 => (0..3_u8, kind()).prop_map(|(session, kind)| Step::Start { session, kind }),
        4 => (0..3_u8, prop_oneof![Just(EndReason::SignedOut), Just(EndReason::Revoked)])
            .prop_map(|(session, reason)| Step::End { session, reason }),
        6 => (0..3_u8).prop_map(|session| Step::Expire { session }),
        3 => (1..3_i64).prop_map(|revision| Step::ChangePassword { revision }),
        4 => Just(Step::Rehash),
        4 => account().prop_map(|account| Step::Link { account }),
        4 => account().prop_map(|account| Step::ToProvider { account }),
        4 => Just(Step::ToPassword),
        2 => organization().prop_map(|organization| Step::Join { organization }),
        2 => organization().prop_map(|organization| Step::Leave { organization }),
        3 => (organization(), prop::sample::subsequence(OrganizationRole::ALL.to_vec(), 0..=3))
            .prop_map(|(organization, roles)| Step::RolesAt { organization, roles: roles.into_iter().collect() }),
    ]
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        3 => Just(Kind::Session),
        2 => Just(Kind::Vouched),
        1 => Just(Kind::Connection),
        3 => prop::sample::select(vec![None, Some("laptop"), Some("ci")])
            .prop_map(|name| Kind::Token { name }),
    ]
}

fn way() -> impl Strategy<Value = Way> {
    prop_oneof![
        Just(Way::Password),
        prop::option::of(account()).prop_map(|account| Way::Provider { account }),
    ]
}

fn account() -> impl Strategy<Value = usize> {
    0..ACCOUNTS.len()
}

fn organization() -> impl Strategy<Value = u128> {
    prop::sample::select(vec![5, 6, 7])
}

fn history() -> impl Strategy<Value = Vec<Chapter>> {
    let chapter = prop::collection::vec((0..SEATS, any::<bool>(), step()), 1..16);
    // Now and then days go by.
    let minutes = prop_oneof![9 => 0..300_i64, 1 => 0..6_000_i64];
    prop::collection::vec((chapter, minutes), 30..45)
}

/// The users who have had a seat, by the seat.
struct World {
    app: TestApp,
    second: TestApp,
    seats: [Option<Uuid>; SEATS],
    /// What each is called now, as far as it was asked for.
    names: BTreeMap<Uuid, usize>,
    created: u128,
}

impl World {
    async fn new() -> Self {
        let app = TestApp::start().await;
        let second = app.second_node().await;
        let mut world = Self {
            app,
            second,
            seats: [None; SEATS],
            names: BTreeMap::new(),
            created: 0,
        };
        // Nobody has to wait for the first to come.
        let first = (0..NAMES.len()).map(|name| (name, false, Step::first(name)));
        world.live_through(&(first.collect(), 0)).await;
        world
    }

    async fn live_through(&mut self, (steps, minutes): &Chapter) {
        let before = self.seats;
        let mut waiting = Vec::new();
        for (seat, on_second, step) in steps {
            for (stream, command) in self.commands(*seat, step) {
                let node = if *on_second { &self.second } else { &self.app };
                let creates = matches!(step, Step::Create { .. });
                waiting.push((*seat, stream, creates, spawn(node, stream, command)));
            }
        }
        for (seat, stream, creates, answer) in waiting {
            let answer = answer.await.unwrap();
            assert_sane(&answer);
            if creates && answer.is_err() && self.seats[seat] == Some(stream) {
                self.seats[seat] = before[seat];
            }
        }
        self.app.pass(TimeDelta::minutes(*minutes));
    }

    fn commands(&mut self, seat: usize, step: &Step) -> Vec<(Uuid, UserCommand)> {
        if let Step::Create {
            name,
            domain,
            way,
            dormant,
        } = step
        {
            self.created += 1;
            let id = Uuid::from_u128(self.created);
            self.seats[seat] = Some(id);
            self.names.insert(id, *name);
            return vec![(id, create(*name, *domain, *way, *dormant))];
        }
        let Some(id) = self.seats[seat] else {
            return Vec::new();
        };
        match step {
            Step::Swap { with } => self.swap(id, *with),
            // How many hashes there have been is not kept here: one of these is right, as a rule.
            Step::ToProvider { account } => (1..4)
                .map(|revision| (id, convert_to_provider(ACCOUNTS[*account], revision)))
                .collect(),
            Step::ToPassword => (0..4)
                .map(|revision| (id, convert_to_password(revision)))
                .collect(),
            _ => vec![(id, self.command(id, step))],
        }
    }

    /// Each takes the name of the other, by way of a third one.
    fn swap(&self, one: Uuid, with: usize) -> Vec<(Uuid, UserCommand)> {
        let Some(other) = self.seats[with].filter(|other| *other != one) else {
            return Vec::new();
        };
        let name = |id| NAMES[self.names[id]];
        vec![
            (one, change(Some(&format!("swap{}", one.as_u128())), None)),
            (other, change(Some(name(&one)), None)),
            (one, change(Some(name(&other)), None)),
        ]
    }

    /// Another each day, as long as a session lasts: no session begins twice.
    fn session_name(&self, user: Uuid, session: u8) -> String {
        let day = self.app.clock.now().timestamp().div_euclid(86_400);
        format!("{}x{session}x{day}", user.as_u128())
    }

    fn command(&self, id: Uuid, step: &Step) -> UserCommand {
        match step {
            Step::Create { name, .. } | Step::CreateAgain { name } => {
                create(*name, 0, Way::Password, false)
            }
            Step::Change {
                name,
                email,
                display_name,
            } => {
                let mut command = change(
                    name.map(|name| NAMES[name]),
                    display_name.map(|name| DISPLAY_NAMES[name]),
                );
                if let UserCommand::ChangeProfile(change) = &mut command {
                    change.email = email.map(|(name, domain)| address(name, domain));
                }
                command
            }
            Step::Roles { roles } => UserCommand::AssignRoles {
                roles: roles.clone(),
                tokens_end_by: None,
            },
            Step::Suspend => UserCommand::SuspendUser,
            Step::Activate { cause } => UserCommand::ActivateUser(*cause),
            Step::Delete | Step::Swap { .. } | Step::ToProvider { .. } | Step::ToPassword => {
                UserCommand::DeleteUser
            }
            Step::Start { session, kind } => start(
                &self.session_name(id, *session),
                *kind,
                self.app.clock.now(),
            ),
            Step::End { session, reason } => UserCommand::EndSession {
                session_id: SessionId(self.session_name(id, *session)),
                reason: *reason,
            },
            Step::Expire { session } => UserCommand::ExpireSession {
                session_id: SessionId(self.session_name(id, *session)),
                at: self.app.clock.now(),
            },
            Step::ChangePassword { revision } => UserCommand::ChangePassword {
                scheme: "argon2id".to_owned(),
                revision: *revision,
            },
            Step::Rehash => UserCommand::RehashPassword {
                scheme: "argon2id".to_owned(),
                revision: 1,
            },
            Step::Link { account } => link(ACCOUNTS[*account]),
            Step::Join { organization } => {
                UserCommand::JoinOrganization(Uuid::from_u128(*organization))
            }
            Step::Leave { organization } => {
                UserCommand::LeaveOrganization(Uuid::from_u128(*organization))
            }
            Step::RolesAt {
                organization,
                roles,
            } => UserCommand::AssignOrganizationRoles {
                organization_id: Uuid::from_u128(*organization),
                roles: roles.clone(),
            },
        }
    }
}

fn start(id: &str, kind: Kind, at: DateTime<Utc>) -> UserCommand {
    let mut command = match kind {
        Kind::Session | Kind::Connection => sign_in_at(id, at),
        Kind::Vouched => vouched_at(id, LoginType::Oidc, at),
        Kind::Token { name } => token_at(id, name, at),
    };
    if let (Kind::Connection, UserCommand::StartSession(wish)) = (kind, &mut command) {
        wish.session.scope = Scope::ApplicationConnect;
    }
    command
}

fn create(name: usize, domain: usize, way: Way, dormant: bool) -> UserCommand {
    let (login_type, account) = match way {
        Way::Password => (LoginType::Password, None),
        Way::Provider { account } => (LoginType::Oidc, account),
    };
    UserCommand::CreateUser(CreateUser {
        person: Person {
            email: address(name, domain),
            username: Username::parse(NAMES[name]).unwrap(),
            name: DisplayName::parse(DISPLAY_NAMES[name % DISPLAY_NAMES.len()]).unwrap(),
            avatar_url: String::new(),
        },
        login_type,
        status: if dormant {
            Status::Dormant
        } else {
            Status::Active
        },
        roles: BTreeSet::from([Role::Member]),
        organizations: vec![Uuid::from_u128(7), Uuid::from_u128(5)],
        password_scheme: (login_type == LoginType::Password).then(|| "argon2id".to_owned()),
        identity: account.map(|account| identity(ACCOUNTS[account])),
        first: false,
    })
}

fn address(name: usize, domain: usize) -> EmailAddress {
    EmailAddress::parse(&format!("{}@{}", NAMES[name], DOMAINS[domain])).unwrap()
}

fn change(username: Option<&str>, name: Option<&str>) -> UserCommand {
    UserCommand::ChangeProfile(ProfileChange {
        email: None,
        username: username.map(|username| Username::parse(username).unwrap()),
        name: name.map(|name| DisplayName::parse(name).unwrap()),
        avatar_url: name.map(|name| format!("https://example.com/{}", name.len())),
    })
}

/// Whatever is done, it is done or refused; it does not fail.
fn assert_sane(answer: &Answer) {
    use rollcall::command_bus::CommandError as E;
    assert!(
        matches!(
            answer,
            Ok(_) | Err(E::Refused(_) | E::Taken(_) | E::Contended)
        ),
        "{answer:?}"
    );
}

/// Sessions that ended long ago by the time of the log may be there or not: deletes them.
async fn sweep(app: &App, database: &PgConnectOptions) {
    let mut conn = database.connect().await.unwrap();
    let head = rollcall_events::log::head(&app.pool).await.unwrap();
    sqlx::query("DELETE FROM read.sessions WHERE ends_at < $1")
        .bind(head.recorded_at - ENDED_SESSIONS_KEPT)
        .execute(&mut conn)
        .await
        .unwrap();
}

/// The kinds of events that came of it.
async fn obeys(chapters: &[Chapter], sizes: &[i64]) -> BTreeSet<&'static str> {
    let mut world = World::new().await;
    for chapter in chapters {
        world.live_through(chapter).await;
    }
    sweep(&world.app.app, &world.app.superuser).await;
    let replayed = replay(&world.app.app.log, sizes).await;
    sweep(&world.app.app, &replayed).await;
    assert_same_rows(&world.app.superuser, &replayed).await;
    // And all at once: what passes from one to another within the log then does so within a batch.
    let at_once = replay(&world.app.app.log, &[100_000]).await;
    sweep(&world.app.app, &at_once).await;
    assert_same_rows(&world.app.superuser, &at_once).await;
    let events = world
        .app
        .app
        .log
        .after(0, 100_000)
        .await
        .unwrap()
        .readable();
    events
        .iter()
        .map(|recorded| recorded.event.event_type())
        .collect()
}

/// Histories in which these do not happen prove little.
const KINDS: [&str; 17] = [
    "UserCreated",
    "ProfileChanged",
    "RolesAssigned",
    "UserSuspended",
    "UserActivated",
    "UserDeleted",
    "PasswordChanged",
    "PasswordRehashed",
    "IdentityLinked",
    "IdentityUnlinked",
    "LoginTypeChanged",
    "SessionStarted",
    "SessionEnded",
    "SessionShortened",
    "OrganizationJoined",
    "OrganizationLeft",
    "OrganizationRolesAssigned",
];

#[test]
fn whatever_happens_a_replay_of_the_log_makes_the_same_rows() {
    let config = Config {
        cases: CASES,
        // A smaller counterexample would be a different history: whoever was faster is not in the seed.
        max_shrink_iters: 0,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let sizes = prop::collection::vec(1..40_i64, 8);
    let happened = RefCell::new(BTreeSet::new());
    let outcome = runner.run(&(history(), sizes), |(chapters, sizes)| {
        happened
            .borrow_mut()
            .extend(runtime.block_on(obeys(&chapters, &sizes)));
        Ok::<_, TestCaseError>(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    for kind in KINDS {
        assert!(happened.borrow().contains(kind), "{kind} never happened");
    }
}

#[tokio::test]
async fn a_ring_of_names_that_all_move_on_is_replayed_in_one_batch() {
    let app = TestApp::start().await;
    let mut ids = Vec::new();
    for name in &NAMES[..4] {
        ids.push(crate::tools::user(&app, name).await);
    }
    let rename = async |id, name: &str| {
        crate::tools::execute(&app, id, change(Some(name), None))
            .await
            .unwrap();
    };
    rename(ids[0], "between").await;
    for (nth, id) in ids.iter().enumerate().skip(1) {
        rename(*id, NAMES[nth - 1]).await;
    }
    rename(ids[0], NAMES[3]).await;
    // From the middle of it, too.
    for sizes in [&[100][..], &[4, 100], &[6, 3], &[1]] {
        let replayed = replay(&app.app.log, sizes).await;
        assert_same_rows(&app.superuser, &replayed).await;
    }
}

#[tokio::test]
async fn a_difference_of_one_byte_is_noticed() {
    use sqlx::{ConnectOptions, Executor};
    let app = TestApp::start().await;
    crate::tools::user(&app, "ada").await;
    let replayed = replay(&app.app.log, &[10]).await;
    let mut other = replayed.connect().await.unwrap();
    other
        .execute("UPDATE read.users SET updated_at = updated_at + interval '1 microsecond'")
        .await
        .unwrap();
    let mut one = app.superuser.connect().await.unwrap();
    let bytes = crate::tools::bytes_of(&mut one, "read.users").await;
    assert_ne!(
        bytes,
        crate::tools::bytes_of(&mut other, "read.users").await
    );
}
