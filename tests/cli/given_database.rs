//! `rollcall serve` on a database that is given to it.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop where it is"
)]

use crate::{
    api::Api,
    databases::{self, Look},
    program::{Folder, MASTER_KEY, Program, command, eventually, run, said},
};

#[test]
fn a_given_database_needs_a_given_key_and_says_how_to_make_one() {
    let url = databases::url(&databases::empty());
    let refused = run(&["serve", "--database-url", &url]);
    let sentence = refused.failed();
    assert!(
        sentence.contains("openssl rand -base64 32 >") && sentence.contains("--master-key-file"),
        "{sentence}"
    );
}

#[test]
fn the_wrong_key_is_told_by_its_fingerprint() {
    let url = databases::url(&databases::empty());
    Program::on(&url).stop();
    let folder = Folder::new();
    let wrong = folder.write("wrong.key", &MASTER_KEY.replace('A', "B"));
    let serve = ["serve", "--database-url", &url, "--listen", "127.0.0.1:0"];
    let mut loose = command(&serve);
    let refused = said(loose.args(["--master-key-file", &wrong]));
    assert!(refused.failed().contains("chmod 600"), "{refused:?}");
    private(&wrong);
    let refused = said(command(&serve).args(["--master-key-file", &wrong]));
    assert!(
        refused
            .failed()
            .contains("this is the wrong master key: its fingerprint is "),
        "{refused:?}"
    );
    assert!(
        !refused.err.contains(MASTER_KEY) && !refused.err.contains("BBEC"),
        "{refused:?}"
    );

    let right = folder.write("right.key", &format!("{MASTER_KEY}\n"));
    private(&right);
    let mut serve = serve.to_vec();
    serve.extend(["--master-key-file", &right]);
    Program::launch_command(&mut command(&serve)).address();

    let no_key = folder.write("no.key", "swordfish\n");
    private(&no_key);
    let refused = run(&[
        "serve",
        "--database-url",
        &url,
        "--master-key-file",
        &no_key,
    ]);
    assert!(
        refused.failed().contains("no.key holds no master key"),
        "{refused:?}"
    );
    assert!(!refused.err.contains("swordfish"), "{refused:?}");
}

fn private(path: &str) {
    use std::os::unix::fs::PermissionsExt;

    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn no_cluster_is_made_for_a_given_database() {
    let folder = Folder::new();
    let url = databases::url(&databases::empty());
    let mut here = command(&["serve", "--listen", "127.0.0.1:0", "--database-url", &url]);
    here.env("ROLLCALL_MASTER_KEY", MASTER_KEY)
        .env("HOME", folder.path())
        .env("XDG_DATA_HOME", folder.path())
        .current_dir(folder.path());
    let mut program = Program::launch_command(&mut here);
    program.address();
    assert!(!program.err().contains("cluster"), "{}", program.err());
    program.stop();
    let made = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(made, 0);
}

#[test]
fn three_that_start_at_once_on_an_empty_database_all_serve() {
    let database = databases::empty();
    let url = databases::url(&database);
    let arguments = ["--database-url", &*url, "--database-connections", "5"];
    let mut nodes = [(); 3].map(|()| Program::launch(&arguments));
    let callers = nodes.each_mut().map(|node| Api::at(node.address()));
    let mut look = Look::into(&database);
    let created = "SELECT count(*) FROM log.events WHERE event_type = 'OrganizationCreated'";
    assert_eq!(look.number(created), 1);
    assert_eq!(look.number("SELECT count(*) FROM read.organizations"), 1);

    let owner = callers[0].owner();
    for (nth, node) in nodes.iter_mut().enumerate() {
        let there = owner.elsewhere(node.address());
        assert_eq!(there.create(&format!("user{nth}")).unwrap().status, 201);
    }
    assert_eq!(owner.usernames(), ["alice", "user0", "user1", "user2"]);
}

#[test]
fn a_role_without_the_right_to_change_the_schema_serves() {
    let database = databases::migrated();
    let role = format!("{database}_member");
    let mut look = Look::into(&database);
    look.execute(&format!(
        "CREATE ROLE {role} LOGIN IN ROLE rollcall_service;
         REVOKE CREATE ON SCHEMA public FROM PUBLIC"
    ));
    let mut program = Program::on(&databases::url_as(&role, &database));
    let owner = Api::at(program.address()).owner();
    assert_eq!(owner.create("grace").unwrap().status, 201);
    assert_eq!(owner.usernames(), ["alice", "grace"]);
    assert_eq!(
        owner
            .post("/api/v2/users/logout", &serde_json::json!({}))
            .status,
        200
    );
    assert_eq!(owner.get("/api/v2/users/me").status, 401);
    program.stop();
    look.execute(&format!("DROP ROLE {role}"));
}

#[test]
fn migrate_prepares_a_database_without_a_key_and_may_be_repeated() {
    let database = databases::empty();
    let url = databases::url(&database);
    for _ in 0..2 {
        let done = run(&["migrate", "--database-url", &url]);
        assert_eq!((done.status, &*done.out), (Some(0), ""), "{done:?}");
        assert!(done.err.contains("up to date"), "{done:?}");
    }
    assert_eq!(
        Look::into(&database).number("SELECT count(*) FROM log.events"),
        0
    );
}

#[test]
fn a_database_that_is_not_there_is_told_in_a_sentence() {
    let folder = Folder::new();
    let nowhere = format!("postgres:///?host={}", folder.path().display());
    let missing = databases::url("no_such_database");
    for command in ["serve", "migrate"] {
        for (url, cause) in [(&nowhere, "No such file"), (&missing, "no_such_database")] {
            let mut command = self::command(&[command, "--database-url", url]);
            command.env("ROLLCALL_DATABASE_WAIT", "1s");
            let refused = said(command.env("ROLLCALL_MASTER_KEY", MASTER_KEY));
            let sentence = refused.failed();
            assert!(
                sentence.starts_with("the database cannot be used: ") && sentence.contains(cause),
                "{sentence}"
            );
        }
    }
}

#[test]
fn a_database_that_is_not_utf8_is_refused_before_anything_is_made() {
    let database = databases::empty();
    let mut look = Look::into("postgres");
    look.execute(&format!("DROP DATABASE {database}"));
    look.execute(&format!(
        "CREATE DATABASE {database} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    ));
    let url = databases::url(&database);
    for name in ["serve", "migrate", "doctor"] {
        let mut command = command(&[name, "--database-url", &url]);
        let refused = said(command.env("ROLLCALL_MASTER_KEY", MASTER_KEY));
        assert_eq!(refused.status, Some(1), "{refused:?}");
        let says = [refused.out.as_str(), refused.err.as_str()].concat();
        assert!(says.contains("encoding is LATIN1"), "{refused:?}");
    }
    let made = "SELECT count(*) FROM pg_namespace WHERE nspname IN ('log', 'read', 'vault')";
    assert_eq!(Look::into(&database).number(made), 0);
}

#[test]
fn an_extension_in_another_schema_is_found() {
    let database = databases::empty();
    let url = databases::url(&database);
    Look::into(&database)
        .execute("CREATE SCHEMA \"Odd one\"; CREATE EXTENSION pg_trgm SCHEMA \"Odd one\"");
    let mut program = Program::on(&url);
    let owner = Api::at(program.address()).owner();
    assert_eq!(owner.create("grace").unwrap().status, 201);
    let found = owner.get("/api/v2/users?q=rac");
    assert_eq!(found.json["users"][0]["username"], "grace", "{found:?}");
    program.stop();
    for name in ["rebuild", "verify", "doctor"] {
        let mut command = command(&[name, "--database-url", &url]);
        let done = said(command.env("ROLLCALL_MASTER_KEY", MASTER_KEY));
        assert_eq!(done.status, Some(0), "{done:?}");
    }
}

#[test]
fn an_extension_that_may_not_be_used_is_refused_before_anything_is_made() {
    let database = databases::empty();
    let role = format!("{database}_owner");
    let mut look = Look::into(&database);
    look.execute(&format!(
        "CREATE ROLE {role} LOGIN; ALTER DATABASE {database} OWNER TO {role};
         CREATE SCHEMA closed; CREATE EXTENSION pg_trgm SCHEMA closed"
    ));
    let url = databases::url_as(&role, &database);
    let refused = run(&["migrate", "--database-url", &url]);
    let sentence = refused.failed();
    assert!(
        sentence.contains("GRANT USAGE ON SCHEMA closed"),
        "{sentence}"
    );
    let made = "SELECT count(*) FROM pg_namespace WHERE nspname IN ('log', 'read', 'vault')";
    assert_eq!(look.number(made), 0);
    look.execute(&format!(
        "ALTER DATABASE {database} OWNER TO postgres; DROP ROLE {role}"
    ));
}

/// Settings that a database or a role can have, each of which changes what some statement means or whether it works.
const SETTINGS: [&str; 20] = [
    "bytea_output = 'escape'",
    "\"DateStyle\" = 'SQL, DMY'",
    "\"IntervalStyle\" = 'iso_8601'",
    "\"TimeZone\" = 'Asia/Kolkata'",
    "client_encoding = 'LATIN1'",
    "standard_conforming_strings = off",
    "extra_float_digits = -15",
    "search_path = 'pg_catalog'",
    "statement_timeout = '20ms'",
    "lock_timeout = '1ms'",
    "idle_in_transaction_session_timeout = '1ms'",
    "idle_session_timeout = '2s'",
    "default_transaction_isolation = 'serializable'",
    "default_transaction_read_only = on",
    "default_transaction_deferrable = on",
    "row_security = off",
    "array_nulls = off",
    "transform_null_equals = on",
    "gin_fuzzy_search_limit = 1",
    "plan_cache_mode = 'force_custom_plan'",
];

#[test]
fn the_settings_of_a_database_and_of_a_role_change_nothing() {
    let database = databases::empty();
    let role = format!("{database}_owner");
    let mut look = Look::into(&database);
    look.execute(&format!("CREATE ROLE {role} LOGIN SUPERUSER"));
    for setting in SETTINGS {
        look.execute(&format!("ALTER DATABASE {database} SET {setting}"));
        look.execute(&format!("ALTER ROLE {role} SET {setting}"));
    }
    let url = databases::url_as(&role, &database);
    // As for a connection pooler, and without one.
    for (cached, username) in [("false", "grace"), ("true", "hilda")] {
        let mut program = Program::serve(&["--database-url", &url, "--statement-cache", cached]);
        let nobody = Api::at(program.address());
        let owner = if cached == "false" {
            nobody.owner()
        } else {
            nobody.signed_in("alice")
        };
        assert_eq!(owner.create(username).unwrap().status, 201);
        assert_eq!(
            owner.get(&format!("/api/v2/users?q={username}")).json["count"],
            1
        );
        assert_eq!(
            owner
                .get(&format!("/api/v2/users/{username}/history"))
                .status,
            200
        );
        assert_eq!(owner.get("/api/v2/audit").status, 200);
        assert_eq!(owner.get("/readyz").status, 200);
        program.stop();
        for name in ["verify", "rebuild", "export", "doctor", "checkpoint"] {
            let mut command = command(&[name, "--database-url", &url]);
            let done = said(
                command
                    .env("ROLLCALL_MASTER_KEY", MASTER_KEY)
                    .env("ROLLCALL_STATEMENT_CACHE", cached),
            );
            assert_eq!(done.status, Some(0), "{name}: {done:?}");
        }
    }
    drop(look);
    let mut look = Look::into("postgres");
    look.execute(&format!("DROP DATABASE {database} WITH (FORCE)"));
    look.execute(&format!("DROP ROLE {role}"));
}

#[test]
fn serve_waits_for_a_database_that_is_not_up_yet() {
    let options = crate::support::cluster::connect_options("postgres", &databases::empty());
    let socket = options
        .get_socket()
        .unwrap()
        .join(format!(".s.PGSQL.{}", options.get_port()));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let url = format!(
        "postgres://postgres@{address}/{}?sslmode=disable",
        options.get_database().unwrap()
    );
    let mut program = Program::launch(&["--database-url", &url, "--database-wait", "10m"]);
    eventually("the word that it waits", || {
        program.err().contains("waiting for it").then_some(())
    });
    let listener = std::net::TcpListener::bind(address).unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.unwrap();
            let server = std::os::unix::net::UnixStream::connect(&socket).unwrap();
            let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || drop(std::io::copy(&mut &from, &mut &to)));
            std::thread::spawn(move || drop(std::io::copy(&mut &server, &mut &client)));
        }
    });
    program.address();
    assert!(program.err().contains("the database answers"));

    let nowhere = "postgres://postgres@127.0.0.1:1/nothing";
    let mut never = command(&["serve", "--database-url", nowhere, "--database-wait", "1s"]);
    let refused = said(never.env("ROLLCALL_MASTER_KEY", MASTER_KEY));
    assert!(refused.failed().contains("refused"), "{refused:?}");
}
