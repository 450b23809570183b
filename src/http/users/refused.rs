//! What is answered when a command about a user is refused.

use axum::http::StatusCode;
use rollcall_events::{Claim, user::UserError};

use crate::{
    command_bus::CommandError,
    http::answer::{Refusal, Validation},
};

/// The answer to a refused command, as far as it does not depend on the endpoint.
pub fn refused(error: &CommandError<UserError>) -> Refusal {
    match error {
        CommandError::Taken(claim) => taken(claim),
        CommandError::Refused(UserError::NotFound) => Refusal::not_found(),
        CommandError::Refused(UserError::CredentialsChanged) => {
            Refusal::from_command(&CommandError::<UserError>::Contended)
        }
        CommandError::Refused(rule) => Refusal::new(StatusCode::BAD_REQUEST, sentence(*rule)),
        other => Refusal::from_command(other),
    }
}

/// Somebody else has it.
pub fn taken(claim: &Claim) -> Refusal {
    let conflict = |message: &str| Refusal::new(StatusCode::CONFLICT, message);
    let validation = |field, detail| vec![Validation::new(field, detail)];
    match claim {
        Claim::Email(_) => conflict("User already exists.")
            .with_validations(validation("email", "This e-mail address is in use.")),
        Claim::Username(_) => conflict("User already exists.")
            .with_validations(validation("username", "This username is in use.")),
        Claim::Identity(_) => conflict("Another user is linked to this account at the provider."),
        Claim::TokenName(_) => conflict("A token of this name exists already.")
            .with_validations(validation("name", "This name is in use.")),
        Claim::AnotherOwner => Refusal::new(
            StatusCode::BAD_REQUEST,
            "This is the last active owner: make somebody else an owner first.",
        ),
        Claim::FirstUser => conflict("There are users already."),
        Claim::OrganizationName(_) | Claim::DefaultOrganization => {
            conflict("Organization already exists.")
        }
    }
}

/// A rule as a sentence.
fn sentence(rule: UserError) -> String {
    let text = rule.to_string();
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(characters).chain(['.']).collect()
}
