//! Our side: the command bus of a service that runs as it does in production.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use rollcall::{
    app::{App, AppState},
    command_bus::CommandError,
    config::Config,
};
use rollcall_events::{
    Authority,
    clock::SystemClock,
    user::UserCommand,
    vault::{MasterKey, VaultWrite},
};
use sqlx::postgres::PgConnectOptions;

use super::workload::{Side, Wish};

/// The size of a real one: hashing is measured nowhere here.
const PASSWORD_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$Ycs8FqFMVjqAv1qOYnbYQmhfBvXMV2YMzmYYbZF1m9E";

/// Our side.
pub struct Ours {
    app: AppState,
    /// Commands that the bus gave back because others were faster three times.
    pub contended: AtomicU64,
}

impl Ours {
    /// A service on a migrated database, with nothing in memory.
    pub async fn start(database: &PgConnectOptions) -> Arc<Self> {
        let app = App::start(
            Config::default(),
            database.clone(),
            MasterKey::new([42; 32]),
            Arc::new(SystemClock),
        );
        Arc::new(Self {
            app: app.await.unwrap(),
            contended: AtomicU64::new(0),
        })
    }
}

impl Side for Ours {
    async fn execute(&self, wish: Wish) {
        let secrets = match wish.command {
            UserCommand::CreateUser(_) => vec![VaultWrite::PasswordHash {
                subject: wish.user,
                hash: PASSWORD_HASH.to_owned(),
                revision: 1,
            }],
            _ => Vec::new(),
        };
        loop {
            let Wish {
                user,
                command,
                metadata,
            } = wish.clone();
            let users = &self.app.users;
            match users
                .execute(
                    user,
                    command,
                    Authority::on_record(metadata),
                    secrets.clone(),
                )
                .await
            {
                Ok(_) => return,
                Err(CommandError::Contended) => {
                    self.contended.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => panic!("our side failed: {error:?}"),
            }
        }
    }
}
