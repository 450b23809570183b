//! The connections to the database: dead ones cost no answer, and none leads to a server that cannot be written to.

use std::{
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use nix::unistd::geteuid;
use rollcall::{
    app::App,
    database,
    postgres::{Cluster, ClusterOptions, Durability, SUPERUSER},
};
use rollcall_events::clock::ManualClock;
use serde_json::json;
use sqlx::{ConnectOptions, Connection, Executor, postgres::PgConnectOptions};

use crate::{
    outages::behind_a_network,
    proxy::Proxy,
    support::{PASSWORD, TestApp, beginning, client::Client, master_key},
};

const ME: &str = "/api/v2/users/me";

/// Uses as many connections at once as the pool may have.
async fn use_all_connections(owner: &Client) {
    let asking = join_all((0..16).map(|_| owner.get(ME))).await;
    for answer in asking {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

async fn create(app: &TestApp, owner: &Client, username: &str) -> u16 {
    let new = json!({
        "email": format!("{username}@example.com"),
        "username": username,
        "password": PASSWORD,
        "organization_ids": [app.app.default_organization],
    });
    owner.post("/api/v2/users", &new).await.status
}

#[tokio::test]
async fn connections_that_a_firewall_forgot_cost_no_answer() {
    let (app, proxy) = behind_a_network().await;
    let owner = app.owner().await;
    use_all_connections(&owner).await;
    proxy.forgets_connections();
    let since = Instant::now();
    for _ in 0..20 {
        assert_eq!(owner.get(ME).await.status, 200);
    }
    assert_eq!(app.anonymous().get("/readyz").await.status, 200);
    assert_eq!(create(&app, &owner, "bob").await, 201);
    // One time-out, and not one for each connection.
    assert!(since.elapsed() < Duration::from_secs(25));

    // Those that were idle are found out before they are used.
    use_all_connections(&owner).await;
    let mut elsewhere = app.superuser.connect().await.unwrap();
    elsewhere.execute("SELECT pg_sleep(0.5)").await.unwrap();
    proxy.forgets_connections();
    for username in ["carl", "dora"] {
        assert_eq!(create(&app, &owner, username).await, 201);
        assert_eq!(owner.get(ME).await.status, 200);
    }
}

#[tokio::test]
async fn a_database_that_says_it_is_read_only_gets_new_connections() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    use_all_connections(&owner).await;
    let mut superuser = app.superuser.connect().await.unwrap();
    let pids = "SELECT array_agg(pid) FROM pg_stat_activity
                 WHERE usename = 'rollcall_service' AND datname = current_database()";
    let before: Vec<i32> = sqlx::query_scalar(pids)
        .fetch_one(&mut superuser)
        .await
        .unwrap();
    superuser
        .execute(
            "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN
                 RAISE EXCEPTION 'cannot execute INSERT in a read-only transaction' USING ERRCODE = '25006';
             END
             $$;
             CREATE TRIGGER refuse BEFORE INSERT ON log.events EXECUTE FUNCTION public.refuse()",
        )
        .await
        .unwrap();
    let new = json!({
        "email": "bob@example.com",
        "username": "bob",
        "password": PASSWORD,
        "organization_ids": [app.app.default_organization],
    });
    let refused = owner.post("/api/v2/users", &new).await;
    assert_eq!(refused.status, 503, "{refused:?}");
    let message = refused.json["message"].as_str().unwrap();
    assert!(message.contains("read-only"), "{message}");
    superuser
        .execute("DROP TRIGGER refuse ON log.events")
        .await
        .unwrap();
    for _ in 0..10 {
        let mut conn = app.pool().acquire().await.unwrap();
        let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
            .fetch_one(&mut *conn)
            .await
            .unwrap();
        assert!(!before.contains(&pid), "{pid} is still used");
    }
    assert_eq!(owner.post("/api/v2/users", &new).await.status, 201);
}

/// A primary, and a standby that has what the primary had.
struct Servers {
    primary: Option<Cluster>,
    standby: Child,
    folder: PathBuf,
}

impl Servers {
    async fn start() -> Self {
        let name = format!("rollcall-standby-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let options = ClusterOptions {
            data_dir: folder.join("primary"),
            postgres_bin: None,
            durability: Durability::Throwaway,
        };
        let cluster = Cluster::start(&options).unwrap();
        let superuser = |database| database::connect_options(&cluster, SUPERUSER, database);
        let mut conn = superuser("postgres").connect().await.unwrap();
        conn.execute("CREATE DATABASE rollcall").await.unwrap();
        let bin: String = sqlx::query_scalar("SELECT setting FROM pg_config WHERE name = 'BINDIR'")
            .fetch_one(&mut conn)
            .await
            .unwrap();
        conn.close().await.unwrap();
        let mut conn = superuser("rollcall").connect().await.unwrap();
        database::migrate(&mut conn).await.unwrap();
        database::let_service_in(&mut conn).await.unwrap();
        conn.close().await.unwrap();
        cluster.stop().unwrap();

        let (of_primary, of_standby) = (folder.join("primary/postgres"), folder.join("standby"));
        let copied = Command::new("cp")
            .arg("-a")
            .args([&of_primary, &of_standby])
            .status();
        assert!(copied.unwrap().success());
        std::fs::write(of_standby.join("standby.signal"), "").unwrap();
        let mut standby = Command::new(Path::new(&bin).join("postgres"));
        standby
            .current_dir("/")
            .arg("-D")
            .arg(&of_standby)
            .args([
                "-c",
                "listen_addresses=",
                "-c",
                "port=5432",
                "-c",
                "fsync=off",
            ])
            // The primary had so many, and a standby wants no fewer.
            .args(["-c", "max_connections=200"])
            .arg("-c")
            .arg(format!("unix_socket_directories={}", of_standby.display()))
            .stderr(std::process::Stdio::null());
        if geteuid().is_root() {
            let owner = std::fs::metadata(&of_standby).unwrap();
            standby.uid(owner.uid()).gid(owner.gid());
        }
        Self {
            standby: standby.spawn().unwrap(),
            primary: Some(Cluster::start(&options).unwrap()),
            folder,
        }
    }

    fn primary(&self) -> PgConnectOptions {
        database::connect_options(
            self.primary.as_ref().unwrap(),
            "rollcall_service",
            "rollcall",
        )
    }

    /// The standby, once it answers.
    async fn standby(&self) -> PgConnectOptions {
        let options = self.primary().socket(self.folder.join("standby"));
        let since = Instant::now();
        while options.connect().await.is_err() {
            assert!(since.elapsed() < Duration::from_mins(1), "no standby");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        options
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        drop(self.standby.kill());
        drop(self.standby.wait());
        drop(self.primary.take());
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

#[tokio::test]
async fn nothing_is_read_from_a_standby_to_which_the_address_leads_for_a_while() {
    let servers = Servers::start().await;
    let (primary, standby) = (servers.primary(), servers.standby().await);
    let proxy = Proxy::to(&primary).await;
    let config = TestApp::start().await.app.config.clone();
    let clock = Arc::new(ManualClock::at(beginning()));
    let database = proxy.options(&primary);
    let app = App::start(config, database.clone(), master_key(), clock.clone())
        .await
        .unwrap();
    let app = TestApp {
        app,
        clock,
        superuser: database.clone(),
        database,
    };
    let owner = app.owner().await;
    assert_eq!(app.anonymous().get("/readyz").await.status, 200);

    proxy.leads_to(&standby);
    let anonymous = app.anonymous();
    let (ready, mine, created) = tokio::join!(
        anonymous.get("/readyz"),
        owner.get(ME),
        create(&app, &owner, "bob")
    );
    assert_eq!(ready.status, 503, "{ready:?}");
    let message = ready.json["message"].as_str().unwrap();
    assert!(message.contains("read-only"), "{message}");
    assert_eq!((mine.status, created), (503, 503), "{mine:?}");

    // The address leads to the primary again; connections that lead to the standby would go on.
    proxy.leads_to_from_now_on(&primary);
    assert_eq!(create(&app, &owner, "bob").await, 201);
    let asking = join_all((0..20).map(|_| owner.get("/api/v2/users/bob"))).await;
    for answer in asking {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(anonymous.get("/readyz").await.status, 200);
}
