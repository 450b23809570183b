//! What the log proves of itself.

use axum::http::Method;
use base64::{Engine, engine::general_purpose::STANDARD};
use rollcall::checkpoints;
use rollcall_events::{
    evidence::{
        Checkpoint,
        proof::{verify_consistency, verify_inclusion},
    },
    log::head,
    user::Role,
};
use serde_json::{Value, json};

use crate::{
    given::{USERS, assert_refused, member, with_role, wrong_fields},
    support::TestApp,
};

const CHECKPOINT: &str = "/api/v2/log/checkpoint";
const INCLUSION: &str = "/api/v2/log/proof/inclusion";
const CONSISTENCY: &str = "/api/v2/log/proof/consistency";

/// Makes one as the schedule would; what it says.
async fn checkpoint(app: &TestApp) -> Checkpoint {
    let (config, log, clock) = (&app.app.config, &app.app.log, app.clock.as_ref());
    let made = checkpoints::make(config, log, clock, None).await.unwrap();
    let signer = log.vault().signer("localhost", clock).await.unwrap();
    Checkpoint::open(&made.note, &signer.verifier_key()).unwrap()
}

fn hash(text: &Value) -> [u8; 32] {
    let bytes = STANDARD.decode(text.as_str().unwrap()).unwrap();
    bytes.try_into().unwrap()
}

fn path(proof: &Value) -> Vec<[u8; 32]> {
    proof["path"].as_array().unwrap().iter().map(hash).collect()
}

#[tokio::test]
async fn the_newest_checkpoint_is_given_as_it_was_signed() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    assert_refused(
        &owner.get(CHECKPOINT).await,
        404,
        "No checkpoint was made yet",
    );
    checkpoint(&app).await;
    app.user(&owner, "bob").await;
    let made = checkpoint(&app).await;
    let answer = owner.get(CHECKPOINT).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    assert!(
        answer.text.starts_with(&made.to_string()),
        "{}",
        answer.text
    );
    let head = head(app.pool()).await.unwrap();
    assert_eq!(
        (made.size, made.root),
        (head.frontier.size(), head.frontier.root())
    );
}

#[tokio::test]
async fn an_event_is_proved_before_and_after_its_person_is_erased() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    let made = checkpoint(&app).await;
    let position = made.size;
    let asked = format!("{INCLUSION}?position={position}");
    let before = owner.get(&asked).await;
    assert_eq!(before.status, 200, "{before:?}");
    let proof = &before.json;
    assert_eq!(proof["size"], made.size);
    assert_eq!(proof["event"]["aggregate_id"], bob.to_string());
    assert_eq!(proof["event"]["leaf"], proof["leaf"]);
    let root = made.root;
    verify_inclusion(
        &hash(&proof["leaf"]),
        position - 1,
        made.size,
        &path(proof),
        &root,
    )
    .unwrap();
    let note = owner.get(CHECKPOINT).await.text;
    assert_eq!(proof["checkpoints"], json!([note]));
    // Nothing of the person is in it.
    assert!(!before.text.contains("bob"), "{before:?}");

    let erase = serde_json::to_vec(&json!({ "confirm": "bob" })).unwrap();
    let personal = format!("{USERS}/{bob}/personal-data");
    let erased = owner.send(Method::DELETE, &personal, &[], erase).await;
    assert_eq!(erased.status, 200, "{erased:?}");
    assert_eq!(owner.get(&asked).await.json, before.json);
    let later = checkpoint(&app).await;
    let after = owner.get(&asked).await.json;
    assert_eq!(after["event"], before.json["event"]);
    verify_inclusion(
        &hash(&after["leaf"]),
        position - 1,
        later.size,
        &path(&after),
        &later.root,
    )
    .unwrap();
    let (from, to) = (made.size, later.size);
    let grown = owner
        .get(&format!("{CONSISTENCY}?from={from}&to={to}"))
        .await
        .json;
    verify_consistency(from, to, &path(&grown), &root, &later.root).unwrap();
    assert_eq!(grown["checkpoints"].as_array().unwrap().len(), 2);
    assert_eq!(hash(&grown["from_root"]), root);
    assert_eq!(hash(&grown["to_root"]), later.root);
}

#[tokio::test]
async fn without_a_checkpoint_a_proof_is_of_the_log_as_it_is_or_was() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let head = head(app.pool()).await.unwrap();
    let proof = owner.get(&format!("{INCLUSION}?position=1")).await.json;
    assert_eq!(hash(&proof["root"]), head.frontier.root());
    assert_eq!(proof["checkpoints"], json!([]));
    let proof = owner
        .get(&format!("{INCLUSION}?position=1&size=1"))
        .await
        .json;
    assert_eq!(proof["root"], proof["leaf"]);
    // What came after the checkpoint is in no checkpoint yet.
    checkpoint(&app).await;
    app.user(&owner, "bob").await;
    let last = head.frontier.size() + 1;
    let proof = owner
        .get(&format!("{INCLUSION}?position={last}"))
        .await
        .json;
    assert_eq!(proof["size"], last);
}

#[tokio::test]
async fn what_cannot_be_proved_is_refused() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for (path, fields) in [
        (INCLUSION.to_owned(), vec!["position"]),
        (format!("{INCLUSION}?position=0"), vec!["position"]),
        (format!("{INCLUSION}?position=1&size=x"), vec!["size"]),
        (CONSISTENCY.to_owned(), vec!["from", "to"]),
        (format!("{CONSISTENCY}?from=1"), vec!["to"]),
    ] {
        assert_eq!(wrong_fields(&owner.get(&path).await), fields, "{path}");
    }
    for path in [
        format!("{INCLUSION}?position=1000"),
        format!("{INCLUSION}?position=2&size=1"),
        format!("{INCLUSION}?position=1&size=1000"),
        format!("{CONSISTENCY}?from=2&to=1"),
        format!("{CONSISTENCY}?from=1&to=9223372036854775807"),
    ] {
        assert_refused(&owner.get(&path).await, 404, "does not reach so far");
    }
}

#[tokio::test]
async fn only_who_may_read_the_audit_log_gets_evidence() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    let auditor = with_role(&app, &owner, "ann", Role::Auditor).await;
    checkpoint(&app).await;
    for path in [
        CHECKPOINT.to_owned(),
        format!("{INCLUSION}?position=1"),
        format!("{CONSISTENCY}?from=1&to=2"),
    ] {
        assert_refused(&bob.get(&path).await, 403, "Forbidden");
        assert_eq!(auditor.get(&path).await.status, 200, "{path}");
    }
}
