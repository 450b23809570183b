//! `rollcall rebuild` and `rollcall verify`, as people run them, beside a service, and killed.

use std::{
    hash::{BuildHasher, RandomState},
    process::Stdio,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    api::Api,
    databases::{self, Look},
    program::{Folder, MASTER_KEY, Program, Said, command, said},
};

const KILLS: usize = 10;
/// A rebuild of so little takes about this long.
const WITHIN_MS: u64 = 250;
const WRITERS: usize = 4;
/// Writers wait for the swap, and never as long as this.
const LONGEST_STALL: Duration = Duration::from_millis(500);

fn on(url: &str, arguments: &[&str]) -> Said {
    let mut command = command(arguments);
    said(
        command
            .args(["--database-url", url])
            .env("ROLLCALL_MASTER_KEY", MASTER_KEY),
    )
}

#[test]
fn a_rebuild_killed_at_any_moment_harms_nothing() {
    let name = databases::migrated();
    let url = databases::url(&name);
    let mut program = Program::on(&url);
    let owner = Api::at(program.address()).owner();
    let (stop, writes) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (owner, stop, writes) = (&owner, &stop, &writes);
            scope.spawn(move || {
                for nth in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let username = format!("user-{writer}-{nth}");
                    let since = Instant::now();
                    let created = owner.create(&username).unwrap();
                    assert_eq!(created.status, 201, "{created:?}");
                    assert!(since.elapsed() < 8 * LONGEST_STALL, "{:?}", since.elapsed());
                    let read = owner.get(&format!("/api/v2/users/{username}"));
                    assert_eq!(read.status, 200, "{read:?}");
                    writes.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for kill in 0..KILLS {
            let mut rebuild = command(&["rebuild", "--database-url", &url]);
            let mut child = rebuild
                .env("ROLLCALL_MASTER_KEY", MASTER_KEY)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            thread::sleep(Duration::from_millis(
                RandomState::new().hash_one(kill) % WITHIN_MS,
            ));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let rebuilt = on(&url, &["rebuild"]);
        stop.store(true, Ordering::Relaxed);
        assert_eq!(rebuilt.status, Some(0), "{rebuilt:?}");
        assert!(
            rebuilt.out.contains("they are served since position"),
            "{rebuilt:?}"
        );
    });
    assert!(writes.load(Ordering::Relaxed) > KILLS);
    let verified = on(&url, &["verify"]);
    assert_eq!(verified.status, Some(0), "{verified:?}");
    assert!(
        verified.out.contains("What is served is what happened."),
        "{verified:?}"
    );
    let left = "SELECT count(*) FROM pg_namespace WHERE nspname IN ('read_next', 'read_old')";
    assert_eq!(Look::into(&name).number(left), 0);
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
