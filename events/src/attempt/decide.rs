//! What a wish to record leads to: the record.

use super::{AttemptCommand, AttemptEvent, RefusedAttempt, TestEntry, UnlistedAttempts};
use crate::personal::Personal;

pub(super) fn decide(command: &AttemptCommand) -> AttemptEvent {
    match command {
        AttemptCommand::RecordRefusal { attempt, times } => refused(attempt, *times),
        AttemptCommand::RecordUnlisted { attempts, times } => not_listed(attempts, *times),
        AttemptCommand::RecordTestEntry(entry) => made_up(entry),
    }
}

fn refused(attempt: &RefusedAttempt, times: u32) -> AttemptEvent {
    AttemptEvent::AttemptRefused {
        action: attempt.action,
        resource_type: attempt.resource_type,
        resource_id: attempt.resource_id,
        user_id: attempt.user_id,
        organization_id: attempt.organization_id,
        status: attempt.status,
        reason: attempt.reason,
        times,
        email: attempt.email.clone().map(Personal::Known),
    }
}

fn not_listed(attempts: &UnlistedAttempts, times: u32) -> AttemptEvent {
    AttemptEvent::AttemptsNotListed {
        action: attempts.action,
        resource_type: attempts.resource_type,
        user_id: attempts.user_id,
        status: attempts.status,
        times,
    }
}

fn made_up(entry: &TestEntry) -> AttemptEvent {
    AttemptEvent::TestEntryMade {
        action: entry.action,
        resource_type: entry.resource_type,
        resource_id: entry.resource_id,
        organization_id: entry.organization_id,
        request_id: entry.request_id,
        time: entry.time,
        additional_fields: Personal::Known(entry.additional_fields.clone()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use cqrs_es::{Aggregate, test::TestFramework};

    use super::super::{Action, AttemptsOfDay, RefusalReason, ResourceType};
    use super::*;
    use crate::Event;

    fn attempt() -> RefusedAttempt {
        RefusedAttempt {
            action: Action::Login,
            resource_type: ResourceType::ApiKey,
            resource_id: None,
            user_id: None,
            organization_id: None,
            status: 401,
            reason: Some(RefusalReason::UnknownEmail),
            email: Some("nobody@example.com".to_owned()),
        }
    }

    fn record() -> AttemptCommand {
        AttemptCommand::RecordRefusal {
            attempt: attempt(),
            times: 3,
        }
    }

    #[test]
    fn an_attempt_is_recorded_whatever_the_day_has_seen() {
        let recorded = decide(&record());
        for earlier in [vec![], vec![recorded.clone(), recorded.clone()]] {
            TestFramework::<AttemptsOfDay>::with(())
                .given(earlier)
                .when(record())
                .then_expect_events(vec![recorded.clone()]);
        }
    }

    #[test]
    fn the_address_that_was_tried_is_personal() {
        let mut recorded = decide(&record());
        let email = recorded
            .personal()
            .and_then(|field| field.reveal().unwrap());
        assert_eq!(email.unwrap(), br#""nobody@example.com""#);
        assert!(!format!("{:?}", record()).contains("nobody"));
        assert!(!format!("{recorded:?}").contains("nobody"));
    }

    /// What is in the log stays there: lines are added here, and never changed.
    const RECORDED: &str = include_str!("../../../tests/recorded/attempt_v1.jsonl");

    #[derive(serde::Deserialize)]
    struct Line {
        event_type: String,
        schema_version: i32,
        payload: serde_json::Value,
    }

    fn recorded() -> impl Iterator<Item = Line> {
        RECORDED
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
    }

    #[test]
    fn every_event_ever_recorded_is_read_and_written_as_it_was() {
        for line in recorded() {
            let bytes = serde_json::to_vec(&line.payload).unwrap();
            let event = Event::from_json(AttemptsOfDay::TYPE, &bytes).unwrap();
            assert_eq!(serde_json::to_value(&event).unwrap(), line.payload);
            assert_eq!(event.event_type(), line.event_type);
            assert_eq!(
                event.schema_version(),
                line.schema_version,
                "the shape has a successor: read these lines through the upcaster, begin another file"
            );
        }
    }

    #[test]
    fn every_kind_of_event_has_been_recorded() {
        // Whoever reads a variant that does not exist is told those that do.
        let refusal = serde_json::from_str::<AttemptEvent>(r#"{"none of them":{}}"#).unwrap_err();
        let refusal = refusal.to_string();
        let (_, kinds) = refusal.split_once("expected").unwrap();
        let kinds: BTreeSet<&str> = kinds.split('`').skip(1).step_by(2).collect();
        let recorded: Vec<String> = recorded().map(|line| line.event_type).collect();
        assert_eq!(
            recorded.iter().map(String::as_str).collect::<BTreeSet<_>>(),
            kinds
        );
    }
}
