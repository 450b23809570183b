//! What the service writes while it serves: enough to see what it does, and nothing that belongs to anybody.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop where it is"
)]

use serde_json::{Value, json};

use crate::{
    api::{Answer, Api},
    databases,
    program::Program,
    support::PASSWORD,
};

/// Where the caller says, through a proxy that we trust, that they are.
const ADDRESS: &str = "203.0.113.77";
/// What must never be in the log, besides the tokens. None of it could be part of an identifier in hexadecimal.
const PERSONAL: [&str; 9] = [
    "alice",
    "grace",
    "hopper",
    "example.com",
    "swordfish",
    PASSWORD,
    ADDRESS,
    "127.0.0.1",
    "curl/8",
];

/// What people do in a day; the answers, and the tokens that they had.
fn session(program: &mut Program) -> (Vec<Answer>, Vec<String>) {
    let anybody = Api::at(program.address())
        .with_header(&format!("X-Forwarded-For: {ADDRESS}"))
        .with_header("User-Agent: curl/8");
    let owner = anybody.owner();
    let mut answers = vec![
        owner.create("grace").unwrap(),
        // Taken, then invalid, then no JSON at all.
        owner.create("grace").unwrap(),
        owner.create("grace--hopper").unwrap(),
        owner
            .send(
                "POST",
                "/api/v2/users",
                r#"{"email": "grace@example.com", "password": swordfish"#,
            )
            .unwrap(),
        owner.get("/api/v2/users/grace"),
        owner.get("/api/v2/users/grace@example.com"),
        owner.get("/api/v2/users?q=email:grace@example.com%20nonsense:hopper&limit=grace"),
        owner.get("/api/v2/users?q=hopper&limit=0"),
        owner.get("/grace/hopper?token=swordfish"),
    ];
    let wrong = json!({ "email": "grace@example.com", "password": "swordfish" });
    answers.push(anybody.post("/api/v2/users/login", &wrong));
    let unknown = json!({ "email": "hopper@example.com", "password": "swordfish" });
    answers.push(anybody.post("/api/v2/users/login", &unknown));
    let grace = anybody.signed_in("grace");
    answers.push(grace.get("/api/v2/users/me"));
    answers.push(grace.create("hopper").unwrap());
    answers.push(grace.post("/api/v2/users/logout", &json!({})));
    answers.push(grace.get("/api/v2/users/me"));
    (
        answers,
        vec![owner.token().to_owned(), grace.token().to_owned()],
    )
}

#[track_caller]
fn nothing_personal(log: &str, tokens: &[String]) {
    let lower = log.to_lowercase();
    let halves = tokens.iter().flat_map(|token| token.split('-'));
    for word in PERSONAL.into_iter().chain(halves) {
        assert!(
            !lower.contains(&word.to_lowercase()),
            "{word} is in the log:\n{log}"
        );
    }
}

fn serve(arguments: &[&str]) -> Program {
    let url = databases::url(&databases::migrated());
    let mut all = vec!["--database-url", &url, "--trusted-proxies", "127.0.0.1"];
    all.extend(arguments);
    Program::serve(&all)
}

#[test]
fn each_request_is_one_line_of_text_without_anything_personal() {
    let mut program = serve(&[]);
    let (answers, tokens) = session(&mut program);
    let log = program.stop();
    nothing_personal(&log, &tokens);
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    for answer in answers {
        let id = answer.header("x-coder-request-id");
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(id)).collect();
        let [line] = lines[..] else {
            panic!("not one line but {lines:#?}");
        };
        for part in [
            "method=",
            "route=\"",
            "answered",
            "micros=",
            &format!("status={}", answer.status),
        ] {
            assert!(line.contains(part), "{part} is not in {line}");
        }
    }
    assert!(
        [200, 201, 400, 401, 403, 404, 409]
            .iter()
            .all(|status| statuses.contains(status)),
        "{statuses:?}"
    );
    assert!(
        log.contains("method=GET route=\"/api/v2/users/{user}\""),
        "{log}"
    );
    assert!(log.contains("method=GET route=\"(none)\""), "{log}");
}

#[test]
fn the_same_as_json() {
    let mut program = serve(&["--log-format", "json"]);
    let (answers, tokens) = session(&mut program);
    let log = program.stop();
    nothing_personal(&log, &tokens);
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for answer in answers {
        let id = answer.header("x-coder-request-id");
        let line = lines.iter().find(|line| line["span"]["id"] == id).unwrap();
        assert_eq!(line["status"], answer.status);
        assert_eq!(line["message"], "answered");
        for part in [
            &line["micros"],
            &line["timestamp"],
            &line["level"],
            &line["span"]["method"],
            &line["span"]["route"],
        ] {
            assert!(!part.is_null(), "{line}");
        }
    }
}

#[test]
fn even_the_most_talkative_log_has_nothing_personal() {
    let mut program = serve(&["--log", "trace"]);
    let (_, tokens) = session(&mut program);
    nothing_personal(&program.stop(), &tokens);
}

/// As when the disk that the log goes to is full.
#[cfg(target_os = "linux")]
#[test]
fn requests_are_answered_though_the_log_cannot_be_written() {
    use std::process::{Command, Stdio};

    use crate::program::{MASTER_KEY, command};

    let url = databases::url(&databases::migrated());
    let serve = command(&["serve", "--listen", "127.0.0.1:0", "--database-url", &url]);
    let mut without_log = Command::new("sh");
    without_log
        .args(["-c", "exec \"$0\" \"$@\" 2>/dev/full"])
        .arg(serve.get_program())
        .args(serve.get_args())
        .env("ROLLCALL_MASTER_KEY", MASTER_KEY)
        .stdin(Stdio::null());
    let mut program = Program::launch_command(&mut without_log);
    let owner = Api::at(program.address()).owner();
    assert_eq!(owner.usernames(), ["alice"]);
    program.stop();
}
