//! How the program is told what to do, and what it says when that cannot be done.

use std::{
    net::TcpListener,
    process::{Command, Stdio},
};

use crate::{
    databases,
    program::{Folder, MASTER_KEY, command, run, said},
};

#[test]
fn without_a_command_it_says_what_there_is() {
    let said = run(&[]);
    assert_eq!((said.status, &*said.out), (Some(2), ""), "{said:?}");
    assert!(said.err.contains("Usage: rollcall"), "{said:?}");
}

#[test]
fn the_help_of_every_command_has_an_example() {
    let mut commands: Vec<Vec<String>> = vec![Vec::new()];
    let mut seen = 0;
    while let Some(command) = commands.get(seen) {
        let mut arguments: Vec<&str> = command.iter().map(String::as_str).collect();
        arguments.push("--help");
        let help = run(&arguments);
        assert_eq!((help.status, &*help.err), (Some(0), ""), "{help:?}");
        let example = help.out.split_once("Example: ").unwrap().1;
        let called = format!("rollcall {}", command.join(" "));
        assert!(example.contains(&called), "{example}");
        let inner = inner_commands(&help.out).map(|name| [command.as_slice(), &[name]].concat());
        let inner: Vec<_> = inner.collect();
        commands.extend(inner);
        seen += 1;
    }
    for expected in ["serve", "migrate", "config", "openapi", "users list"] {
        let is_there = commands.iter().any(|command| command.join(" ") == expected);
        assert!(is_there, "{commands:?}");
    }
    let version = run(&["--version"]);
    assert_eq!(
        version.out,
        concat!("rollcall ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

/// The commands that a help text lists.
fn inner_commands(help: &str) -> impl Iterator<Item = String> {
    let listed = help
        .split_once("Commands:\n")
        .map_or("", |(_, listed)| listed);
    listed
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|name| !["", "help"].contains(name))
        .map(str::to_owned)
}

#[test]
fn wrong_usage_is_status_2_and_standard_output_stays_empty() {
    for wrong in [
        &["sreve"][..],
        &["serve", "--lisen", "127.0.0.1:1"],
        &["serve", "--listen", "here"],
        &["serve", "--listen"],
        &["serve", "now"],
        &["serve", "--master-key", MASTER_KEY],
        &["migrate", "--listen", "127.0.0.1:1"],
        &["serve", "--argon2-passes", "0"],
        &["serve", "--data-dir", "a", "--database-url", "postgres://b"],
    ] {
        let said = run(wrong);
        assert_eq!((said.status, &*said.out), (Some(2), ""), "{said:?}");
        assert!(
            !said.err.is_empty() && !said.err.contains(MASTER_KEY),
            "{said:?}"
        );
    }
}

#[test]
fn what_nobody_knows_is_refused_wherever_it_is_given() {
    let mut variable = command(&["config"]);
    let said = said(variable.env("ROLLCALL_LISTN", "127.0.0.1:1"));
    assert_eq!(
        said.misused(),
        "there is no option `listn`, yet it is given by the environment variable ROLLCALL_LISTN"
    );
    let folder = Folder::new();
    let file = folder.write("my.toml", "listn = '127.0.0.1:1'");
    assert_eq!(
        run(&["serve", "--config", &file]).misused(),
        format!("there is no option `listn`, yet it is given by the file {file}")
    );
    let absent = folder.join("absent.toml");
    let said = run(&["config", "--config", &absent]);
    assert!(
        said.misused().contains("absent.toml cannot be read"),
        "{said:?}"
    );
}

#[test]
fn a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default() {
    let folder = Folder::new();
    folder.write(
        "rollcall.toml",
        "body_limit = 2001\nargon2_passes = 11\nargon2_lanes = 11\nlog = 'warn'",
    );
    let mut config = command(&["config", "--argon2-lanes", "13"]);
    let said = said(
        config
            .current_dir(folder.path())
            .env("ROLLCALL_ARGON2_PASSES", "12")
            .env("ROLLCALL_ARGON2_LANES", "12"),
    );
    assert_eq!((said.status, &*said.err), (Some(0), ""), "{said:?}");
    let lines: Vec<&str> = said.out.lines().collect();
    for line in [
        "listen = \"127.0.0.1:8080\"",
        "body_limit = 2001",
        "argon2_passes = 12",
        "argon2_lanes = 13",
        "log = \"warn\"",
    ] {
        assert!(lines.contains(&line), "{line} is not in {lines:#?}");
    }
    // What is printed is a file that leads to the same.
    let printed = folder.write("printed.toml", &said.out);
    assert_eq!(run(&["config", "--config", &printed]).out, said.out);
}

#[test]
fn the_configuration_is_printed_without_its_secrets() {
    let mut config = command(&[
        "config",
        "--database-url",
        "postgres://ada:swordfish@db/roll",
    ]);
    let said = said(config.env("ROLLCALL_MASTER_KEY", MASTER_KEY));
    assert_eq!(said.status, Some(0), "{said:?}");
    assert!(
        said.out.contains("postgres://ada:(hidden)@db/roll"),
        "{said:?}"
    );
    assert!(said.out.contains("master_key = \"(hidden)\""), "{said:?}");
    assert!(
        !said.out.contains("swordfish") && !said.out.contains(MASTER_KEY),
        "{said:?}"
    );
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let mut pipe = Command::new("sh");
    // The reader is gone before anything is written.
    pipe.args(["-c", "{ sleep 0.2; \"$0\" config; echo $? >&2; } | true"])
        .arg(env!("CARGO_BIN_EXE_rollcall"))
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null());
    assert_eq!(said(&mut pipe).err, "0\n");
}

#[test]
fn a_port_that_is_taken_is_told_in_a_sentence() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let url = databases::url(&databases::migrated());
    let mut serve = command(&["serve", "--listen", &address, "--database-url", &url]);
    let refused = said(serve.env("ROLLCALL_MASTER_KEY", MASTER_KEY));
    let sentence = refused.failed();
    assert!(
        sentence.starts_with(&format!(
            "cannot listen on {address}: Address already in use"
        )),
        "{sentence}"
    );
}

#[test]
fn a_data_directory_that_cannot_be_made_is_told_in_a_sentence() {
    let folder = Folder::new();
    let file = folder.write("file", "");
    for command in ["serve", "migrate"] {
        let refused = run(&[command, "--data-dir", &format!("{file}/data")]);
        let beginning = format!("could not create the data directory `{file}/data`: ");
        assert!(refused.failed().starts_with(&beginning), "{refused:?}");
        let refused = run(&[command, "--data-dir", &file]);
        let beginning = format!("could not create the socket folder `{file}/run`: ");
        assert!(refused.failed().starts_with(&beginning), "{refused:?}");
    }
}

#[test]
fn a_server_that_is_not_installed_is_told_in_a_sentence() {
    let folder = Folder::new();
    let (data_dir, nowhere) = (folder.join("data"), folder.join("nowhere"));
    let mut serve = command(&["serve", "--data-dir", &data_dir, "--postgres-bin", &nowhere]);
    let refused = said(serve.env("PATH", ""));
    let sentence = refused.failed();
    assert!(
        sentence.contains(&format!("was found in `{nowhere}`"))
            && sentence.contains("name its folder with --postgres-bin"),
        "{sentence}"
    );
}

#[test]
fn where_to_listen_is_understood_as_people_write_it_or_refused_with_an_example() {
    for (given, understood) in [
        ("localhost:9090", "127.0.0.1:9090"),
        (":9090", "0.0.0.0:9090"),
        ("9090", "127.0.0.1:9090"),
        ("[::]:9090", "[::]:9090"),
    ] {
        let line = format!("listen = \"{understood}\"");
        let by_flag = run(&["config", "--listen", given]);
        assert!(by_flag.out.contains(&line), "{given}: {by_flag:?}");
        let by_variable = said(command(&["config"]).env("ROLLCALL_LISTEN", given));
        assert!(by_variable.out.contains(&line), "{given}: {by_variable:?}");
    }
    for given in [
        "::1:9090",
        "localhost",
        "http://localhost:9090",
        "example.com:80",
    ] {
        let by_flag = run(&["config", "--listen", given]);
        let by_variable = said(command(&["config"]).env("ROLLCALL_LISTEN", given));
        for refused in [by_flag, by_variable] {
            assert_eq!(refused.status, Some(2), "{refused:?}");
            assert!(refused.err.contains("[::1]:8080"), "{refused:?}");
        }
    }
}
