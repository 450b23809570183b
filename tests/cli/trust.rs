//! Files that decide what runs or hold secrets are used only if no other account controls them.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop where it is"
)]

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown, symlink},
};

use nix::unistd::geteuid;

use crate::program::{Folder, MASTER_KEY, Said, command, run, said};

/// An account that is neither root nor ours.
const STRANGER: u32 = 54_321;

fn set_mode(path: &str, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[track_caller]
fn refused(said: &Said, path: &str, words: &str) {
    assert!([Some(1), Some(2)].contains(&said.status), "{said:?}");
    assert_eq!(said.out, "", "{said:?}");
    let sentence = said.err.lines().last().unwrap();
    assert!(
        sentence.starts_with("rollcall: ") && sentence.contains(path) && sentence.contains(words),
        "{path} {words}: {said:?}"
    );
}

#[test]
fn a_configuration_that_another_account_controls_is_refused_wherever_it_is_found() {
    let folder = Folder::new();
    let file = folder.write("rollcall.toml", "body_limit = 2001\n");
    let here = folder.join("");
    let here = here.trim_end_matches('/');
    let found = || said(command(&["config"]).current_dir(folder.path()));
    let named = || run(&["config", "--config", &file]);
    let by_variable = || said(command(&["config"]).env("ROLLCALL_CONFIG", &file));
    assert!(found().out.contains("body_limit = 2001"));
    let all_refused = |path: &str, words: &str| {
        for said in [found(), named(), by_variable()] {
            refused(&said, path, words);
        }
    };
    for mode in [0o664, 0o646, 0o666] {
        set_mode(&file, mode);
        all_refused(&file, "chmod go-w");
    }
    set_mode(&file, 0o644);
    for mode in [0o777, 0o757] {
        set_mode(here, mode);
        all_refused(here, "chmod go-w");
    }
    set_mode(here, 0o755);
    if geteuid().is_root() {
        chown(&file, Some(STRANGER), None).unwrap();
        all_refused(&file, "belongs to the account 54321");
        chown(&file, Some(0), None).unwrap();
        chown(here, Some(STRANGER), None).unwrap();
        all_refused(here, "belongs to the account 54321");
        chown(here, Some(0), None).unwrap();
    }
    assert_eq!(found().status, Some(0));
}

#[test]
fn a_configuration_with_a_secret_is_for_us_alone() {
    let folder = Folder::new();
    let file = folder.write(
        "rollcall.toml",
        "database_url = 'postgres://ada:swordfish@db/roll'\n",
    );
    let said = run(&["config", "--config", &file]);
    refused(&said, &file, "chmod 600");
    assert!(!said.err.contains("swordfish"));
    set_mode(&file, 0o600);
    assert_eq!(run(&["config", "--config", &file]).status, Some(0));
}

#[test]
fn a_master_key_of_another_account_is_refused() {
    let folder = Folder::new();
    let key = folder.write("master.key", MASTER_KEY);
    let serve = || {
        let url = "postgres://127.0.0.1:1/roll";
        run(&["serve", "--database-url", url, "--master-key-file", &key])
    };
    for mode in [0o640, 0o604, 0o444] {
        set_mode(&key, mode);
        refused(&serve(), &key, "chmod 600");
    }
    set_mode(&key, 0o620);
    refused(&serve(), &key, "chmod go-w");
    set_mode(&key, 0o600);
    if geteuid().is_root() {
        chown(&key, Some(STRANGER), None).unwrap();
        refused(&serve(), &key, "belongs to the account 54321");
    }
}

#[test]
fn a_data_directory_of_another_account_is_refused() {
    let folder = Folder::new();
    let data = folder.join("data");
    fs::create_dir(&data).unwrap();
    for mode in [0o770, 0o707, 0o1777] {
        set_mode(&data, mode);
        refused(&run(&["serve", "--data-dir", &data]), &data, "chmod go-w");
    }
    set_mode(&data, 0o700);
    if geteuid().is_root() {
        chown(&data, Some(STRANGER), None).unwrap();
        for command in ["serve", "migrate"] {
            let said = run(&[command, "--data-dir", &data]);
            refused(&said, &data, "belongs to the account 54321");
        }
    }
}

#[test]
fn nothing_is_written_through_a_link_in_the_data_directory() {
    for name in ["postgres.log", "lock", "postgres.owner"] {
        let folder = Folder::new();
        let data = folder.join("data");
        fs::create_dir(&data).unwrap();
        let victim = folder.write("victim", "untouched");
        let link = format!("{data}/{name}");
        symlink(&victim, &link).unwrap();
        let said = run(&["migrate", "--data-dir", &data]);
        // The mark of the owner is made anew, the others are kept.
        if name != "postgres.owner" {
            refused(&said, &link, "symbolic link");
        }
        assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
    }
}

#[test]
fn root_runs_no_program_that_another_account_could_exchange() {
    if !geteuid().is_root() {
        return;
    }
    let folder = Folder::new();
    let (data, bin) = (folder.join("data"), folder.join("bin"));
    fs::create_dir(&bin).unwrap();
    let postgres = format!("{bin}/postgres");
    let ran = folder.join("ran");
    let script = format!("#!/bin/sh\nid -u > {ran}\necho 'postgres (PostgreSQL) 15.1'\nexit 1\n");
    for program in ["postgres", "initdb"] {
        fs::write(format!("{bin}/{program}"), &script).unwrap();
        set_mode(&format!("{bin}/{program}"), 0o755);
    }
    let serve = || run(&["serve", "--data-dir", &data, "--postgres-bin", &bin]);
    chown(&postgres, Some(STRANGER), None).unwrap();
    refused(&serve(), &postgres, "belongs to the account 54321");
    chown(&postgres, Some(0), None).unwrap();
    set_mode(&bin, 0o777);
    refused(&serve(), &bin, "chmod go-w");
    assert!(!fs::exists(&ran).unwrap(), "it was run");
    set_mode(&bin, 0o755);
    // One that is in order is run, but not as root: it cannot write there.
    serve().failed();
    assert!(!fs::exists(&ran).unwrap(), "it was run as root");
}
