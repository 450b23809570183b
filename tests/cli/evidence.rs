//! `rollcall export`, `rollcall import` and `rollcall verify --export`, as people run them.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop where it is"
)]

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::{
    api::Api,
    databases::{self, Look},
    program::{Folder, MASTER_KEY, Program, Said, command, eventually, run, said},
};

const ANOTHER_KEY: &str = "HwABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4=";

/// The program on a database that is given.
fn on(url: &str, arguments: &[&str]) -> Said {
    said(&mut command_on(url, arguments))
}

fn command_on(url: &str, arguments: &[&str]) -> Command {
    let mut command = command(arguments);
    command
        .args(["--database-url", url])
        .env("ROLLCALL_MASTER_KEY", MASTER_KEY);
    command
}

#[track_caller]
fn succeeded(said: Said) -> Said {
    assert_eq!(said.status, Some(0), "{said:?}");
    said
}

/// A database in which some users have come to be; its URL.
fn some_history(usernames: &[&str]) -> String {
    let url = databases::url(&databases::migrated());
    let mut program = Program::on(&url);
    let owner = Api::at(program.address()).owner();
    for username in usernames {
        assert_eq!(owner.create(username).unwrap().status, 201);
    }
    program.stop();
    url
}

fn empty() -> String {
    databases::url(&databases::migrated())
}

/// The number of events and the root, as they are printed.
fn number_and_root(out: &str) -> (String, String) {
    let line = out.lines().find(|line| line.contains("the root")).unwrap();
    let number = line.split(' ').next().unwrap();
    let root = line.trim_end_matches('.').rsplit(' ').next().unwrap();
    (number.to_owned(), root.to_owned())
}

#[test]
fn a_log_goes_from_one_house_to_another_as_a_file() {
    let (here, there, folder) = (some_history(&["bob", "eve"]), empty(), Folder::new());
    let file = folder.join("log.jsonl");
    let exported = succeeded(on(&here, &["export", "--with-vault", &file]));
    assert_eq!(exported.out, "", "{exported:?}");
    assert!(
        exported.err.contains("events were exported."),
        "{exported:?}"
    );
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

    let imported = succeeded(on(&there, &["import", &file]));
    let verified = succeeded(run(&["verify", "--export", &file]));
    assert_eq!(
        number_and_root(&imported.out),
        number_and_root(&verified.out)
    );
    assert!(
        verified.out.contains("The export is what it was."),
        "{verified:?}"
    );
    assert!(
        verified.out.contains("No checkpoint was given"),
        "{verified:?}"
    );
    let verified = succeeded(on(&there, &["verify"]));
    assert!(
        verified.out.contains("What is served is what happened."),
        "{verified:?}"
    );

    let mut program = Program::on(&there);
    let owner = Api::at(program.address()).signed_in("alice");
    assert_eq!(owner.usernames(), ["alice", "bob", "eve"]);
    owner.signed_in("eve");
    program.stop();
    let again = on(&there, &["import", &file]);
    assert!(again.failed().contains("the log is not empty"), "{again:?}");
}

#[test]
fn an_export_flows_through_pipes() {
    let (here, there) = (some_history(&["bob"]), empty());
    let exported = succeeded(on(&here, &["export"]));
    let mut import = command_on(&there, &["import", "-"]);
    let mut child = import
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(exported.out.as_bytes()).unwrap();
    drop(stdin);
    assert!(child.wait().unwrap().success());
    // But for the first line, which says when it was made, and the last, which depends on it.
    let again = succeeded(on(&there, &["export"]));
    let body = |text: &str| {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines[1..lines.len() - 1].to_vec()
    };
    assert_eq!(body(&again.out), body(&exported.out));
    let blank = succeeded(on(&there, &["users", "list", "--format", "json"]));
    assert!(!blank.out.contains("bob"), "{blank:?}");
    succeeded(on(&there, &["verify"]));
}

#[test]
fn what_was_done_to_an_export_is_named() {
    let (here, folder) = (some_history(&["bob", "eve", "kurt"]), Folder::new());
    let text = succeeded(on(&here, &["export"])).out;
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let without = [&lines[..3], &lines[4..]].concat().concat();
    let mut swapped = lines.clone();
    swapped.swap(4, 5);
    for (name, text, says) in [
        (
            "altered",
            text.replacen(
                "\"version\":1,\"event_type\":\"UserCreated\"",
                "\"version\":1,\"event_type\":\"UserCreatee\"",
                1,
            ),
            "the event at position 2 is not as it was written",
        ),
        ("removed", without, "the event at position 3 is missing"),
        (
            "swapped",
            swapped.concat(),
            "the event at position 4 stands after the one at position 5: the two are swapped",
        ),
        (
            "doubled",
            [&lines[..4], &lines[3..]].concat().concat(),
            "the event at position 3 is there a second time",
        ),
        ("cut", lines[..lines.len() - 1].concat(), "it was cut off"),
    ] {
        let file = folder.write(name, &text);
        let found = run(&["verify", "--export", &file]);
        assert_eq!(found.status, Some(1), "{name}: {found:?}");
        assert!(found.out.contains(says), "{name}: {found:?}");
        assert!(
            found.err.contains("the export is not what it was"),
            "{found:?}"
        );
        let json = run(&["verify", "--format", "json", "--export", &file]);
        let json: Value = serde_json::from_str(&json.out).unwrap();
        assert!(!json["flaws"].as_array().unwrap().is_empty(), "{json}");
        let refused = on(&empty(), &["import", &file]);
        assert!(
            refused.failed().contains("nothing was imported"),
            "{refused:?}"
        );
    }
    let missing = run(&["verify", "--export", &folder.join("nothing")]);
    assert!(missing.failed().contains("No such file"), "{missing:?}");
}

/// A checkpoint of the database as it is now; its file.
fn checkpoint(url: &str, folder: &Folder, name: &str) -> String {
    let made = succeeded(on(url, &["checkpoint"]));
    folder.write(name, &made.out)
}

#[test]
fn a_forged_export_is_named_by_checkpoints() {
    let folder = Folder::new();
    let url = databases::url(&databases::migrated());
    let mut program = Program::on(&url);
    let owner = Api::at(program.address()).owner();
    let first = checkpoint(&url, &folder, "first");
    for name in ["bob", "eve"] {
        owner.create(name).unwrap();
    }
    let second = checkpoint(&url, &folder, "second");
    let true_export = folder.join("true.jsonl");
    succeeded(on(&url, &["export", &true_export]));
    owner.create("kurt").unwrap();
    let longer = folder.join("longer.jsonl");
    succeeded(on(&url, &["export", &longer]));
    program.stop();
    let key = succeeded(on(&url, &["checkpoint", "--public-key"])).out;
    let key = folder.write("key", &key);
    let verify = |export: &str, more: &[&str]| {
        let usual = [
            "verify",
            "--export",
            export,
            "--public-key",
            &key,
            "--checkpoint",
            &first,
            "--checkpoint",
            &second,
        ];
        run(&[&usual, more].concat())
    };

    let found = succeeded(verify(&true_export, &["--complete"]));
    assert!(
        found.out.contains("the checkpoint of 3 events agrees"),
        "{found:?}"
    );
    assert!(
        found.out.contains("the checkpoint of 5 events agrees"),
        "{found:?}"
    );
    assert!(
        found.out.contains("The export is what it was."),
        "{found:?}"
    );

    // Events came after the last checkpoint, or somebody made them up: nobody can tell.
    let found = succeeded(verify(&longer, &[]));
    assert!(
        found
            .out
            .contains("No checkpoint vouches for the events 6 to 6."),
        "{found:?}"
    );
    let found = verify(&longer, &["--complete"]);
    assert_eq!(found.status, Some(1), "{found:?}");
    assert!(
        found
            .err
            .contains("no checkpoint vouches for the last events"),
        "{found:?}"
    );

    // The owner of the database alters what happened, and all that follows from it.
    let forged = some_history(&["mallory", "eve"]);
    let forgery = folder.join("forged.jsonl");
    succeeded(on(&forged, &["export", &forgery]));
    let alone = succeeded(run(&["verify", "--export", &forgery]));
    assert!(
        alone.out.contains("The export is what it was."),
        "{alone:?}"
    );
    let found = verify(&forgery, &[]);
    assert_eq!(found.status, Some(1), "{found:?}");
    assert!(
        found
            .out
            .contains("differs: what was signed is another at one of the positions 1 to 3"),
        "{found:?}"
    );

    let json = verify(&longer, &["--format", "json"]);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["vouched"], 5);
    assert_eq!(json["checkpoints"][1]["judgement"], "agrees");

    // By another key, or no checkpoint at all.
    let other = "example.com+04b1c01b+AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let strange = run(&[
        "verify",
        "--export",
        &true_export,
        "--public-key",
        other,
        "--checkpoint",
        &first,
    ]);
    assert_eq!(strange.status, Some(1), "{strange:?}");
    let text = fs::read_to_string(&second).unwrap();
    let bad = folder.write("bad", &text.replacen("\n5\n", "\n4\n", 1));
    let found = verify(&true_export, &["--checkpoint", &bad]);
    assert_eq!(found.status, Some(1), "{found:?}");
    assert!(
        found
            .err
            .contains("not every checkpoint is signed by this key"),
        "{found:?}"
    );
}

#[test]
fn an_interrupted_import_leaves_nothing() {
    let (here, folder) = (some_history(&["bob"]), Folder::new());
    let file = folder.join("log.jsonl");
    succeeded(on(&here, &["export", "--with-vault", &file]));
    let text = fs::read_to_string(&file).unwrap();
    let name = databases::migrated();
    let there = databases::url(&name);
    for kept in [1, 2, text.lines().count() - 1] {
        let lines: Vec<&str> = text.split_inclusive('\n').take(kept).collect();
        let mut import = command_on(&there, &["import", "-"]);
        let mut child = import.stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(lines.concat().as_bytes()).unwrap();
        // It waits for the rest, in the middle of its transaction.
        let busy = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'COPY log.events%'";
        let mut look = Look::into(&name);
        eventually("the import", || (look.number(busy) > 0).then_some(()));
        thread::sleep(Duration::from_millis(50));
        child.kill().unwrap();
        child.wait().unwrap();
        eventually("its end", || (look.number(busy) == 0).then_some(()));
        assert_eq!(look.number("SELECT count(*) FROM log.events"), 0);
        assert_eq!(look.number("SELECT position FROM log.head"), 0);
    }
    succeeded(on(&there, &["import", &file]));
}

#[test]
fn an_interrupted_export_leaves_no_file() {
    let (name, folder) = (databases::migrated(), Folder::new());
    let here = databases::url(&name);
    let mut look = Look::into(&name);
    // It waits for the vault.
    look.execute("BEGIN; LOCK TABLE vault.credentials");
    let file = folder.join("log.jsonl");
    for signal in ["INT", "TERM"] {
        let mut export = command_on(&here, &["export", "--with-vault", &file]);
        let mut child = export.spawn().unwrap();
        let files = || fs::read_dir(folder.path()).unwrap().count();
        eventually("its draft", || (files() == 1).then_some(()));
        let kill = format!("kill -{signal} {}", child.id());
        assert!(
            Command::new("sh")
                .args(["-c", &kill])
                .status()
                .unwrap()
                .success()
        );
        assert_eq!(child.wait().unwrap().code(), Some(1));
        assert_eq!(files(), 0);
    }
}

#[test]
fn a_vault_comes_in_with_its_own_master_key_alone() {
    let (here, folder) = (some_history(&["bob"]), Folder::new());
    let file = folder.join("log.jsonl");
    succeeded(on(&here, &["export", "--with-vault", &file]));
    let data = folder.join("data");
    let none = run(&["import", &file, "--data-dir", &data]);
    assert!(
        none.failed().contains("give it by --master-key-file"),
        "{none:?}"
    );
    let wrong = folder.write("wrong.key", ANOTHER_KEY);
    let right = folder.write("right.key", MASTER_KEY);
    for key in [&wrong, &right] {
        fs::set_permissions(key, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let given = ["--data-dir", &data, "--master-key-file"];
    let import = ["import", &file];
    let refused = run(&[&import[..], &given, &[&wrong]].concat());
    assert!(
        refused.failed().contains("this is the wrong master key"),
        "{refused:?}"
    );
    // Which the database has not taken for its own.
    succeeded(run(&[&import[..], &given, &[&right]].concat()));
    let mut program = Program::serve(&[&given[..], &[&right]].concat());
    Api::at(program.address()).signed_in("bob");
    program.stop();
}

#[test]
fn what_makes_no_sense_together_is_refused() {
    for wrong in [
        &["export", "--as-of", "yesterday"][..],
        &["export", "--as-of", "2026-01-01T00:00:00Z", "--with-vault"],
        &["import"],
        &["verify", "--export", "x", "--repair"],
        &["verify", "--export", "x", "--user", "bob"],
        &["verify", "--export", "x", "--checkpoint", "y"],
        &["verify", "--checkpoint", "y", "--public-key", "z"],
        &["verify", "--public-key", "z"],
    ] {
        let said = run(wrong);
        assert_eq!((said.status, &*said.out), (Some(2), ""), "{said:?}");
    }
    let future = on(&empty(), &["export", "--as-of", "2999-01-01T00:00:00Z"]);
    assert!(future.failed().contains("has not come"), "{future:?}");
}

#[test]
fn a_file_that_cannot_be_written_whole_is_not_written_at_all() {
    let (url, folder) = (empty(), Folder::new());
    let nowhere = folder.join("no/such/folder");
    let failed = on(&url, &["export", &nowhere]);
    assert!(
        failed.failed().contains("the export cannot be written"),
        "{failed:?}"
    );
    assert!(failed.failed().contains("no/such/folder"), "{failed:?}");
    let kept = folder.write("kept.jsonl", "what was there before");
    let future = on(&url, &["export", "--as-of", "2999-01-01T00:00:00Z", &kept]);
    assert!(future.failed().contains("has not come"), "{future:?}");
    assert_eq!(fs::read_to_string(&kept).unwrap(), "what was there before");
    let no_file = on(&url, &["export", folder.path().to_str().unwrap()]);
    assert!(no_file.failed().contains("is no file"), "{no_file:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_file_that_is_there_is_not_replaced_unless_that_is_said() {
    let (url, folder) = (databases::url(&databases::migrated()), Folder::new());
    Program::on(&url).stop();
    let (file, note) = (folder.write("kept", "kept"), folder.write("note", "kept"));
    let export = on(&url, &["export", &file]);
    let checkpoint = on(&url, &["checkpoint", "--to", &note]);
    for (refused, file) in [(&export, &file), (&checkpoint, &note)] {
        assert_eq!(refused.status, Some(1), "{refused:?}");
        assert!(refused.err.contains("--force"), "{refused:?}");
        assert_eq!(std::fs::read_to_string(file).unwrap(), "kept");
    }
    // Nothing else was left there.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    succeeded(on(&url, &["export", "--force", &file]));
    succeeded(on(&url, &["checkpoint", "--force", "--to", &note]));
    succeeded(run(&["verify", "--export", &file]));
    // The same again is no loss.
    succeeded(on(&url, &["checkpoint", "--to", &note]));
}
