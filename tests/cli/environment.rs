//! What the environment of the program does, and does not do.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop where it is"
)]

use std::fs;

use crate::{
    databases,
    program::{Folder, MASTER_KEY, Program, command, said},
};

const SECRET: &str = "swordfish";

/// A shell that is set up for another server, and in a wrong way.
const OF_LIBPQ: [(&str, &str); 10] = [
    ("PGOPTIONS", "-c no_such_setting=1"),
    ("PGHOST", "/nowhere"),
    ("PGHOSTADDR", "192.0.2.1"),
    ("PGPORT", "1"),
    ("PGUSER", "mallory"),
    ("PGPASSWORD", SECRET),
    ("PGDATABASE", "elsewhere"),
    ("PGSSLMODE", "verify-full"),
    ("PGSSLROOTCERT", "/nowhere"),
    ("PGDATA", "/nowhere"),
];

/// The numbers of a process and of those that it has started.
fn family(parent: i32) -> Vec<i32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let children = processes.filter_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let (_, after_name) = stat.rsplit_once(") ")?;
        let started_by: i32 = after_name.split(' ').nth(1)?.parse().ok()?;
        (started_by == parent).then_some(pid)
    });
    children.chain([parent]).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn the_private_server_inherits_neither_secrets_nor_settings() {
    let folder = Folder::new();
    let data = folder.join("data");
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--data-dir", &data];
    let mut serve = command(&arguments);
    serve
        .envs(OF_LIBPQ)
        .env("ROLLCALL_MASTER_KEY", MASTER_KEY)
        .env("ROLLCALL_OIDC_CLIENT_SECRET", SECRET)
        .env("ROLLCALL_GITHUB_CLIENT_SECRET", SECRET)
        .env("AWS_SECRET_ACCESS_KEY", SECRET)
        .env("LD_PRELOAD", "")
        .env("TZ", "Asia/Kolkata");
    let mut program = Program::launch_command(&mut serve);
    program.address();
    let server = folder.postgres().unwrap();
    let processes = family(server.as_raw());
    assert!(processes.len() > 3, "{processes:?}");
    for process in processes {
        // A background process may just have ended.
        let Ok(environment) = fs::read(format!("/proc/{process}/environ")) else {
            continue;
        };
        for variable in String::from_utf8_lossy(&environment).split('\0') {
            let name = variable.split('=').next().unwrap();
            let known = ["", "PATH", "LD_LIBRARY_PATH", "LC_ALL", "TZ"];
            // What the server sets for itself.
            let own = ["PG_GRANDPARENT_PID", "PGLOCALEDIR", "PGSYSCONFDIR"];
            assert!(known.contains(&name) || own.contains(&name), "{variable}");
        }
    }
    program.stop();
}

#[test]
fn of_a_given_database_only_the_url_counts() {
    let url = databases::url(&databases::empty());
    let mut migrate = command(&["migrate", "--database-url", &url]);
    let done = said(migrate.envs(OF_LIBPQ));
    assert_eq!(done.status, Some(0), "{done:?}");
}

#[test]
fn what_describes_a_service_named_like_us_is_passed_over_with_a_note() {
    let of_the_surroundings = [
        ("ROLLCALL_PORT", "tcp://10.96.0.5:80"),
        ("ROLLCALL_SERVICE_HOST", "10.96.0.5"),
        ("ROLLCALL_SERVICE_PORT_HTTP", "80"),
        ("ROLLCALL_PORT_8080_TCP_ADDR", "10.96.0.5"),
        ("ROLLCALL_DB_PORT_5432_TCP_PROTO", "tcp"),
        ("ROLLCALL_ENV_LANG", "C"),
        ("ROLLCALL_NAME", "/web/rollcall"),
    ];
    let mut config = command(&["config"]);
    let shown = said(config.envs(of_the_surroundings).env("ROLLCALL_LOG", "warn"));
    assert_eq!(shown.status, Some(0), "{shown:?}");
    assert!(shown.out.contains("log = \"warn\""), "{shown:?}");
    for (name, _) in of_the_surroundings {
        assert!(shown.err.contains(name), "{name}: {shown:?}");
    }
    for (name, value, nearest) in [
        ("ROLLCALL_PORT", "8080", ""),
        ("ROLLCALL_DATABSE_URL", "postgres://db", "database_url"),
        ("ROLLCALL_MASTERKEY", SECRET, "master_key"),
    ] {
        let refused = said(command(&["config"]).env(name, value));
        assert!(refused.misused().contains(name), "{refused:?}");
        let hint = format!("hint: the nearest option is `{nearest}");
        assert!(refused.err.contains(&hint), "{refused:?}");
        assert!(!refused.err.contains(SECRET), "{refused:?}");
    }
}
