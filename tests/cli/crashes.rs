//! The program is killed, or Postgres is: nothing that was acknowledged is lost, and service comes back.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop where it is"
)]

use std::{
    collections::BTreeSet,
    fs,
    hash::{BuildHasher, RandomState},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use nix::sys::signal::{Signal, kill};
use rollcall::postgres::{Cluster, ClusterOptions, Durability, SUPERUSER};
use uuid::Uuid;

use crate::{
    api::{Answer, Api},
    databases::Look,
    program::{Folder, Program, eventually},
};

const ROUNDS: usize = 5;
const WRITERS: usize = 4;
/// The program is killed within this time after the first write of a round.
const WITHIN_MS: u64 = 200;

#[test]
fn what_was_acknowledged_outlives_every_kill() {
    let folder = Folder::new();
    let mut program = Program::in_folder(&folder);
    let mut owner = Api::at(program.address()).owner();
    let mut acknowledged = BTreeSet::new();
    for round in 0..ROUNDS {
        let new = write_until_killed(&owner, &program, &folder, round);
        assert!(!new.is_empty());
        acknowledged.extend(new);
        program.ended();
        program = Program::in_folder(&folder);
        owner = owner.elsewhere(program.address());
        let listed = owner.get("/api/v2/users?limit=0");
        let listed = listed.json["users"].as_array().unwrap().clone();
        let ids: Vec<Uuid> = listed
            .iter()
            .map(|user| user["id"].as_str().unwrap().parse().unwrap())
            .collect();
        let distinct: BTreeSet<Uuid> = ids.iter().copied().collect();
        assert_eq!(distinct.len(), ids.len(), "somebody is listed twice");
        assert!(acknowledged.is_subset(&distinct), "somebody is lost");
        the_books_balance(&mut Look::into_folder(&folder.path().join("data")));
    }
}

#[test]
fn a_first_start_may_be_killed_at_any_moment() {
    let folder = Folder::new();
    let data_dir = folder.join("data");
    for moment in [0, 50, 150, 300, 600, 900, 1200, 1500] {
        let program = Program::launch(&["--data-dir", &data_dir]);
        thread::sleep(Duration::from_millis(moment));
        program.signal(Signal::SIGKILL);
    }
    let mut program = Program::in_folder(&folder);
    let owner = Api::at(program.address()).owner();
    assert_eq!(owner.usernames(), ["alice"]);
    let kept = fs::read_dir(&data_dir).unwrap();
    let mut kept: Vec<_> = kept.map(|entry| entry.unwrap().file_name()).collect();
    kept.sort();
    assert!(kept.contains(&"master.key".into()), "{kept:?}");
    the_books_balance(&mut Look::into_folder(data_dir.as_ref()));
}

/// Several create users as fast as they can, until the program is killed; the users of whom they were told that they
/// are there.
fn write_until_killed(owner: &Api, program: &Program, folder: &Folder, round: usize) -> Vec<Uuid> {
    let acknowledged = Mutex::new(Vec::new());
    let count = AtomicUsize::new(0);
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (acknowledged, count) = (&acknowledged, &count);
            scope.spawn(move || {
                for nth in 0.. {
                    let username = format!("user-{round}-{writer}-{nth}");
                    let Ok(answer) = owner.create(&username) else {
                        return;
                    };
                    // Once Postgres is killed, and before we are.
                    if answer.status == 503 {
                        return;
                    }
                    assert_eq!(answer.status, 201, "{answer:?}");
                    let id = answer.json["id"].as_str().unwrap().parse().unwrap();
                    acknowledged.lock().unwrap().push(id);
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        eventually("the first write", || {
            (count.load(Ordering::Relaxed) > 0).then_some(())
        });
        let moment = RandomState::new().hash_one(round) % WITHIN_MS;
        thread::sleep(Duration::from_millis(moment));
        if round % 2 == 1 {
            // As when the power goes: neither has time for anything.
            kill(folder.postgres().unwrap(), Signal::SIGKILL).unwrap();
        }
        program.signal(Signal::SIGKILL);
    });
    acknowledged.into_inner().unwrap()
}

/// Positions are dense, and the read model says what the log says.
fn the_books_balance(look: &mut Look) {
    let events = look.number("SELECT count(*) FROM log.events");
    assert_eq!(look.number("SELECT min(position) FROM log.events"), 1);
    assert_eq!(look.number("SELECT max(position) FROM log.events"), events);
    assert_eq!(look.number("SELECT position FROM log.head"), events);
    let created = look.ids(
        "SELECT aggregate_id FROM log.events WHERE event_type = 'UserCreated' ORDER BY aggregate_id",
    );
    let rows = look.ids("SELECT id FROM read.users ORDER BY id");
    assert_eq!(created, rows);
    let keys = look.ids("SELECT subject_id FROM vault.subject_keys ORDER BY subject_id");
    assert_eq!(created, keys);
}

/// While the database is away: nothing but success and a clear refusal.
#[track_caller]
fn served_or_told(answer: &Answer) -> bool {
    if answer.status == 503 {
        assert_eq!(
            answer.message(),
            "The database does not answer. Try again in a moment."
        );
        assert_eq!(answer.header("retry-after"), "5");
        return false;
    }
    assert!([200, 201].contains(&answer.status), "{answer:?}");
    true
}

fn served_again(owner: &Api) {
    eventually("service", || {
        served_or_told(&owner.get("/api/v2/users/me")).then_some(())
    });
    eventually("a write", || {
        let nth = RandomState::new().hash_one(0) % 1_000_000;
        let answer = owner.create(&format!("late-{nth}")).unwrap();
        served_or_told(&answer).then_some(())
    });
    assert_eq!(owner.get("/readyz").status, 200);
}

#[test]
fn a_postgres_of_our_own_that_is_killed_is_started_again() {
    let folder = Folder::new();
    let mut program = Program::in_folder(&folder);
    let owner = Api::at(program.address()).owner();
    let server = folder.postgres();
    kill(server.unwrap(), Signal::SIGKILL).unwrap();
    eventually("the next server", || {
        served_or_told(&owner.get("/api/v2/users/me"));
        folder.postgres().filter(|next| Some(*next) != server)
    });
    served_again(&owner);

    // It cannot be started while its data is away, as when a disk is: and no empty one is made instead.
    let (pgdata, away) = (folder.join("data/postgres"), folder.join("away"));
    let server = folder.postgres().unwrap();
    fs::rename(&pgdata, &away).unwrap();
    kill(server, Signal::SIGKILL).unwrap();
    eventually("a failed start", || {
        program.err().contains("does not start").then_some(())
    });
    assert_eq!(owner.get("/healthz").status, 200);
    assert!(!served_or_told(&owner.get("/readyz")));
    fs::rename(&away, &pgdata).unwrap();
    served_again(&owner);
    assert!(program.is_running());
    program.stop();
    assert_eq!(folder.postgres(), None);
}

#[test]
fn a_given_postgres_that_goes_and_comes_back_is_served_from_again() {
    let folder = Folder::new();
    let options = ClusterOptions {
        data_dir: folder.path().join("data"),
        postgres_bin: None,
        durability: Durability::Throwaway,
    };
    let cluster = Cluster::start(&options).unwrap();
    let url = format!(
        "postgres:///postgres?host={}&user={SUPERUSER}",
        cluster.socket_dir().display()
    );
    let mut program = Program::on(&url);
    let owner = Api::at(program.address()).owner();
    cluster.stop().unwrap();
    for _ in 0..2 {
        assert!(!served_or_told(&owner.get("/api/v2/users/me")));
        assert!(!served_or_told(&owner.get("/readyz")));
        assert!(!served_or_told(&owner.get("/api/v2/users/first")));
    }
    assert_eq!(owner.get("/healthz").status, 200);
    let cluster = Cluster::start(&options).unwrap();
    served_again(&owner);

    // The same, in the middle of writing, and without a farewell.
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            eventually("the refusal", || {
                let nth = RandomState::new().hash_one(0) % 1_000_000;
                let answer = owner.create(&format!("early-{nth}")).unwrap();
                (!served_or_told(&answer)).then_some(())
            });
        });
        kill(folder.postgres().unwrap(), Signal::SIGKILL).unwrap();
        writer.join().unwrap();
    });
    drop(cluster);
    let cluster = Cluster::start(&options).unwrap();
    served_again(&owner);
    assert!(program.is_running());
    drop(program);
    cluster.stop().unwrap();
}
