//! `rollcall checkpoint` and `rollcall proof`, and the checkpoints of a running service.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop where it is"
)]

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    thread,
    time::Duration,
};

use rollcall_events::evidence::{Checkpoint, VerifierKey};
use serde_json::{Value, json};

use crate::{
    api::Api,
    databases::{self, Look},
    program::{Folder, MASTER_KEY, Program, Said, command, eventually, run, said},
};

const ORIGIN: &str = "rollcall.example.com";

/// Somebody outside who keeps checkpoints.
struct Archive {
    address: SocketAddr,
    status: Arc<AtomicU16>,
    /// Path, body, and the status of the answer.
    received: Arc<Mutex<Vec<(String, String, u16)>>>,
}

impl Archive {
    fn new(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let archive = Self {
            address: listener.local_addr().unwrap(),
            status: Arc::new(AtomicU16::new(status)),
            received: Arc::default(),
        };
        let (status, received) = (archive.status.clone(), archive.received.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let status = status.load(Ordering::SeqCst);
                let (path, body) = take(&mut stream.unwrap(), status);
                received.lock().unwrap().push((path, body, status));
            }
        });
        archive
    }

    /// How `serve` is told of it.
    fn arguments(&self) -> [String; 6] {
        [
            "--checkpoint-every".to_owned(),
            "1s".to_owned(),
            "--checkpoint-to".to_owned(),
            format!("http://{}/log/{{size}}", self.address),
            "--checkpoint-origin".to_owned(),
            ORIGIN.to_owned(),
        ]
    }

    fn kept(&self) -> Vec<(String, String, u16)> {
        self.received.lock().unwrap().clone()
    }
}

fn take(stream: &mut TcpStream, status: u16) -> (String, String) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).unwrap() > 0, "{head}");
    }
    let lower = head.to_ascii_lowercase();
    assert!(
        lower.contains("content-type: text/plain; charset=utf-8"),
        "{head}"
    );
    let (_, length) = lower.split_once("content-length: ").unwrap();
    let length = length.lines().next().unwrap().parse().unwrap();
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let answer =
        format!("HTTP/1.1 {status} Well\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).unwrap();
    let path = head
        .strip_prefix("PUT ")
        .unwrap()
        .split(' ')
        .next()
        .unwrap();
    (path.to_owned(), String::from_utf8(body).unwrap())
}

fn on(url: &str, arguments: &[&str]) -> Said {
    let mut command = command(arguments);
    said(
        command
            .args(["--database-url", url])
            .env("ROLLCALL_MASTER_KEY", MASTER_KEY)
            .env("ROLLCALL_CHECKPOINT_ORIGIN", ORIGIN),
    )
}

/// What it prints, when it succeeds.
fn printed(said: &Said) -> &str {
    assert_eq!(said.status, Some(0), "{said:?}");
    &said.out
}

fn public_key(url: &str) -> VerifierKey {
    printed(&on(url, &["checkpoint", "--public-key"]))
        .parse()
        .unwrap()
}

fn serve(url: &str, archive: &Archive) -> Program {
    let arguments = archive.arguments();
    let mut all = vec!["--database-url", url];
    all.extend(arguments.iter().map(String::as_str));
    Program::serve(&all)
}

#[test]
fn a_checkpoint_is_printed_and_written_where_it_is_wanted() {
    let (name, folder) = (databases::migrated(), Folder::new());
    let url = databases::url(&name);
    let mut program = Program::on(&url);
    Api::at(program.address()).owner();
    let to = folder.join("{size}.txt");
    let made = on(&url, &["checkpoint", "--to", &to]);
    let key = public_key(&url);
    let checkpoint = Checkpoint::open(printed(&made), &key).unwrap();
    let last = Look::into(&name).number("SELECT position FROM log.head");
    assert_eq!(checkpoint.size, last.unsigned_abs());
    assert_eq!(checkpoint.origin, ORIGIN);
    let written = std::fs::read_to_string(folder.join(&format!("{last}.txt"))).unwrap();
    assert_eq!(written, made.out);
    assert!(
        made.err
            .contains(&format!("was written to {}", folder.join(""))),
        "{made:?}"
    );
    // Nothing is left beside it, and nothing new is made.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(printed(&on(&url, &["checkpoint"])), made.out);
    let nowhere = on(&url, &["checkpoint", "--to", &folder.join("no/such")]);
    assert_eq!(nowhere.status, Some(1), "{nowhere:?}");
    assert!(nowhere.err.contains("cannot be written to"), "{nowhere:?}");
    let refusing = Archive::new(403);
    let to = format!("http://{}/log", refusing.address);
    let refused = on(&url, &["checkpoint", "--to", &to]);
    assert!(
        refused.err.contains("it answers with status 403"),
        "{refused:?}"
    );
    program.stop();
}

#[test]
fn a_service_puts_checkpoints_on_a_schedule_and_a_last_one_when_it_stops() {
    let name = databases::migrated();
    let url = databases::url(&name);
    let archive = Archive::new(503);
    let mut program = serve(&url, &archive);
    let owner = Api::at(program.address()).owner();
    // While it is refused, it is tried again.
    eventually("three tries", || (archive.kept().len() >= 3).then_some(()));
    archive.status.store(200, Ordering::SeqCst);
    let position = || Look::into(&name).number("SELECT position FROM log.head");
    let arrived = |size: i64| {
        let path = format!("/log/{size}");
        let received = archive.kept();
        let found = received
            .into_iter()
            .find(|(to, _, status)| *to == path && *status == 200);
        found.map(|(_, note, _)| note)
    };
    eventually("the first", || arrived(position()));
    // What happens last is in the last checkpoint.
    owner.create("bob").unwrap();
    let said = program.stop();
    let note = arrived(position()).unwrap();
    let key = public_key(&url);
    Checkpoint::open(&note, &key).unwrap();
    let told = |text: &str| said.lines().filter(|line| line.contains(text)).count();
    assert_eq!(told("a checkpoint was not sent"), 1, "{said}");
}

#[test]
fn of_several_nodes_one_makes_each_checkpoint_and_a_lost_database_ends_nothing() {
    let name = databases::migrated();
    let url = databases::url(&name);
    let archive = Archive::new(200);
    let mut nodes: Vec<Program> = (0..3).map(|_| serve(&url, &archive)).collect();
    let owner = Api::at(nodes[0].address()).owner();
    for nth in 0..6 {
        owner.create(&format!("user{nth}")).unwrap();
        thread::sleep(Duration::from_millis(500));
        if nth == 3 {
            // All connections are lost, and for a while nobody gets one.
            let mut look = Look::into("postgres");
            look.execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"));
            look.execute(&format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
            ));
            thread::sleep(Duration::from_millis(2500));
            look.execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true"));
        }
    }
    let last = Look::into(&name).number("SELECT position FROM log.head");
    eventually("the last", || {
        let received = archive.kept();
        received
            .iter()
            .any(|(path, ..)| *path == format!("/log/{last}"))
            .then_some(())
    });
    for node in nodes.drain(..) {
        node.stop();
    }
    let received = archive.kept();
    let sizes: BTreeSet<&String> = received.iter().map(|(path, ..)| path).collect();
    // Each node that begins sends the newest, which another has perhaps sent.
    assert!(received.len() - sizes.len() <= 2, "{received:?}");
    let made = Look::into(&name).number("SELECT count(*) FROM log.checkpoints");
    assert_eq!(i64::try_from(sizes.len()).unwrap(), made);
}

#[test]
fn a_log_that_was_set_back_gets_no_signature() {
    let name = databases::migrated();
    let url = databases::url(&name);
    let mut program = Program::on(&url);
    let owner = Api::at(program.address()).owner();
    let mut look = Look::into(&name);
    look.execute("CREATE TABLE public.kept AS SELECT * FROM log.head");
    owner.create("bob").unwrap();
    printed(&on(&url, &["checkpoint"]));
    program.stop();
    look.execute(
        "SET session_replication_role = replica;
         DELETE FROM log.events WHERE position > (SELECT position FROM public.kept);
         UPDATE log.head SET (position, frontier, recorded_at)
             = (SELECT position, frontier, recorded_at FROM public.kept)",
    );
    let refused = on(&url, &["checkpoint"]);
    assert!(refused.failed().contains("it was rewritten"), "{refused:?}");
    let archive = Archive::new(200);
    let program = serve(&url, &archive);
    eventually("the refusal", || {
        program.err().contains("it was rewritten").then_some(())
    });
    program.stop();
    // What was signed before may go out again: nothing else was signed.
    assert!(archive.kept().len() <= 1);
    assert_eq!(look.number("SELECT count(*) FROM log.checkpoints"), 1);
}

#[test]
fn a_proof_made_before_somebody_was_erased_still_proves_afterwards() {
    let (name, folder) = (databases::migrated(), Folder::new());
    let url = databases::url(&name);
    let mut program = Program::on(&url);
    let owner = Api::at(program.address()).owner();
    let bob = owner.create("bob").unwrap();
    let id = bob.json["id"].as_str().unwrap();
    let mut look = Look::into(&name);
    let position = look.number(&format!(
        "SELECT position FROM log.events WHERE aggregate_id = '{id}' AND version = 1"
    ));
    let first = on(&url, &["checkpoint"]);
    let first = folder.write("first", printed(&first));
    let key = folder.write("key", &format!("{}\n", public_key(&url)));
    let wish = ["proof", "inclusion", "--position", &position.to_string()];
    let before = on(&url, &wish);
    let before = folder.write("before", printed(&before));
    let verify = |file: &str, more: &[&str]| {
        let arguments = [&["proof", "verify", file, "--public-key", &key], more].concat();
        run(&arguments)
    };
    let proved = format!("The event UserCreated at position {position} is in the log {ORIGIN}");
    assert!(printed(&verify(&before, &[])).starts_with(&proved));

    printed(&on(&url, &["erase", "bob", "--yes"]));
    assert!(printed(&verify(&before, &[])).starts_with(&proved));
    let second = on(&url, &["checkpoint"]);
    let second = Checkpoint::open(printed(&second), &public_key(&url)).unwrap();
    let after = on(&url, &wish);
    let after = folder.write("after", printed(&after));
    assert!(printed(&verify(&after, &[])).starts_with(&proved));
    let read = |file: &str| -> Value {
        serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
    };
    assert_eq!(read(&before)["event"], read(&after)["event"]);
    assert_eq!(read(&after)["size"], second.size);
    // An event that is shown with the proof, and one that is another.
    let event = folder.write("event", &read(&before)["event"].to_string());
    printed(&verify(&after, &["--event", &event]));
    let mut forged = read(&before)["event"].clone();
    forged["metadata"] = json!("{}");
    let forged = folder.write("forged", &forged.to_string());
    let refused = verify(&after, &["--event", &forged]);
    assert!(refused.failed().contains("another root"), "{refused:?}");

    // The log of today begins with the log of then.
    let from = Checkpoint::open(&std::fs::read_to_string(&first).unwrap(), &public_key(&url));
    let (from, to) = (from.unwrap().size.to_string(), second.size.to_string());
    let grown = on(
        &url,
        &["proof", "consistency", "--from", &from, "--to", &to],
    );
    let grown = folder.write("grown", printed(&grown));
    let says = format!("as of position {to} begins with what it was as of position {from}");
    assert!(printed(&verify(&grown, &[])).contains(&says));
    program.stop();
}

#[test]
fn a_proof_is_worth_what_is_signed() {
    let (name, folder) = (databases::migrated(), Folder::new());
    let url = databases::url(&name);
    let mut program = Program::on(&url);
    Api::at(program.address()).owner();
    program.stop();
    let key = public_key(&url).to_string();
    let proof = on(&url, &["proof", "inclusion", "--position", "2"]);
    let unsigned = folder.write("unsigned", printed(&proof));
    let verify = |file: &str, more: &[&str]| {
        let arguments = [&["proof", "verify", file, "--public-key", &key], more].concat();
        run(&arguments)
    };
    let refused = verify(&unsigned, &[]);
    assert!(
        refused.failed().contains("there is no checkpoint of"),
        "{refused:?}"
    );
    let made = on(&url, &["checkpoint"]);
    let note = folder.write("note", printed(&made));
    printed(&verify(&unsigned, &["--checkpoint", &note]));
    // By somebody else's key, of another database.
    let other = public_key(&databases::url(&databases::migrated())).to_string();
    let arguments = [
        "proof",
        "verify",
        &unsigned,
        "--checkpoint",
        &note,
        "--public-key",
        &other,
    ];
    let refused = run(&arguments);
    assert!(refused.failed().contains("is not signed by"), "{refused:?}");

    let proof: Value = serde_json::from_str(&proof.out).unwrap();
    let changes: [fn(&mut Value); 6] = [
        |proof| proof["position"] = json!(1),
        |proof| proof["size"] = json!(1),
        |proof| drop(proof["path"].as_array_mut().unwrap().pop()),
        |proof| proof["path"][0] = proof["root"].clone(),
        |proof| proof["event"]["payload"] = json!("{}"),
        |proof| proof["more"] = json!(true),
    ];
    for (nth, change) in changes.iter().enumerate() {
        let mut other = proof.clone();
        change(&mut other);
        let file = folder.write(&format!("changed{nth}"), &other.to_string());
        verify(&file, &["--checkpoint", &note]).failed();
    }
    let missing = on(&url, &["proof", "inclusion", "--position", "1000"]);
    assert!(
        missing.failed().contains("there is no such proof"),
        "{missing:?}"
    );
    let backwards = on(&url, &["proof", "consistency", "--from", "2", "--to", "1"]);
    assert!(
        backwards.failed().contains("there is no such proof"),
        "{backwards:?}"
    );
}
