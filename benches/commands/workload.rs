//! What the clients ask: the same commands for our command bus and for the stock framework.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use rollcall_events::{
    Actor, Metadata, Origin, Personal,
    clock::{Clock, SystemClock},
    ids::Ids,
    user::{
        CreateUser, DisplayName, EmailAddress, EndReason, LoginType, Person, ProfileChange, Scope,
        SecretHash, Session, SessionId, StartSession, Status, UserCommand, Username,
    },
};
use tokio::task::JoinSet;
use uuid::Uuid;

/// Users who are there when it begins.
pub const USERS: usize = 2_000;
/// The first of them, whom one command in twenty is about, so that commands get in each other's way.
const HOT_USERS: u64 = 20;

/// One who takes commands.
pub trait Side: Send + Sync + 'static {
    /// Executes the command, and again when others were in the way; gives up on nothing else.
    fn execute(&self, wish: Wish) -> impl Future<Output = ()> + Send;
}

/// One command.
#[derive(Clone)]
pub struct Wish {
    pub user: Uuid,
    pub command: UserCommand,
    pub metadata: Metadata,
}

/// Somebody who is there when it begins.
pub struct Somebody {
    id: Uuid,
    username: Username,
}

/// Creates the users who are there when it begins.
pub async fn populate(side: &Arc<impl Side>) -> Arc<Vec<Somebody>> {
    let admin = Ids.uuid();
    let mut users = Vec::new();
    let mut creations = JoinSet::new();
    for _ in 0..USERS {
        let (somebody, wish) = creation(admin);
        users.push(somebody);
        let side = Arc::clone(side);
        creations.spawn(async move { side.execute(wish).await });
    }
    creations.join_all().await;
    Arc::new(users)
}

/// Lets so many clients send one command after another for a while, and says how many a second were done.
pub async fn commands_per_second(
    side: &Arc<impl Side>,
    users: &Arc<Vec<Somebody>>,
    in_flight: usize,
    time: Duration,
) -> f64 {
    let start = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..in_flight {
        let side = Arc::clone(side);
        let mut client = Client {
            users: Arc::clone(users),
            open_sessions: Vec::new(),
        };
        clients.spawn(async move {
            let mut done = 0_u32;
            while start.elapsed() < time {
                side.execute(client.wish()).await;
                done += 1;
            }
            done
        });
    }
    let done: u32 = clients.join_all().await.into_iter().sum();
    f64::from(done) / start.elapsed().as_secs_f64()
}

struct Client {
    users: Arc<Vec<Somebody>>,
    /// Those that this client began and has not ended.
    open_sessions: Vec<(Uuid, SessionId)>,
}

impl Client {
    /// One in ten is a new user, three are changes of a profile, three begin a session and three end one.
    fn wish(&mut self) -> Wish {
        match Ids.below(10) {
            0 => creation(self.somebody().id).1,
            1..=3 => renaming(self.somebody()),
            4..=6 => self.session_start(),
            _ => match self.open_sessions.pop() {
                Some((user, session_id)) => by(
                    user,
                    UserCommand::EndSession {
                        session_id,
                        reason: EndReason::SignedOut,
                    },
                ),
                None => self.session_start(),
            },
        }
    }

    fn session_start(&mut self) -> Wish {
        let user = self.somebody().id;
        let session_id = SessionId(Ids.alphanumeric(10));
        self.open_sessions.push((user, session_id.clone()));
        let now = SystemClock.now();
        let command = UserCommand::StartSession(StartSession {
            session: Session {
                id: session_id,
                secret_sha256: SecretHash(Ids.bytes()),
                login_type: LoginType::Password,
                scope: Scope::All,
                lifetime_s: 86_400,
                expires_at: now + TimeDelta::days(1),
                ends_at: now + TimeDelta::days(30),
            },
            token_name: None,
            password_revision: Some(1),
            owner_limit_s: None,
            at: now,
        });
        by(user, command)
    }

    fn somebody(&self) -> &Somebody {
        let choice = if Ids.below(20) == 0 {
            HOT_USERS
        } else {
            USERS as u64
        };
        &self.users[usize::try_from(Ids.below(choice)).unwrap()]
    }
}

fn creation(admin: Uuid) -> (Somebody, Wish) {
    let id = Ids.uuid();
    let name = format!("user-{}", Ids.alphanumeric(16));
    let username = Username::parse(&name).unwrap();
    let command = UserCommand::CreateUser(CreateUser {
        person: Person {
            email: EmailAddress::parse(&format!("{name}@example.com")).unwrap(),
            username: username.clone(),
            name: DisplayName::parse("Ada of the Benchmark").unwrap(),
            avatar_url: String::new(),
        },
        login_type: LoginType::Password,
        status: Status::Active,
        roles: [].into(),
        organizations: vec![Uuid::nil()],
        password_scheme: Some("argon2id m=19456 t=2 p=1".to_owned()),
        identity: None,
        first: false,
    });
    let wish = Wish {
        user: id,
        ..by(admin, command)
    };
    (Somebody { id, username }, wish)
}

/// As the API does it: the username comes along, though it stays.
fn renaming(somebody: &Somebody) -> Wish {
    let name = format!("Ada {}", Ids.alphanumeric(12));
    let change = ProfileChange {
        email: None,
        username: Some(somebody.username.clone()),
        name: Some(DisplayName::parse(&name).unwrap()),
        avatar_url: None,
    };
    by(somebody.id, UserCommand::ChangeProfile(change))
}

/// What users ask about themselves, from a browser.
fn by(user: Uuid, command: UserCommand) -> Wish {
    let metadata = Metadata {
        actor: Actor::User(user),
        authentication: Some("password".to_owned()),
        origin: Personal::Known(Origin {
            ip: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7))),
            user_agent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
                .to_owned(),
        }),
        ..Metadata::system(Ids.uuid())
    };
    Wish {
        user,
        command,
        metadata,
    }
}
