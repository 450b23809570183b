//! `rollcall rebuild` and `rollcall verify`, as people run them, beside a service, and killed.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop where it is"
)]

use std::{
    hash::{BuildHasher, RandomState},
    process::Stdio,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    api::Api,
    databases::{self, Look},
    program::{Folder, MASTER_KEY, Program, Said, command, said},
};

const KILLS: usize = 10;
/// A rebuild of so little takes about this long.
const WITHIN_MS: u64 = 250;
const CLIENTS: usize = 32;
/// Writers wait for the swap, for less than half a second. Here they wait for each other, on machines that do much else.
const LONGEST_STALL: Duration = Duration::from_secs(4);

fn on(url: &str, arguments: &[&str]) -> Said {
    let mut command = command(arguments);
    said(
        command
            .args(["--database-url", url])
            .env("ROLLCALL_MASTER_KEY", MASTER_KEY),
    )
}

/// A service on a database of its own, where requests are not counted, and whoever may do everything there.
fn service() -> (String, String, Program, Api) {
    let name = databases::migrated();
    let url = databases::url(&name);
    let mut program = Program::serve(&["--database-url", &url, "--api-rate-limit", "0"]);
    let owner = Api::at(program.address()).owner();
    (name, url, program, owner)
}

/// As long as the work goes on, each of the clients changes a user of its own and looks, over and over: no request fails, and
/// what was acknowledged is what is read.
fn beside_clients<T>(owner: &Api, work: impl FnOnce() -> T) -> T {
    for client in 0..CLIENTS {
        let created = owner.create(&format!("client-{client}")).unwrap();
        assert_eq!(created.status, 201, "{created:?}");
    }
    let (stop, rounds) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (done, longest) = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (stop, rounds) = (&stop, &rounds);
                scope.spawn(move || change_and_look(owner, client, stop, rounds))
            })
            .collect();
        let done = work();
        stop.store(true, Ordering::Relaxed);
        let stalls = clients.into_iter().map(|client| client.join().unwrap());
        (done, stalls.max().unwrap_or_default())
    });
    println!("{rounds:?} rounds; the longest change took {longest:?}");
    assert!(longest < LONGEST_STALL, "{longest:?}");
    done
}

/// How long the longest change took.
fn change_and_look(
    owner: &Api,
    client: usize,
    stop: &AtomicBool,
    rounds: &AtomicUsize,
) -> Duration {
    let username = format!("client-{client}");
    let path = format!("/api/v2/users/{username}");
    let mut longest = Duration::ZERO;
    for round in 0.. {
        let name = format!("Round {round}");
        let change = json!({ "username": username, "name": name }).to_string();
        let since = Instant::now();
        let changed = owner.send("PUT", &format!("{path}/profile"), &change);
        longest = longest.max(since.elapsed());
        let changed = changed.unwrap();
        assert_eq!(changed.status, 200, "{changed:?}");
        let read = owner.get(&path);
        assert_eq!((read.status, &read.json["name"]), (200, &json!(name)));
        let listed = owner.get(&format!("/api/v2/users?q={username}"));
        let users = listed.json["users"].as_array().unwrap();
        let this = users.iter().find(|user| user["username"] == *username);
        assert_eq!(this.unwrap()["name"], *name, "{listed:?}");
        rounds.fetch_add(1, Ordering::Relaxed);
        if stop.load(Ordering::Relaxed) {
            break;
        }
    }
    longest
}

fn assert_in_order(name: &str, url: &str) {
    let verified = on(url, &["verify"]);
    assert_eq!(verified.status, Some(0), "{verified:?}");
    assert!(
        verified.out.contains("What is served is what happened."),
        "{verified:?}"
    );
    let left = "SELECT count(*) FROM pg_namespace WHERE nspname IN ('read_next', 'read_old')";
    assert_eq!(Look::into(name).number(left), 0);
}

fn assert_rebuilt(rebuilt: &Said) {
    assert_eq!(rebuilt.status, Some(0), "{rebuilt:?}");
    assert!(
        rebuilt.out.contains("they are served since position"),
        "{rebuilt:?}"
    );
}

#[test]
fn a_rebuild_beside_many_clients_disturbs_none_of_them() {
    let (name, url, program, owner) = service();
    let rebuilds = beside_clients(&owner, || [(); 3].map(|()| on(&url, &["rebuild"])));
    assert_in_order(&name, &url);
    rebuilds.iter().for_each(assert_rebuilt);
    program.stop();
}

#[test]
fn a_rebuild_killed_at_any_moment_harms_nothing() {
    let (name, url, program, owner) = service();
    beside_clients(&owner, || {
        for kill in 0..KILLS {
            let mut rebuild = command(&["rebuild", "--database-url", &url]);
            let mut child = rebuild
                .env("ROLLCALL_MASTER_KEY", MASTER_KEY)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let moment = RandomState::new().hash_one(kill) % WITHIN_MS;
            thread::sleep(Duration::from_millis(moment));
            child.kill().unwrap();
            child.wait().unwrap();
        }
    });
    let verified = on(&url, &["verify"]);
    assert_eq!(verified.status, Some(0), "{verified:?}");
    assert_rebuilt(&on(&url, &["rebuild"]));
    assert_in_order(&name, &url);
    program.stop();
}

#[test]
fn what_differs_is_told_and_mended() {
    let name = databases::migrated();
    let url = databases::url(&name);
    let mut program = Program::on(&url);
    let owner = Api::at(program.address()).owner();
    owner.create("bob").unwrap();
    let mut look = Look::into(&name);
    look.execute("UPDATE read.users SET status = 'suspended' WHERE username = 'bob'");

    let found = on(&url, &["verify"]);
    assert_eq!(found.status, Some(1), "{found:?}");
    assert!(
        found
            .out
            .contains("status is \"suspended\" and should be \"active\"")
            || found.out.contains("should be \"dormant\""),
        "{found:?}"
    );
    assert!(
        found.err.contains("`rollcall verify --repair` mends them"),
        "{found:?}"
    );

    let found = on(&url, &["verify", "--format", "json", "--user", "bob"]);
    let json: Value = serde_json::from_str(&found.out).unwrap();
    assert_eq!(json["differences"][0]["field"], "status");
    assert_eq!(json["differences"][0]["served"], "suspended");
    assert!(json["differences"][0]["position"].is_i64());
    assert_eq!(on(&url, &["verify", "--user", "alice"]).status, Some(0));

    let diff = on(&url, &["rebuild", "--diff"]);
    assert_eq!(diff.status, Some(0), "{diff:?}");
    assert!(diff.out.contains("status is \"suspended\""), "{diff:?}");
    assert_eq!(on(&url, &["verify"]).status, Some(0));

    look.execute("DELETE FROM read.sessions");
    let mended = on(&url, &["verify", "--repair"]);
    assert_eq!(mended.status, Some(0), "{mended:?}");
    assert!(mended.out.contains("1 rows were mended."), "{mended:?}");
    assert_eq!(owner.get("/api/v2/users/me").status, 200);
    program.stop();
}

#[test]
fn the_private_database_is_rebuilt_offline() {
    let folder = Folder::new();
    let mut program = Program::in_folder(&folder);
    Api::at(program.address()).owner();
    program.stop();
    let data = folder.join("data");
    let rebuilt = said(&mut command(&["rebuild", "--data-dir", &data]));
    assert_eq!(rebuilt.status, Some(0), "{rebuilt:?}");
    let verified = said(&mut command(&["verify", "--data-dir", &data]));
    assert_eq!(verified.status, Some(0), "{verified:?}");
    let mut program = Program::in_folder(&folder);
    Api::at(program.address()).signed_in("alice");
    program.stop();
    let unknown = said(&mut command(&[
        "rebuild",
        "--data-dir",
        &data,
        "--projection",
        "x",
    ]));
    assert!(
        unknown.failed().contains("there is no projection \"x\""),
        "{unknown:?}"
    );
}
