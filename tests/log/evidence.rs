//! What the log gives as evidence: checkpoints that go on from each other, and proofs that need not read all of it.

use chrono::TimeDelta;
use rollcall_events::{
    clock::Clock,
    evidence::{
        Checkpoint,
        proof::{verify_consistency, verify_inclusion},
    },
    log::{
        Frontier, Hash, ProofError, RawEvent,
        checkpoints::{self, Made, MakeError},
        head, proofs,
    },
    vault::{MasterKey, Vault, VaultError},
};
use sqlx::{ConnectOptions, Executor, PgConnection};

use crate::{
    support::{TestApp, beginning},
    tools::{raw_events, user},
};

const ORIGIN: &str = "rollcall.example.com";

async fn make(app: &TestApp) -> Result<Made, MakeError> {
    let vault = app.app.log.vault();
    checkpoints::make(app.pool(), vault, ORIGIN, app.clock.as_ref(), None).await
}

/// What everybody can open with the public key.
async fn opened(app: &TestApp, made: &Made) -> Checkpoint {
    let signer = app.app.log.vault().signer(ORIGIN, app.clock.as_ref());
    Checkpoint::open(&made.note, &signer.await.unwrap().verifier_key()).unwrap()
}

fn root(events: &[RawEvent]) -> Hash {
    frontier(events).root()
}

fn frontier(events: &[RawEvent]) -> Frontier {
    let mut frontier = Frontier::default();
    for event in events {
        frontier.push(event.leaf());
    }
    frontier
}

/// Who may do everything, and does not care for triggers.
async fn forger(app: &TestApp) -> PgConnection {
    let mut conn = app.superuser.connect().await.unwrap();
    conn.execute("SET session_replication_role = replica")
        .await
        .unwrap();
    conn
}

/// Makes the head one that fits the events, as a forger would who knows how.
async fn mend_head(conn: &mut PgConnection) {
    let events = raw_events(conn).await;
    sqlx::query("UPDATE log.head SET position = $1, frontier = $2")
        .bind(i64::try_from(events.len()).unwrap())
        .bind(frontier(&events).to_bytes())
        .execute(conn)
        .await
        .unwrap();
}

/// A log of so many events.
async fn grow(app: &TestApp, events: i64) {
    user(app, "ada").await;
    let mut conn = forger(app).await;
    sqlx::query(
        "INSERT INTO log.events
         SELECT nth, 'user', aggregate_id, nth + 1000, 'UserSuspended', 1, payload, metadata, recorded_at
           FROM log.events, generate_series(3, $1) AS nth WHERE position = 2",
    )
    .bind(events)
    .execute(&mut conn)
    .await
    .unwrap();
    mend_head(&mut conn).await;
}

#[tokio::test]
async fn a_checkpoint_is_the_signed_head_and_there_is_one_for_each() {
    let app = TestApp::start().await;
    user(&app, "ada").await;
    let first = make(&app).await.unwrap();
    let events = raw_events(&mut app.superuser.connect().await.unwrap()).await;
    let checkpoint = opened(&app, &first).await;
    assert_eq!(checkpoint.origin, ORIGIN);
    assert_eq!(checkpoint.size, 2);
    assert_eq!(checkpoint.root, root(&events));
    assert_eq!(first.made_at, beginning());
    // Nothing happened since.
    let again = make(&app).await.unwrap();
    assert_eq!(again.note, first.note);
    assert_eq!((first.is_new, again.is_new), (true, false));
    user(&app, "bob").await;
    let second = make(&app).await.unwrap();
    assert_eq!(opened(&app, &second).await.size, 3);
    let newest = checkpoints::newest(app.pool()).await.unwrap();
    assert_eq!(newest.unwrap().note, second.note);
    let known = checkpoints::at(app.pool(), &[1, 2, 3]).await.unwrap();
    let notes: Vec<String> = known.into_iter().map(|made| made.note).collect();
    assert_eq!(notes, [first.note, second.note]);
}

#[tokio::test]
async fn of_nodes_that_make_one_at_once_one_does_and_all_sign_with_the_same_key() {
    let app = TestApp::start().await;
    user(&app, "ada").await;
    let mut nodes = Vec::new();
    for _ in 0..4 {
        nodes.push(app.second_node().await);
    }
    let made = futures_util::future::join_all(nodes.iter().map(make)).await;
    let mut new = 0;
    for one in made {
        let one = one.unwrap();
        opened(&app, &one).await;
        new += u32::from(one.is_new);
    }
    assert_eq!(new, 1);
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM log.checkpoints")
        .fetch_one(app.pool())
        .await
        .unwrap();
    assert_eq!(rows, 1);
    // Who asks for one that is younger than something is content with it, whatever has happened.
    user(&app, "bob").await;
    let vault = app.app.log.vault();
    let since = Some(app.clock.now() - TimeDelta::seconds(1));
    let content = checkpoints::make(app.pool(), vault, ORIGIN, app.clock.as_ref(), since).await;
    assert_eq!(content.unwrap().size, 2);
}

#[tokio::test]
async fn every_event_and_every_growth_of_a_small_log_is_proved() {
    let app = TestApp::start().await;
    for nth in 0..9 {
        user(&app, &format!("user{nth}")).await;
    }
    let events = raw_events(&mut app.superuser.connect().await.unwrap()).await;
    for size in 1..=events.len() {
        let whole = root(&events[..size]);
        let to = u64::try_from(size).unwrap();
        for position in 1..=to {
            let proved = proofs::inclusion(app.pool(), position, Some(to))
                .await
                .unwrap();
            assert_eq!(proved.root, whole);
            let leaf = proved.event.leaf();
            verify_inclusion(&leaf, position - 1, to, &proved.path, &whole).unwrap();
        }
        for from in 0..=to {
            let proved = proofs::consistency(app.pool(), from, to).await.unwrap();
            let earlier = root(&events[..usize::try_from(from).unwrap()]);
            verify_consistency(from, to, &proved.path, &earlier, &whole).unwrap();
        }
    }
    for refused in [
        proofs::inclusion(app.pool(), 0, None).await.err(),
        proofs::inclusion(app.pool(), 11, None).await.err(),
        proofs::inclusion(app.pool(), 3, Some(2)).await.err(),
        proofs::inclusion(app.pool(), 3, Some(11)).await.err(),
        proofs::consistency(app.pool(), 3, 2).await.err(),
        proofs::consistency(app.pool(), 3, 11).await.err(),
    ] {
        let refused = refused.unwrap();
        assert!(
            matches!(refused, ProofError::NoSuch { end: 10, .. }),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn a_large_log_is_proved_by_what_is_kept_of_its_tree_and_a_wrong_row_does_no_harm() {
    let app = TestApp::start().await;
    grow(&app, 5_000).await;
    let mut conn = forger(&app).await;
    let events = raw_events(&mut conn).await;
    let prove = async || {
        for (position, size) in [(1, 5_000), (1_024, 4_096), (1_025, 1_025), (4_999, 5_000)] {
            let proved = proofs::inclusion(app.pool(), position, Some(size))
                .await
                .unwrap();
            let whole = root(&events[..usize::try_from(size).unwrap()]);
            let leaf = proved.event.leaf();
            verify_inclusion(&leaf, position - 1, size, &proved.path, &whole).unwrap();
        }
        for (from, to) in [(1, 5_000), (2_048, 5_000), (3_000, 4_500)] {
            let proved = proofs::consistency(app.pool(), from, to).await.unwrap();
            let at = |size: u64| root(&events[..usize::try_from(size).unwrap()]);
            verify_consistency(from, to, &proved.path, &at(from), &at(to)).unwrap();
        }
    };
    prove().await;
    let kept = "SELECT array_agg(level || ':' || nth ORDER BY level, nth) FROM live.tree";
    let kept: Vec<String> = sqlx::query_scalar(kept).fetch_one(&mut conn).await.unwrap();
    assert_eq!(
        kept,
        ["10:0", "10:1", "10:2", "10:3", "11:0", "11:1", "12:0"]
    );
    for harm in [
        "UPDATE live.tree SET root = sha256('x') WHERE level = 10 AND nth = 1",
        "UPDATE live.tree SET root = sha256('x') WHERE level = 12",
        "UPDATE live.tree SET root = 'short' WHERE level = 11 AND nth = 0",
        "DELETE FROM live.tree WHERE level = 10 AND nth = 2",
        "DELETE FROM live.tree WHERE level = 11",
        "DELETE FROM live.tree WHERE nth = 3",
        "INSERT INTO live.tree VALUES (10, 9, sha256('x'))",
        "INSERT INTO live.tree VALUES (10, 9223372036854775807, sha256('x'))",
        "INSERT INTO live.tree VALUES (10, -9223372036854775808, sha256('x'))",
        "TRUNCATE live.tree",
    ] {
        conn.execute(harm).await.unwrap();
        prove().await;
        make(&app).await.unwrap();
    }
}

#[tokio::test]
async fn a_log_whose_events_are_not_those_of_its_head_gives_no_proof_of_them() {
    let app = TestApp::start().await;
    grow(&app, 3_000).await;
    make(&app).await.unwrap();
    let mut conn = forger(&app).await;
    conn.execute("UPDATE log.events SET payload = '{}' WHERE position = 700")
        .await
        .unwrap();
    let refused = proofs::inclusion(app.pool(), 700, None).await.unwrap_err();
    assert!(matches!(refused, ProofError::Altered(_)), "{refused}");
    conn.execute("DELETE FROM log.events WHERE position = 2999")
        .await
        .unwrap();
    let refused = proofs::consistency(app.pool(), 2_990, 3_000)
        .await
        .unwrap_err();
    assert!(matches!(refused, ProofError::Altered(_)), "{refused}");
    let source = std::error::Error::source(&refused).unwrap().to_string();
    assert!(source.contains("missing"), "{source}");
}

/// Each of these changes the past, and makes the head fit.
const REWRITTEN: [&str; 5] = [
    "UPDATE log.events SET payload = '{}' WHERE position = 5",
    "UPDATE log.events SET recorded_at = recorded_at + interval '1 microsecond' WHERE position = 1300",
    "DELETE FROM log.events WHERE position > 1200",
    "DELETE FROM log.events WHERE position = 7; UPDATE log.events SET position = position - 1 WHERE position > 7",
    "UPDATE log.events SET position = -position WHERE position IN (8, 9);
     UPDATE log.events SET position = 17 + position WHERE position < 0",
];

#[tokio::test]
async fn a_log_that_was_rewritten_gets_no_signature() {
    for rewriting in REWRITTEN {
        let app = TestApp::start().await;
        grow(&app, 1_300).await;
        let made = make(&app).await.unwrap();
        let mut conn = forger(&app).await;
        conn.execute(rewriting).await.unwrap();
        mend_head(&mut conn).await;
        user(&app, "bob").await;
        let refused = make(&app).await.unwrap_err();
        assert!(
            matches!(refused, MakeError::Rewritten(1_300)),
            "{rewriting}: {refused}"
        );
        // Nor if the checkpoint was made to fit, by who has not the key.
        let events = raw_events(&mut conn).await;
        let forged = root(&events[..events.len().min(1_300)]).to_vec();
        sqlx::query("UPDATE log.checkpoints SET root = $1")
            .bind(forged)
            .execute(&mut conn)
            .await
            .unwrap();
        assert!(make(&app).await.is_err(), "{rewriting}");
        let newest = checkpoints::newest(app.pool()).await.unwrap().unwrap();
        assert_eq!(newest.note, made.note, "{rewriting}");
    }
}

#[tokio::test]
async fn events_that_are_not_those_of_the_head_get_no_first_checkpoint_either() {
    let app = TestApp::start().await;
    user(&app, "ada").await;
    let mut conn = forger(&app).await;
    conn.execute("UPDATE log.events SET payload = '{}' WHERE position = 1")
        .await
        .unwrap();
    let refused = make(&app).await.unwrap_err();
    assert!(matches!(refused, MakeError::Altered(_)), "{refused}");
    assert_eq!(checkpoints::newest(app.pool()).await.unwrap(), None);
}

#[tokio::test]
async fn checkpoints_stay_as_they_were_made() {
    let app = TestApp::start().await;
    make(&app).await.unwrap();
    for options in [&app.database, &app.superuser] {
        let mut conn = options.connect().await.unwrap();
        for change in [
            "UPDATE log.checkpoints SET note = ''",
            "DELETE FROM log.checkpoints",
            "TRUNCATE log.checkpoints",
        ] {
            let refusal = conn.execute(change).await.unwrap_err().to_string();
            let is_refused = ["append-only", "permission denied"]
                .iter()
                .any(|reason| refusal.contains(reason));
            assert!(is_refused, "{change}: {refusal}");
        }
    }
}

#[tokio::test]
async fn the_key_is_one_for_the_database_and_opens_for_its_master_key_alone() {
    let app = TestApp::start().await;
    let key = async |app: &TestApp| {
        let signer = app.app.log.vault().signer(ORIGIN, app.clock.as_ref());
        signer.await.unwrap().verifier_key()
    };
    let other = app.second_node().await;
    let keys = tokio::join!(key(&app), key(&other));
    assert_eq!(keys.0, keys.1);
    assert_ne!(key(&TestApp::start().await).await, keys.0);
    // A master key that the vault believes, and that is another.
    let mut conn = app.superuser.connect().await.unwrap();
    let wrong = MasterKey::new([43; 32]);
    sqlx::query("UPDATE vault.master_keys SET id = $1")
        .bind(wrong.id())
        .execute(&mut conn)
        .await
        .unwrap();
    let vault = Vault::open(app.pool().clone(), wrong, app.clock.as_ref())
        .await
        .unwrap();
    let refused = vault.signer(ORIGIN, app.clock.as_ref()).await.unwrap_err();
    let altered = VaultError::AlteredCheckpointKey.to_string();
    assert_eq!(refused.to_string(), altered);
    assert!(
        app.app
            .log
            .vault()
            .signer("no name", app.clock.as_ref())
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_checkpoint_goes_on_from_one_of_an_earlier_name() {
    let app = TestApp::start().await;
    make(&app).await.unwrap();
    user(&app, "ada").await;
    let vault = app.app.log.vault();
    let clock = app.clock.as_ref();
    let renamed = checkpoints::make(app.pool(), vault, "example.com/log", clock, None).await;
    assert!(renamed.unwrap().note.starts_with("example.com/log\n2\n"));
}

#[tokio::test]
async fn the_head_that_is_signed_is_one_even_while_others_write() {
    let app = TestApp::start().await;
    let writing = async {
        for nth in 0..40 {
            user(&app, &format!("user{nth}")).await;
        }
    };
    let signing = async {
        let mut sizes = Vec::new();
        while sizes.last() != Some(&41) {
            sizes.push(make(&app).await.unwrap().size);
        }
        sizes
    };
    let ((), sizes) = tokio::join!(writing, signing);
    assert!(sizes.is_sorted(), "{sizes:?}");
    let events = raw_events(&mut app.superuser.connect().await.unwrap()).await;
    for made in checkpoints::at(app.pool(), &sizes).await.unwrap() {
        let checkpoint = opened(&app, &made).await;
        let size = usize::try_from(checkpoint.size).unwrap();
        assert_eq!(checkpoint.root, root(&events[..size]));
    }
    assert_eq!(head(app.pool()).await.unwrap().position, 41);
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_says_between_which_checkpoints_the_log_was_altered() {
    let app = TestApp::start().await;
    for name in ["ada", "bob", "cleo"] {
        user(&app, name).await;
        make(&app).await.unwrap();
    }
    assert_eq!(crate::verify::verified(&app, None, false).await.flaws, []);
    let mut conn = forger(&app).await;
    conn.execute("UPDATE log.events SET metadata = metadata || ' ' WHERE position = 3")
        .await
        .unwrap();
    mend_head(&mut conn).await;
    let found = crate::verify::verified(&app, None, false).await;
    let flaws: Vec<String> = found.flaws.iter().map(ToString::to_string).collect();
    let says = "log: event 3: the tree of all events up to here is not the one of the checkpoint \
                that was made here: an event after 2 was altered";
    assert_eq!(flaws, [says]);
    // What was cut off at the end.
    let app = TestApp::start().await;
    user(&app, "ada").await;
    make(&app).await.unwrap();
    let mut conn = forger(&app).await;
    conn.execute("DELETE FROM log.events WHERE position = 2; DELETE FROM read.users")
        .await
        .unwrap();
    mend_head(&mut conn).await;
    let found = crate::verify::verified(&app, None, false).await;
    let flaws: Vec<String> = found.flaws.iter().map(ToString::to_string).collect();
    let says = "log: event 1: a checkpoint was made at event 2, which is not there";
    assert!(flaws.contains(&says.to_owned()), "{flaws:?}");
}
