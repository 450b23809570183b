//! An entry in a sentence, with places for the names of who did it and of what it was done to.

use rollcall_events::attempt::{Action, ResourceType};
use rollcall_projections::audit::Kind;

/// `{user} created user {target}`, or `{user} unsuccessfully attempted to create user {target}`.
pub fn description(kind: Kind) -> String {
    let (done, to_do) = verb(kind.action);
    let mut sentence = if kind.is_refused {
        format!("{{user}} unsuccessfully attempted to {to_do}")
    } else {
        format!("{{user}} {done}")
    };
    // People sign in; that there is a key for it is nobody's concern.
    let is_by_itself = matches!(
        kind.action,
        Action::Login | Action::Logout | Action::Register
    );
    if !is_by_itself {
        sentence += " ";
        sentence += &noun(kind.resource_type);
        sentence += " {target}";
    }
    sentence
}

fn verb(action: Action) -> (&'static str, &'static str) {
    match action {
        Action::Create => ("created", "create"),
        Action::Write => ("updated", "update"),
        Action::Delete => ("deleted", "delete"),
        Action::Start => ("started", "start"),
        Action::Stop => ("stopped", "stop"),
        Action::Login => ("logged in", "log in"),
        Action::Logout => ("logged out", "log out"),
        Action::Register => ("registered", "register"),
        Action::RequestPasswordReset => (
            "requested a password reset for",
            "request a password reset for",
        ),
        Action::Connect => ("connected to", "connect to"),
        Action::Disconnect => ("disconnected from", "disconnect from"),
        Action::Open => ("opened", "open"),
        Action::Close => ("closed", "close"),
    }
}

fn noun(resource_type: ResourceType) -> String {
    resource_type.name().replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_read_as_sentences() {
        use {Action as A, ResourceType as R};
        for (kind, sentence) in [
            (
                Kind::done(A::Create, R::User),
                "{user} created user {target}",
            ),
            (
                Kind::done(A::Write, R::OrganizationMember),
                "{user} updated organization member {target}",
            ),
            (Kind::done(A::Login, R::ApiKey), "{user} logged in"),
            (
                Kind::done(A::Delete, R::ApiKey),
                "{user} deleted api key {target}",
            ),
            (
                Kind::refused(A::Login, R::ApiKey),
                "{user} unsuccessfully attempted to log in",
            ),
            (
                Kind::refused(A::Delete, R::User),
                "{user} unsuccessfully attempted to delete user {target}",
            ),
        ] {
            assert_eq!(description(kind), sentence);
        }
    }
}
