//! Signals: how the service stops, and what it makes of the others.

use std::{
    io::Write,
    net::TcpStream,
    process::Stdio,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;

use crate::{
    api::Api,
    databases,
    program::{MASTER_KEY, Program, command, eventually},
};

/// Less than whole requests are given to be finished.
const SOON: Duration = Duration::from_secs(6);

fn serve(arguments: &[&str]) -> Program {
    let url = databases::url(&databases::migrated());
    let mut all = vec!["--database-url", &url];
    all.extend(arguments);
    Program::serve(&all)
}

#[test]
fn half_sent_requests_do_not_hold_up_the_end() {
    let mut program = serve(&[]);
    let owner = Api::at(program.address()).owner();
    let half_a_body = owner.head("POST", "/api/v2/users", 10) + "{\"user";
    let half: Vec<TcpStream> = ["GET / HT", &half_a_body, ""]
        .iter()
        .map(|sent| {
            let mut connection = owner.connect().unwrap();
            connection.write_all(sent.as_bytes()).unwrap();
            connection
        })
        .collect();
    assert_eq!(owner.usernames(), ["alice"]);
    let since = Instant::now();
    let log = program.stop();
    let took = since.elapsed();
    assert!(took < SOON, "{took:?}: {log}");
    assert!(
        !log.contains("requests under way: they took too long"),
        "{log}"
    );
    drop(half);
}

#[test]
fn requests_are_served_during_the_delay_while_the_node_says_that_it_is_not_ready() {
    let mut program = serve(&["--shutdown-delay", "1h"]);
    let owner = Api::at(program.address()).owner();
    assert_eq!(owner.get("/readyz").status, 200);
    program.signal(Signal::SIGTERM);
    eventually("a node that is not ready", || {
        (owner.get("/readyz").status == 503).then_some(())
    });
    assert_eq!(owner.get("/healthz").status, 200);
    assert_eq!(owner.create("grace").unwrap().status, 201);
    assert!(program.is_running());
    // A second signal ends it at once.
    let since = Instant::now();
    let log = program.stop();
    let took = since.elapsed();
    assert!(took < SOON, "{took:?}: {log}");
}

#[test]
fn a_delay_that_is_over_ends_the_service() {
    let program = serve(&["--shutdown-delay", "1s"]);
    let log = program.stop();
    assert!(!log.contains("second signal stopped"), "{log}");
}

#[test]
fn a_terminal_that_is_closed_stops_the_service_like_any_other_request_to_stop() {
    let mut program = serve(&[]);
    let owner = Api::at(program.address()).owner();
    assert_eq!(owner.usernames(), ["alice"]);
    program.signal(Signal::SIGHUP);
    let status = program.ended();
    assert!(status.success(), "{status}: {}", program.err());
    assert!(program.err().contains("stopping"), "{}", program.err());
}

#[test]
fn signals_that_mean_nothing_to_us_are_ignored() {
    let mut program = serve(&[]);
    let owner = Api::at(program.address()).owner();
    for signal in [Signal::SIGUSR1, Signal::SIGUSR2] {
        program.signal(signal);
        assert_eq!(owner.usernames(), ["alice"], "{signal}");
    }
    program.stop();
}

#[test]
fn a_service_without_descriptors_says_so_once_and_goes_on() {
    let url = databases::url(&databases::migrated());
    let mut few_files = std::process::Command::new("sh");
    few_files.args(["-c", "ulimit -n 60 && exec \"$0\" \"$@\""]);
    let serve = command(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--database-connections",
        "4",
        "--database-url",
        &url,
    ]);
    few_files
        .arg(serve.get_program())
        .args(serve.get_args())
        .env("ROLLCALL_MASTER_KEY", MASTER_KEY)
        .stdin(Stdio::null());
    let mut program = Program::launch_command(&mut few_files);
    let owner = Api::at(program.address()).owner();
    let idle: Vec<TcpStream> = (0..100).map(|_| owner.connect().unwrap()).collect();
    let said = "connections cannot be accepted";
    eventually("a line", || program.err().contains(said).then_some(()));
    drop(idle);
    assert_eq!(owner.usernames(), ["alice"]);
    let log = program.stop();
    assert_eq!(log.matches(said).count(), 1, "{log}");
}

#[test]
fn any_number_of_refused_requests_is_a_few_lines_in_the_log() {
    let mut program = serve(&["--api-rate-limit", "10"]);
    let anybody = Api::at(program.address());
    let mut refused = 0;
    for nth in 0..90 {
        refused += i32::from(anybody.get(&format!("/nowhere/{nth}")).status == 429);
        assert_eq!(anybody.get("/healthz").status, 200);
    }
    let log = program.stop();
    assert!(refused >= 70, "{refused}");
    assert!(!log.contains("status=429"), "{log}");
    assert!(!log.contains("/healthz"), "{log}");
    assert!(
        log.contains("requests are refused: too many network=\"127.0.0.0/24\""),
        "{log}"
    );
    let lines: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("refused"))
        .collect();
    // Two for each minute that it took.
    assert!(lines.len() <= 4, "{lines:#?}");
    let counted: i32 = lines
        .iter()
        .filter_map(|line| line.split_once("count="))
        .map(|(_, count)| count.trim().parse::<i32>().unwrap())
        .sum();
    assert!(
        counted <= refused && counted >= refused - 2,
        "{counted} of {refused}: {log}"
    );
}
