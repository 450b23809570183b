//! What the log keeps for ever.

use serde::Deserialize;
use serde_json::Value;

use super::*;

/// What is in the log stays there: lines are added here, and never changed.
const RECORDED: &str = include_str!("../../../../tests/recorded/user_v1.jsonl");

#[derive(Deserialize)]
struct Line {
    event_type: String,
    schema_version: i32,
    payload: Value,
}

fn recorded() -> impl Iterator<Item = Line> {
    RECORDED
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
}

/// Every variant there is: whoever reads one that does not exist is told those that do.
fn kinds_of_events() -> BTreeSet<String> {
    let refusal = serde_json::from_str::<UserEvent>(r#"{"none of them":{}}"#).unwrap_err();
    let refusal = refusal.to_string();
    let (_, kinds) = refusal.split_once("expected").unwrap();
    let quoted = kinds.split('`').skip(1).step_by(2);
    quoted.map(str::to_owned).collect()
}

#[test]
fn every_event_ever_recorded_is_read_and_written_as_it_was() {
    for line in recorded() {
        let bytes = serde_json::to_vec(&line.payload).unwrap();
        let event = Event::from_json(User::TYPE, &bytes).unwrap();
        assert_eq!(serde_json::to_value(&event).unwrap(), line.payload);
        assert_eq!(event.event_type(), line.event_type);
        assert_eq!(event.aggregate_type(), "user");
        assert_eq!(
            event.schema_version(),
            line.schema_version,
            "the shape has a successor: read these lines through the upcaster, begin another file"
        );
        let event = UserEvent::try_from(event).unwrap();
        assert_eq!(event.event_type(), line.event_type);
        assert_eq!(event.event_version(), line.schema_version.to_string());
    }
}

#[test]
fn every_kind_of_event_has_been_recorded() {
    let recorded: BTreeSet<String> = recorded().map(|line| line.event_type).collect();
    assert_eq!(recorded, kinds_of_events());
}

#[test]
fn what_is_sealed_of_a_person_is_read_and_written_as_it_was() {
    let person =
        r#"{"email":"Ada@example.org","username":"Ada","name":"Ada Lovelace","avatar_url":""}"#;
    let mut event = created_as(Personal::Sealed(String::new()));
    event.personal().unwrap().open(person.as_bytes()).unwrap();
    assert_eq!(event, created());
    let revealed = event.personal().unwrap().reveal().unwrap().unwrap();
    assert_eq!(String::from_utf8(revealed).unwrap(), person);
}

#[test]
fn what_is_sealed_of_a_profile_change_is_read_and_written_as_it_was() {
    for (sealed, known) in [
        (r#"{"username":"countess"}"#, renamed("countess")),
        (
            r#"{"email":"Countess@example.org"}"#,
            readdressed("Countess@example.org"),
        ),
        (
            r#"{"name":"","avatar_url":"https://example.org/ada.png"}"#,
            ProfileChange {
                email: None,
                username: None,
                name: Some(DisplayName::default()),
                avatar_url: Some("https://example.org/ada.png".into()),
            },
        ),
    ] {
        let mut event = changed(ProfileChange::default());
        event.personal().unwrap().open(sealed.as_bytes()).unwrap();
        assert_eq!(event, changed(known));
        let revealed = event.personal().unwrap().reveal().unwrap().unwrap();
        assert_eq!(String::from_utf8(revealed).unwrap(), sealed);
    }
}

#[test]
fn what_is_sealed_of_an_identity_is_read_and_written_as_it_was() {
    let sealed = r#"{"issuer":"https://id.example.org","subject":"1"}"#;
    let mut event = UserEvent::IdentityLinked {
        provider: LoginType::Oidc,
        identity: Personal::Sealed(String::new()),
    };
    event.personal().unwrap().open(sealed.as_bytes()).unwrap();
    assert_eq!(event, linked("1"));
    let revealed = event.personal().unwrap().reveal().unwrap().unwrap();
    assert_eq!(String::from_utf8(revealed).unwrap(), sealed);
}

#[test]
fn what_is_sealed_of_a_token_name_is_read_and_written_as_it_was() {
    let named = |name| UserEvent::SessionStarted {
        session: token("T", 60),
        token_name: Some(name),
    };
    let sealed = r#""Ada's laptop""#;
    let mut event = named(Personal::Sealed(String::new()));
    event.personal().unwrap().open(sealed.as_bytes()).unwrap();
    assert_eq!(event, named(Personal::Known(token_name("Ada's laptop"))));
    let revealed = event.personal().unwrap().reveal().unwrap().unwrap();
    assert_eq!(String::from_utf8(revealed).unwrap(), sealed);
}
