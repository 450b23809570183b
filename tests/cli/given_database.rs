//! `rollcall serve` on a database that is given to it.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop where it is"
)]

use crate::{
    api::Api,
    databases::{self, Look},
    program::{Folder, MASTER_KEY, Program, command, run, said},
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
            let refused = said(command.env("ROLLCALL_MASTER_KEY", MASTER_KEY));
            let sentence = refused.failed();
            assert!(
                sentence.starts_with("the database cannot be used: ") && sentence.contains(cause),
                "{sentence}"
            );
        }
    }
}
