//! `rollcall history`: what happened to a user, on the console.

use serde_json::Value;

use crate::{
    api::Api,
    program::{Folder, Program, Said, run},
};

fn history(folder: &Folder, arguments: &[&str]) -> Said {
    let data_dir = folder.join("data");
    let mut all = vec!["history"];
    all.extend(arguments);
    all.extend(["--data-dir", &data_dir]);
    run(&all)
}

#[track_caller]
fn succeeded(said: Said) -> String {
    assert_eq!(said.status, Some(0), "{said:?}");
    said.out
}

#[test]
fn the_console_tells_what_happened_and_how_somebody_was() {
    let folder = Folder::new();
    let mut program = Program::in_folder(&folder);
    let alice = Api::at(program.address()).owner();
    assert_eq!(alice.create("grace").unwrap().status, 201);
    let grace = alice.signed_in("grace");
    assert_eq!(grace.get("/api/v2/users/me").status, 200);

    let told = succeeded(history(&folder, &["grace"]));
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].starts_with("1 "), "{told}");
    assert!(lines[0].ends_with(" alice created the user"), "{told}");
    assert!(told.contains("    username: \"\" -> \"grace\"\n"), "{told}");
    assert!(told.contains("from 127.0.0.1"), "{told}");
    assert!(told.contains("began a session"), "{told}");
    assert!(!told.contains("sha256"), "{told}");

    let newest = succeeded(history(
        &folder,
        &["grace", "--newest-first", "--format", "json"],
    ));
    let newest: Vec<Value> = newest
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(newest.last().unwrap()["kind"], "UserCreated");
    let created = succeeded(history(&folder, &["grace", "--kind", "UserCreated"]));
    assert!(!created.contains("SessionStarted"), "{created}");

    let then = succeeded(history(
        &folder,
        &["grace", "--version", "1", "--format", "json"],
    ));
    let then: Value = serde_json::from_str(&then).unwrap();
    assert_eq!(then["username"], "grace");
    let id = then["id"].as_str().unwrap();
    let own = succeeded(history(&folder, &["grace", "--actor", id]));
    assert!(own.contains("began a session"), "{own}");
    assert!(!own.contains("created the user"), "{own}");
    let early = succeeded(history(
        &folder,
        &["grace", "--until", "2020-01-01T00:00:00Z"],
    ));
    assert_eq!(early, "");
    let all = succeeded(history(
        &folder,
        &["grace", "--from", "2020-01-01T00:00:00Z"],
    ));
    assert_eq!(all, told);
    let by_name = succeeded(history(&folder, &["grace", "--actor", "grace"]));
    assert_eq!(by_name, own);
    let nobody = history(&folder, &["grace", "--actor", "nobody"]);
    assert!(nobody.failed().contains("there is no user"), "{nobody:?}");

    let early = history(&folder, &["grace", "--at", "2020-01-01T00:00:00Z"]);
    assert!(early.failed().contains("had not come to be"), "{early:?}");
    let late = history(&folder, &["grace", "--version", "99"]);
    assert!(late.failed().contains("has not come"), "{late:?}");
    let both = run(&["history", "grace", "--version", "1", "--position", "1"]);
    assert_eq!(both.status, Some(2));
    let nobody = history(&folder, &["nobody"]);
    assert!(nobody.failed().contains("there is no user"), "{nobody:?}");
    program.stop();
}
