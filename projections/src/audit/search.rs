//! The little language of `q`, with which entries are searched: `user action:create username:ada date_from:2026-01-01`.
//!
//! Its form is that of all lists. What is no filter is the type of the resource. A value that cannot be is refused, and not
//! left out as the first generation of the upstream API does: an auditor would take all entries for those that were asked
//! for.

use chrono::NaiveDate;
use rollcall_events::{
    attempt::{Action, ResourceType},
    user::{EmailAddress, Username},
};
use uuid::Uuid;

pub use crate::terms::InvalidQuery;
use crate::terms::Terms;

/// Which entries are asked for. An entry must satisfy every condition; an absent one is none. Names are in the form in which they are compared.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AuditQuery {
    /// What was done to this type of resource.
    pub resource_type: Option<ResourceType>,
    /// To this one.
    pub resource_id: Option<Uuid>,
    /// To the user or organisation that has this name now.
    pub resource_target: Option<String>,
    /// What was done.
    pub action: Option<Action>,
    /// By a user who has, or had to the end, this name; `me` for who asks.
    pub username: Option<String>,
    /// By a user who has, or had to the end, this e-mail address.
    pub email: Option<String>,
    /// On this day (in UTC) or later.
    pub date_from: Option<NaiveDate>,
    /// On this day or earlier.
    pub date_to: Option<NaiveDate>,
    /// In this organisation, by its id or name.
    pub organization: Option<String>,
    /// By this request.
    pub request_id: Option<Uuid>,
    /// Of a workspace that was built for this reason: there are none.
    pub build_reason: Option<String>,
}

/// Reads `q`.
///
/// # Errors
///
/// All that is wrong with it at once, so that it can be mended in one go.
pub fn parse(q: &str) -> Result<AuditQuery, Vec<InvalidQuery>> {
    let mut terms = Terms::read(q, "resource_type");
    let name = str::to_ascii_lowercase;
    let query = AuditQuery {
        resource_type: terms.single("resource_type", "resource type", ResourceType::parse),
        resource_id: terms.single("resource_id", "uuid", uuid),
        resource_target: terms.text("resource_target", name),
        action: terms.single("action", "action", Action::parse),
        username: terms.text("username", Username::key_of),
        email: terms.text("email", EmailAddress::key_of),
        date_from: terms.single("date_from", "date, as in 2006-01-02", date),
        date_to: terms.single("date_to", "date, as in 2006-01-02", date),
        organization: terms.text("organization", name),
        request_id: terms.single("request_id", "uuid", uuid),
        build_reason: terms.text("build_reason", name),
    };
    if query
        .date_from
        .zip(query.date_to)
        .is_some_and(|(from, to)| to < from)
    {
        let detail = "Query param \"date_to\" must not be before \"date_from\"";
        terms.refuse("date_to", detail.to_owned());
    }
    let problems = terms.finish();
    if problems.is_empty() {
        Ok(query)
    } else {
        Err(problems)
    }
}

fn uuid(value: &str) -> Option<Uuid> {
    Uuid::parse_str(value).ok()
}

/// With all its digits. Years beyond 9999 are nobody's.
fn date(value: &str) -> Option<NaiveDate> {
    let has_form = value.len() == "2006-01-02".len() && !value.starts_with(['+', '-']);
    let date = NaiveDate::parse_from_str(value, "%Y-%m-%d").ok();
    date.filter(|_| has_form)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields(q: &str) -> Vec<String> {
        let problems = parse(q).unwrap_err().into_iter();
        problems.map(|problem| problem.field).collect()
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn nothing_asked_for_is_everything() {
        for q in ["", "  ", "action:\"\" username:\"\""] {
            assert_eq!(parse(q), Ok(AuditQuery::default()), "{q}");
        }
    }

    #[test]
    fn what_is_no_filter_is_the_type_of_the_resource() {
        let expected = AuditQuery {
            resource_type: Some(ResourceType::ApiKey),
            action: Some(Action::Login),
            ..AuditQuery::default()
        };
        assert_eq!(parse("API_key action:Login"), Ok(expected.clone()));
        assert_eq!(parse("resource_type:api_key action:login"), Ok(expected));
    }

    #[test]
    fn every_key_is_read() {
        let id = Uuid::from_u128(7);
        let q = format!(
            "resource_id:{id} resource_target:Ada username:Me email:ADA@example.com organization:Default \
             date_from:2026-01-01 date_to:2026-01-01 request_id:{id} build_reason:initiator"
        );
        let expected = AuditQuery {
            resource_id: Some(id),
            resource_target: Some("ada".to_owned()),
            username: Some("me".to_owned()),
            email: Some("ada@example.com".to_owned()),
            date_from: Some(day("2026-01-01")),
            date_to: Some(day("2026-01-01")),
            organization: Some("default".to_owned()),
            request_id: Some(id),
            build_reason: Some("initiator".to_owned()),
            ..AuditQuery::default()
        };
        assert_eq!(parse(&q), Ok(expected));
    }

    #[test]
    fn types_and_actions_of_things_that_we_do_not_have_can_be_asked_for() {
        for kind in ResourceType::ALL {
            assert_eq!(parse(kind.name()).unwrap().resource_type, Some(kind));
        }
        for action in Action::ALL {
            let query = parse(&format!("action:{}", action.name())).unwrap();
            assert_eq!(query.action, Some(action));
        }
    }

    #[test]
    fn values_that_cannot_be_are_refused() {
        for (q, field) in [
            ("users", "resource_type"),
            ("user api_key", "resource_type"),
            ("user resource_type:user", "resource_type"),
            ("resource_type:x", "resource_type"),
            ("action:read", "action"),
            ("action:create,write", "action"),
            ("action:create action:write", "action"),
            ("resource_id:7", "resource_id"),
            ("request_id:x", "request_id"),
            ("date_from:yesterday", "date_from"),
            ("date_from:2026-1-1", "date_from"),
            ("date_to:2026-02-30", "date_to"),
            ("date_to:-026-01-01", "date_to"),
            ("date_to:12026-01-01", "date_to"),
            ("date_from:2026-01-02 date_to:2026-01-01", "date_to"),
            ("name:ada", "name"),
            ("username:", "q"),
        ] {
            assert_eq!(fields(q), [field], "{q}");
        }
    }

    proptest! {
        #[test]
        fn any_string_gets_an_answer(q in any::<String>()) {
            let _ = parse(&q);
        }

        #[test]
        fn anything_near_the_grammar_gets_an_answer(
            q in r#"(user|action|date_from|username|me|[ :",\x00é-]|create|2026-01-02){0,12}"#
        ) {
            let _ = parse(&q);
        }
    }
}
