//! A reader of the output that has seen enough is no failure.

use std::{io, process::Stdio};

use crate::{
    api::Api,
    databases,
    program::{MASTER_KEY, Program, command},
};

#[test]
fn every_command_that_prints_ends_without_a_word_when_nothing_reads_on() {
    let url = databases::url(&databases::empty());
    let mut program = Program::on(&url);
    Api::at(program.address()).owner();
    program.stop();
    for arguments in [
        "config",
        "openapi",
        "doctor",
        "doctor --format json",
        "users list",
        "users list --format json",
        "users show alice",
        "users show alice --format json",
        "users roles alice",
        "users activate alice",
        "history alice",
        "history alice --format json",
        "history alice --version 1",
        "export",
        "checkpoint",
        "checkpoint --public-key",
        "proof inclusion --position 1",
        "proof consistency --from 1 --to 2",
        "verify",
        "verify --format json",
        "rebuild",
        "--help",
        "users --help",
    ] {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let mut command = command(&arguments);
        if !["config", "openapi"].contains(&arguments[0]) {
            command.env("ROLLCALL_DATABASE_URL", &url);
        }
        let output = command
            .env("ROLLCALL_MASTER_KEY", MASTER_KEY)
            .stdout(Stdio::from(writer))
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
        for word in ["rollcall: ", "panicked", "pipe"] {
            assert!(!said.contains(word), "{arguments:?}: {said}");
        }
    }
}

#[test]
fn an_error_that_nothing_reads_is_still_one() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let mut absent = command(&["config", "--config", "/no/such/file"]);
    let status = absent.stderr(Stdio::from(writer)).status().unwrap();
    assert_eq!(status.code(), Some(2));
}
