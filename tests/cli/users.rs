//! `rollcall users`: what an administrator does on the console.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop where it is"
)]

use std::{
    io::Write,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{
    api::Api,
    program::{Folder, Program, Said, command, run},
    support::PASSWORD,
};

/// The password of a user whom the console made, or gave another.
const OTHER: &str = "a quite different sentence";

/// Runs `rollcall users` on the data in that folder.
fn users(folder: &Folder, arguments: &[&str], input: &str) -> Said {
    let data_dir = folder.join("data");
    let mut all = vec!["users"];
    all.extend(arguments);
    all.extend(["--data-dir", &data_dir]);
    with_input(&mut command(&all), input)
}

fn with_input(command: &mut Command, input: &str) -> Said {
    let cheap = [
        ("ROLLCALL_ARGON2_MEMORY_KIB", "8"),
        ("ROLLCALL_ARGON2_PASSES", "1"),
    ];
    let mut child = command
        .envs(cheap)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Who refuses before reading has gone by now.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    Said {
        status: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[track_caller]
fn succeeded(said: Said) -> String {
    assert_eq!(said.status, Some(0), "{said:?}");
    said.out
}

fn admin(folder: &Folder, username: &str) -> Said {
    let email = format!("{username}@example.com");
    let arguments = ["create-admin", "--email", &email, "--username", username];
    users(folder, &arguments, PASSWORD)
}

#[test]
fn the_first_administrator_comes_from_the_console_before_anything_is_served() {
    let folder = Folder::new();
    let shown = succeeded(admin(&folder, "alice"));
    assert!(shown.contains("roles       owner\n"), "{shown}");
    assert!(!shown.contains(PASSWORD));
    assert_eq!(folder.postgres(), None);

    let mut program = Program::in_folder(&folder);
    let nobody = Api::at(program.address());
    assert_eq!(nobody.get("/api/v2/users/first").status, 200);
    let alice = nobody.signed_in("alice");
    assert_eq!(alice.usernames(), ["alice"]);
    program.stop();

    let again = admin(&folder, "ALICE");
    assert_eq!(again.failed(), "somebody has this e-mail address");
    let arguments = ["create-admin", "--email", "x", "--username", "xenia"];
    let bad = users(&folder, &arguments, PASSWORD);
    assert!(bad.failed().contains("email"), "{bad:?}");
    let arguments = [
        "create-admin",
        "--email",
        "x@example.com",
        "--username",
        "xenia",
    ];
    for weak in ["", "\n", "password\n"] {
        let refused = users(&folder, &arguments, weak);
        assert!(refused.failed().contains("password"), "{refused:?}");
    }
}

#[test]
fn the_console_works_beside_the_service_and_counts_at_the_next_request() {
    let folder = Folder::new();
    let mut program = Program::in_folder(&folder);
    let alice = Api::at(program.address()).owner();
    assert_eq!(alice.create("grace").unwrap().status, 201);
    let grace = alice.signed_in("grace");
    assert_eq!(grace.get("/api/v2/users/me").status, 200);

    let suspended = succeeded(users(&folder, &["suspend", "grace"], ""));
    assert!(suspended.contains("status      suspended\n"), "{suspended}");
    assert_eq!(grace.get("/api/v2/users/me").status, 401);
    succeeded(users(&folder, &["activate", "GRACE@example.com"], ""));
    assert_eq!(grace.get("/api/v2/users/me").status, 200);

    let roles = succeeded(users(
        &folder,
        &["roles", "grace", "--set", "auditor,member"],
        "",
    ));
    assert_eq!(roles, "auditor\nmember\n");
    assert_eq!(grace.usernames(), ["alice", "grace"]);
    let none = succeeded(users(&folder, &["roles", "grace", "--set", ""], ""));
    assert_eq!(none, "");
    assert_eq!(grace.usernames(), ["grace"]);

    let new = format!("{OTHER}\n");
    assert_eq!(
        succeeded(users(&folder, &["set-password", "grace"], &new)),
        ""
    );
    assert_eq!(grace.get("/api/v2/users/me").status, 401);
    program.stop();
}

#[test]
fn what_the_console_prints_is_for_people_or_for_programs() {
    let folder = Folder::new();
    succeeded(admin(&folder, "alice"));
    succeeded(admin(&folder, "bob"));
    succeeded(users(&folder, &["roles", "bob", "--set", "auditor"], ""));

    let table = succeeded(users(&folder, &["list", "--query", "role:auditor"], ""));
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 2, "{table}");
    assert!(lines[0].starts_with("USERNAME "), "{table}");
    assert!(
        lines[1].starts_with("bob ") && lines[1].ends_with(" auditor"),
        "{table}"
    );

    let lines = succeeded(users(&folder, &["list", "--format", "json"], ""));
    let listed: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(listed[0]["username"], "alice");
    assert_eq!(listed[1]["username"], "bob");
    let id = listed[1]["id"].as_str().unwrap();
    let shown = succeeded(users(&folder, &["show", id, "--format", "json"], ""));
    assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), listed[1]);

    let bad = users(&folder, &["list", "--query", "shoe:size"], "");
    assert!(bad.failed().contains("shoe"), "{bad:?}");
}

#[test]
fn the_console_keeps_the_rules() {
    let folder = Folder::new();
    succeeded(admin(&folder, "alice"));
    let refused = [
        (vec!["roles", "alice", "--set", ""], "last active owner"),
        (
            vec!["roles", "alice", "--set", "root"],
            "\"root\" is no role",
        ),
        (vec!["suspend", "alice"], "owner"),
        (vec!["show", "nobody"], "there is no user \"nobody\""),
    ];
    for (arguments, sentence) in refused {
        let said = users(&folder, &arguments, "");
        assert!(said.failed().contains(sentence), "{said:?}");
    }
    let with_password = ["users", "set-password", "alice", "--password", OTHER];
    assert_eq!(run(&with_password).status, Some(2));
}

#[test]
fn what_an_editor_adds_to_a_password_is_no_part_of_it() {
    let folder = Folder::new();
    let input = format!("\u{feff}{PASSWORD}\r\n");
    let email = ["--email", "alice@example.com", "--username", "alice"];
    let arguments = [&["create-admin"][..], &email].concat();
    succeeded(users(&folder, &arguments, &input));
    let mut program = Program::in_folder(&folder);
    let alice = Api::at(program.address()).signed_in("alice");
    assert_eq!(alice.usernames(), ["alice"]);
    program.stop();
}
