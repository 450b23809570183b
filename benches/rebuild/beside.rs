//! A service with its clients, who go on while something is done beside them.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rollcall::{
    app::{App, AppState},
    config::Config,
};
use rollcall_events::{
    Actor, Authority, Metadata,
    clock::SystemClock,
    ids::Ids,
    user::{
        CreateUser, DisplayName, EmailAddress, LoginType, Person, ProfileChange, Status,
        UserCommand, Username,
    },
    vault::MasterKey,
};
use rollcall_projections::users::find;
use sqlx::postgres::PgConnectOptions;
use tokio::task::JoinSet;
use uuid::Uuid;

const CLIENTS: usize = 32;

/// What the clients saw. Any request that failed, and any answer that contradicts what was acknowledged before, would
/// have ended the measurement.
#[derive(Default)]
pub struct Seen {
    writes: u32,
    longest_write: Duration,
    longest_read: Duration,
}

impl fmt::Display for Seen {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{CLIENTS} clients wrote {} times and read as often; the longest write took {:.3} s, the longest read {:.3} s",
            self.writes,
            self.longest_write.as_secs_f64(),
            self.longest_read.as_secs_f64()
        )
    }
}

/// Lets the clients write and read, each about a user of its own, for as long as `work` takes.
pub async fn beside_clients<T>(
    database: &PgConnectOptions,
    master_key: MasterKey,
    work: impl Future<Output = T>,
) -> (T, Seen) {
    let clock = Arc::new(SystemClock);
    let app = App::start(Config::default(), database.clone(), master_key, clock);
    let app = app.await.unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let user = Ids.uuid();
        execute(&app, user, creation()).await;
        clients.spawn(go_on(Arc::clone(&app), user, Arc::clone(&is_over)));
    }
    let done = work.await;
    is_over.store(true, Ordering::Relaxed);
    let seen = clients.join_all().await.into_iter();
    let all = seen.fold(Seen::default(), |all, one| Seen {
        writes: all.writes + one.writes,
        longest_write: all.longest_write.max(one.longest_write),
        longest_read: all.longest_read.max(one.longest_read),
    });
    (done, all)
}

async fn go_on(app: AppState, user: Uuid, is_over: Arc<AtomicBool>) -> Seen {
    let mut seen = Seen::default();
    while !is_over.load(Ordering::Relaxed) {
        let name = format!("Ada {}", Ids.alphanumeric(12));
        let since = Instant::now();
        execute(&app, user, renaming(&name)).await;
        seen.longest_write = seen.longest_write.max(since.elapsed());
        let since = Instant::now();
        let found = find::by_id(&app.pool, user).await.unwrap().unwrap();
        seen.longest_read = seen.longest_read.max(since.elapsed());
        assert_eq!(found.row.name, Some(name));
        seen.writes += 1;
    }
    seen
}

async fn execute(app: &App, user: Uuid, command: UserCommand) {
    let metadata = Metadata {
        actor: Actor::User(user),
        ..Metadata::system(Ids.uuid())
    };
    let executed = app
        .users
        .execute(user, command, Authority::on_record(metadata), Vec::new());
    executed.await.unwrap();
}

fn creation() -> UserCommand {
    let name = format!("beside-{}", Ids.alphanumeric(16));
    UserCommand::CreateUser(CreateUser {
        person: Person {
            email: EmailAddress::parse(&format!("{name}@example.com")).unwrap(),
            username: Username::parse(&name).unwrap(),
            name: DisplayName::parse("Ada").unwrap(),
            avatar_url: String::new(),
        },
        login_type: LoginType::None,
        status: Status::Active,
        roles: [].into(),
        organizations: vec![Uuid::nil()],
        password_scheme: None,
        identity: None,
        first: false,
    })
}

fn renaming(name: &str) -> UserCommand {
    UserCommand::ChangeProfile(ProfileChange {
        name: Some(DisplayName::parse(name).unwrap()),
        ..ProfileChange::default()
    })
}
