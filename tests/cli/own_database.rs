//! `rollcall serve` on a database of its own.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
};

use nix::sys::signal::Signal;

use crate::{
    api::Api,
    program::{Folder, Program, eventually, run},
};

#[test]
fn a_second_start_finds_what_the_first_has_left() {
    let folder = Folder::new();
    let data_dir = folder.join("data");
    let migrated = run(&["migrate", "--data-dir", &data_dir]);
    assert_eq!(
        (migrated.status, &*migrated.out),
        (Some(0), ""),
        "{migrated:?}"
    );
    assert_eq!(folder.postgres(), None);

    let mut first = Program::in_folder(&folder);
    let owner = Api::at(first.address()).owner();
    assert_eq!(owner.create("grace").unwrap().status, 201);
    assert!(
        first.out().contains("/api/v2/users/first -d '{"),
        "{}",
        first.out()
    );
    first.signal(Signal::SIGINT);
    assert!(first.ended().success(), "{}", first.err());
    assert_eq!(folder.postgres(), None);
    drop(first);

    let mut second = Program::in_folder(&folder);
    let owner = owner.elsewhere(second.address());
    assert_eq!(owner.usernames(), ["alice", "grace"]);
    assert_eq!(owner.signed_in("grace").get("/api/v2/users/me").status, 200);
    second.stop();
    assert_eq!(folder.postgres(), None);

    let key = folder.path().join("data/master.key");
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&key), 0o600);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    let refused = run(&["serve", "--listen", "127.0.0.1:0", "--data-dir", &data_dir]);
    let advice = format!("make it private with `chmod 600 {}`", key.display());
    assert!(refused.failed().ends_with(&advice), "{refused:?}");
    assert_eq!(folder.postgres(), None);
}

#[test]
fn a_second_program_on_the_same_data_joins_leaves_and_inherits() {
    let folder = Folder::new();
    let mut first = Program::in_folder(&folder);
    let owner = Api::at(first.address()).owner();
    let server = folder.postgres();

    let mut second = Program::in_folder(&folder);
    let says = "another process already runs the Postgres server of this data directory";
    assert!(second.err().contains(says), "{}", second.err());
    assert!(!first.err().contains(says), "{}", first.err());
    let at_second = owner.elsewhere(second.address());
    assert_eq!(at_second.create("grace").unwrap().status, 201);
    assert_eq!(owner.usernames(), ["alice", "grace"]);
    second.stop();
    assert_eq!(folder.postgres(), server);
    assert_eq!(owner.create("joan").unwrap().status, 201);

    // The server ends with the program that started it. Whoever is left starts the next one.
    let mut third = Program::in_folder(&folder);
    let at_third = owner.elsewhere(third.address());
    assert_eq!(at_third.usernames(), ["alice", "grace", "joan"]);
    first.stop();
    eventually("the next server", || {
        let answer = at_third.get("/api/v2/users/me");
        assert!([200, 503].contains(&answer.status), "{answer:?}");
        (answer.status == 200 && folder.postgres() != server).then_some(())
    });
    assert_eq!(at_third.usernames(), ["alice", "grace", "joan"]);
    third.stop();
    assert_eq!(folder.postgres(), None);
}

#[test]
fn an_account_without_a_name_is_told_the_way_out() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let folder = Folder::new();
    let uid = 54_321;
    std::os::unix::fs::chown(folder.path(), Some(uid), Some(uid)).unwrap();
    // Where the program is, the account may have no access.
    let program = folder.join("rollcall");
    fs::copy(env!("CARGO_BIN_EXE_rollcall"), &program).unwrap();
    let mut migrate = std::process::Command::new(&program);
    migrate
        .args(["migrate", "--data-dir", &folder.join("data")])
        .current_dir("/")
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .uid(uid)
        .gid(uid);
    let refused = crate::program::said(&mut migrate);
    let sentence = refused.failed();
    for words in ["54321", "/etc/passwd", "--database-url"] {
        assert!(sentence.contains(words), "{sentence}");
    }
}
